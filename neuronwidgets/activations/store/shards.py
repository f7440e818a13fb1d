"""One shard of one layer: a safetensors file that is written batch by batch."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.core.tensorfile import DTYPE_NAMES, map_tensors, sync

_HEADER = 1024
"""Bytes reserved for the header. It holds the number of rows and is written last."""


class StoreError(ValueError, OSError):
    """A folder that cannot be read or written as a store of activations."""


class ShardFile:
    """Writes rows as they come. The file gets its name in `finish`."""

    def __init__(self, path: Path, dtype: str) -> None:
        self.path, self._dtype = path, dtype
        self._part = path.with_suffix(".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("wb")
        self._file.write(bytes(_HEADER))
        self._columns: dict[str, list[np.ndarray]] = {}
        self._shape = (0, 0)
        self.rows = self.bytes = 0

    def add(self, values: np.ndarray, **columns: np.ndarray) -> None:
        """Append `N x D` values in the store's dtype, and columns of `N` entries."""
        self._file.write(np.ascontiguousarray(values).data)
        self._shape = (self._shape[0] + len(values), values.shape[1])
        self.rows, self.bytes = self._shape[0], self.bytes + values.nbytes
        for name, column in columns.items():
            self._columns.setdefault(name, []).append(column)

    def finish(self) -> None:
        """Write columns and header, and give the file its name."""
        tensors: dict[str, Any] = {"values": (DTYPE_NAMES[self._dtype], self._shape, self.bytes)}
        # Some readers need tensors at multiples of 8 bytes.
        rest = [np.zeros(-self.bytes % 8, np.uint8)]
        if rest[0].size:
            tensors["padding"] = ("U8", rest[0].shape, rest[0].nbytes)
        for name in sorted(self._columns, key=lambda name: -self._columns[name][0].itemsize):
            column = np.concatenate(self._columns[name])
            tensors[name] = (DTYPE_NAMES[str(column.dtype)], column.shape, column.nbytes)
            rest.append(column)
        header, end = {}, 0
        for name, (kind, shape, size) in tensors.items():
            header[name] = {"dtype": kind, "shape": shape, "data_offsets": [end, end + size]}
            end += size
        text = json.dumps(header).encode().ljust(_HEADER - 8)
        for column in rest:
            self._file.write(np.ascontiguousarray(column).data)
        self._file.seek(0)
        self._file.write(len(text).to_bytes(8, "little") + text)
        sync(self._file)
        self._file.close()
        os.replace(self._part, self.path)

    def discard(self) -> None:
        """Delete the file."""
        # Closing flushes, for which the disk may have no room.
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


def read_shard(path: Path) -> dict[str, np.ndarray]:
    """Memory-map the tensors of a shard. bfloat16 comes as its bits in uint16.

    Raises:
        ValueError: the file is cut off.
    """
    return {name: array for name, array in map_tensors(path).items() if name != "padding"}


def absolute_folder(folder: str | Path) -> Path:
    """`folder` as an absolute path, with `~` expanded. Later changes of directory do not matter."""
    try:
        return Path(folder).expanduser().absolute()
    except TypeError:
        raise TypeError(f"the folder must be a path, got {folder!r}.") from None
