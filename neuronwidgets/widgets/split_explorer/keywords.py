"""The words that set a cluster's texts apart, for the cards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from neuronwidgets.concepts.split import Split
from neuronwidgets.widgets.base.jobs import Progress, Steps
from neuronwidgets.widgets.split_explorer.assessment import PATIENCE, later

TERMS = 3
"""On a card."""
MOST, CHARACTERS = 1_000, 2_000
"""Texts of the dataset to compare with, and what of each text is read: about a second's work."""
CHUNK = 25


class Words:
    """For each node of a split's tree: as `concepts.named("text")` names a cluster, whatever the
    cut, from fewer texts.

    Attributes:
        able: whether the samples are texts.
    """

    def __init__(self, split: Split) -> None:
        self.split = split
        self._of: dict[int, list[str]] = {}
        samples = split.acts.samples
        # Tokens whose place in their texts is not known say nothing.
        self.able = samples.kind == "text" and (samples.token is None or len(samples.spans) > 0)
        self._read = False

    def of(self, node: int) -> list[str] | None:
        """The words of a node, the strongest first; `None` where they were not looked for yet."""
        return self._of.get(node)

    def lacks(self, nodes: Iterable[int]) -> bool:
        """Whether there is anything left to find for `nodes`."""
        return self.able and not all(node in self._of for node in nodes)

    def steps(self, nodes: Sequence[int], publish: Callable[[], None]) -> Steps:
        """Find the words of `nodes`, without a word of it if that takes no time."""
        if not self.lacks(nodes):
            return
        if not self._read:
            yield from self._reading()
        found = {}
        for node in nodes:
            if node not in self._of:
                found[node] = self._apart(node)
                # Of a thousand long texts, all nodes take seconds.
                yield later

        # Kept as it is published: a job whose place was taken publishes nothing.
        def show() -> None:
            self._of |= found
            publish()

        yield show

    def _reading(self) -> Steps:
        from neuronwidgets.concepts.naming.text import TermCounts

        began = time.perf_counter()
        self._reader = TermCounts(self.split, most=MOST, characters=CHARACTERS)
        for i, share in enumerate(self._reader.reading()):
            if i % CHUNK == 0:
                patient = time.perf_counter() - began < PATIENCE
                yield later if patient else Progress(share, "reading texts for their words")
        self._read = True

    def _apart(self, node: int) -> list[str]:
        tree, reader = self.split.tree, self._reader
        mine = np.zeros(tree.n, bool)
        mine[tree.members(node)] = True
        own = reader.group(mine)
        others = None if mine.all() else reader.group(~mine)
        return [reader.written[term] for term, *_ in reader.apart(own, others, TERMS)]
