"""Runs on disk: arrays in safetensors, the configuration as JSON in its header."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuronwidgets.core.tensorfile import read_tensors, write_tensors
from neuronwidgets.toy.config import Config
from neuronwidgets.toy.log import LOGGED, Log

if TYPE_CHECKING:
    from neuronwidgets.toy.run import Run

FORMAT = "neuronwidgets.toy/1"
"""Name and version of the file format, in the file's header."""
_ARRAYS = ("W_e", "checkpoints", "W1", "b", "W2")


def save_run(run: Run, path: str | Path) -> Path:
    """Write a run to `path`. Returns the path."""
    arrays = {name: getattr(run, name) for name in _ARRAYS}
    arrays |= {f"log.{name}": getattr(run.log, name) for name in LOGGED}
    if run.W_o is not None:
        arrays["W_o"] = run.W_o
    about = {"format": FORMAT, "config": json.dumps(asdict(run.config))}
    return write_tensors(path, arrays, about)


def load_fields(path: str | Path) -> dict[str, Any]:
    """The fields of the `Run` in a file that `save_run` wrote.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is not a run, or is in another version's format.
    """
    arrays, about = read_tensors(path, "Run.save", FORMAT)
    return {
        "config": Config(**json.loads(about["config"])),
        "W_o": arrays.get("W_o"),
        "log": Log(**{name: arrays[f"log.{name}"] for name in LOGGED}),
        **{name: arrays[name] for name in _ARRAYS},
    }
