"""Labels, texts and images of a shard's samples: one Parquet file for all layers."""

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


class PreviewFile:
    """Writes the samples of each batch. The file gets its name in `finish`."""

    def __init__(self, path: Path) -> None:
        self.path, self._part = path, path.with_suffix(".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rows: dict[str, list[Any]] = {}
        self._writer: Any = None
        self._file = self._part.open("wb")
        self.samples = 0
        self.columns: set[str] | None = None
        """Columns in which every sample has a value; `None` while there are no samples."""

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
        """Add `B` samples.

        Args:
            sample: int64 `B`, indices into the data set.
            label: int64 `B`, label codes, -1 for none.
            texts, spans, ids, padding, images, origin: one entry per sample, or none.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        count = len(sample)
        columns: dict[str, Any] = {
            "sample": pa.array(np.asarray(sample, np.int64)),
            "label": pa.array(np.full(count, -1) if label is None else label.astype(np.int64)),
            "text": _column(texts, count, pa.string()),
            "spans": _lists(spans, count),
            "input_ids": _lists(ids, count),
            "padding": _column(padding, count, pa.int32()),
            "image": _column([image.tobytes() for image in images], count, pa.binary()),
            "image_shape": _column([image.shape for image in images], count, pa.list_(pa.int32())),
            "origin": _column(() if origin is None else origin, count, pa.int64()),
        }
        if count:
            complete = {name for name, column in columns.items() if not column.null_count}
            self.columns = complete if self.columns is None else self.columns & complete
        table = pa.table(columns)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema, compression="zstd")
        self._writer.write_table(table)
        self.samples += count

    def finish(self) -> None:
        """Close the file and give it its name."""
        if self._writer is not None:
            self._writer.close()
        sync(self._file)
        self._file.close()
        os.replace(self._part, self.path)

    def discard(self) -> None:
        """Delete the file."""
        if self._writer is not None:
            # Closing writes a footer, for which the disk may have no room.
            with suppress(OSError, ValueError):
                self._writer.close()
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


def _column(values: Any, count: int, kind: Any) -> Any:
    import pyarrow as pa

    return pa.array(list(values), kind) if len(values) == count else pa.nulls(count, kind)


def _lists(rows: Sequence[np.ndarray], count: int) -> Any:
    import pyarrow as pa

    kind = pa.list_(pa.int32())
    if len(rows) != count or not count:
        return pa.nulls(count, kind)
    flat = [np.asarray(row, np.int32).ravel() for row in rows]
    ends = np.cumsum([0, *map(len, flat)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(np.concatenate(flat)))


class Previews:
    """The samples of all shards, in the data's order. Texts and images are read on demand.

    Args:
        files: the shards' Parquet files.
        columns: the columns in which every sample has a value.
    """

    def __init__(self, files: Sequence[Path], columns: set[str]) -> None:
        self._files, self._columns = list(files), columns
        # Columns of 32 shards: up to 32 x 64 batches.
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
        """One text per sample."""
        return self._column("text", lambda row: str(row.as_py()))

    @cached_property
    def spans(self) -> Sequence[np.ndarray]:
        """One int32 array per text, `T x 2`: the `(start, end)` characters of each token."""
        return self._column("spans", lambda row: _array(row).reshape(-1, 2))

    @cached_property
    def ids(self) -> Sequence[np.ndarray]:
        """One int32 array per text, `T`: its token ids."""
        return self._column("input_ids", _array)

    @cached_property
    def padding(self) -> Sequence[int]:
        """The padding tokens on the left of each text."""
        return self._column("padding", lambda row: int(row.as_py()))

    @cached_property
    def origin(self) -> np.ndarray | None:
        """int64, the text of the data that each text is a window of; `None` if not split."""
        origins = self._column("origin", lambda row: int(row.as_py()))
        return np.array(list(origins), np.int64) if len(origins) else None

    @cached_property
    def images(self) -> Sequence[np.ndarray]:
        """One image per sample, uint8 `H x W` or `H x W x 3`."""
        shapes = self._column("image_shape", lambda row: tuple(row.as_py()))
        data = self._column("image", lambda row: np.frombuffer(row.as_py(), np.uint8))
        return _Column(len(data), partial(_image, data, shapes))

    def _column(self, name: str, convert: Callable[[Any], Any]) -> Sequence[Any]:
        """A column of all shards, of which each file is read on demand."""
        if name not in self._columns:
            return []
        return _Column(len(self.sample), partial(self._cell, name, convert))

    def _cell(self, name: str, convert: Callable[[Any], Any], i: int) -> Any:
        row = i if self._order is None else int(self._order[i])
        shard = int(np.searchsorted(self._ends, row, side="right"))
        first = int(self._ends[shard - 1]) if shard else 0
        return convert(self._recent(self._files[shard], name)[row - first])


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
    """A sequence of `count` items that `get` reads one by one. Pickled as a list."""

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
