"""Neurons of a layer that have fewer top samples than `top`, split one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.linkage.engine import linkage
from neuronwidgets.concepts.scores import SCORES, Neurons
from neuronwidgets.layer_splits.settings import Settings


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
    """Split one neuron by its `m` top samples.

    A neuron with fewer than two is at rest: it has no tree and no concepts.

    Args:
        acts: the layer.
        target: the neuron's number, or a direction.
        index: int64 `m`, its top samples, strongest first.
        activations: `m`, its activations on them.
        settings: those of the layer.
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
    """A linkage of `m` samples, padded to one of `n`, so that all linkages of a block have one
    shape.

    The first merges are those of the linkage. Then the `n - m` missing samples join, one by one, at
    the last height.
    """
    m = len(Z) + 1
    if m == n:
        return Z
    wide = np.empty((n - 1, 4))
    wide[: m - 1] = Z
    wide[: m - 1, :2] += np.where(Z[:, :2] >= m, n - m, 0)
    last_height = Z[-1, 2] if len(Z) else 0.0
    for i in range(m - 1, n - 1):
        previous_node = n + i - 1 if i else 0
        wide[i] = [*sorted((previous_node, i + 1)), last_height, i + 2]
    return wide


def unpadded(Z: np.ndarray, m: int) -> np.ndarray:
    """The linkage of `m` samples in a `padded` one."""
    n = len(Z) + 1
    narrow = np.array(Z[: max(0, m - 1)])
    narrow[:, :2] -= np.where(narrow[:, :2] >= n, n - m, 0)
    return narrow
