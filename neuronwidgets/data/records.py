"""Splits samples of texts and token ids, in any common form, into content and label."""

from __future__ import annotations

import datetime
import itertools
import numbers
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import chain
from typing import Any, Literal

import numpy as np
import torch

from neuronwidgets.core.labels import is_missing
from neuronwidgets.data.images import is_picture

Kind = Literal["text", "words", "chat", "ids"]
"""A text; a list of a text's words; a conversation's messages; token ids."""

EMPTY = "data is empty: it must hold at least one sample."
TEXT_COLUMNS = ("text", "sentence", "content", "document", "prompt")
IMAGE_COLUMNS = ("image", "img", "pixel_values")
LABEL_COLUMNS = ("label", "labels", "fine_label", "coarse_label")
TARGETS = (*LABEL_COLUMNS, "target", "targets", "y")
"""Names of labels. Those that are not in `LABEL_COLUMNS` are inputs where a model takes them."""
_CHATS = ("messages", "conversations", "conversation", "chat")
_WORDS = ("tokens", "words")
_TAGS = ("ner_tags", "tags", "pos_tags", "chunk_tags")
"""Columns with a label for each word."""
_LABEL_WORDS = 5
"""Most words of a label in a list of two strings. Names of classes have fewer; two longer strings
are two texts, as in a list of batches."""
_SPEAKERS = {"human": "user", "gpt": "assistant"}
"""ShareGPT's speakers -> the roles of chat templates."""


@dataclass(frozen=True)
class RecordFormat:
    """How to split the samples of a data set into content and label.

    Attributes:
        kind: the kind of all samples.
        split_record: a sample -> its content and its label. Content is a string, words, messages,
            token ids, or a mapping of `input_ids` and further inputs.
        label_names: the names of whole-number labels, where the data set has them.
    """

    kind: Kind
    split_record: Callable[[Any], tuple[Any, Any]]
    label_names: tuple[str, ...] | None = None


def record_format(
    first: Any, features: Mapping[str, Any], takes: Callable[[str], bool], per_word: bool
) -> RecordFormat | None:
    """Find out how to split samples like `first`; `None` if they are no texts or token ids.

    Args:
        first: the first sample.
        features: the types of a Hugging Face data set's columns, by name.
        takes: whether the model takes an input of that name.
        per_word: whether a label may be of a word.

    Raises:
        ValueError: several texts, of which any may be the content.
    """
    if _is_batch(first):
        raise ValueError(
            f"a sample of data is a list of {len(first)} texts: pass all texts in one list, or a "
            "text and its label as a tuple, (text, label)."
        )
    if isinstance(first, Mapping):
        return _of_columns(first, features, takes, per_word)
    if kind := kind_of(first):
        return RecordFormat(kind, lambda item: (item, None))
    if not isinstance(first, tuple | list) or not first:
        return None
    head, other = (*first, None)[:2]
    if isinstance(head, Mapping) and len(first) == 2 and is_label(other):
        columns = _of_columns(head, {}, takes, per_word)
        return columns and replace(columns, split_record=_tuples(2, lambda item, label: (
            columns.split_record(item)[0], label
        )))  # fmt: skip
    kind = None if is_picture(head) else kind_of(head)
    token_columns = _token_columns(first, takes, per_word) if kind == "ids" else []
    # Behind the label are the sample's index, its path, ...
    rest = first[len(token_columns) :]
    if token_columns and all(map(is_label, rest[1:])):
        return RecordFormat("ids", _tuples(len(first), lambda *parts: (
            dict(zip(token_columns, parts, strict=False)), (*parts[len(token_columns) :], None)[0]
        )))  # fmt: skip
    if kind and (len(first) == 1 or (len(first) == 2 and is_label(other, kind))):
        return RecordFormat(kind, _tuples(len(first), lambda item, label=None: (item, label)))
    if isinstance(other, str) and len(first) == 2 and isinstance(plain(head), int):
        return RecordFormat("text", _tuples(2, lambda label, text: (text, label)))
    if isinstance(head, str):
        held = ", ".join(type(item).__name__ for item in first[:4])
        raise ValueError(
            "a sample of data must be a text, a list of words or a (text, label) pair, got a "
            f"{type(first).__name__} of {len(first)} ({held})."
        )
    return None


