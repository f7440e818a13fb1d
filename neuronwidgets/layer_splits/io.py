"""A split layer in a folder: a file for each block, and a description in JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.store.shards import StoreError, absolute_folder, read_shard
from neuronwidgets.core.tensorfile import read_json, write_json, write_tensors
from neuronwidgets.layer_splits.block import Block
from neuronwidgets.layer_splits.settings import Settings

FORMAT = "neuronwidgets.layer/1"
DEFAULTS = {"own_size": True, "null": 1}
"""Defaults of settings that files of earlier versions lack."""
ABOUT, UNITS = "layer.json", "units.safetensors"
"""The files of the description and of the targets."""
LOOKED_AT = 64
"""Rows of the activations, evenly spaced, that identify them; part of the format on disk, so they
are not chosen by `core.subsample`."""


class Folder:
    """A folder that blocks are written to and read from. Whole blocks are not computed again."""

    def __init__(self, path: str | Path) -> None:
        self.path = absolute_folder(path)

    def open(self, acts: Activations, targets: np.ndarray, settings: Settings) -> None:
        """Create the folder, or continue one with the same activations, targets and settings.

        Raises:
            StoreError: the folder holds anything else, or cannot be written.
        """
        about = describe(acts, targets, settings)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not (self.path / ABOUT).exists():
                if any(self.path.iterdir()):
                    raise StoreError(f"{self.path} holds other files: take a new folder.")
                write_tensors(self.path / UNITS, {"units": targets})
                write_json(self.path / ABOUT, about)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        written = self.about()
        # A setting that an earlier version did not write has its default.
        changed = [key for key in about if written.get(key, DEFAULTS.get(key)) != about[key]]
        if changed:
            raise StoreError(
                f"{self.path} holds a layer that was split with other {', '.join(changed)}: "
                "take a new folder, or delete it."
            )

    def about(self) -> dict[str, Any]:
        """The description that `describe` gave when the folder was created."""
        try:
            return read_json(self.path / ABOUT, "LayerSplit.save", FORMAT)
        except FileNotFoundError:
            raise StoreError(
                f"{self.path} holds no {ABOUT}: give the folder that split_layer(..., out=...) or "
                "LayerSplit.save wrote."
            ) from None
        except (OSError, ValueError) as error:
            raise StoreError(str(error)) from None

    def targets(self) -> np.ndarray:
        """The neurons (int64 `N`) or directions (float64 `N x D`) that were asked for."""
        return self._read(UNITS)["units"]

    def blocks(self) -> Iterator[Block]:
        """The blocks in the folder, in order."""
        for number in range(1 << 31):
            if not (self.path / _name(number)).exists():
                return
            yield self.block(number)

    def block(self, number: int) -> Block:
        """Block `number`; its arrays are read when they are used."""
        return Block.of(self._read(_name(number)))

    def write(self, number: int, block: Block) -> None:
        """Write a block as number `number`."""
        try:
            write_tensors(self.path / _name(number), block.arrays())
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def _read(self, name: str) -> dict[str, np.ndarray]:
        try:
            return read_shard(self.path / name)
        except (OSError, ValueError, KeyError) as error:
            raise StoreError(f"{self.path / name} is not whole: {error}. Delete it.") from None


def describe(acts: Activations, targets: np.ndarray, settings: Settings) -> dict[str, Any]:
    """What identifies a split layer: activations, labels, targets and settings."""
    rows = np.unique(np.linspace(0, len(acts) - 1, LOOKED_AT).astype(np.int64))
    labels = acts.labels if settings.scores else None
    return {
        "format": FORMAT,
        "layer": acts.layer,
        "shape": list(acts.shape),
        "activations": _digest(acts.rows(rows)),
        "labels": None if labels is None else _digest(labels),
        "neurons": _digest(targets),
        **settings.about(),
    }


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _name(number: int) -> str:
    return f"{number:08d}.safetensors"


def _unwritable(path: Path, error: OSError) -> StoreError:
    if isinstance(error, StoreError):
        return error
    return StoreError(f"{path} cannot be written: {error}. Its whole blocks are kept.")
