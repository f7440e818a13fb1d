"""Samples of texts and token ids, one after the other -> the rows of batches."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuronwidgets.core.text import well_formed
from neuronwidgets.data.batch import Raw, Tally, WordLabels
from neuronwidgets.data.records import Records, is_label, is_target, kind_of, messages, plain
from neuronwidgets.data.windows import Splitter

WINDOW = 64
"""Batches within which texts are sorted by length."""
NAMED = 5
"""So many of the samples that are left out are named."""


@dataclass(frozen=True)
class _Row:
    """One sample: its number in the data, its text or ids, its label, and the number of the text
    that it is a window of."""

    number: int
    content: Any
    label: Any
    origin: int | None = None


class Stream:
    """Reads samples and gives the rows of batches. Samples without any text are left out, counted
    in `tally`, and named in a warning when the data ends.

    Args:
        records: how samples are taken apart.
        tokenizer: tells whether a text that shows nothing has tokens, and writes conversations as
            texts.
        labels: one list for each sample, of a label for each word; `None`: those of the data.
        per_word: whether a label may be of a word.
        split: makes windows of long texts.
    """

    def __init__(
        self, records: Records, tokenizer: Any, labels: Sequence[Any] | None, per_word: bool,
        split: Splitter | None,
    ) -> None:  # fmt: skip
        self._records, self._tokenizer, self._split = records, tokenizer, split
        self._labels, self._per_word = labels, per_word
        self.tally = Tally()

    def batches(self, samples: Iterable[Any], size: int, by_length: bool) -> Iterator[Raw]:
        """The rows of each batch of `size`.

        By length within windows, so that streams of any length take little memory; the longest
        first, so that what does not fit the device's memory shows at once.
        """
        rows, first = self._windows(self._rows(samples)), 0
        while window := list(itertools.islice(rows, size * WINDOW if by_length else size)):
            gaps = [row.number for row in window] != list(range(first, first + len(window)))
            order = sorted(window, key=lambda row: -_length(row.content)) if by_length else window
            for start in range(0, len(order), size):
                yield _raw(order[start : start + size], by_length or gaps or first == -1)
            # Once a sample is missing, each says where it stands.
            first = -1 if gaps or first == -1 else first + len(window)

    def _rows(self, samples: Iterable[Any]) -> Iterator[_Row]:
        for number, sample in enumerate(samples):
            content, label = self._read(sample, number)
            self.tally.seen = number + 1
            if self._says_nothing(content):
                self.tally.left_out.append(number)
            else:
                yield _Row(number, content, label)
        if self._labels is not None and len(self._labels) != self.tally.seen:
            raise ValueError(
                f"labels has {len(self._labels):,} entries and data has {self.tally.seen:,} "
                "samples: one per sample is needed."
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
                yield replace(row, number=next(count), origin=row.number)
                continue
            for start, text in self._split.windows(row.content):
                label = row.label
                if isinstance(label, WordLabels):
                    label = label.within(start, start + len(text))
                yield _Row(next(count), text, label, row.number)

    def _read(self, sample: Any, number: int) -> tuple[Any, Any]:
        """A sample's text or token ids, and its label."""
        kind = self._records.kind
        content, label = self._apart(sample, number)
        if self._labels is not None:
            label = self._labels[number] if number < len(self._labels) else None
        label = well_formed(label) if isinstance(label, str) else label
        if kind == "words":
            return self._joined(content, label, number)
        if kind == "chat":
            content = self._written(content, number)
        if kind == "ids":
            ids = content["input_ids"]
            if is_label(label) or not self._per_word or is_target(label, ids):
                return content, label if is_label(label) else None
            return content, WordLabels(self._each(label, ids, number, "tokens"))
        content = well_formed(content) if isinstance(content, str) else content
        if self._per_word and isinstance(content, str) and not is_label(label):
            words = [match.span() for match in re.finditer(r"\S+", content)]
            labels = self._each(label, words, number, "words")
            return content, WordLabels(labels, np.array(words, np.int32).reshape(-1, 2))
        return content, label

    def _apart(self, sample: Any, number: int) -> tuple[Any, Any]:
        """A sample's content and label, refused where it is not of the kind that the first is."""
        kind = self._records.kind
        try:
            content, label = self._records.apart(sample)
            if kind == "ids" and not isinstance(content, Mapping):
                content = {"input_ids": content}
            part = content["input_ids"] if kind == "ids" else content
            # Words may hold spaces; strings are looked at where their place is known.
            part = list(part) if isinstance(part, tuple) else part
            same = kind == "text" or len(part) == 0 or kind_of(part) == kind
            if not same and (kind != "words" or isinstance(part, str)):
                raise TypeError(f"it is not of {kind}")
        except (KeyError, IndexError, TypeError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else error
            raise TypeError(
                f"sample {number:,} of data is {sample!r:.60}, unlike the first one: {why}."
            ) from None
        return content, label

    def _joined(self, words: Any, label: Any, number: int) -> tuple[str, Any]:
        """Words as a text; their labels know where they stand."""
        for word in words:
            if not isinstance(word, str):
                raise TypeError(f"sample {number:,} of data has {word!r:.60} among its words.")
        words = [well_formed(word) for word in words]
        ends = np.cumsum([len(word) + 1 for word in words], dtype=np.int32) - 1
        text = " ".join(words)
        if is_label(label):
            return text, label
        if not self._per_word:
            raise ValueError(
                "data has a label for each word: unit='token' gives each token its word's; "
                "otherwise pass one label per sample, labels=..., or words alone."
            )
        spans = np.stack([ends - [len(word) for word in words], ends], axis=1)
        return text, WordLabels(self._each(label, words, number, "words"), spans.astype(np.int32))

    @staticmethod
    def _each(labels: Any, parts: Any, number: int, what: str) -> list[Any]:
        """A label for each of a sample's parts, -100 and other numbers below zero for none."""
        if len(labels) != len(parts):
            raise ValueError(
                f"sample {number:,} has {len(parts):,} {what} and {len(labels):,} labels: one for "
                "each is needed."
            )
        found = [plain(label) for label in labels]
        return [None if isinstance(i, int) and i < 0 else i for i in found]

    def _written(self, conversation: Any, number: int) -> str:
        """A conversation as the tokenizer's template writes it."""
        if not getattr(self._tokenizer, "chat_template", None):
            raise ValueError(
                "data is conversations, and the tokenizer has no chat template: set "
                "tokenizer.chat_template, or pass the texts themselves."
            )
        if not len(conversation):
            return ""
        try:
            found = self._tokenizer.apply_chat_template(messages(conversation), tokenize=False)
        except Exception as error:
            raise ValueError(
                f"sample {number:,} of data is a conversation that the tokenizer's chat template "
                f"does not take: {error}"
            ) from error
        return well_formed(str(found))

    def _says_nothing(self, content: Any) -> bool:
        """Whether no token is left of a text; of most a look at their first characters tells."""
        if isinstance(content, Mapping):
            return len(content["input_ids"]) == 0
        if not isinstance(content, str) or any(c.isprintable() and c != " " for c in content):
            return False
        if content == "" or not callable(self._tokenizer):
            return content == ""
        return not self._tokenizer(content, add_special_tokens=False)["input_ids"]


def _raw(rows: Sequence[_Row], placed: bool) -> Raw:
    labels = [row.label for row in rows]
    return Raw(
        [row.content for row in rows],
        labels if any(label is not None for label in labels) else None,
        np.array([row.number for row in rows], np.int64) if placed else None,
        None if rows[0].origin is None else np.array([row.origin for row in rows], np.int64),
    )


def _length(content: Any) -> int:
    if isinstance(content, Mapping):
        return len(content["input_ids"])
    return len(content) if isinstance(content, str) else 0


def _warn(tally: Tally) -> None:
    left_out = tally.left_out
    if len(left_out) == tally.seen:
        raise ValueError(f"data holds {tally.seen:,} samples, and all are empty.")
    named = ", ".join(f"{i:,}" for i in left_out[:NAMED])
    more = ", ..." if len(left_out) > NAMED else ""
    are = "is empty and was" if len(left_out) == 1 else "are empty and were"
    warnings.warn(
        f"{len(left_out):,} of {tally.seen:,} texts {are} left out (sample {named}{more}).",
        stacklevel=2,
    )
