"""What the samples of a shard were: one Parquet file for all layers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations.store.shards import StoreError
from neuronwidgets.core.tensorfile import sync


class FaceFile:
    """Takes the samples of each batch; nobody sees it before `finish`."""

    def __init__(self, path: Path) -> None:
        self.path, self._part = path, path.with_suffix(".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rows: dict[str, list[Any]] = {}
        self._writer: Any = None
        self._file = self._part.open("wb")
        self.samples = 0
        self.columns: set[str] | None = None
        """Those in which every sample has a value; `None` while there are no samples."""

    def add(
        self,
        sample: np.ndarray,
        label: np.ndarray | None = None,
        texts: Sequence[str] = (),
        spans: Sequence[np.ndarray] = (),
        ids: Sequence[np.ndarray] = (),
        padding: Sequence[int] = (),
        images: Sequence[np.ndarray] = (),
        origin: np.ndarray | None = None,
    ) -> None:
        """`B` samples: their numbers and labels' codes, and what there is to see of each."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        many = len(sample)
        columns: dict[str, Any] = {
            "sample": pa.array(np.asarray(sample, np.int64)),
            "label": pa.array(np.full(many, -1) if label is None else label.astype(np.int64)),
            "text": _column(texts, many, pa.string()),
            "spans": _lists(spans, many),
            "input_ids": _lists(ids, many),
            "padding": _column(padding, many, pa.int32()),
            "image": _column([image.tobytes() for image in images], many, pa.binary()),
            "image_shape": _column([image.shape for image in images], many, pa.list_(pa.int32())),
            "origin": _column(() if origin is None else origin, many, pa.int64()),
        }
        if many:
            there = {name for name, column in columns.items() if not column.null_count}
            self.columns = there if self.columns is None else self.columns & there
        table = pa.table(columns)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema, compression="zstd")
        self._writer.write_table(table)
        self.samples += many

    def finish(self) -> None:
        if self._writer is not None:
            self._writer.close()
        sync(self._file)
        self._file.close()
        os.replace(self._part, self.path)

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._writer is not None:
            # It writes a footer, for which there may be no room.
            with suppress(OSError, ValueError):
                self._writer.close()
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


def _column(values: Any, many: int, kind: Any) -> Any:
    import pyarrow as pa

    return pa.array(list(values), kind) if len(values) == many else pa.nulls(many, kind)


def _lists(rows: Sequence[np.ndarray], many: int) -> Any:
    import pyarrow as pa

    kind = pa.list_(pa.int32())
    if len(rows) != many or not many:
        return pa.nulls(many, kind)
    flat = [np.asarray(row, np.int32).ravel() for row in rows]
    ends = np.cumsum([0, *map(len, flat)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(np.concatenate(flat)))


class Faces:
    """The samples of all shards, in the data's order; texts and images are read when first asked
    for."""

    def __init__(self, files: Sequence[Path], columns: set[str]) -> None:
        """`columns` are those in which every sample has a value."""
        self._files, self._columns = list(files), columns
        # Of 64 batches' samples each.
        self._recent = lru_cache(maxsize=32)(_read)
        parts = [_read(file, "sample").to_numpy() for file in self._files]
        self._ends = np.cumsum([len(part) for part in parts])
        self.sample = np.concatenate(parts)
        order = np.argsort(self.sample, kind="stable")
        self._order = None if (order == np.arange(len(order))).all() else order
        self.sample = self.sample[order]
        self.label = np.concatenate([_read(file, "label") for file in self._files])[order]

    @cached_property
    def texts(self) -> Sequence[str]:
        return self._shown("text", lambda row: str(row.as_py()))

    @cached_property
    def spans(self) -> Sequence[np.ndarray]:
        return self._shown("spans", lambda row: _array(row).reshape(-1, 2))

    @cached_property
    def ids(self) -> Sequence[np.ndarray]:
        return self._shown("input_ids", _array)

    @cached_property
    def padding(self) -> Sequence[int]:
        return self._shown("padding", lambda row: int(row.as_py()))

    @cached_property
    def origin(self) -> np.ndarray | None:
        found = self._shown("origin", lambda row: int(row.as_py()))
        return np.array(list(found), np.int64) if len(found) else None

    @cached_property
    def images(self) -> Sequence[np.ndarray]:
        shapes = self._shown("image_shape", lambda row: tuple(row.as_py()))
        data = self._shown("image", lambda row: np.frombuffer(row.as_py(), np.uint8))
        return _Column(len(data), partial(_image, data, shapes))

    def _shown(self, name: str, face: Callable[[Any], Any]) -> Sequence[Any]:
        """A column, of which files are read when they are first asked for."""
        if name not in self._columns:
            return []
        return _Column(len(self.sample), partial(self._face, name, face))

    def _face(self, name: str, face: Callable[[Any], Any], i: int) -> Any:
        at = i if self._order is None else int(self._order[i])
        number = int(np.searchsorted(self._ends, at, side="right"))
        first = int(self._ends[number - 1]) if number else 0
        return face(self._recent(self._files[number], name)[at - first])


def _read(file: Path, name: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(file, columns=[name])[name].combine_chunks()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise StoreError(f"{file} is not whole: {error}") from None


def _image(data: Sequence[np.ndarray], shapes: Sequence[tuple[int, ...]], i: int) -> np.ndarray:
    return data[i].reshape(shapes[i])


def _array(row: Any) -> np.ndarray:
    return row.values.to_numpy()


class _Column(Sequence[Any]):
    def __init__(self, count: int, get: Callable[[int], Any]) -> None:
        self._count, self._get = count, get

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._get(i) for i in range(*index.indices(self._count))]
        return self._get(range(self._count)[index])

    def __iter__(self) -> Iterator[Any]:
        return map(self._get, range(self._count))

    def __reduce__(self) -> Any:
        return list, (list(self),)
