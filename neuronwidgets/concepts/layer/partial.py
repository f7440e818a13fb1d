"""Neurons of a layer that have fewer top samples than asked for, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.linkage.engine import linkage
from neuronwidgets.concepts.layer.settings import Settings
from neuronwidgets.concepts.scores import SCORES, Neurons


@dataclass(frozen=True, eq=False)
class Partial:
    """One neuron with `m` top samples: the fields of a `Block`, without the neuron's axis."""

    Z: np.ndarray
    threshold: float
    assignment: np.ndarray
    vectors: np.ndarray
    scores: dict[str, np.ndarray]


def partial(
    acts: Activations, target: Any, index: np.ndarray, activations: np.ndarray, settings: Settings
) -> Partial:
    """Split one neuron by its own top samples (`index`, int64 `m`).

    A neuron with fewer than two is at rest: it has no tree, no concepts and no scores of them.
    """
    m = len(index)
    Z = linkage(acts.rows(index), settings.method, settings.metric) if m > 1 else np.zeros((0, 4))
    split = settings.split(acts, target, index, activations, acts.rows(index), Z)
    concepts = split.cut(settings.threshold)
    if settings.refined and not split.at_rest:
        concepts = concepts.refine(seed=settings.seed)
    scores: dict[str, np.ndarray] = {}
    for name in settings.scores:
        scores |= SCORES[name](Neurons.of(concepts), draws=settings.draws, seed=settings.seed)
    return Partial(
        Z, concepts.threshold, concepts.assignment[:m], concepts.vectors,
        scores,
    )  # fmt: skip


def padded(Z: np.ndarray, n: int) -> np.ndarray:
    """A linkage of `m` samples among those of `n`: the same merges, and then, at the height of the
    last, each of the samples that are none."""
    m = len(Z) + 1
    if m == n:
        return Z
    out = np.empty((n - 1, 4))
    out[: m - 1] = Z
    out[: m - 1, :2] += np.where(Z[:, :2] >= m, n - m, 0)
    last = Z[-1, 2] if len(Z) else 0.0
    for i in range(m - 1, n - 1):
        before = n + i - 1 if i else 0
        out[i] = [*sorted((before, i + 1)), last, i + 2]
    return out


def unpadded(Z: np.ndarray, m: int) -> np.ndarray:
    """What `padded` was given."""
    n = len(Z) + 1
    out = np.array(Z[: max(0, m - 1)])
    out[:, :2] -= np.where(out[:, :2] >= n, n - m, 0)
    return out