def _is_batch(first: Any) -> bool:
    """Whether the first sample is a list of texts, and neither of words nor of text and label."""
    if not isinstance(first, list) or len(first) < 2 or kind_of(first) is not None:
        return False
    texts = all(isinstance(part, str) for part in first)
    return texts and (len(first) > 2 or len(first[1].split()) > _LABEL_WORDS)


def _tuples(
    size: int, split_record: Callable[..., tuple[Any, Any]]
) -> Callable[[Any], tuple[Any, Any]]:
    """`split_record` of tuples of this size; all else raises."""

    def checked(item: Any) -> tuple[Any, Any]:
        if not isinstance(item, tuple | list) or len(item) != size:
            raise TypeError(f"a {type(item).__name__}, not a tuple of {size}")
        if _is_batch(item):
            raise TypeError("a list of texts, not a text and its label")
        return split_record(*item)

    return checked


def kind_of(item: Any) -> Kind | None:
    """The kind of a sample without its label; `None` if it is no text or token ids."""
    if isinstance(item, str):
        return "text"
    if isinstance(item, torch.Tensor | np.ndarray) and item.ndim != 1:
        return None
    if isinstance(item, torch.Tensor):
        return "ids" if item.dtype in (torch.int16, torch.int32, torch.int64) else None
    if isinstance(item, np.ndarray) and item.dtype.kind in "iu":
        return "ids" if item.dtype != np.uint8 else None
    if isinstance(item, Mapping):
        # Older versions of Hugging Face's datasets give a list of mappings so.
        lists = all(isinstance(value, list | tuple) for value in item.values())
        return "chat" if lists and _is_message(item) else None
    if not isinstance(item, list | tuple | np.ndarray):
        return None
    ids = all(isinstance(plain(i), int) and not isinstance(plain(i), bool) for i in item)
    if isinstance(item, tuple):
        return "ids" if ids and len(item) > 2 else None
    if not len(item):
        return None
    if all(isinstance(part, str) for part in item):
        # Strings that hold spaces are texts, not words.
        return None if any(re.search(r"\S\s+\S", part) for part in item) else "words"
    if all(_is_message(part) for part in item):
        return "chat"
    return "ids" if ids else None


def as_record(sample: Any) -> Any:
    """A sample with named fields as a mapping of them, where their order does not tell content and
    label: a dataclass, or a named tuple that begins with its label or has three fields or more.
    Anything else as it is."""
    if is_dataclass(sample) and not isinstance(sample, Mapping | type):
        return {field.name: getattr(sample, field.name) for field in fields(sample)}
    names: tuple[str, ...] = getattr(sample, "_fields", ()) if isinstance(sample, tuple) else ()
    contents = (*TEXT_COLUMNS, *IMAGE_COLUMNS)
    named = names[:1] and (names[0] in TARGETS or (len(names) > 2 and {*names} & {*contents}))
    return dict(zip(names, sample, strict=True)) if named else sample


def first_nonempty(samples: Iterator[Any]) -> tuple[Any, Iterator[Any]]:
    """The first sample that is not empty, which shows the kind of all, and all samples.

    Raises:
        ValueError: no sample, or only empty ones.
    """
    head = list(itertools.islice(samples, 1))
    while head and _is_empty(head[-1]) and (more := list(itertools.islice(samples, 1))):
        head += more
    if not head:
        raise ValueError(EMPTY)
    if _is_empty(head[-1]):
        raise ValueError(f"data holds {len(head):,} samples, and all are empty.")
    return head[-1], chain(head, samples)


def _is_empty(sample: Any) -> bool:
    if isinstance(sample, Mapping):
        # A label may be missing.
        held = (v for name, v in sample.items() if name in TEXT_COLUMNS or not is_missing(v))
        return any(map(_is_empty, held))
    if isinstance(sample, tuple) and sample:
        return _is_empty(sample[0])
    if isinstance(sample, list | np.ndarray):
        return len(sample) == 0
    return is_missing(sample)


