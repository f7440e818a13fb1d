"""The values of a store, read on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from neuronwidgets.activations.store.encode import as_tensor, decode

if TYPE_CHECKING:
    import torch

CHUNK = 1 << 24
"""Numbers that a thread of `Stored.tensor` sends at once: 64 MB in float32."""
READERS = 4
"""Its threads: to copy from mapped memory takes longer than to send."""


class Stored(NDArrayOperatorsMixin):
    """`S x D` float32 values in memory-mapped shards, used like an array.

    `stored[rows]`, `stored[rows, neurons]` and `stored[:, neurons]` read only these values and
    return float32 arrays. All other operations of arrays (`stored.mean(0)`, `stored > 0`,
    `np.asarray(stored)`) read all values into memory first.

    Attributes:
        shape, dtype, ndim, size: as an array's.
        folder: the store's folder; `None` if not known.
        stored_dtype: the dtype on disk: "float32", "float16", "bfloat16" or "int8".
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(
        self,
        shards: Sequence[dict[str, np.ndarray]],
        order: np.ndarray | None,
        stored_dtype: str,
        folder: Path | None = None,
    ) -> None:
        self.folder = folder
        self._shards, self._order, self.stored_dtype = list(shards), order, stored_dtype
        self._start = np.cumsum([0, *(len(s["values"]) for s in self._shards)])
        self.shape = int(self._start[-1]), int(self._shards[0]["values"].shape[1])

    @property
    def size(self) -> int:
        """Number of values."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return sum(s["values"].nbytes for s in self._shards)

    @property
    def resident(self) -> int:
        """Bytes in memory: the order of the rows. Mapped values are the system's to drop."""
        return 0 if self._order is None else int(self._order.nbytes)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return (
            f"Stored({self.shape[0]:,} x {self.shape[1]:,} {self.stored_dtype}, "
            f"{len(self._shards):,} shards, {self.nbytes / 1e6:,.1f} MB on disk)"
        )

    def __getitem__(self, key: Any) -> np.ndarray:
        key = key if isinstance(key, tuple) else (key,)
        rows, columns = (*key, ..., ...)[:2]
        if len(key) > 2 or any(part is None or np.ndim(part) > 1 for part in key):
            raise IndexError("values on disk are indexed by rows and neurons, each along one axis.")
        index = _positions(rows, self.shape[0])
        neurons = None if columns is ... else _positions(columns, self.shape[1])
        if neurons is not None and np.ndim(rows) and np.ndim(columns):
            # As with NumPy, two lists are pairs and give one value each.
            if len(index) != len(neurons) and 1 not in (len(index), len(neurons)):
                raise IndexError(
                    f"rows and neurons must be pairs, got {len(index):,} rows and {len(neurons):,} "
                    "neurons: values[rows][:, neurons] gives all of these neurons on all rows."
                )
            index, neurons = np.broadcast_arrays(index, neurons)
            distinct, column = np.unique(neurons, return_inverse=True)
            return self._take(index, distinct)[np.arange(len(index)), column]
        taken = self._take(
            np.atleast_1d(index), None if neurons is None else np.atleast_1d(neurons)
        )
        if neurons is not None and neurons.ndim == 0:
            taken = taken[:, 0]
        return taken[0] if np.ndim(index) == 0 else taken

    def tensor(self, device: torch.device, chunk: int = CHUNK) -> torch.Tensor:
        """All values on a device: float32 `S x D`. They cross as they are stored, `chunk` numbers
        at a time, and become float32 there."""
        import torch

        values = torch.empty(self.shape, dtype=torch.float32, device=device)
        step = max(1, chunk // max(1, self.shape[1]))

        def put(number: int, first: int) -> None:
            shard, rows = self._shards[number], slice(first, first + step)
            # A copy: torch warns of memory that it may not change.
            part = np.array(shard["values"][rows])
            if "scale" in shard:
                part = decode(part, shard["scale"][rows], None)
            start = self._start[number] + first
            values[start : start + len(part)] = as_tensor(part).to(device)

        starts = (
            (number, first)
            for number, shard in enumerate(self._shards)
            for first in range(0, len(shard["values"]), step)
        )
        with ThreadPoolExecutor(READERS) as pool:
            for done in [pool.submit(put, *start) for start in starts]:
                done.result()
        if self._order is None:
            return values
        return values[torch.from_numpy(self._order.astype(np.int64)).to(device)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("copy=False is impossible: values on disk are read into a new array.")
        return self[:].astype(dtype or np.float32, copy=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"arrays, and so values on disk, have no attribute {name!r}.")
        return getattr(self[:], name)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = [x[:] if isinstance(x, Stored) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def _take(self, index: np.ndarray, columns: np.ndarray | None) -> np.ndarray:
        """The rows at `index`, all neurons or those in `columns`: float32 `N x M`."""
        stored_row = index if self._order is None else self._order[index]
        shard_of = np.searchsorted(self._start, stored_row, side="right") - 1
        width = self.shape[1] if columns is None else len(columns)
        taken = np.empty((len(stored_row), width), np.float32)
        if (shard_of[1:] < shard_of[:-1]).any():
            by_shard = np.argsort(shard_of, kind="stable")
        else:
            by_shard = np.arange(len(shard_of))
        ends = np.flatnonzero(np.diff(shard_of[by_shard])) + 1
        for group in np.split(by_shard, ends) if len(by_shard) else ():
            number = shard_of[group[0]]
            shard = self._shards[number]
            local = stored_row[group] - self._start[number]
            first, last = int(local[0]), int(local[-1]) + 1
            # A slice reads consecutive rows in one piece.
            run = last - first == len(local) and bool((np.diff(local) == 1).all())
            rows: Any = slice(first, last) if run else local
            values = shard["values"]
            if columns is None or run:
                values = values[rows] if columns is None else values[rows][:, columns]
            else:
                values = values[np.ix_(local, columns)]
            scale = shard["scale"][rows] if "scale" in shard else None
            taken[group] = decode(values, scale, columns)
        return taken


def _positions(key: Any, count: int) -> np.ndarray:
    """The positions that a key selects along an axis of `count`: intp, from 0."""
    if isinstance(key, slice):
        return np.arange(*key.indices(count))
    index = np.asarray(key)
    if index.dtype.kind not in "iu":
        return np.arange(count)[key]
    index = index.astype(np.intp)
    if index.size and not -count <= index.min() <= index.max() < count:
        wrong = index.min() if index.min() < -count else index.max()
        raise IndexError(f"index {wrong} is out of bounds for {count:,}")
    return np.where(index < 0, index + count, index)
