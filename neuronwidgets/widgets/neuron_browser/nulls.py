"""What chance does to a score: a sentence for the heading of its column."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.scores import SCORES
from neuronwidgets.layer_splits.split_layer import DRAWS as LAYER_DRAWS

GAUSSIAN = ("wasserstein", "kurtosis", "monosemantic_scale")
"""Scores of the shape of a neuron's activations, whose null is a Gaussian."""
DRAWS, LABEL_DRAWS = 20, 200
MOST = 1 << 22
"""Numbers that are drawn for a Gaussian, at most: 32 MB. More samples get no null."""
OF_GROUPS = ("polysemanticity", "geometry", "geometry_z", "geometry_p")
"""Scores with a null of their own for each neuron: their headings say what the best of so many
neurons have by chance."""
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
        """What chance gives; "" for scores with another null.

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
        if name in OF_GROUPS:
            return best_of(self._acts.shape[1])
        return WITHOUT.get(name, "")


def best_of(neurons: int, draws: int = LAYER_DRAWS) -> str:
    """What the best of some neurons without groups have by chance, a sentence.

    z of such a neuron, with the mean and the deviation of `draws` draws, is `sqrt((draws + 1) /
    (draws - 1))` times a Student's t, if draws are about normal.
    """
    from scipy.stats import t

    scale = np.sqrt((draws + 1) / (draws - 1))
    z = scale * t.ppf(0.95 ** (1 / neurons), draws - 1)
    few = max(1, round(0.05 * neurons))
    return (
        f"Of {neurons:,} neurons without any groups, about {few:,} have p ≤ 0.05, and the best has "
        f"z of up to {z:.1f} (95%)."
    )
