"""Which word carries a neuron's activation: each word deleted in turn."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from neuronwidgets.core.steps import drained
from neuronwidgets.effects.readings import Axes, Reading, SampleReader

BATCH = 64
"""Texts in one forward pass."""


@dataclass(frozen=True, eq=False)
class Deletions:
    """What each word of a text contributes, by deleting it alone.

    Attributes:
        text: the text.
        words: `W` words, or tokens in a text without spaces.
        spans: int32 `W x 2`, the `(start, end)` characters of each word.
        drops: float32 `W`, the pooled activation of the text less that without the word.
        concept: the concept whose share is compared: the leading one of the text; -1 for none.
        concept_drops: float32 `W`, its pooled share less that without the word; zeros for none.
    """

    text: str
    words: tuple[str, ...]
    spans: np.ndarray
    drops: np.ndarray
    concept: int
    concept_drops: np.ndarray

    @property
    def random_drop(self) -> float:
        """The drop to expect of a word drawn at random: the mean of all words' drops."""
        return float(self.drops.mean())

    @property
    def random_concept_drop(self) -> float:
        """The same for the concept."""
        return float(self.concept_drops.mean())

    @property
    def word(self) -> str:
        """The word that carries the activation: the one with the largest drop."""
        return self.words[int(self.drops.argmax())]

    def __repr__(self) -> str:
        return (
            f"Deletions({len(self.words):,} words, {self.word!r} carries "
            f"{self.drops.max():.4g}, a random word {self.random_drop:.4g})"
        )


def words_of(reading: Reading) -> np.ndarray:
    """The `(start, end)` characters of the words that were read: int32 `W x 2`.

    Words stand between white space. In a text of a single one, such as Chinese, they are tokens.
    """
    end = len(reading.text) - reading.unread
    words = [match.span() for match in re.finditer(r"\S+", reading.text[:end])]
    if len(words) < 2:
        tokens = {(a, b) for a, b in reading.spans.tolist() if reading.text[a:b].strip()}
        words = []
        for start, stop in sorted(tokens):
            # Tokens that share a character are one word.
            if words and start < words[-1][1]:
                words[-1] = (words[-1][0], max(stop, words[-1][1]))
            else:
                words.append((start, stop))
    return np.array(words, np.int32).reshape(-1, 2)


def without(text: str, start: int, end: int) -> str:
    """The text without the characters from `start` to `end`, nor the space before them (after
    them, for the first word)."""
    head, tail = text[:start], text[end:]
    if head.strip():
        return head.rstrip() + tail
    return head + tail.lstrip()


def deleting(
    reader: SampleReader, reading: Reading, axes: Axes, concept: int = -1
) -> Generator[float, None, Deletions]:
    """Delete each word of a text that was read, `BATCH` texts in one forward pass.

    Args:
        reader: the reader that gave `reading`.
        reading: the reading of the whole text.
        axes: the neuron and its concepts.
        concept: the concept to compare; -1: that with the largest pooled share.

    Yields:
        the share that is done, after each pass.

    Raises:
        ValueError: the text has fewer than two words.
    """
    spans = words_of(reading)
    if len(spans) < 2:
        raise ValueError("the text has fewer than two words: without one, nothing is left to read.")
    if concept < 0 and len(reading.pooled_shares):
        concept = int(reading.pooled_shares.argmax())
    # What was not read would move into the model's view as words are deleted.
    text = reading.text[: len(reading.text) - reading.unread]
    shorter = [without(text, start, end) for start, end in spans.tolist()]
    pooled = np.empty(len(shorter), np.float32)
    share = np.full(len(shorter), 0.0, np.float32)
    for start in range(0, len(shorter), BATCH):
        part = reader.texts(shorter[start : start + BATCH], axes)
        stop = start + len(part)
        pooled[start:stop] = [one.pooled for one in part]
        if concept >= 0:
            share[start:stop] = [one.pooled_shares[concept] for one in part]
        yield stop / len(shorter)
    whole_share = reading.pooled_shares[concept] if concept >= 0 else 0.0
    words = tuple(text[a:b] for a, b in spans.tolist())
    return Deletions(
        reading.text, words, spans, np.float32(reading.pooled) - pooled, concept,
        np.float32(whole_share) - share,
    )  # fmt: skip


def deletions(reader: SampleReader, reading: Reading, axes: Axes, concept: int = -1) -> Deletions:
    """All steps of `deleting` at once."""
    return drained(deleting(reader, reading, axes, concept))
