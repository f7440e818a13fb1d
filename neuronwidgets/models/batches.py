"""Whatever users have as data -> batches that a model accepts, and what each row was."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from neuronwidgets.arrays import is_sparse
from neuronwidgets.labels import plain_labels
from neuronwidgets.models.batch import Batch, Raw, Source
from neuronwidgets.models.images import in_colour, is_picture, pictures
from neuronwidgets.models.rows import (
    as_array,
    chunked,
    is_sample,
    of_rows,
    of_samples,
    of_sparse,
    raw_of,
)
from neuronwidgets.models.texts import content_of, decoded, text_maker
from neuronwidgets.models.windows import Splitter

_TEXT_COLUMNS = ("text", "sentence", "content", "document", "prompt")
_IMAGE_COLUMNS = ("image", "img", "pixel_values")
_LABEL_COLUMNS = ("label", "labels", "fine_label", "coarse_label")
WINDOW = 64
"""Batches within which texts are sorted by length."""
_EMPTY = "data is empty: at least one sample is needed."


def batches(
    data: Any,
    *,
    processor: Any = None,
    transform: Callable[[Any], Any] | None = None,
    batch_size: int = 64,
    max_length: int | None = None,
    by_length: bool = False,
    windows: int | None = None,
) -> Source:
    """Cut `data` into batches.

    Args:
        data: a list of strings; an array or list of images (PIL, or uint8, uint16 or bool arrays:
            see `of_images`); an array of vectors or token ids, or a sparse matrix of vectors; a
            torch or Hugging Face `Dataset` or `IterableDataset`; or any iterable of ready batches
            (tensors, `(input, label)` pairs, mappings), such as a `DataLoader`.
        processor: a Hugging Face tokenizer, image processor or processor.
        transform: a list of images (or rows of the array) -> the model's input.
        batch_size: samples per batch (ready batches keep their own size).
        max_length: longer texts are cut to so many tokens.
        by_length: batches of texts alike in length, so that little is padding: each row's `place`
            then says where in the data it stands.
        windows: longer texts are split, instead, into windows that share so many tokens, each a
            sample of its own.
    """
    _check_size("batch_size", batch_size)
    if max_length is not None:
        _check_size("max_length", max_length)
    if is_sparse(data) and not isinstance(data, torch.Tensor):
        return of_sparse(data, transform, batch_size)
    _refuse(data)

    def texts(rows: Iterator[tuple[Any, Any]], total: int | None) -> Source:
        make = text_maker(processor, max_length)
        told = ((text, label, None) for text, label in rows)
        if windows is None:
            return Source(_texts(told, batch_size, by_length), make, total, told=True)
        split = Splitter(processor, max_length, windows)
        return Source(_texts(split(rows), batch_size, by_length), make, None, told=True)

    if hasattr(data, "column_names") and hasattr(data, "features"):
        return _from_dataset(data, processor, transform, batch_size, texts)
    if isinstance(data, torch.Tensor):
        data = as_array(data)
    if isinstance(data, np.ndarray):
        if data.ndim == 0 or len(data) == 0:
            raise ValueError(_EMPTY)
        if data.dtype.kind in "US":
            data = data.astype(str).tolist()
        elif data.dtype == object:
            data = list(data)
        else:
            starts = range(0, len(data), batch_size)
            chunks = (raw_of(data[i : i + batch_size], i) for i in starts)
            return Source(
                chunks,
                lambda raw: of_rows(raw.rows, processor, transform, raw.place),
                len(data),
                told=True,
            )
    rows, sized = _rows(data)
    first = next(rows, None)
    if first is None:
        raise ValueError(_EMPTY)
    rows = itertools.chain([first], rows)
    ready = (Raw(batch) for batch in rows), lambda raw: _ready(raw.rows, processor)
    if isinstance(data, DataLoader) and data.batch_sampler is not None:
        known = data.batch_size is not None and not data.drop_last
        return Source(*ready, _length(data.sampler) if known else None)
    if isinstance(first, str):
        return texts(((row, None) for row in rows), sized)
    single = isinstance(data, Dataset) and not isinstance(data, IterableDataset)
    if single and isinstance(first, Mapping):
        return Source(
            chunked(rows, batch_size),
            lambda raw: _ready(default_collate(raw.rows), processor),
            sized,
        )
    if single or is_picture(first) or is_sample(first):
        colour = in_colour(data)
        return Source(
            chunked(rows, batch_size),
            lambda raw: of_samples(raw.rows, processor, transform, raw.place, colour),
            sized,
        )
    return Source(*ready, None)


def _check_size(name: str, size: Any) -> None:
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"{name}={size!r}; a whole number of at least 1 is needed.")


def _refuse(data: Any) -> None:
    """Refuse what looks like data and would be read as something else."""
    if isinstance(data, str | bytes):
        raise TypeError("data is a single string; pass a list of strings, one per sample.")
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        raise TypeError("data is a table: pass one column, e.g. data['text'].tolist().")
    if isinstance(data, Mapping):
        splits = hasattr(data, "column_names")
        raise TypeError(
            "data is a mapping, as one batch is: pass a list of batches, [data], or a list of "
            "texts with tokenizer=..."
            if not splits
            else f"data holds the splits {', '.join(map(repr, data))}: pass one, as data['train']."
        )


def _rows(data: Any) -> tuple[Iterator[Any], int | None]:
    """What to iterate, and how much there is where that is known."""
    sized = _length(data)
    if isinstance(data, Iterable):
        return iter(data), sized
    if sized is not None and hasattr(data, "__getitem__"):
        # A torch Dataset.
        return (data[i] for i in range(sized)), sized
    raise TypeError(
        f"data is a {type(data).__name__}; a list of strings, an array or list of images, a "
        "Hugging Face Dataset, or an iterable of batches is needed."
    )


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except TypeError:
        return None


def _texts(
    rows: Iterator[tuple[Any, Any, int | None]], size: int, by_length: bool
) -> Iterator[Raw]:
    """Each batch of rows of text, label, and the text that it is a window of.

    By length within windows, so that streams of any length take little memory; the longest first,
    so that what does not fit the device's memory shows at once.
    """
    first = 0
    while window := list(itertools.islice(rows, size * WINDOW if by_length else size)):
        order = list(range(len(window)))
        if by_length:
            order.sort(key=lambda i: -len(window[i][0]) if isinstance(window[i][0], str) else 0)
        for start in range(0, len(order), size):
            part = order[start : start + size]
            texts, labels, origin = zip(*(window[i] for i in part), strict=True)
            yield Raw(
                list(texts),
                list(labels) if any(label is not None for label in labels) else None,
                np.array(part) + first if by_length else None,
                None if origin[0] is None else np.array(origin),
            )
        first += len(window)


def _ready(batch: Any, tokenizer: Any) -> Batch:
    """A batch that came ready for the model, as from a `DataLoader`."""
    labels: Sequence[Any] | None = None
    if isinstance(batch, tuple | list):
        batch = tuple(torch.from_numpy(x) if isinstance(x, np.ndarray) else x for x in batch)
        if len(batch) == 2 and isinstance(batch[0], torch.Tensor):
            batch, labels = batch[0], _as_labels(batch[1], len(batch[0]))
    if isinstance(batch, Mapping):
        fields = dict(batch)
        for key in _LABEL_COLUMNS:
            if key in fields:
                labels = _as_labels(fields.pop(key), None)
        lead = next((v for v in fields.values() if isinstance(v, torch.Tensor)), None)
        if lead is None:
            raise TypeError(
                "data holds a mapping without a tensor: batches are mappings of names "
                "to tensors, such as a tokenizer's output with return_tensors='pt'."
            )
        mask = fields.get("attention_mask")
        mask = mask.bool() if isinstance(mask, torch.Tensor) and mask.ndim == 2 else None
        ids = fields.get("input_ids")
        content = mask
        if isinstance(ids, torch.Tensor) and ids.ndim == 2 and tokenizer is not None:
            content = content_of(
                tokenizer, ids, torch.ones_like(ids).bool() if mask is None else mask
            )
        shown, spans = decoded(tokenizer, ids, content) if ids is not None else ([], [])
        images = pictures(fields.get("pixel_values"))
        return Batch(fields, len(lead), mask, content, labels, images, shown, spans)
    lead = batch[0] if isinstance(batch, tuple) else batch
    if isinstance(lead, np.ndarray):
        batch = lead = torch.from_numpy(lead)
    if not isinstance(lead, torch.Tensor) or lead.ndim == 0:
        raise TypeError(
            f"data holds a {type(lead).__name__}: strings, images, tensors of batches, "
            "(input, label) pairs or mappings are needed."
        )
    return Batch(batch, len(lead), labels=labels, images=pictures(lead))


def _as_labels(values: Any, size: int | None) -> Sequence[Any] | None:
    """A batch's labels; `None` where these are no labels of its samples."""
    try:
        rows = plain_labels(values)
    except (TypeError, ValueError):
        return None
    return None if size is not None and len(rows) != size else rows


