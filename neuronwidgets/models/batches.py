"""Whatever users have as data -> batches that a model accepts, and what each row was."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from neuronwidgets.picture import picture

_TEXT_COLUMNS = ("text", "sentence", "content", "document", "prompt")
_IMAGE_COLUMNS = ("image", "img", "pixel_values")
_LABEL_COLUMNS = ("label", "labels", "fine_label", "coarse_label")


@dataclass(frozen=True)
class Batch:
    """One batch.

    `inputs` goes to the model. `mask` (`B x T`, bool) is true at tokens that are not padding,
    `content` (`B x T`, bool) at those that are not special tokens either. `shown` holds what a
    person sees of each row: images (uint8, `H x W` or `H x W x 3`) or texts; `spans` each token's
    `(start, end)` characters in its text.
    """

    inputs: Any
    size: int
    mask: torch.Tensor | None = None
    content: torch.Tensor | None = None
    labels: Sequence[Any] | None = None
    images: list[np.ndarray] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    spans: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """Batches to iterate once, the number of samples where known, and the labels' names."""

    batches: Iterator[Batch]
    total: int | None
    label_names: tuple[str, ...] | None = None


def batches(
    data: Any,
    *,
    processor: Any = None,
    transform: Callable[[Any], Any] | None = None,
    batch_size: int = 64,
    max_length: int | None = None,
) -> Source:
    """Cut `data` into batches.

    Args:
        data: a list of strings; an array or list of images; an array of vectors or token ids; a
            Hugging Face `Dataset` or `IterableDataset`; or any iterable of ready batches
            (tensors, `(input, label)` pairs, mappings), such as a `DataLoader`.
        processor: a Hugging Face tokenizer, image processor or processor.
        transform: a list of images (or rows of the array) -> the model's input.
        batch_size: samples per batch (ready batches keep their own size).
        max_length: longer texts are cut to so many tokens.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r}; a whole number of at least 1 is needed.")
    if isinstance(data, str | bytes):
        raise TypeError("data is a single string; pass a list of strings, one per sample.")
    if hasattr(data, "column_names") and hasattr(data, "features"):
        return _from_dataset(data, processor, transform, batch_size, max_length)
    if isinstance(data, torch.Tensor):
        data = data.detach().cpu()
        data = (data.float() if data.dtype == torch.bfloat16 else data).numpy()
    if isinstance(data, Mapping):
        raise TypeError(
            "data is a mapping, as one batch is: pass a list of batches, [data], or a list of "
            "texts with tokenizer=..."
        )
    if isinstance(data, np.ndarray):
        if data.ndim == 0 or len(data) == 0:
            raise ValueError("data is empty: at least one sample is needed.")
        if data.dtype.kind in "US":
            data = data.astype(str).tolist()
        elif data.dtype == object:
            data = list(data)
        else:
            chunks = (data[i : i + batch_size] for i in range(0, len(data), batch_size))
            return Source((_of_rows(c, processor, transform) for c in chunks), len(data))
    if not isinstance(data, Iterable):
        raise TypeError(
            f"data is a {type(data).__name__}; a list of strings, an array or list of images, a "
            "Hugging Face Dataset, or an iterable of batches is needed."
        )
    if isinstance(data, Sequence) and len(data) == 0:
        raise ValueError("data is empty: at least one sample is needed.")
    sized = len(data) if isinstance(data, Sequence) else None
    rows = iter(data)
    try:
        first = next(rows)
    except StopIteration:
        raise ValueError("data is empty: at least one sample is needed.") from None
    rows = itertools.chain([first], rows)
    if isinstance(first, str):
        make = _text_maker(processor, max_length)
        return Source((make(chunk, None) for chunk in _chunks(rows, batch_size)), sized)
    if _is_picture(first):
        return Source(
            (_of_images(chunk, processor, transform) for chunk in _chunks(rows, batch_size)), sized
        )
    if _is_sample(first):
        return Source(
            (_of_samples(c, processor, transform) for c in _chunks(rows, batch_size)),
            len(data) if hasattr(data, "__len__") else None,
        )
    loaded = getattr(data, "dataset", None)
    total = len(loaded) if loaded is not None and hasattr(loaded, "__len__") else None
    return Source((_ready(batch, processor) for batch in rows), total)


def _chunks(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(itertools.islice(rows, size)):
        yield chunk


def _is_picture(item: Any) -> bool:
    if hasattr(item, "getbands") and hasattr(item, "convert"):
        return True
    return isinstance(item, np.ndarray) and item.dtype == np.uint8 and item.ndim in (2, 3)


def _is_sample(item: Any) -> bool:
    """One sample of a list or of a torch `Dataset`, as opposed to a ready batch."""
    if isinstance(item, tuple) and len(item) == 2:
        label = item[1]
        scalar = isinstance(label, int | str | np.integer) or getattr(label, "ndim", 1) == 0
        return scalar and (_is_picture(item[0]) or isinstance(item[0], torch.Tensor | np.ndarray))
    shape = tuple(getattr(item, "shape", ()))
    return len(shape) == 1 or (len(shape) == 3 and shape[0] in (1, 3))


def _of_samples(rows: list[Any], processor: Any, transform: Callable[[Any], Any] | None) -> Batch:
    labels: list[Any] | None = None
    if isinstance(rows[0], tuple):
        labels = [y.item() if hasattr(y, "item") else y for _, y in rows]
        rows = [x for x, _ in rows]
    if _is_picture(rows[0]):
        made = _of_images(rows, processor, transform)
    else:
        made = _of_rows(np.stack([np.asarray(row) for row in rows]), processor, transform)
    return Batch(
        made.inputs, made.size, made.mask, made.content, labels, made.images, made.texts, made.spans
    )


def _looks_like_images(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and (shape[1] in (1, 3) or shape[3] in (1, 3))


def _of_rows(rows: np.ndarray, processor: Any, transform: Callable[[Any], Any] | None) -> Batch:
    if rows.dtype == np.uint8 and rows.ndim in (3, 4):
        return _of_images([picture(row) for row in rows], processor, transform)
    images = [picture(row) for row in rows] if _looks_like_images(rows.shape) else []
    if transform is not None:
        return Batch(transform(rows), len(rows), images=images)
    if rows.dtype.kind not in "fiub":
        raise TypeError(f"data is an array of {rows.dtype}; numbers or texts are needed.")
    rows = np.ascontiguousarray(rows)
    tensor = torch.from_numpy(rows.astype(np.float32) if rows.dtype == np.float64 else rows)
    if rows.dtype.kind in "iu":
        return _of_ids(tensor.long(), None, processor)
    return Batch(tensor, len(rows), images=images)


def _of_images(images: list[Any], processor: Any, transform: Callable[[Any], Any] | None) -> Batch:
    pictures = [picture(image) for image in images]
    if transform is not None:
        return Batch(transform(images), len(images), images=pictures)
    if processor is not None:
        made = processor(
            images=[np.atleast_3d(p).repeat(3, 2) if p.ndim == 2 else p for p in pictures],
            return_tensors="pt",
        )
        return Batch(dict(made), len(images), images=pictures)
    shapes = {p.shape for p in pictures}
    if len(shapes) > 1:
        raise ValueError(
            f"the images have different shapes ({', '.join(map(str, sorted(shapes)[:3]))}): pass "
            "tokenizer=<an image processor> or transform=<a function> that brings them to one size."
        )
    stack = np.stack(pictures).astype(np.float32) / 255
    stack = stack[:, None] if stack.ndim == 3 else np.moveaxis(stack, -1, 1)
    return Batch(torch.from_numpy(np.ascontiguousarray(stack)), len(images), images=pictures)


def _text_maker(
    tokenizer: Any, max_length: int | None
) -> Callable[[list[Any], Sequence[Any] | None], Batch]:
    if tokenizer is None:
        raise ValueError(
            "data is text and there is no tokenizer: pass tokenizer=<the model's tokenizer>, "
            "e.g. AutoTokenizer.from_pretrained(...)."
        )
    if getattr(tokenizer, "pad_token", None) is None and hasattr(tokenizer, "pad_token"):
        import copy

        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    limit = max_length or getattr(tokenizer, "model_max_length", None)
    limit = limit if limit is not None and limit < 1_000_000 else None
    fast = bool(getattr(tokenizer, "is_fast", False))

    def make(texts: list[Any], labels: Sequence[Any] | None) -> Batch:
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(
                    f"data holds a {type(text).__name__} among its texts ({text!r:.60}"
                    f", row {i} of its batch): every sample must be a string."
                )
        made = tokenizer(
            texts,
            return_tensors="pt",
            padding=True,
            truncation=limit is not None,
            max_length=limit,
            return_special_tokens_mask=True,
            return_offsets_mapping=fast,
        )
        fields = dict(made)
        special = fields.pop("special_tokens_mask", None)
        offsets = fields.pop("offset_mapping", None)
        if fields["input_ids"].shape[1] == 0:
            raise ValueError("the texts of one batch are all empty: no token is left to run on.")
        mask = fields["attention_mask"].bool()
        content = mask if special is None else mask & ~special.bool()
        if offsets is not None:
            spans = [np.asarray(row, np.int32) for row in offsets.numpy()]
            return Batch(fields, len(texts), mask, content, labels, texts=texts, spans=spans)
        pieces = [_pieces(tokenizer, row) for row in fields["input_ids"].tolist()]
        return Batch(
            fields,
            len(texts),
            mask,
            content,
            labels,
            texts=[p[0] for p in pieces],
            spans=[p[1] for p in pieces],
        )

    return make


def _pieces(tokenizer: Any, ids: list[int]) -> tuple[str, np.ndarray]:
    """Text and spans from token ids alone: the tokens decoded one by one and joined."""
    words = [tokenizer.decode([i]) for i in ids]
    words = [w.replace("##", "") if w.startswith("##") else w for w in words]
    if not any(w.startswith(" ") for w in words[1:]):
        words = [w if i == 0 else " " + w for i, w in enumerate(words)]
    ends = np.cumsum([len(w) for w in words])
    starts = np.concatenate([[0], ends[:-1]])
    return "".join(words), np.stack([starts, ends], 1).astype(np.int32)


def _of_ids(ids: torch.Tensor, mask: torch.Tensor | None, tokenizer: Any) -> Batch:
    if ids.ndim != 2:
        raise ValueError(
            f"data holds whole numbers of shape {tuple(ids.shape)}: token ids are B x T; images "
            "are uint8; give floating point numbers for anything else."
        )
    inputs = {"input_ids": ids} if mask is None else {"input_ids": ids, "attention_mask": mask}
    bools = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
    pieces = [_pieces(tokenizer, row) for row in ids.tolist()] if tokenizer is not None else []
    return Batch(
        inputs if mask is not None or tokenizer is not None else ids,
        len(ids),
        bools,
        bools,
        texts=[p[0] for p in pieces],
        spans=[p[1] for p in pieces],
    )


def _ready(batch: Any, tokenizer: Any) -> Batch:
    """A batch that came ready for the model, as from a `DataLoader`."""
    labels: Sequence[Any] | None = None
    if isinstance(batch, tuple | list) and len(batch) == 2 and isinstance(batch[0], torch.Tensor):
        batch, labels = batch[0], _as_labels(batch[1], len(batch[0]))
    elif isinstance(batch, tuple | list):
        batch = tuple(batch)
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
        pieces = (
            [_pieces(tokenizer, row) for row in ids.tolist()]
            if tokenizer is not None and ids is not None
            else []
        )
        images = _pictures(fields.get("pixel_values"))
        return Batch(
            fields,
            len(lead),
            mask,
            mask,
            labels,
            images,
            [p[0] for p in pieces],
            [p[1] for p in pieces],
        )
    lead = batch[0] if isinstance(batch, tuple) else batch
    if isinstance(lead, np.ndarray):
        lead = torch.from_numpy(lead)
        batch = lead if not isinstance(batch, tuple) else (lead, *batch[1:])
    if not isinstance(lead, torch.Tensor) or lead.ndim == 0:
        raise TypeError(
            f"data holds a {type(lead).__name__}: strings, images, tensors of batches, "
            "(input, label) pairs or mappings are needed."
        )
    return Batch(batch, len(lead), labels=labels, images=_pictures(lead))


def _pictures(values: Any) -> list[np.ndarray]:
    if not isinstance(values, torch.Tensor) or not _looks_like_images(tuple(values.shape)):
        return []
    return [picture(row) for row in values.detach().float().cpu().numpy()]


def _as_labels(values: Any, size: int | None) -> Sequence[Any] | None:
    rows = values.tolist() if isinstance(values, torch.Tensor | np.ndarray) else values
    if not isinstance(rows, list | tuple) or (size is not None and len(rows) != size):
        return None
    return None if any(isinstance(row, list) for row in rows) else rows


def _from_dataset(
    data: Any,
    processor: Any,
    transform: Callable[[Any], Any] | None,
    batch_size: int,
    max_length: int | None,
) -> Source:
    """A Hugging Face `Dataset` or `IterableDataset`: its text or image column, its labels."""
    total = len(data) if hasattr(data, "__len__") else None
    if total == 0:
        raise ValueError("data is empty: at least one sample is needed.")
    rows = iter(data)
    first = next(rows, None)
    if first is None:
        raise ValueError("data is empty: at least one sample is needed.")
    columns = list(first)
    strings = [c for c in columns if isinstance(first[c], str)]
    text = next((c for c in _TEXT_COLUMNS if c in strings), strings[0] if strings else None)
    image = next((c for c in _IMAGE_COLUMNS if c in columns), None)
    label = next((c for c in _LABEL_COLUMNS if c in columns), None)
    names = getattr((data.features or {}).get(label), "names", None)
    column = image or text
    if column is None:
        raise ValueError(
            f"data has the columns {columns}; one of texts ({_TEXT_COLUMNS[0]!r}) or "
            f"images ({_IMAGE_COLUMNS[0]!r}) is needed."
        )
    make = _text_maker(processor, max_length) if image is None else None

    def run() -> Iterator[Batch]:
        for chunk in _chunks(itertools.chain([first], rows), batch_size):
            values = [row[column] for row in chunk]
            labels = [row[label] for row in chunk] if label else None
            if make is not None:
                yield make(values, labels)
            else:
                made = _of_images(values, processor, transform)
                yield Batch(made.inputs, made.size, labels=labels, images=made.images)

    return Source(run(), total, tuple(names) if names else None)