def is_label(label: Any, kind: Kind | None = None) -> bool:
    """Whether `label` is one label. With a `kind`, one label for each part of a sample also is."""
    if kind is not None and isinstance(label, list | tuple | np.ndarray | torch.Tensor):
        return True
    scalar = isinstance(label, numbers.Number | str | bytes | np.generic | datetime.date)
    scalar = scalar or hasattr(label, "as_py")  # of Arrow
    return scalar or is_missing(label) or getattr(label, "ndim", 1) == 0


def is_of_tokens(labels: Any, ids: Any) -> bool:
    """Whether a sample's labels are of its tokens, and no one-hot target."""
    if len(labels) != len(ids):
        return False
    values = np.asarray(labels)
    return values.dtype.kind != "f" or not bool(np.isin(values, (0, 1)).all())


def is_target(labels: Any, ids: Any) -> bool:
    """Whether the labels of tokens are their own ids or -100, as for training."""
    labels, ids = np.asarray(labels), np.asarray(ids)
    return labels.shape == ids.shape and bool(((labels == ids) | (labels == -100)).all())


def messages(content: Any) -> list[dict[str, Any]]:
    """A conversation in the form of chat templates: `role` and `content` of each message."""
    if isinstance(content, Mapping):
        rows = zip(*content.values(), strict=True)
        content = [dict(zip(content, row, strict=True)) for row in rows]
    return [
        {"role": _SPEAKERS.get(part["from"], part["from"]), "content": part["value"]}
        if "from" in part
        else dict(part)
        for part in content
    ]


def unbatched(batch: Any, collated: bool) -> list[Any] | None:
    """The samples of a `DataLoader`'s batch of texts; `None` for a batch of anything else.

    Args:
        batch: the batch.
        collated: whether `default_collate` made it, which lists all texts, then all labels.
    """
    if isinstance(batch, Mapping):
        size = next((len(v) for v in batch.values() if _are_contents(v)), None)
        ready = isinstance(batch.get("input_ids"), torch.Tensor | np.ndarray)
        if size is None or ready or any(column in batch for column in IMAGE_COLUMNS):
            return None
        rows = {k: v for k, v in batch.items() if hasattr(v, "__len__") and len(v) == size}
        return [{key: value[i] for key, value in rows.items()} for i in range(size)]
    if not isinstance(batch, list | tuple) or not batch:
        return None
    if all(isinstance(part, str) for part in batch):
        return list(batch)
    if len(batch) == 2 and isinstance(batch[0], Mapping) and not isinstance(batch[1], Mapping):
        rows_of_mapping = unbatched(batch[0], collated)
        return rows_of_mapping and list(zip(rows_of_mapping, batch[1], strict=True))
    if collated:
        return list(zip(*batch, strict=True)) if any(map(_are_contents, batch)) else None
    if len(batch) == 2:
        for contents, labels in (batch, batch[::-1]):
            column = hasattr(labels, "__len__") and not isinstance(labels, str | Mapping)
            if not column or not _are_contents(contents) or len(labels) != len(contents):
                continue
            content_kind, label_kind = kind_of(contents), kind_of(labels)
            samples = isinstance(contents, tuple) or (
                content_kind is not None and content_kind == label_kind
            )
            if isinstance(batch, tuple) or not samples:
                return list(zip(contents, labels, strict=True))
    if isinstance(batch[0], torch.Tensor | np.ndarray):
        return None
    return list(batch) if record_format(batch[0], {}, bool, True) else None