def _from_dataset(
    data: Any,
    processor: Any,
    transform: Callable[[Any], Any] | None,
    batch_size: int,
    texts: Callable[[Iterator[tuple[Any, Any]], int | None], Source],
) -> Source:
    """A Hugging Face `Dataset` or `IterableDataset`: its text or image column, its labels."""
    rows = iter(data)
    first = next(rows, None)
    if first is None:
        raise ValueError(_EMPTY)
    columns = list(first)
    strings = [c for c in columns if isinstance(first[c], str)]
    text = next((c for c in _TEXT_COLUMNS if c in strings), None)
    image = next((c for c in _IMAGE_COLUMNS if c in columns), None)
    features = dict(data.features or {})
    classes = [c for c in columns if getattr(features.get(c), "names", None)]
    label = next((c for c in _LABEL_COLUMNS if c in columns), classes[0] if classes else None)
    names = getattr(features.get(label), "names", None)
    strings = [c for c in strings if c != label]
    if image is None and text is None and len(strings) == 1:
        text = strings[0]
    if image is None and text is None and strings:
        raise ValueError(
            f"data has the text columns {', '.join(map(repr, strings))}, and which one is meant "
            f"cannot be told: pass data[{strings[0]!r}] (and labels=data[...])."
        )
    column = image or text
    if column is None:
        raise ValueError(
            f"data has the columns {columns}; one of texts ({_TEXT_COLUMNS[0]!r}) or "
            f"images ({_IMAGE_COLUMNS[0]!r}) is needed."
        )
    told = ((r[column], r[label] if label else None) for r in itertools.chain([first], rows))
    class_names = tuple(names) if names else None
    if image is None:
        return replace(texts(told, _length(data)), label_names=class_names)

    def pieces() -> Iterator[Raw]:
        for raw in chunked(told, batch_size):
            images, labels = zip(*raw.rows, strict=True)
            yield Raw(list(images), list(labels) if label else None, raw.place)

    def make(raw: Raw) -> Batch:
        made = of_samples(list(raw.rows), processor, transform, raw.place)
        return replace(made, labels=raw.labels)

    return Source(pieces(), make, _length(data), class_names, told=True)
