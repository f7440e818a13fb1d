"""What chance does to a score: a sentence for the heading of its column."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.scores import SCORES

GAUSSIAN = ("wasserstein", "kurtosis", "monosemantic_scale")
"""Scores of the shape of a neuron's activations, whose null is a Gaussian."""
DRAWS, LABEL_DRAWS = 20, 200
MOST = 1 << 22
"""Numbers that are drawn for a Gaussian, at most: 32 MB. More samples get no null."""
WITHOUT = {
    "active": "Not compared with chance: shuffled samples have the same.",
    "sparsity": "Not compared with chance: shuffled samples have the same.",
}
"""Scores for which chance makes no difference, and why."""


class Nulls:
    """The nulls of one layer's scores, each computed when it is first asked for."""

    def __init__(self, acts: Activations) -> None:
        self._acts = acts
        self._told: dict[tuple[str, int], str] = {}

    def about(self, name: str, top: int) -> str:
        """What chance gives where the null is one for all neurons; "" for scores with another one.

        Args:
            name: the score's column.
            top: top samples of a neuron.
        """
        if (name, top) not in self._told:
            self._told[name, top] = self._computed(name, top)
        return self._told[name, top]

    def _computed(self, name: str, top: int) -> str:
        rng = np.random.default_rng(0)
        count = len(self._acts)
        if name == "label_entropy" and self._acts.labels is not None:
            counts = np.bincount(self._acts.labels[self._acts.labels >= 0])
            drawn = min(top, int(counts.sum()))
            if not drawn:
                return ""
            shares = rng.multivariate_hypergeometric(counts, drawn, LABEL_DRAWS) / drawn
            logs = np.log2(shares, where=shares > 0, out=np.zeros_like(shares))
            least = np.quantile(-(shares * logs).sum(axis=1), 0.05)
            return f"{drawn:,} random samples have {least:.2f} bit or more in 95% of draws."
        if name in GAUSSIAN and name in SCORES:
            if count * DRAWS > MOST:
                return "Not compared with chance: so many samples take too long."
            neurons: Any = SimpleNamespace(along=rng.normal(size=(DRAWS, count)))
            values = np.asarray(SCORES[name].measure(neurons))
            low, high = np.quantile(values, [0.05, 0.95])
            return f"Gaussian activations have {low:.3g} to {high:.3g} (90% of draws)."
        return WITHOUT.get(name, "")
