"""Runs on disk: arrays in safetensors, the configuration as JSON in its header."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from neuronwidgets.core.tensorfile import read_tensors, write_tensors
from neuronwidgets.toy.config import Config

if TYPE_CHECKING:
    from neuronwidgets.toy.run import Run

FORMAT = "neuronwidgets.toy/1"
_ARRAYS = ("W_e", "checkpoints", "W1", "b", "W2")


def save(run: Run, path: str | Path) -> Path:
    """Write `path`. Returns it."""
    from neuronwidgets.toy.run import LOGGED

    arrays = {name: getattr(run, name) for name in _ARRAYS}
    arrays |= {f"log.{name}": getattr(run.log, name) for name in LOGGED}
    if run.W_o is not None:
        arrays["W_o"] = run.W_o
    about = {"format": FORMAT, "config": json.dumps(asdict(run.config))}
    return write_tensors(path, arrays, about)


def load(path: str | Path) -> Run:
    """Read what `save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else, or another version's format.
    """
    from neuronwidgets.toy.run import LOGGED, Log, Run

    arrays, about = read_tensors(path, "Run.save", FORMAT)
    return Run(
        config=Config(**json.loads(about["config"])),
        W_o=arrays.get("W_o"),
        log=Log(**{name: arrays[f"log.{name}"] for name in LOGGED}),
        **{name: arrays[name] for name in _ARRAYS},
    )
