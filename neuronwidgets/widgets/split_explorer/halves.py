"""Whether the concepts of a cut come back from another half of the top samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neuronwidgets.concepts.half_agreement import Agreement, agreeing
from neuronwidgets.concepts.split import Split
from neuronwidgets.core.steps import mapped
from neuronwidgets.widgets.base.jobs import Steps, later
from neuronwidgets.widgets.split_explorer.groups import concepts_of
from neuronwidgets.widgets.split_explorer.limits import Limits

FEWEST = 80
"""Texts or samples that are divided, at least. Above what permuted clusters reach are, in noise of
48 dimensions, 5% of the concepts of 100 samples, 9% of 80, 24% of 60 and 75% of 30: a half of few
samples holds pairs of a concept."""


class Halves:
    """The agreement of halves of each cut that was on the screen, by its nodes.

    Those of few top samples or texts are not compared: their halves agree in noise, too.
    """

    def __init__(self, split: Split, limits: Limits) -> None:
        self._split = split
        sources = len(np.unique(split.acts.samples.sources(split.index)))
        few = sources < FEWEST
        self._able = not few and len(split.index) <= limits.pairs and not split.at_rest
        self._known: dict[tuple[int, ...], Agreement] = {}

    def lacks(self, nodes: Sequence[int]) -> bool:
        """Whether the cut into `nodes` is still to be compared."""
        return self._able and len(nodes) > 0 and tuple(nodes) not in self._known

    def steps(self, nodes: Sequence[int], publish: Callable[[], None]) -> Steps:
        """Compare the halves for the cut into `nodes`."""
        if not self.lacks(nodes):
            return
        yield later
        cut = agreeing(concepts_of(self._split, nodes))
        found = yield from mapped(cut, lambda _: later)

        # Kept when published: a job that was replaced publishes nothing.
        def show() -> None:
            self._known[tuple(nodes)] = found
            publish()

        yield show

    def pack(self) -> dict[str, Any]:
        """The metadata of the `evidence` message; empty where nothing is known."""
        cuts = [
            {
                "nodes": list(nodes), "agreement": _finite(known.agreement),
                "chance": _finite(known.chance), "high": _finite(known.high),
            }
            for nodes, known in self._known.items()
        ]  # fmt: skip
        return {"halves": cuts} if cuts else {}


def _finite(values: Any) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.round(4).tolist()]
