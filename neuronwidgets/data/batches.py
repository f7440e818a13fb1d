"""Whatever users have as data -> batches that a model accepts, and what each row was."""

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
from neuronwidgets.data.batch import Batch, Raw, Source
from neuronwidgets.data.images import in_colour, is_picture
from neuronwidgets.data.ready import check_packed
from neuronwidgets.data.records import (
    EMPTY,
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    TEXT_COLUMNS,
    telling,
    unbatched,
)
from neuronwidgets.data.row_order import disorder
from neuronwidgets.data.rows import (
    as_array,
    chunked,
    is_sample,
    of_rows,
    of_samples,
    of_sparse,
    raw_of,
)
from neuronwidgets.data.text_sources import TextSources
from neuronwidgets.data.texts import check_tokenizer


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
) -> Source:
    """Cut `data` into batches.

    Args:
        data: a list of strings, of lists of words, of conversations, or of lists of token ids,
            each alone or with its label, as a pair or a mapping; an array or list of images (PIL,
            or uint8, uint16 or bool arrays: see `of_images`); an array of vectors or token ids, or
            a sparse matrix of vectors; a torch or Hugging Face `Dataset` or `IterableDataset` of
            such; or any iterable of ready batches (tensors, `(input, label)` pairs, mappings),
            such as a `DataLoader`.
        model: says how many tokens a text may have, what is padding, and which inputs it takes.
        processor: a Hugging Face tokenizer, image processor or processor.
        transform: a list of images (or rows of the array) -> the model's input.
        batch_size: samples per batch (ready batches keep their own size).
        max_length: longer texts are cut to so many tokens.
        by_length: batches of texts alike in length, so that little is padding: each row's `place`
            then says where in the data it stands.
        windows: longer texts are split, instead, into windows that share so many tokens, each a
            sample of its own.
        labels: one list for each sample, of a label for each of its words or tokens; not given:
            those of the data.
        per_word: whether labels may be of words or tokens.
    """
    batch_size = integer("batch_size", batch_size, 1)
    if max_length is not None:
        max_length = integer("max_length", max_length, 1)
    check_tokenizer(processor)
    made = TextSources(
        model, processor, batch_size, max_length, by_length, windows, labels, per_word
    )
    if is_sparse(data) and not isinstance(data, torch.Tensor):
        return of_sparse(data, made, transform)
    _refuse(data)
    found = _source(data, made, transform)
    if labels is not None and found.tally is None:
        raise ValueError("labels of words or tokens are for texts and token ids.")
    return replace(found, disorder=disorder(data))


def _source(data: Any, made: TextSources, transform: Callable[[Any], Any] | None) -> Source:
    if hasattr(data, "column_names") and hasattr(data, "features"):
        return _from_dataset(data, made, transform)
    if isinstance(data, torch.Tensor):
        data = as_array(data)
    if isinstance(data, np.ndarray):
        if data.ndim == 0 or len(data) == 0:
            raise ValueError(EMPTY)
        if data.dtype.kind in "US":
            data = data.astype(str).tolist()
        elif data.dtype == object or (made.labelled and data.dtype.kind in "iu"):
            data = list(data)
        else:
            size = made.batch_size
            parts = (raw_of(data[i : i + size], i) for i in range(0, len(data), size))
            return Source(
                parts, lambda raw: of_rows(raw.rows, made, transform, raw.place), len(data),
                told=True,
            )  # fmt: skip
    rows, sized = _rows(data)
    first, rows = telling(rows)
    check_packed(first)
    if isinstance(data, DataLoader) and data.batch_sampler is not None:
        return _from_loader(data, first, rows, made)
    found = made.known(first)
    if found is not None and (transform is None or found.kind != "ids"):
        return made.source(found, rows, sized)
    single = isinstance(data, Dataset) and not isinstance(data, IterableDataset)
    chunks = chunked(rows, made.batch_size)
    if single and isinstance(first, Mapping):
        return Source(chunks, lambda raw: made.ready(default_collate(raw.rows)), sized)
    if single or is_picture(first) or is_sample(first):
        colour = in_colour(data)
        return Source(
            chunks, lambda raw: of_samples(raw.rows, made, transform, raw.place, colour), sized
        )
    if isinstance(first, Mapping | tuple | list) and (samples := unbatched(first, False)):
        found = made.known(samples[0])
        if found is not None:
            texts = (sample for batch in rows for sample in unbatched(batch, False) or [batch])
            return made.source(found, texts, None)
    return Source((Raw(batch) for batch in rows), lambda raw: made.ready(raw.rows), None)


def _from_loader(
    data: DataLoader[Any], first: Any, rows: Iterator[Any], made: TextSources
) -> Source:
    """A `DataLoader`: its batches, or of texts its samples."""
    known = data.batch_size is not None and not data.drop_last
    total = _length(data.sampler) if known else None
    collated = data.collate_fn is default_collate
    samples = unbatched(first, collated)
    found = made.known(samples[0]) if samples else None
    if found is None:
        return Source((Raw(batch) for batch in rows), lambda raw: made.ready(raw.rows), total)
    texts = (sample for batch in rows for sample in unbatched(batch, collated) or [batch])
    return made.source(found, texts, total, data.batch_size)


def _refuse(data: Any) -> None:
    """Refuse what looks like data and would be read as something else."""
    check_packed(data)
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


def _from_dataset(data: Any, made: TextSources, transform: Callable[[Any], Any] | None) -> Source:
    """A Hugging Face `Dataset` or `IterableDataset`: its texts, token ids or images, its labels."""
    first, rows = telling(iter(data))
    if found := made.known(first, data.features):
        return made.source(found, rows, _length(data))
    columns = list(first)
    image = next((c for c in IMAGE_COLUMNS if c in columns), None)
    if image is None:
        raise ValueError(
            f"data has the columns {columns}; one of texts ({TEXT_COLUMNS[0]!r}), of token ids "
            f"('input_ids') or images ({IMAGE_COLUMNS[0]!r}) is needed."
        )
    features = dict(data.features or {})
    classes = [c for c in columns if getattr(features.get(c), "names", None)]
    label = next((c for c in LABEL_COLUMNS if c in columns), classes[0] if classes else None)
    names = getattr(features.get(label), "names", None)
    told = ((r[image], r[label] if label else None) for r in rows)

    def pieces() -> Iterator[Raw]:
        for raw in chunked(told, made.batch_size):
            images, labels = zip(*raw.rows, strict=True)
            yield Raw(list(images), list(labels) if label else None, raw.place)

    def make(raw: Raw) -> Batch:
        found = of_samples(list(raw.rows), made, transform, raw.place)
        return replace(found, labels=raw.labels)

    return Source(pieces(), make, _length(data), tuple(names) if names else None, told=True)
