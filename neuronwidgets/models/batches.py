"""Whatever users have as data -> batches that a model accepts, and what each row was."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from neuronwidgets.models.batch import Batch, Raw, Source
from neuronwidgets.models.images import is_picture, looks_like_images, of_images
from neuronwidgets.models.order import disorder
from neuronwidgets.models.ready import check_packed
from neuronwidgets.models.records import (
    EMPTY,
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    TEXT_COLUMNS,
    is_label,
    telling,
    unbatched,
)
from neuronwidgets.models.text_sources import TextSources
from neuronwidgets.models.texts import check_tokenizer
from neuronwidgets.picture import picture


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
            each alone or with its label, as a pair or a mapping; an array or list of images; an
            array of vectors or token ids; a torch or Hugging Face `Dataset` or `IterableDataset`
            of such; or any iterable of ready batches (tensors, `(input, label)` pairs, mappings),
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
    _check_size("batch_size", batch_size)
    if max_length is not None:
        _check_size("max_length", max_length)
    check_tokenizer(processor)
    _refuse(data)
    made = TextSources(
        model, processor, batch_size, max_length, by_length, windows, labels, per_word
    )
    found = _source(data, made, transform)
    if labels is not None and found.tally is None:
        raise ValueError("labels of words or tokens are for texts and token ids.")
    return replace(found, disorder=disorder(data))


def _source(data: Any, made: TextSources, transform: Callable[[Any], Any] | None) -> Source:
    if hasattr(data, "column_names") and hasattr(data, "features"):
        return _from_dataset(data, made, transform)
    if isinstance(data, torch.Tensor):
        data = _array(data)
    if isinstance(data, np.ndarray):
        if data.ndim == 0 or len(data) == 0:
            raise ValueError(EMPTY)
        if data.dtype.kind in "US":
            data = data.astype(str).tolist()
        elif data.dtype == object or (made.labelled and data.dtype.kind in "iu"):
            data = list(data)
        else:
            size = made.batch_size
            parts = (Raw(data[i : i + size]) for i in range(0, len(data), size))

            def of_rows(raw: Raw) -> Batch:
                return _of_rows(raw.rows, made, transform)

            return Source(parts, of_rows, len(data), told=True)
    rows, sized = _rows(data)
    first, rows = telling(rows)
    check_packed(first)
    if isinstance(data, DataLoader) and data.batch_sampler is not None:
        return _from_loader(data, first, rows, made)
    found = made.known(first)
    if found is not None and (transform is None or found.kind != "ids"):
        return made.source(found, rows, sized)
    single = isinstance(data, Dataset) and not isinstance(data, IterableDataset)
    chunks = _chunks(rows, made.batch_size)
    if single and isinstance(first, Mapping):
        return Source(chunks, lambda raw: made.ready(default_collate(raw.rows)), sized)
    if single or is_picture(first) or _is_sample(first):
        return Source(chunks, lambda raw: _of_samples(raw.rows, made, transform), sized)
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


def _check_size(name: str, size: Any) -> None:
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"{name}={size!r}; a whole number of at least 1 is needed.")


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


def _array(values: Any) -> np.ndarray:
    if not isinstance(values, torch.Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def _chunks(rows: Iterator[Any], size: int) -> Iterator[Raw]:
    while chunk := list(itertools.islice(rows, size)):
        yield Raw(chunk)


def _is_sample(item: Any) -> bool:
    """One sample of a list or stream, as opposed to a ready batch."""
    if isinstance(item, tuple) and len(item) == 2:
        held = is_picture(item[0]) or isinstance(item[0], torch.Tensor | np.ndarray)
        return held and is_label(item[1])
    shape = tuple(getattr(item, "shape", ()))
    return len(shape) == 1 or (len(shape) == 3 and shape[0] in (1, 3))


def _of_samples(
    rows: list[Any], made: TextSources, transform: Callable[[Any], Any] | None
) -> Batch:
    labels: list[Any] | None = None
    if isinstance(rows[0], tuple) and rows[0]:
        if len(rows[0]) == 2 and is_label(rows[0][1]):
            labels = [row[1] for row in rows]
        rows = [row[0] for row in rows]
    if is_picture(rows[0]):
        return replace(of_images(rows, made.processor, transform), labels=labels)
    arrays = [_array(row) for row in rows]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise ValueError(
            f"the samples have different shapes ({', '.join(map(str, shapes[:3]))}): bring them "
            "to one, or pass ready batches with an attention_mask."
        )
    return replace(_of_rows(np.stack(arrays), made, transform), labels=labels)


def _of_rows(rows: np.ndarray, made: TextSources, transform: Callable[[Any], Any] | None) -> Batch:
    if rows.dtype == np.uint8 and rows.ndim in (3, 4):
        return of_images([picture(row) for row in rows], made.processor, transform)
    images = [picture(row) for row in rows] if looks_like_images(rows.shape) else []
    if transform is not None:
        return Batch(transform(rows), len(rows), images=images)
    if rows.dtype.kind not in "fiub":
        raise TypeError(f"data is an array of {rows.dtype}; numbers or texts are needed.")
    if rows.dtype.kind in "iu":
        return made.ids({"input_ids": torch.from_numpy(rows.astype(np.int64))})
    kept = np.float16 if rows.dtype == np.float16 else np.float32
    return Batch(torch.from_numpy(rows.astype(kept)), len(rows), images=images)


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
        while chunk := list(itertools.islice(told, made.batch_size)):
            images, labels = zip(*chunk, strict=True)
            yield Raw(list(images), list(labels) if label else None)

    def make(raw: Raw) -> Batch:
        return replace(_of_samples(list(raw.rows), made, transform), labels=raw.labels)

    return Source(pieces(), make, _length(data), tuple(names) if names else None, told=True)
