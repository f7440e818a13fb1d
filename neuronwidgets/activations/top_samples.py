"""A neuron's top-activating samples: samples on which it is active, equal vectors once."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.topk import largest

DISTINCT = ("vector", "text")
"""Ways to tell samples apart, see `top_samples`."""
FEWEST = 10
"""The least number of different vectors for which copies are dropped. Data with fewer has a few
kinds of samples, whose copies count."""
NEAR = 1e-5
"""Relative difference up to which two projections may be of equal vectors: products round
differently."""


def check_distinct(distinct: Any) -> str | None:
    """`distinct`, if it is `None` or one of `DISTINCT`.

    Raises:
        ValueError: it is not.
    """
    if distinct is not None and distinct not in DISTINCT:
        raise ValueError(f"distinct must be 'vector', 'text' or None, got {distinct!r:.40}.")
    return None if distinct is None else str(distinct)


def top_samples(
    acts: Activations,
    along: np.ndarray,
    k: int,
    distinct: str | None = "vector",
    projected: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` samples that activate each of `N` neurons most.

    Samples on which a neuron is at rest do not count: those at its minimum over the data, if
    several samples share the minimum (the zeros of a ReLU). Of samples with equal vectors in the
    whole layer only the first counts (in a causal model the first tokens of many texts have one
    vector), unless fewer than 10 different ones are left.

    Args:
        acts: the layer, `S x D`.
        along: `N x S`, each neuron's activation (or the projection on a direction).
        k: samples for each neuron, at most.
        distinct: "vector", see above; "text": also at most one sample of each text or image;
            `None`: equal samples count, too.
        projected: whether `along` holds dot products, which round differently for equal vectors.

    Returns:
        index: int64 `N x k`, rows of `acts`, strongest first, ties to the smaller row; -1 after the
            last of a neuron with fewer.
        count: int64 `N`, the number of top samples of each neuron.
    """
    index = largest(along, k)
    values = np.take_along_axis(along, index, 1)
    reaches_minimum = values[:, -1] == along.min(axis=1)
    active: np.ndarray = np.ones(values.shape, bool)
    for i in np.flatnonzero(reaches_minimum).tolist():
        active[i] = values[i] > resting_value(along[i])
    count = active.sum(axis=1)
    tolerance = NEAR if projected else 0.0
    has_copies = (nearly_equal(values, tolerance) & active[:, 1:]).any(axis=1) & (
        distinct is not None
    )
    if distinct == "text":
        has_copies[:] = True
    index = np.where(active, index, -1)
    for i in np.flatnonzero(has_copies).tolist():
        rows = _distinct(acts, along[i], k, tolerance, distinct == "text")
        if len(rows) >= min(FEWEST, count[i]):
            index[i], count[i] = -1, len(rows)
            index[i, : len(rows)] = rows
    return index, count


def resting_value(along: np.ndarray) -> float:
    """The activation of a neuron (`S`) at rest; minus infinity if it has none."""
    minimum = float(along.min())
    return minimum if (along == minimum).sum() > 1 else -np.inf


def nearly_equal(values: np.ndarray, tolerance: float) -> np.ndarray:
    """bool `N x (k - 1)`: whether each value may be equal to the one before it."""
    is_near: np.ndarray = values[:, :-1] - values[:, 1:] <= tolerance * np.abs(values[:, :-1])
    return is_near


def _distinct(
    acts: Activations, along: np.ndarray, k: int, tolerance: float, by_text: bool
) -> np.ndarray:
    """The `k` strongest samples that are active and differ from each other."""
    active = int((along > resting_value(along)).sum())
    size = k
    while True:
        size = min(2 * size, active)
        order = largest(along, size)
        kept = order[first_of_each(acts, order, nearly_equal(along[order][None], tolerance)[0])]
        if by_text:
            sources = acts.samples.sources(kept)
            kept = kept[np.sort(np.unique(sources, return_index=True)[1])]
        if len(kept) >= k or size == active:
            return kept[:k]


def first_of_each(acts: Activations, order: np.ndarray, near: np.ndarray) -> np.ndarray:
    """bool `n`: whether each sample is the first with its vector.

    Only samples whose activations are `near` (bool `n - 1`) can be equal, and only their rows are
    read.
    """
    first = np.ones(len(order), bool)
    tied = np.flatnonzero(np.append(near, False) | np.insert(near, 0, False))
    if not len(tied):
        return first
    # Adding zero turns -0.0 into 0.0: the bytes of equal rows are equal.
    rows = np.ascontiguousarray(acts.rows(order[tied]) + 0)
    row_bytes = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first_copies = np.unique(row_bytes, return_index=True)
    first[tied] = False
    first[tied[first_copies]] = True
    return first
