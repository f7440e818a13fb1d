"""Arrays, and lists of arrays and images -> batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from neuronwidgets.core.arrays import dense, require_unmasked
from neuronwidgets.data.batch import Batch, Raw, Source, which
from neuronwidgets.data.images import (
    holds_pictures,
    is_picture,
    looks_like_images,
    of_images,
    prepares_images,
)
from neuronwidgets.data.records import is_label
from neuronwidgets.data.text_sources import TextSources
from neuronwidgets.display.image import laid_out, picture

Transform = Callable[[Any], Any]


def as_array(values: Any) -> np.ndarray:
    """An array or tensor as an array, masked if it was."""
    if not isinstance(values, torch.Tensor):
        return np.asanyarray(values)
    values = dense(values, "data").detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def of_sparse(data: Any, made: TextSources, transform: Transform | None) -> Source:
    """A sparse matrix of SciPy: vectors, a batch at a time with their zeros."""
    if data.ndim != 2 or 0 in data.shape:
        raise ValueError(f"data is sparse of shape {data.shape}: samples x numbers are needed.")
    table = data.tocsr()
    size = made.batch_size
    starts = range(0, table.shape[0], size)
    chunks = (raw_of(table[i : i + size].toarray().astype(np.float32), i) for i in starts)
    return Source(
        chunks,
        lambda raw: of_rows(raw.rows, made, transform, raw.place),
        table.shape[0],
        told=True,
    )


def raw_of(rows: Any, first: int) -> Raw:
    """Rows that begin with sample `first` of the data."""
    return Raw(rows, place=np.arange(first, first + len(rows)))


def chunked(rows: Iterator[Any], size: int) -> Iterator[Raw]:
    """Rows in batches of `size`."""
    first = 0
    while chunk := list(itertools.islice(rows, size)):
        yield raw_of(chunk, first)
        first += len(chunk)


def is_sample(item: Any) -> bool:
    """One sample of a list or stream, as opposed to a ready batch."""
    if isinstance(item, tuple) and len(item) == 2:
        held = is_picture(item[0]) or isinstance(item[0], torch.Tensor | np.ndarray)
        return held and is_label(item[1])
    shape = tuple(getattr(item, "shape", ()))
    return len(shape) == 1 or (len(shape) == 3 and shape[0] in (1, 3))


def of_samples(
    rows: list[Any],
    made: TextSources,
    transform: Transform | None,
    place: np.ndarray | None = None,
    colour: bool = False,
) -> Batch:
    """Samples of a list or stream, with their labels if they are `(sample, label)` pairs.

    `place` says which samples of the data they are; for `colour` see `of_images`.
    """
    labels: list[Any] | None = None
    if isinstance(rows[0], tuple) and rows[0]:
        if len(rows[0]) == 2 and is_label(rows[0][1]):
            labels = [row[1] for row in rows]
        rows = [row[0] for row in rows]
    if any(map(is_picture, rows)):
        return replace(of_images(rows, made.processor, transform, place, colour), labels=labels)
    arrays = [as_array(row) for row in rows]
    for i, array in enumerate(arrays):
        _require_unmasked(array, place, i)
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise ValueError(
            f"the samples have different shapes ({', '.join(map(str, shapes[:3]))}): bring them "
            "to one, or pass ready batches with an attention_mask."
        )
    return replace(of_rows(np.stack(arrays), made, transform, place), labels=labels)


def of_rows(
    rows: np.ndarray,
    made: TextSources,
    transform: Transform | None,
    place: np.ndarray | None = None,
) -> Batch:
    """Rows of an array: images (`holds_pictures`), token ids (`B x T` whole numbers), or floating
    point numbers, which reach the model as they are."""
    if isinstance(rows, np.ma.MaskedArray):
        for i, row in enumerate(rows):
            _require_unmasked(np.ma.atleast_1d(row), place, i)
        rows = rows.data
    if holds_pictures(rows):
        return of_images([laid_out(row) for row in rows], made.processor, transform, place)
    images = [picture(row) for row in rows] if looks_like_images(rows.shape) else []
    if transform is not None:
        return Batch(transform(rows), len(rows), images=images)
    if images and prepares_images(made.processor):
        raise ValueError(
            f"data is images of {rows.dtype}, which reach the model as they are, and tokenizer= is "
            "an image processor, which takes uint8: pass (images * 255).round().astype('uint8') "
            "of images in [0, 1], or leave tokenizer= out."
        )
    if rows.dtype.kind not in "fiub":
        raise TypeError(f"data is an array of {rows.dtype}; numbers or texts are needed.")
    if rows.dtype.kind in "iu":
        return made.ids({"input_ids": torch.from_numpy(rows.astype(np.int64))})
    kept = np.float16 if rows.dtype == np.float16 else np.float32
    return Batch(torch.from_numpy(rows.astype(kept)), len(rows), images=images)


def _require_unmasked(row: np.ndarray, place: np.ndarray | None, i: int) -> None:
    require_unmasked(row, which(place, i), "pixel" if row.ndim > 1 else "entry")