def _of_columns(
    first: Mapping[str, Any], features: Mapping[str, Any], takes: Callable[[str], bool],
    per_word: bool,
) -> RecordFormat | None:  # fmt: skip
    """Choose the columns that hold content and label, in order of preference."""
    kinds = {column: kind_of(value) for column, value in first.items()}
    if kind_of(first) == "chat":
        return RecordFormat("chat", lambda item: (item, None))
    if _is_message(first):
        raise ValueError(
            "data is one conversation: pass a list of conversations, [data], one for each sample."
        )
    if any(column in first for column in IMAGE_COLUMNS):
        return None
    typed = {name for name, kind in features.items() if getattr(kind, "dtype", "") == "string"}
    classes = [c for c in first if getattr(features.get(c), "names", None)]
    label = next((c for c in LABEL_COLUMNS if c in first), classes[0] if classes else None)
    kinds.pop(label or "", None)
    strings = [c for c in kinds if kinds[c] == "text" or c in typed]
    strings = [c for c in strings if not _are_classes(c, first)]
    candidates = [
        *(["input_ids"] if kinds.get("input_ids") == "ids" else []),
        *(c for c in TEXT_COLUMNS if c in strings),
        *(c for c in chain(_CHATS, kinds) if kinds.get(c) == "chat"),
        *(c for c in _WORDS if kinds.get(c) == "words"),
        *(strings if len(strings) == 1 else []),
    ]
    if not candidates and strings:
        raise ValueError(
            f"data has the text columns {', '.join(map(repr, strings))}, of which any may be "
            f"meant: pass data[{strings[0]!r}] (and labels=data[...])."
        )
    if not candidates:
        return None
    column, kind = candidates[0], kinds[candidates[0]] or "text"
    if kind == "words" and per_word and label is None:
        label = next((c for c in _TAGS if c in first), None)
    names = features.get(label or "")
    names = getattr(names, "names", None) or getattr(getattr(names, "feature", 0), "names", None)
    names = tuple(names) if names else None
    if kind != "ids":
        return RecordFormat(
            kind, lambda item: (item[column], item[label] if label else None), names
        )
    fields = [c for c in first if c == column or (takes(c) and c not in LABEL_COLUMNS)]
    return RecordFormat("ids", lambda item: (
        {field: item[field] for field in fields}, item[label] if label else None
    ), names)  # fmt: skip


def _are_classes(column: str, record: Mapping[str, Any]) -> bool:
    """Whether a record's only strings are the classes of an array beside them."""
    arrays = any(
        isinstance(value, torch.Tensor | np.ndarray)
        or (isinstance(value, list) and any(isinstance(v, float) for v in value))
        for value in record.values()
    )
    return column in TARGETS and arrays


def _is_mask(values: Any, ids: Any) -> bool:
    """Whether `values` is an attention mask of `ids`: zeros with one run of ones."""
    if kind_of(values) != "ids" or len(values) != len(ids):
        return False
    mask = np.asarray(values)
    steps = np.abs(np.diff(mask)).sum()
    return bool(np.isin(mask, (0, 1)).all() and mask.any() and steps < 2)


def _token_columns(parts: Sequence[Any], takes: Callable[[str], bool], per_word: bool) -> list[str]:
    """The names of ids, mask and token types that a sample's parts begin with; empty without a
    mask. Of three parts the last is labels of tokens where labels may be those (`per_word`)."""
    ids, second, third = (*parts, None, None)[:3]
    if takes("token_type_ids") and not (per_word and len(parts) == 3):
        if _is_mask(second, ids) and _are_types(third, ids):
            return ["input_ids", "attention_mask", "token_type_ids"]
        if _are_types(second, ids) and _is_mask(third, ids):  # the order of a tokenizer
            return ["input_ids", "token_type_ids", "attention_mask"]
    return ["input_ids", "attention_mask"] if _is_mask(second, ids) else []


def _are_types(values: Any, ids: Any) -> bool:
    """Whether `values` is token types of `ids`: one run of ones or none, not from the first on."""
    if kind_of(values) != "ids" or len(values) != len(ids):
        return False
    types = np.asarray(values)
    return bool(np.isin(types, (0, 1)).all() and not types[0] and np.abs(np.diff(types)).sum() < 3)


def _is_message(item: Any) -> bool:
    names = set(item) if isinstance(item, Mapping) else set()
    return names >= {"role", "content"} or names >= {"from", "value"}


def _are_contents(values: Any) -> bool:
    rows = isinstance(values, list | tuple | np.ndarray) and len(values) > 0
    return rows and all(kind_of(value) is not None for value in values)


def plain(value: Any) -> Any:
    """A scalar of NumPy or torch as a Python number."""
    alone = isinstance(value, np.generic) or getattr(value, "ndim", 1) == 0
    return value.item() if alone else value
