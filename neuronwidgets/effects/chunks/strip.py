"""Texts with the chunk of each token beneath it, as HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from neuronwidgets.activations.samples import Samples
from neuronwidgets.core.checks import integer, is_integer
from neuronwidgets.display.palette import COLORS, UNASSIGNED

BLOCK = "display:inline-block;vertical-align:top;white-space:pre"
BAR = "display:block;border-bottom:4px solid "
NUMBER = "display:block;font-size:10px;line-height:12px;height:12px;padding-right:2px"


@dataclass(frozen=True, repr=False, eq=False)
class ChunkStrip:
    """Texts, as a notebook shows them: a bar beneath each token in the colour of its chunk, and the
    chunk's number where a run of one chunk begins.

    The twelve chunks with most tokens in these texts have a colour, all others are grey.

    Attributes:
        texts: the numbers of the texts.
        runs: for each text its runs `(chunk, text)`, from left to right; the chunk is -1 for text
            that is in no token.
        names: the names of all chunks.
        colors: the colour of each chunk that occurs.
    """

    texts: tuple[int, ...]
    runs: tuple[tuple[tuple[int, str], ...], ...]
    names: tuple[str, ...]
    colors: dict[int, str]

    @classmethod
    def of(
        cls, samples: Samples, assignment: np.ndarray, names: tuple[str, ...],
        texts: int | Iterable[int],
    ) -> ChunkStrip:  # fmt: skip
        """See `ChunkDictionary.strip`."""
        if samples.token is None or samples.item is None or not len(samples.spans):
            raise ValueError(
                "a strip needs samples that are tokens of texts: capture(..., pooling='token')."
            )
        if is_integer(texts):
            count = integer("texts", texts, 1)
            numbers = np.unique(samples.item)[:count].tolist()
        else:
            numbers = [int(i) for i in texts]  # type: ignore[union-attr]
        for i in numbers:
            if not 0 <= i < len(samples.texts):
                raise IndexError(f"text {i} does not exist: there are {len(samples.texts):,}.")
        runs = tuple(tuple(_runs(samples, assignment, i)) for i in numbers)
        counts = np.zeros(len(names), np.int64)
        for i in numbers:
            own = assignment[samples.item == i]
            counts += np.bincount(own[own >= 0], minlength=len(names))
        order = np.argsort(-counts, kind="stable")
        colors = {
            int(chunk): COLORS[rank] if rank < len(COLORS) else UNASSIGNED
            for rank, chunk in enumerate(order)
            if counts[chunk]
        }
        return cls(tuple(numbers), runs, names, colors)

    def __repr__(self) -> str:
        return f"ChunkStrip({len(self.texts)} texts, {len(self.colors)} chunks)"

    def _repr_html_(self) -> str:
        pieces = []
        for number, runs in zip(self.texts, self.runs, strict=True):
            inner = "".join(self._words(runs))
            pieces.append(
                f"<div dir='auto' aria-label='text {number}' "
                f"style='margin:8px 0;line-height:1.4;max-width:900px'>{inner}</div>"
            )
        legend = "".join(
            f"<span style='display:inline-block;margin:0 14px 4px 0'>"
            f"<span style='display:inline-block;width:18px;border-bottom:4px solid {color};"
            f"margin:0 5px 3px 0'></span>{chunk} <bdi>{html.escape(self.names[chunk])}</bdi></span>"
            for chunk, color in self.colors.items()
            if color != UNASSIGNED
        )
        return f"<div>{''.join(pieces)}</div><div style='font-size:12px'>{legend}</div>"

    def _words(self, runs: Iterable[tuple[int, str]]) -> Iterator[str]:
        """The runs, word by word, so that lines break between words."""
        word = ""
        for chunk, text, begins in _parts(runs):
            word += self._block(chunk, text, begins)
            if text[-1].isspace():
                yield f"<span style='white-space:nowrap'>{word}</span>"
                word = ""
        yield f"<span style='white-space:nowrap'>{word}</span>"

    def _block(self, chunk: int, text: str, begins: bool) -> str:
        color = self.colors.get(chunk, "transparent")
        title, number = "no chunk", ""
        if chunk >= 0:
            title = f"chunk {chunk} {self.names[chunk]}".strip()
            number = str(chunk) if begins else ""
        return (
            f"<span title='{html.escape(title, quote=True)}' style='{BLOCK}'>"
            f"<span style='{BAR}{color}'>{html.escape(text)}</span>"
            f"<span style='{NUMBER}'>{number}</span></span>"
        )


def _parts(runs: Iterable[tuple[int, str]]) -> list[tuple[int, str, bool]]:
    """Words and parts of words: chunk, text, and whether a run begins. White space belongs to what
    stands before it, so that no line begins with it."""
    parts: list[tuple[int, str, bool]] = []
    for chunk, text in runs:
        begins = True
        for part in re.findall(r"\s+|\S+", text):
            if part.isspace() and parts:
                before = parts[-1]
                parts[-1] = (before[0], before[1] + " ", before[2])
            else:
                parts.append((chunk, part, begins))
                begins = False
    return parts


def _runs(samples: Samples, assignment: np.ndarray, item: int) -> Iterator[tuple[int, str]]:
    """The runs of one text; the text between two tokens belongs to the second."""
    text, spans = samples.texts[item], samples.spans[item]
    rows = np.flatnonzero(samples.item == item)
    chunk_of = dict(zip(samples.token[rows].tolist(), assignment[rows].tolist(), strict=True))  # type: ignore[index]
    current, first, last = -1, 0, 0
    for token, (_, end) in enumerate(spans.tolist()):
        chunk = chunk_of.get(token, -1)
        if end <= last:
            continue
        if chunk != current:
            if last > first:
                yield current, text[first:last]
            current, first = chunk, last
        last = end
    if last > first:
        yield current, text[first:last]
    if last < len(text):
        yield -1, text[last:]
