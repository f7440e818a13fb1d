"""Arrays, sparse matrices, and lists of arrays and images -> batches."""

from __future__ import annotations

import itertools
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from neuronwidgets.core.arrays import dense, require_unmasked
from neuronwidgets.data.batch import Batch, BatchSource, Raw, row_title
from neuronwidgets.data.images import (
    holds_pictures,
    is_picture,
    looks_like_images,
    of_images,
    prepares_images,
)
from neuronwidgets.data.records import TARGETS, is_label, kind_of
from neuronwidgets.data.series import padded
from neuronwidgets.data.targets import as_targets, is_vector_target
from neuronwidgets.data.text_sources import TextSources
from neuronwidgets.display.image import laid_out, picture

Transform = Callable[[Any], Any]


def as_array(values: Any) -> np.ndarray:
    """An array or tensor as an array. Masks are kept; bfloat16 becomes float32."""
    if not isinstance(values, torch.Tensor):
        return np.asanyarray(values)
    values = dense(values, "data").detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def of_sparse(data: Any, text_sources: TextSources, transform: Transform | None) -> BatchSource:
    """The rows of a SciPy sparse matrix as vectors. One batch is dense at a time."""
    if data.ndim != 2 or 0 in data.shape:
        raise ValueError(
            f"data must be a sparse matrix of samples x numbers, got shape {data.shape}."
        )
    table = data.tocsr()
    size = text_sources.batch_size
    starts = range(0, table.shape[0], size)
    chunks = (raw_of(table[i : i + size].toarray().astype(np.float32), i) for i in starts)
    return BatchSource(
        chunks,
        lambda raw: of_rows(raw.rows, text_sources, transform, raw.dataset_index),
        table.shape[0],
        rows_are_samples=True,
    )


def raw_of(rows: Any, first: int) -> Raw:
    """`rows` as the samples of the data from index `first` on."""
    return Raw(rows, dataset_index=np.arange(first, first + len(rows)))


def chunked(rows: Iterator[Any], size: int) -> Iterator[Raw]:
    """Rows in batches of `size`."""
    first = 0
    while chunk := list(itertools.islice(rows, size)):
        yield raw_of(chunk, first)
        first += len(chunk)


def is_record(item: Mapping[str, Any]) -> bool:
    """Whether a mapping is one sample, by its label or as the ids of its tokens, and not a ready
    batch."""
    if any(name in item for name in TARGETS):
        return any(name in item and is_label(item[name]) for name in TARGETS)
    parts = [value for value in item.values() if not is_label(value)]
    return len(parts) == 1 and kind_of(parts[0]) == "ids"


def of_records(records: Sequence[Mapping[str, Any]], text_sources: TextSources) -> Batch:
    """Make a batch of samples that are mappings. Labels may be missing. Ids may have different
    lengths, and are then padded."""
    batch: dict[str, Any] = {}
    padding: torch.Tensor | None = None
    for name, first in records[0].items():
        values = [record[name] for record in records]
        if name in TARGETS and (is_label(first) or isinstance(first, list)):
            batch[name] = values
        elif kind_of(first) == "ids":
            rows = [torch.as_tensor(value) for value in values]
            lengths = torch.tensor([len(row) for row in rows])
            fill = 0 if batch else text_sources.pad
            batch[name] = torch.nn.utils.rnn.pad_sequence(rows, True, fill)
            if padding is None and len(set(lengths.tolist())) > 1:
                padding = torch.arange(int(lengths.max())) < lengths[:, None]
        else:
            batch[name] = default_collate([np.asarray(v) if is_vector(v) else v for v in values])
    return text_sources.ready(batch, padding)


def is_vector(item: Any) -> bool:
    """Whether `item` is a list of numbers, not all whole as token ids are."""
    if not isinstance(item, list) or not all(isinstance(v, numbers.Real) for v in item):
        return False
    return any(isinstance(value, float | np.floating) for value in item)


def is_sample(item: Any) -> bool:
    """Whether `item` is one sample of a list or stream, not a ready batch."""
    if isinstance(item, tuple) and len(item) > 2:
        alone = is_picture(item[0]) or (hasattr(item[0], "shape") and is_sample(item[0]))
        return alone and all(map(is_label, item[1:]))
    if isinstance(item, tuple) and len(item) == 2:
        held = is_picture(item[0]) or isinstance(item[0], torch.Tensor | np.ndarray)
        if held and is_label(item[1]):
            return True
        alone = is_picture(item[0]) or (held and is_sample(item[0]))
        return alone and is_vector_target(item[1], 0 if is_picture(item[0]) else len(item[0]))
    shape = tuple(getattr(item, "shape", ()))
    return len(shape) == 1 or (len(shape) == 3 and shape[0] in (1, 3))


