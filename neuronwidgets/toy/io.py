"""Runs on disk: arrays in safetensors, the configuration as JSON in its header."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.core.modes import own_modes
from neuronwidgets.toy.config import Config
from neuronwidgets.toy.log import LOGGED, Log

if TYPE_CHECKING:
    from neuronwidgets.toy.run import Run

FORMAT = "neuronwidgets.toy/1"
"""Name and version of the file format, in the file's header."""
_ARRAYS = ("W_e", "checkpoints", "W1", "b", "W2")


def save_run(run: Run, path: str | Path) -> Path:
    """Write a run to `path`. Returns the path."""
    from safetensors.numpy import save_file

    arrays = {name: getattr(run, name) for name in _ARRAYS}
    arrays |= {f"log.{name}": getattr(run.log, name) for name in LOGGED}
    if run.W_o is not None:
        arrays["W_o"] = run.W_o
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"format": FORMAT, "config": json.dumps(asdict(run.config))}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, about)
    return path


@own_modes()
def load_fields(path: str | Path) -> dict[str, Any]:
    """The fields of the `Run` in a file that `save_run` wrote.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is not a run, or is in another version's format.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    try:
        with safe_open(str(path), "numpy") as file:
            about = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a file that Run.save wrote: {error}") from None
    if about.get("format") != FORMAT:
        raise ValueError(
            f"{path} is in the format {about.get('format')!r}; this version reads {FORMAT!r}."
        )
    return {
        "config": Config(**json.loads(about["config"])),
        "W_o": arrays.get("W_o"),
        "log": Log(**{name: arrays[f"log.{name}"] for name in LOGGED}),
        **{name: arrays[name] for name in _ARRAYS},
    }
