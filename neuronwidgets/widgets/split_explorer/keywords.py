"""The keywords of a cluster's texts, for the cards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from neuronwidgets.concepts.split import Split
from neuronwidgets.widgets.base.jobs import JobProgress, Steps, later
from neuronwidgets.widgets.base.pace import PACE, Pace

TERMS = 3
"""Keywords on a card."""
MOST, CHARACTERS = 1_000, 2_000
"""The most texts of the dataset to compare with, and the most characters read of each: together
about a second's work."""
CHUNK = 25
"""Texts read between two steps."""


class Keywords:
    """The keywords of each node of a split's tree: by the method of `concepts.named("text")`, from
    fewer texts.

    Args:
        split: the split.
        most: texts of the dataset to compare with.

    Attributes:
        able: whether the samples are texts.
    """

    def __init__(self, split: Split, pace: Pace = PACE, most: int = MOST) -> None:
        self.split, self._pace, self._most = split, pace, most
        self._of: dict[int, list[str]] = {}
        samples = split.acts.samples
        # A token has keywords only if its position in its text is known.
        self.able = samples.kind == "text" and (samples.token is None or len(samples.spans) > 0)
        self._read = False

    def of(self, node: int) -> list[str] | None:
        """The keywords of a node, the strongest first; `None` until they are known."""
        return self._of.get(node)

    def lacks(self, nodes: Iterable[int]) -> bool:
        """Whether keywords of some of `nodes` are still to be found."""
        return self.able and not all(node in self._of for node in nodes)

    def steps(self, nodes: Sequence[int], publish: Callable[[], None]) -> Steps:
        """Find the keywords of `nodes`. Report progress only if that takes time."""
        if not self.lacks(nodes):
            return
        if not self._read:
            yield from self._reading()
        keywords = {}
        for node in nodes:
            if node not in self._of:
                keywords[node] = self._apart(node)
                # All nodes of a thousand long texts take seconds.
                yield later

        # Kept when published: a job that was replaced publishes nothing.
        def show() -> None:
            self._of |= keywords
            publish()

        yield show

    def _reading(self) -> Steps:
        from neuronwidgets.concepts.naming.text import TermCounts

        began = time.perf_counter()
        self._reader = TermCounts(self.split, most=self._most, characters=CHARACTERS)
        for i, share in enumerate(self._reader.reading()):
            if i % CHUNK == 0:
                quick = time.perf_counter() - began < self._pace.silent
                yield later if quick else JobProgress(share, "reading texts for their keywords")
        self._read = True

    def _apart(self, node: int) -> list[str]:
        tree, reader = self.split.tree, self._reader
        inside = np.zeros(tree.n, bool)
        inside[tree.samples_of(node)] = True
        own = reader.group(inside)
        others = None if inside.all() else reader.group(~inside)
        return [reader.written[term] for term, *_ in reader.apart(own, others, TERMS)]