def of_samples(
    rows: list[Any],
    text_sources: TextSources,
    transform: Transform | None,
    dataset_index: np.ndarray | None = None,
    colour: bool = False,
    series: bool = False,
) -> Batch:
    """Make a batch of samples, with labels if they are `(sample, label)` pairs.

    Args:
        rows: images, arrays, or pairs of such with a label.
        text_sources: the settings.
        transform: a function from the samples to the model's input.
        dataset_index: int64 `B`, each sample's index in the data, for messages.
        colour: as in `of_images`.
        series: whether they are series, which may have different lengths.
    """
    targets: dict[str, Any] = {}
    if isinstance(rows[0], tuple) and rows[0]:
        several_needed = len(rows[0]) > 2 or text_sources.arguments.required > 1
        if several_needed and transform is None and (batch := _of_parts(rows, text_sources)):
            several = isinstance(batch.inputs, tuple | Mapping)
            if batch.mask is not None or (several and text_sources.arguments.required > 1):
                return replace(batch, dataset_index=dataset_index)
            # Further parts may be targets of any kind: masks of pixels, boxes.
            targets = {} if several else {"labels": batch.labels, "unfit": batch.unfit}
        if len(rows[0]) == 2:
            shape = tuple(getattr(rows[0][0], "shape", ()))
            targets = _targets([row[1] for row in rows], shape)
        rows = [row[0] for row in rows]
    if any(map(is_picture, rows)):
        return replace(
            of_images(rows, text_sources.processor, transform, dataset_index, colour), **targets
        )
    arrays = [as_array(row) for row in rows]
    for i, array in enumerate(arrays):
        _require_unmasked(array, dataset_index, i)
    if transform is None:
        _require_no_sounds(text_sources.processor)
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1 and series and transform is None and (batch := padded(arrays)):
        return replace(batch, **targets)
    if len(shapes) > 1:
        raise ValueError(
            f"the samples have different shapes ({', '.join(map(str, shapes[:3]))}): bring them "
            "to one, or pass ready batches with an attention_mask."
        )
    return replace(of_rows(np.stack(arrays), text_sources, transform, dataset_index), **targets)


def _of_parts(rows: list[Any], text_sources: TextSources) -> Batch | None:
    """Samples of three parts or more as a ready batch, so that `forward` decides what the parts
    are; `None` without a model.

    Pictures, and samples of different shapes, are read later: their batch has its labels only.
    """
    heads, *columns = zip(*rows, strict=True)
    if not text_sources.arguments.names:
        return None
    lead = torch.zeros(len(rows), 1, 1, 1)
    if not any(map(is_picture, heads)):
        if len({np.shape(head) for head in heads}) == 1:
            lead = _column(heads)
        else:
            lengths = [len(head) for head in heads]
            columns = [column for column in columns if list(column) != lengths]
    batch = text_sources.ready((lead, *map(_column, columns)))
    return replace(batch, inputs=batch.inputs[0]) if lead.ndim == 4 and not lead.any() else batch


def _column(values: Sequence[Any]) -> Any:
    """A part of all samples, stacked if they are numbers. Doubles become float32."""
    try:
        column = default_collate(list(values))
    except (TypeError, RuntimeError):
        return list(values)
    double = isinstance(column, torch.Tensor) and column.dtype == torch.float64
    return column.float() if double else column


def _targets(values: list[Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """The fields `labels` and `unfit` of a batch whose samples, of this shape, have these."""
    if is_label(values[0]):
        return {"labels": values}
    return vars(as_targets(values, steps=(len(values), *shape[:1]) if len(shape) == 2 else ()))


def of_rows(
    rows: np.ndarray,
    text_sources: TextSources,
    transform: Transform | None,
    dataset_index: np.ndarray | None = None,
) -> Batch:
    """Make a batch of an array's rows.

    The rows are images (`holds_pictures`), token ids (`B x T` whole numbers), or floats, which
    reach the model as they are.
    """
    if isinstance(rows, np.ma.MaskedArray):
        for i, row in enumerate(rows):
            _require_unmasked(np.ma.atleast_1d(row), dataset_index, i)
        rows = rows.data
    if holds_pictures(rows):
        return of_images(
            [laid_out(row) for row in rows], text_sources.processor, transform, dataset_index
        )
    images = [picture(row) for row in rows] if looks_like_images(rows.shape) else []
    if transform is not None:
        return Batch(transform(rows), len(rows), images=images)
    _require_no_sounds(text_sources.processor)
    if images and prepares_images(text_sources.processor):
        raise ValueError(
            f"data is images of {rows.dtype}, which reach the model as they are, and tokenizer= is "
            "an image processor, which takes uint8: pass (images * 255).round().astype('uint8') "
            "of images in [0, 1], or leave tokenizer= out."
        )
    if rows.dtype.kind not in "fiub":
        raise TypeError(f"data must be an array of numbers or texts, got {rows.dtype}.")
    if rows.dtype.kind in "iu":
        return text_sources.ids({"input_ids": torch.from_numpy(rows.astype(np.int64))})
    kept = np.float16 if rows.dtype == np.float16 else np.float32
    return Batch(torch.from_numpy(rows.astype(kept)), len(rows), images=images)


def _require_no_sounds(processor: Any) -> None:
    """Refuse arrays that a feature extractor of sounds should prepare: they reach the model as they
    are."""
    # As an attribute only: transformers 4 has a deprecated property of this name.
    extractor = getattr(processor, "__dict__", {}).get("feature_extractor", processor)
    if callable(extractor) and hasattr(extractor, "sampling_rate"):
        raise ValueError(
            f"tokenizer= is a {type(processor).__name__}, which prepares sounds, and arrays reach "
            "the model as they are: pass what it makes of each sound, [extractor(sound, "
            "sampling_rate=..., return_tensors='pt') for sound in sounds], and no tokenizer=."
        )


def _require_unmasked(row: np.ndarray, dataset_index: np.ndarray | None, i: int) -> None:
    require_unmasked(row, row_title(dataset_index, i), "pixel" if row.ndim > 1 else "entry")
