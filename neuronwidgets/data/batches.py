"""Cuts user data of any kind into batches that a model accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from neuronwidgets.core.arrays import is_sparse
from neuronwidgets.core.checks import integer
from neuronwidgets.data.batch import Batch, BatchSource, Raw
from neuronwidgets.data.image_files import files_in_colour, names_image, opened
from neuronwidgets.data.images import (
    described,
    in_colour,
    is_one_picture,
    is_picture,
    looks_like_images,
)
from neuronwidgets.data.ready import check_packed
from neuronwidgets.data.records import (
    EMPTY,
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    TARGETS,
    TEXT_COLUMNS,
    as_record,
    first_nonempty,
    is_label,
    unbatched,
)
from neuronwidgets.data.row_order import shuffle_reason
from neuronwidgets.data.rows import (
    as_array,
    chunked,
    is_record,
    is_sample,
    is_vector,
    of_records,
    of_rows,
    of_samples,
    of_sparse,
    raw_of,
)
from neuronwidgets.data.series import is_series, of_one_length, series_width
from neuronwidgets.data.stream import SORT_WINDOW
from neuronwidgets.data.text_sources import TextSources
from neuronwidgets.data.texts import check_tokenizer
from neuronwidgets.display.image import is_pil


def batches(
    data: Any,
    *,
    model: nn.Module | None = None,
    processor: Any = None,
    transform: Callable[[Any], Any] | None = None,
    batch_size: int = 64,
    max_length: int | None = None,
    by_length: bool = False,
    windows: int | None = None,
    labels: Any = None,
    per_word: bool = False,
    sort_window: int = SORT_WINDOW,
) -> BatchSource:
    """Cut `data` into batches.

    Args:
        data: one of
            - a list of strings, lists of words, conversations, or lists of token ids, each alone
              or with its label as a pair or a mapping;
            - an array or list of images (PIL, or uint8, uint16 or bool arrays: see `of_images`),
              or a list of their paths, each alone or with its label;
            - an array of vectors or token ids, or a sparse matrix of vectors;
            - a list of series, for models of series: see `series_width`;
            - a torch or Hugging Face `Dataset` or `IterableDataset` of any of these;
            - any iterable of ready batches (tensors, `(input, label)` pairs, mappings), such as a
              `DataLoader`.
        model: its config and tables give the token limit, the padding id and the accepted inputs.
        processor: a Hugging Face tokenizer, image processor or processor.
        transform: a function from a list of images (or rows of the array) to the model's input.
        batch_size: samples per batch. Ready batches keep their own size.
        max_length: the number of tokens to which longer texts are cut.
        by_length: sort texts by length, which saves padding. `Batch.dataset_index` then gives each
            row's index in the data.
        windows: split longer texts into windows, each a sample of its own, that share this many
            tokens; `None` cuts them.
        labels: one list per sample with a label for each word or token; `None` takes the data's.
        per_word: whether labels may be of words or tokens.
        sort_window: batches within which texts are sorted by length.
    """
    batch_size = integer("batch_size", batch_size, 1)
    if max_length is not None:
        max_length = integer("max_length", max_length, 1)
    check_tokenizer(processor)
    data = data.to_pylist() if hasattr(data, "to_pylist") else data  # of Arrow
    text_sources = TextSources(
        model, processor, batch_size, max_length, sort_window if by_length else None, windows,
        labels, per_word,
    )  # fmt: skip
    if is_sparse(data) and not isinstance(data, torch.Tensor):
        return of_sparse(data, text_sources, transform)
    _refuse(data)
    source = _source(data, text_sources, transform, series_width(model))
    if labels is not None and source.tally is None:
        raise ValueError(
            "labels holds a list for each sample, and data has no words or tokens: pass one label "
            "per sample."
        )
    return replace(source, shuffle_reason=shuffle_reason(data))


def _source(
    data: Any,
    text_sources: TextSources,
    transform: Callable[[Any], Any] | None,
    width: int | None,
) -> BatchSource:
    """Batches of dense data for a model with this `series_width`."""
    if hasattr(data, "column_names") and hasattr(data, "features"):
        return _from_dataset(data, text_sources, transform)
    if isinstance(data, torch.Tensor):
        data = as_array(data)
    if isinstance(data, np.ndarray):
        if data.ndim == 0 or len(data) == 0:
            raise ValueError(EMPTY)
        if data.dtype.kind in "US":
            data = data.astype(str).tolist()
        elif data.dtype == object or (text_sources.labelled and data.dtype.kind in "iu"):
            data = list(data)
        else:
            size = text_sources.batch_size
            parts = (raw_of(data[i : i + size], i) for i in range(0, len(data), size))
            return BatchSource(
                parts,
                lambda raw: of_rows(raw.rows, text_sources, transform, raw.dataset_index),
                len(data),
                rows_are_samples=True,
            )
    rows, sized = _rows(data)
    first, rows = first_nonempty(rows)
    if as_record(first) is not first:
        first, rows = first_nonempty(map(as_record, rows))
    if is_vector(first[0] if isinstance(first, tuple) else first):
        raise TypeError(
            "data holds lists of numbers: pass an array of them, numpy.array(data), and the labels "
            "as labels=."
        )
    check_packed(first)
    colour = in_colour(data)
    if names_image(first, text_sources.processor):
        colour = isinstance(data, list | tuple) and files_in_colour(data)
        first, rows = first_nonempty(opened(rows))
    if isinstance(data, DataLoader) and data.batch_sampler is not None:
        return _from_loader(data, first, rows, text_sources)
    record_format = text_sources.known(first)
    if record_format is not None and (transform is None or record_format.kind != "ids"):
        return text_sources.source(record_format, rows, sized)
    if isinstance(first, Mapping) and _is_image_record(first, text_sources):
        return _of_image_records(first, rows, {}, sized, text_sources, transform, colour)
    single = isinstance(data, Dataset) and not isinstance(data, IterableDataset)
    chunks = chunked(rows, text_sources.batch_size)
    if isinstance(first, Mapping) and (single or is_record(first)):
        return BatchSource(chunks, lambda raw: of_records(raw.rows, text_sources), sized)
    pair = isinstance(first, tuple) and len(first) > 0
    series = is_series(first[0] if pair and (single or is_sample(first)) else first, width)
    # With an axis more, series are ready batches, whose first axis is not colours.
    batch_of_series = not single and width is not None and getattr(first, "ndim", 0) == 3
    if series:
        chunks = of_one_length(chunks)
    if single or series or is_picture(first) or (is_sample(first) and not batch_of_series):
        return BatchSource(
            chunks,
            lambda raw: of_samples(
                raw.rows, text_sources, transform, raw.dataset_index, colour, series
            ),
            sized,
        )
    if isinstance(first, Mapping | tuple | list) and (samples := unbatched(first, False)):
        record_format = text_sources.known(samples[0])
        if record_format is not None:
            texts = (sample for batch in rows for sample in unbatched(batch, False) or [batch])
            return text_sources.source(record_format, texts, None)
    return BatchSource(
        (Raw(batch) for batch in rows), lambda raw: text_sources.ready(raw.rows), None
    )


def _from_loader(
    data: DataLoader[Any], first: Any, rows: Iterator[Any], text_sources: TextSources
) -> BatchSource:
    """The batches of a `DataLoader`; where they hold texts, their samples, batched anew."""
    known = data.batch_size is not None and not data.drop_last
    total = _length(data.sampler) if known else None
    collated = data.collate_fn is default_collate
    samples = unbatched(first, collated)
    record_format = text_sources.known(samples[0]) if samples else None
    if record_format is None:
        return BatchSource(
            (Raw(batch) for batch in rows), lambda raw: text_sources.ready(raw.rows), total
        )
    texts = (sample for batch in rows for sample in unbatched(batch, collated) or [batch])
    return text_sources.source(record_format, texts, total, data.batch_size)


def _refuse(data: Any) -> None:
    """Refuse data that would be misread: a single string or image, a table, a mapping, packed
    sequences."""
    check_packed(data)
    if isinstance(data, torch.Tensor) and data.is_nested:
        raise TypeError("data is a nested tensor: pass a list of its tensors, data.unbind().")
    if is_one_picture(data):
        raise TypeError(
            f"data is a single image ({described(data)}); pass a list of images, [data], or an "
            "array of them, N x H x W x C."
        )
    if isinstance(data, str | bytes):
        raise TypeError("data is a single string; pass a list of strings, one per sample.")
    if hasattr(data, "columns") and (hasattr(data, "iloc") or hasattr(data, "to_dicts")):
        raise TypeError(
            "data is a table: pass one column, e.g. data['text'].tolist(), or of numbers their "
            "array, data.to_numpy('float32')."
        )
    if isinstance(data, Mapping):
        splits = hasattr(data, "column_names")
        raise TypeError(
            "data is a mapping, as one batch is: pass a list of batches, [data], or a list of "
            "texts with tokenizer=..."
            if not splits
            else f"data holds the splits {', '.join(map(repr, data))}: pass one, as data['train']."
        )


def _rows(data: Any) -> tuple[Iterator[Any], int | None]:
    """The rows of `data`, and their number if it is known."""
    sized = _length(data)
    if isinstance(data, Iterable):
        return iter(data), sized
    if sized is not None and hasattr(data, "__getitem__"):
        # A torch Dataset.
        return (data[i] for i in range(sized)), sized
    raise TypeError(
        f"data must be a list of strings, an array or list of images, a Hugging Face Dataset or "
        f"an iterable of batches, got a {type(data).__name__}."
    )


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except TypeError:
        return None


def _from_dataset(
    data: Any, text_sources: TextSources, transform: Callable[[Any], Any] | None
) -> BatchSource:
    """The texts, token ids or images, and the labels, of a Hugging Face data set or stream."""
    first, rows = first_nonempty(iter(data))
    if not isinstance(first, Mapping):  # formatted as tables of pandas, Polars or Arrow
        data = data.with_format(None)
        first, rows = first_nonempty(iter(data))
    if names_image(first, text_sources.processor):
        first, rows = first_nonempty(opened(rows))
    if record_format := text_sources.known(first, data.features):
        return text_sources.source(record_format, rows, _length(data))
    if _image_column(first) is None:
        raise ValueError(
            f"data must have a column of texts ({TEXT_COLUMNS[0]!r}), of token ids ('input_ids') "
            f"or of images ({IMAGE_COLUMNS[0]!r}), got the columns {list(first)}. Of vectors, pass "
            "the column as an array, numpy.array(data[...]), and labels=data[...]."
        )
    features = dict(data.features or {})
    return _of_image_records(first, rows, features, _length(data), text_sources, transform)


def _image_column(record: Mapping[str, Any]) -> str | None:
    return next((column for column in IMAGE_COLUMNS if column in record), None)


def _is_image_record(record: Mapping[str, Any], text_sources: TextSources) -> bool:
    """Whether a mapping is one image with its label, not inputs that the model takes by name."""
    column = _image_column(record)
    image = None if column is None else record[column]
    if column is None or is_pil(image):
        return is_pil(image)
    by_name = text_sources.takes(column)
    if is_picture(image):
        return not by_name or all(name in (column, *TARGETS) for name in record)
    pixels = isinstance(image, torch.Tensor | np.ndarray) and looks_like_images((1, *image.shape))
    return pixels and not by_name and column != "pixel_values"


def _of_image_records(
    first: Mapping[str, Any],
    records: Iterator[Any],
    features: Mapping[str, Any],
    total: int | None,
    text_sources: TextSources,
    transform: Callable[[Any], Any] | None,
    colour: bool = False,
) -> BatchSource:
    """The images, and the labels, of mappings like `first`."""
    image = _image_column(first)
    classes = [c for c in first if getattr(features.get(c), "names", None)]
    targets = [c for c in TARGETS if c in first and (c in LABEL_COLUMNS or is_label(first[c]))]
    label = next(iter(targets + classes), None)
    names = getattr(features.get(label or ""), "names", None)
    pairs = ((r[image], r[label] if label else None) for r in records)

    def raw_batches() -> Iterator[Raw]:
        for raw in chunked(pairs, text_sources.batch_size):
            images, labels = zip(*raw.rows, strict=True)
            yield Raw(list(images), list(labels) if label else None, raw.dataset_index)

    def make(raw: Raw) -> Batch:
        batch = of_samples(list(raw.rows), text_sources, transform, raw.dataset_index, colour)
        return replace(batch, labels=raw.labels)

    return BatchSource(
        raw_batches(), make, total, tuple(names) if names else None, rows_are_samples=True
    )
