"""Reads samples of texts and token ids one by one and groups them into batches."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuronwidgets.core.labels import is_missing
from neuronwidgets.core.text import well_formed
from neuronwidgets.core.warning import warn
from neuronwidgets.data.batch import Raw, Tally, WordLabels
from neuronwidgets.data.records import (
    RecordFormat,
    is_label,
    is_of_tokens,
    is_target,
    kind_of,
    messages,
    plain,
)
from neuronwidgets.data.windows import Splitter

SORT_WINDOW = 64
"""Batches within which texts are sorted by length: enough to save nearly all padding, few enough
that a stream of any length takes little memory."""
NAMED = 5
"""Samples that the warning about empty texts names."""


@dataclass(frozen=True)
class _Row:
    """One sample.

    Attributes:
        dataset_index: its index in the data.
        content: its text or token ids.
        label: its label.
        origin: the index of the text that it is a window of.
    """

    dataset_index: int
    content: Any
    label: Any
    origin: int | None = None


class Stream:
    """Reads samples and yields the rows of batches.

    Empty samples and missing ones (`None`, NaN) are left out, counted in `tally`, and named in a
    warning when the data ends.

    Args:
        record_format: how to split samples into content and label.
        tokenizer: tells whether a text of blanks has tokens; writes conversations as texts.
        labels: one list per sample with a label for each word; `None` takes the data's.
        per_word: whether a label may be of a word.
        split: splits long texts into windows; `None` does not.
    """

    def __init__(
        self,
        record_format: RecordFormat,
        tokenizer: Any,
        labels: Sequence[Any] | None,
        per_word: bool,
        split: Splitter | None,
    ) -> None:
        self._format, self._tokenizer, self._split = record_format, tokenizer, split
        self._labels, self._per_word = labels, per_word
        self.tally = Tally()

    def batches(self, samples: Iterable[Any], size: int, sort_window: int | None) -> Iterator[Raw]:
        """Yield the rows of each batch of `size`.

        Within every `sort_window` batches, texts come by length, longest first: a batch that does
        not fit the device's memory fails early. `None` keeps the data's order.
        """
        rows, first = self._windows(self._rows(samples)), 0
        by_length = sort_window is not None
        while window := list(itertools.islice(rows, size * (sort_window or 1))):
            gaps = [r.dataset_index for r in window] != list(range(first, first + len(window)))
            order = sorted(window, key=lambda row: -_length(row.content)) if by_length else window
            for start in range(0, len(order), size):
                yield _raw(order[start : start + size], by_length or gaps or first == -1)
            # After the first missing sample, every batch carries its indices.
            first = -1 if gaps or first == -1 else first + len(window)

    def _rows(self, samples: Iterable[Any]) -> Iterator[_Row]:
        for index, sample in enumerate(samples):
            content, label = self._read(sample, index)
            self.tally.seen = index + 1
            if self._is_empty(content):
                self.tally.left_out.append(index)
            else:
                yield _Row(index, content, label)
        if self._labels is not None and len(self._labels) != self.tally.seen:
            raise ValueError(
                f"labels must have one entry per sample, got {len(self._labels):,} for "
                f"{self.tally.seen:,} samples."
            )
        if self.tally.left_out:
            _warn(self.tally)

    def _windows(self, rows: Iterator[_Row]) -> Iterator[_Row]:
        if self._split is None:
            yield from rows
            return
        count = itertools.count()
        for row in rows:
            if not isinstance(row.content, str):
                yield replace(row, dataset_index=next(count), origin=row.dataset_index)
                continue
            for start, text in self._split.windows(row.content):
                label = row.label
                if isinstance(label, WordLabels):
                    label = label.within(start, start + len(text))
                yield _Row(next(count), text, label, row.dataset_index)

    def _read(self, sample: Any, index: int) -> tuple[Any, Any]:
        """A sample's text or token ids, and its label."""
        kind = self._format.kind
        content, label = self._split_sample(sample, index)
        if self._labels is not None:
            label = self._labels[index] if index < len(self._labels) else None
        label = well_formed(label) if isinstance(label, str) else label
        if kind == "words":
            return self._joined(content, label, index)
        if kind == "chat":
            content = self._written(content, index)
        if kind == "ids":
            ids = content["input_ids"]
            if is_label(label) or not self._per_word or is_target(label, ids):
                return content, None if not is_label(label) and is_of_tokens(label, ids) else label
            return content, WordLabels(self._one_each(label, ids, index, "tokens"))
        content = well_formed(content) if isinstance(content, str) else content
        if self._per_word and isinstance(content, str) and not is_label(label):
            words = [match.span() for match in re.finditer(r"\S+", content)]
            labels = self._one_each(label, words, index, "words")
            return content, WordLabels(labels, np.array(words, np.int32).reshape(-1, 2))
        return content, label

    def _split_sample(self, sample: Any, index: int) -> tuple[Any, Any]:
        """A sample's content and label, refused if its kind is not the first sample's."""
        kind = self._format.kind
        try:
            content, label = self._format.split_record(sample)
            if kind == "ids" and not isinstance(content, Mapping):
                content = {"input_ids": content}
            part = content["input_ids"] if kind == "ids" else content
            # Words may hold spaces. `text_maker` checks strings, where it can name the row.
            part = list(part) if isinstance(part, tuple) else part
            fits = kind == "text" or len(part) == 0 or kind_of(part) == kind
            if not fits and (kind != "words" or isinstance(part, str)):
                raise TypeError(f"it is not of {kind}")
        except (KeyError, IndexError, TypeError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else error
            raise TypeError(
                f"sample {index:,} of data is {sample!r:.60}, unlike the first one: {why}."
            ) from None
        return content, label

    def _joined(self, words: Any, label: Any, index: int) -> tuple[str, Any]:
        """Join words to a text. Labels of words get the words' spans in it."""
        for word in words:
            if not isinstance(word, str):
                raise TypeError(f"sample {index:,} of data has {word!r:.60} among its words.")
        words = [well_formed(word) for word in words]
        ends = np.cumsum([len(word) + 1 for word in words], dtype=np.int32) - 1
        text = " ".join(words)
        if is_label(label):
            return text, label
        if not self._per_word:
            raise ValueError(
                "data has a label for each word: pooling='token' gives each token its word's "
                "label; otherwise pass one label per sample, labels=..., or words alone."
            )
        spans = np.stack([ends - [len(word) for word in words], ends], axis=1)
        labels = self._one_each(label, words, index, "words")
        return text, WordLabels(labels, spans.astype(np.int32))

    @staticmethod
    def _one_each(labels: Any, parts: Any, index: int, what: str) -> list[Any]:
        """One label for each word or token of a sample. Numbers below zero, such as -100, become
        `None`."""
        if len(labels) != len(parts):
            raise ValueError(
                f"sample {index:,} must have one label for each of its {len(parts):,} {what}, got "
                f"{len(labels):,} labels."
            )
        plain_labels = [plain(label) for label in labels]
        return [None if isinstance(i, int) and i < 0 else i for i in plain_labels]

    def _written(self, conversation: Any, index: int) -> str:
        """A conversation as text, by the tokenizer's chat template."""
        if not getattr(self._tokenizer, "chat_template", None):
            raise ValueError(
                "data holds conversations, and the tokenizer has no chat template: set "
                "tokenizer.chat_template, or pass the texts themselves."
            )
        if not len(conversation):
            return ""
        try:
            text = self._tokenizer.apply_chat_template(messages(conversation), tokenize=False)
        except Exception as error:
            raise ValueError(
                f"sample {index:,} of data is a conversation that the tokenizer's chat template "
                f"does not take: {error}"
            ) from error
        return well_formed(str(text))

    def _is_empty(self, content: Any) -> bool:
        """Whether a sample is missing or has no token, special tokens aside."""
        if is_missing(content):
            return True
        if isinstance(content, Mapping):
            return len(content["input_ids"]) == 0
        # The first characters of most texts decide, without the tokenizer.
        if not isinstance(content, str) or any(c.isprintable() and c != " " for c in content):
            return False
        if content == "" or not callable(self._tokenizer):
            return content == ""
        return not self._tokenizer(content, add_special_tokens=False)["input_ids"]


def _raw(rows: Sequence[_Row], with_index: bool) -> Raw:
    labels = [row.label for row in rows]
    return Raw(
        [row.content for row in rows],
        labels if any(label is not None for label in labels) else None,
        np.array([row.dataset_index for row in rows], np.int64) if with_index else None,
        None if rows[0].origin is None else np.array([row.origin for row in rows], np.int64),
    )


def _length(content: Any) -> int:
    if isinstance(content, Mapping):
        return len(content["input_ids"])
    return len(content) if isinstance(content, str) else 0


def _warn(tally: Tally) -> None:
    """Warn of samples that were left out; raise an error if all were."""
    left_out = tally.left_out
    if len(left_out) == tally.seen:
        raise ValueError(f"data holds {tally.seen:,} samples, and all are empty.")
    named = ", ".join(f"{i:,}" for i in left_out[:NAMED])
    more = ", ..." if len(left_out) > NAMED else ""
    are = "is empty and was" if len(left_out) == 1 else "are empty and were"
    warn(
        f"{len(left_out):,} of {tally.seen:,} texts {are} left out (sample {named}{more}).",
    )
