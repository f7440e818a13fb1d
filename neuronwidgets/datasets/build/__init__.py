"""Scripts that rebuild `neuronwidgets/datasets/data` on a CPU.

The same library versions on the same machine give the same bytes.
"""

from __future__ import annotations

import gzip
import json
import platform
import random
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"
THREADS = 2
"""CPU threads of training: sums are split by thread, so another number changes the last bits."""


def reproducible(seed: int) -> None:
    """Seed every generator, set the number of threads, refuse non-deterministic kernels."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    # The line above switches this on, which fills every new tensor and takes time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def copy_licence(name: str, out: Path) -> None:
    """Copy a data set's LICENSE into another folder."""
    kept = DATA / name / "LICENSE"
    if out.resolve() != kept.parent.resolve():
        shutil.copyfile(kept, out / "LICENSE")


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python and of the named packages."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write indented JSON in UTF-8."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_gzip(path: Path, data: bytes) -> None:
    """Compress `data` into a file whose bytes depend on `data` only."""
    # Without mtime, gzip writes the time, and the same data would give other bytes.
    path.write_bytes(gzip.compress(data, compresslevel=9, mtime=0))
