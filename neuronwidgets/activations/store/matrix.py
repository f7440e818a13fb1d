"""The values of a store, read as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from neuronwidgets.activations.store.encode import decode


class Stored(NDArrayOperatorsMixin):
    """`S x D` float32 values in memory-mapped shards, used like an array.

    `stored[rows]`, `stored[rows, neurons]` and `stored[:, neurons]` read what they name and return
    plain float32 arrays. Everything else that arrays can do (`stored.mean(0)`, `stored > 0`,
    `np.asarray(stored)`) reads all of it into memory first.

    Attributes:
        shape, dtype, ndim, size: as an array's.
        stored_dtype: what the disk holds: "float32", "float16", "bfloat16" or "int8".
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(
        self, shards: Sequence[dict[str, np.ndarray]], order: np.ndarray | None, stored_dtype: str
    ) -> None:
        self._shards, self._order, self.stored_dtype = list(shards), order, stored_dtype
        self._start = np.cumsum([0, *(len(s["values"]) for s in self._shards)])
        self.shape = int(self._start[-1]), int(self._shards[0]["values"].shape[1])

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """On disk."""
        return sum(s["values"].nbytes for s in self._shards)

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
        index = _numbers(rows, self.shape[0])
        wanted = None if columns is ... else _numbers(columns, self.shape[1])
        if wanted is not None and np.ndim(rows) and np.ndim(columns):
            # Two lists mean one value for each pair, as of an array.
            if len(index) != len(wanted) and 1 not in (len(index), len(wanted)):
                raise IndexError(
                    f"{len(index):,} rows and {len(wanted):,} neurons are no pairs: "
                    "values[rows][:, neurons] is each of these neurons on each of these rows."
                )
            index, wanted = np.broadcast_arrays(index, wanted)
            distinct, at = np.unique(wanted, return_inverse=True)
            return self._take(index, distinct)[np.arange(len(index)), at]
        taken = self._take(np.atleast_1d(index), None if wanted is None else np.atleast_1d(wanted))
        if wanted is not None and wanted.ndim == 0:
            taken = taken[:, 0]
        return taken[0] if np.ndim(index) == 0 else taken

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("values on disk become an array by reading them: copy=False cannot.")
        return self[:].astype(dtype or np.float32, copy=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"values on disk have no {name!r}, as arrays have none.")
        return getattr(self[:], name)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        read = [x[:] if isinstance(x, Stored) else x for x in inputs]
        return getattr(ufunc, method)(*read, **options)

    def _take(self, index: np.ndarray, columns: np.ndarray | None) -> np.ndarray:
        at = index if self._order is None else self._order[index]
        home = np.searchsorted(self._start, at, side="right") - 1
        width = self.shape[1] if columns is None else len(columns)
        out = np.empty((len(at), width), np.float32)
        if (home[1:] < home[:-1]).any():
            turn = np.argsort(home, kind="stable")
        else:
            turn = np.arange(len(home))
        ends = np.flatnonzero(np.diff(home[turn])) + 1
        for here in np.split(turn, ends) if len(turn) else ():
            number = home[here[0]]
            shard = self._shards[number]
            local = at[here] - self._start[number]
            first, last = int(local[0]), int(local[-1]) + 1
            # A run of rows is read as it lies on the disk.
            run = last - first == len(local) and bool((np.diff(local) == 1).all())
            rows: Any = slice(first, last) if run else local
            values = shard["values"]
            if columns is None or run:
                values = values[rows] if columns is None else values[rows][:, columns]
            else:
                values = values[np.ix_(local, columns)]
            scale = shard["scale"][rows] if "scale" in shard else None
            out[here] = decode(values, scale, columns)
        return out


def _numbers(key: Any, count: int) -> np.ndarray:
    """Which of `count` an index along one axis means; quick for a few of many."""
    if isinstance(key, slice):
        return np.arange(*key.indices(count))
    found = np.asarray(key)
    if found.dtype.kind not in "iu":
        return np.arange(count)[key]
    found = found.astype(np.intp)
    if found.size and not -count <= found.min() <= found.max() < count:
        wrong = found.min() if found.min() < -count else found.max()
        raise IndexError(f"index {wrong} is out of bounds for {count:,}")
    return np.where(found < 0, found + count, found)
