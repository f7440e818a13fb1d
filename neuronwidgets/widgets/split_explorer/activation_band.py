"""The neuron's histogram, and which concepts of a band its top samples do not show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.only_in_band import COSINE, BandOnly, band_only
from neuronwidgets.concepts.split import Split, split
from neuronwidgets.widgets.base.jobs import Steps, later
from neuronwidgets.widgets.split_explorer.groups import concepts_of, disjoint

BINS = 128
"""Bins of the histogram: handles stand on their edges, two pixels or more apart."""


def histogram(along: np.ndarray) -> dict[str, np.ndarray]:
    """The array of the `tree` message: int32 `BINS`, samples in each of as many equal steps from
    the least to the largest activation (`S`); nothing for a neuron that never changes."""
    low, high = float(along.min()), float(along.max())
    if not low < high:
        return {}
    counts, _ = np.histogram(along.astype(np.float64), BINS, (low, high))
    return {"histogram": counts.astype(np.int32)}


class InBand:
    """For each node of the split of a band, its nearest concept among the neuron's top samples."""

    def __init__(self, split: Split) -> None:
        self.split = split
        self.missed = float("nan")
        self._top: Concepts | None = None
        self._of: dict[int, tuple[float, float]] = {}

    def lacks(self, nodes: Sequence[int]) -> bool:
        """Whether some of `nodes` are still to be compared."""
        able = self.split.band is not None and not self.split.at_rest
        return able and any(node not in self._of for node in nodes)

    def steps(self, nodes: Sequence[int], publish: Callable[[], None]) -> Steps:
        """Compare `nodes` with the concepts of the top samples."""
        if not self.lacks(nodes):
            return
        yield later
        if self._top is None:
            made = self.split
            target = made.direction if made.neuron is None else made.neuron
            self._top = split(made.acts, target, method=made.method, **made.settings).cut()
        for group in disjoint(self.split, [n for n in nodes if n not in self._of]):
            yield later
            compared = band_only(concepts_of(self.split, group), self._top)
            yield self._showing(group, compared, publish)

    def _showing(
        self, group: list[int], compared: BandOnly, publish: Callable[[], None]
    ) -> Callable[[], None]:
        pairs = zip(compared.cosine.tolist(), compared.chance.tolist(), strict=True)
        values = dict(zip(group, pairs, strict=True))

        # Kept when published: a job that was replaced publishes nothing.
        def show() -> None:
            self._of |= values
            self.missed = compared.missed
            publish()

        return show

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The arrays and the metadata of the `evidence` message; both empty without a band."""
        if not self._of:
            return {}, {}
        values = np.array(list(self._of.values()), np.float32)
        arrays = {
            "band_node": np.array(list(self._of), np.int32),
            "band_cosine": values[:, 0],
            "band_chance": values[:, 1],
        }
        missed = self.missed if np.isfinite(self.missed) else None
        return arrays, {"band": {"limit": COSINE, "missed": missed}}
