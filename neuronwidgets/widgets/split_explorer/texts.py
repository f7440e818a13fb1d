"""The texts on the cards of a split, read token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from neuronwidgets.concepts.split import Split
from neuronwidgets.widgets.base.jobs import JobProgress, Steps
from neuronwidgets.widgets.base.previews import Text, cut_text, plain_text

CHUNK = 16
"""Texts that are read token by token in one step."""


class Texts:
    """The texts of a split's samples, as far as they were read.

    Args:
        split: what it is about.

    Attributes:
        read: row of the activations -> its text.
        wanted: rows whose texts a view wants to their ends; others are cut around the peak.
    """

    def __init__(self, split: Split) -> None:
        self.split = split
        self.read: dict[int, Text] = {}
        self.wanted: set[int] = set()

    def want(self, row: int) -> None:
        """Have the text of a row read to its ends.

        Raises:
            IndexError: no such row.
            ValueError: the samples are no texts.
        """
        samples = self.split.acts.samples
        if not 0 <= row < len(samples):
            raise IndexError(
                f"sample {row} is not in the data, which has {len(samples):,} samples: 0 to "
                f"{len(samples) - 1:,}."
            )
        if samples.kind != "text":
            raise ValueError(f"sample {row} is no text.")
        self.wanted.add(row)

    def cut(self) -> list[int]:
        """The wanted rows whose texts are not read to their ends yet."""
        return sorted(r for r in self.wanted if r not in self.read or self.read[r].cut)

    def unread(self, rows: Iterable[int], reads: bool) -> list[int]:
        """The rows of `rows` that are still to be read.

        Args:
            rows: of the activations.
            reads: whether the model may read texts where the activations lack their tokens.
        """
        if not self._can_read(reads):
            return []
        return [row for row in dict.fromkeys(rows) if row not in self.read]

    def steps(self, rows: list[int], publish: Callable[[], None]) -> Steps:
        """Read texts token by token, with the activation of each token."""
        for start in range(0, len(rows), CHUNK):
            yield JobProgress(start / len(rows), f"reading {len(rows):,} texts token by token")
            chunk = rows[start : start + CHUNK]
            for row, values in zip(chunk, self._token_values(chunk), strict=True):
                self.read[row] = self._text(row, values)
            if start + CHUNK >= len(rows) or (start // CHUNK) % 4 == 3:
                yield publish

    def whole_steps(self, reads: bool, publish: Callable[[], None]) -> Steps:
        """Read the wanted texts to their ends, without token activations where there are none."""
        rows = self.cut()
        if not rows:
            return
        if self._can_read(reads):
            yield from self.steps(rows, publish)
            return
        whole = {row: plain_text(self.split.acts.samples, row, whole=True) for row in rows}

        def show() -> None:
            self.read.update(whole)
            publish()

        yield show

    def _can_read(self, reads: bool) -> bool:
        acts = self.split.acts
        if acts.samples.kind != "text" or not len(acts.samples.spans):
            return False
        return acts.samples.token is not None or (acts.tokens is not None and reads)

    def _token_values(self, rows: list[int]) -> list[np.ndarray]:
        """The activation of each token of each text of `rows`, stored or computed."""
        acts, direction = self.split.acts, self.split.direction
        item, token = acts.samples.item, acts.samples.token
        if item is not None and token is not None:
            out = []
            for row in rows:
                same = np.flatnonzero(item == item[row])
                values = np.zeros(len(acts.samples.spans[item[row]]), np.float32)
                values[token[same]] = acts.rows(same) @ direction
                out.append(values)
            return out
        return acts.tokens(rows, direction) if acts.tokens is not None else []

    def _text(self, row: int, values: np.ndarray) -> Text:
        samples = self.split.acts.samples
        item = samples.item_of(row)
        return cut_text(
            samples.texts[item],
            samples.spans[item],
            values if len(values) else None,
            samples.token_of(row),
            whole=row in self.wanted,
        )
