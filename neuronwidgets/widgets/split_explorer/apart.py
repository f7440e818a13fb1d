"""Whether what concepts promote sets them apart from their neuron's other top samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from neuronwidgets.activations.retrieval import directions
from neuronwidgets.concepts.split import Split

DRAWS = 39
"""Random groups: what their largest but one reaches, 95% reach at most."""
FEWEST = 12
"""Top samples, at least: of fewer, random groups are much the same."""
SMALLEST = 4
"""Samples in a random group, at least: a smaller one, as half of the top samples, has little that
is random."""


class Apart:
    """How far the effects of groups of top samples are from those of all top samples.

    All top samples share what excites the neuron, so any group of them promotes it, more than a
    random direction does. The distance is the largest difference of an effect, by the logit lens,
    between a group's direction and that of all top samples. For random groups of `m` of `n` it
    falls as `sqrt((n - m) / (m (n - 1)))`, the standard error of a mean, so that those of all
    sizes make one bound.

    Args:
        split: whose top samples they are.
        strongest: unit vectors, float64 `K x D`, -> the strongest effect of each, `K`.
    """

    def __init__(self, split: Split, strongest: Callable[[np.ndarray], np.ndarray]) -> None:
        self._split, self._strongest = split, strongest
        self._bound: float | None = None

    def of(self, groups: Sequence[np.ndarray]) -> np.ndarray:
        """The distances of groups (indices of top samples) as multiples of what 95% of random
        groups of their sizes reach: float64 `K`; NaN where there is no bound."""
        n = len(self._split.index)
        if n < FEWEST:
            return np.full(len(groups), np.nan)
        if self._bound is None:
            # In one call, which runs the model once.
            rng = np.random.default_rng(0)
            sizes = np.geomspace(SMALLEST, n / 2, DRAWS).round().astype(int)
            drawn = [rng.choice(n, size, replace=False) for size in sizes]
            of_drawn, found = np.split(self._scaled([*drawn, *groups]), [DRAWS])
            self._bound = float(np.quantile(of_drawn, 0.95, method="higher"))
        else:
            found = self._scaled(groups)
        return found / self._bound if self._bound > 0 else np.full(len(groups), np.nan)

    def _scaled(self, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Distances over the standard error; NaN of a group of all top samples."""
        split, n = self._split, len(self._split.index)
        rows = [split.vectors[group] for group in groups]
        of_each = directions([*rows, split.vectors], split.mean, "cosine").astype(np.float64)
        step = of_each[:-1] - of_each[-1]
        length = np.linalg.norm(step, axis=1)
        size = np.array([len(group) for group in groups])
        out = np.where(size < n, 0.0, np.nan)
        some = np.flatnonzero((length > 0) & (size < n))
        if len(some):
            unit = step[some] / length[some, None]
            error = np.sqrt((n - size[some]) / (size[some] * (n - 1)))
            out[some] = self._strongest(unit) * length[some] / error
        return out
