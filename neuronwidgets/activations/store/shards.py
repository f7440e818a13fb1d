"""One shard of one layer: a safetensors file that is written batch by batch."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.core.modes import own_modes

_HEADER = 1024
"""Bytes reserved for the header. It holds the number of rows and is written last."""
_NAMES = {
    "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int8": "I8", "uint8": "U8",
    "int32": "I32", "int64": "I64", "float64": "F64",
}  # fmt: skip
_KINDS = {name: np.dtype(kind) for kind, name in _NAMES.items() if kind != "bfloat16"}
_KINDS["BF16"] = np.dtype(np.uint16)


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
        tensors: dict[str, Any] = {"values": (_NAMES[self._dtype], self._shape, self.bytes)}
        # Some readers need tensors at multiples of 8 bytes.
        rest = [np.zeros(-self.bytes % 8, np.uint8)]
        if rest[0].size:
            tensors["padding"] = ("U8", rest[0].shape, rest[0].nbytes)
        for name in sorted(self._columns, key=lambda name: -self._columns[name][0].itemsize):
            column = np.concatenate(self._columns[name])
            tensors[name] = (_NAMES[str(column.dtype)], column.shape, column.nbytes)
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


@own_modes()
def read_shard(path: Path) -> dict[str, np.ndarray]:
    """Memory-map the tensors of a safetensors file. bfloat16 comes as its bits in uint16.

    Raises:
        ValueError: the file is cut off.
    """
    import torch

    size = path.stat().st_size
    if size < 8:
        raise ValueError("it has no header")
    # torch closes the file after mapping it, unlike `np.memmap`: a store may have more shards than
    # a process may have open files. (Arrow closes it too, but has all of it read ahead.)
    storage: Any = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=size)
    mapped = torch.empty(0, dtype=torch.uint8).set_(storage).numpy()
    mapped.flags.writeable = False
    length = int.from_bytes(mapped[:8].tobytes(), "little")
    if not 0 < length < size:
        raise ValueError("it has no header")
    header: dict[str, Any] = json.loads(mapped[8 : 8 + length].tobytes())
    tensors = {}
    for name, entry in header.items():
        if name in ("__metadata__", "padding"):
            continue
        start, end = entry["data_offsets"]
        if 8 + length + end > size:
            raise ValueError(f"it ends at byte {size:,} and should have {8 + length + end:,}")
        kind, shape = _KINDS[entry["dtype"]], tuple(entry["shape"])
        tensors[name] = mapped[8 + length + start : 8 + length + end].view(kind).reshape(shape)
    return tensors


def absolute_folder(folder: str | Path) -> Path:
    """`folder` as an absolute path, with `~` expanded. Later changes of directory do not matter."""
    try:
        return Path(folder).expanduser().absolute()
    except TypeError:
        raise TypeError(f"the folder must be a path, got {folder!r}.") from None


def sync(file: Any) -> None:
    """Flush a file to the disk."""
    file.flush()
    os.fsync(file.fileno())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically: after a crash it is complete or absent."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            sync(file)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
