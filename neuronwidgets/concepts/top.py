"""Which samples are a neuron's top samples: active ones, each kind of vector once."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.topk import largest

DISTINCT = ("vector", "text")
FEWEST = 10
"""Fewer different vectors than this are data of a few kinds, whose copies count as samples."""
NEAR = 1e-5
"""Relative difference of two projections up to which they may be of one and the same vector:
products round differently."""


def check_distinct(distinct: Any) -> str | None:
    """`distinct`, refused if it is no way to tell samples apart."""
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
    """The `k` samples that activate each of `N` neurons most, among those that may count.

    Samples on which a neuron is at rest do not count: where it is at its minimum over the data and
    several samples share that (the zeros of a ReLU). Of samples whose vectors are equal in the
    whole layer only the first counts (the first token of many texts is one vector in a causal
    model), unless fewer than 10 different ones are left.

    Args:
        acts: the layer, `S x D`.
        along: `N x S`, each neuron's activation (or the projection on a direction).
        k: how many.
        distinct: "vector", see above; "text": also at most one sample of each text or image;
            `None`: samples count however equal.
        projected: whether `along` was multiplied out, and may differ for equal vectors by rounding.

    Returns:
        index: int64 `N x k`, rows of `acts`, strongest first, ties to the smaller row; -1 where a
            neuron has fewer.
        count: int64 `N`, how many each has.
    """
    index = largest(along, k)
    values = np.take_along_axis(along, index, 1)
    low = values[:, -1] == along.min(axis=1)
    active: np.ndarray = np.ones(values.shape, bool)
    for i in np.flatnonzero(low).tolist():
        active[i] = values[i] > _rest(along[i])
    count = active.sum(axis=1)
    tolerance = NEAR if projected else 0.0
    again = (_near(values, tolerance) & active[:, 1:]).any(axis=1) & (distinct is not None)
    if distinct == "text" and acts.samples.item is not None:
        again[:] = True
    index = np.where(active, index, -1)
    for i in np.flatnonzero(again).tolist():
        found = _distinct(acts, along[i], k, tolerance, distinct == "text")
        if len(found) >= min(FEWEST, count[i]):
            index[i], count[i] = -1, len(found)
            index[i, : len(found)] = found
    return index, count


def _rest(along: np.ndarray) -> float:
    """The activation at which a neuron (`S`) is at rest; minus infinity if there is none."""
    least = float(along.min())
    return least if (along == least).sum() > 1 else -np.inf


def _near(values: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether each of `N x k` values, from the second on, may be equal to the one before."""
    found: np.ndarray = values[:, :-1] - values[:, 1:] <= tolerance * np.abs(values[:, :-1])
    return found


def _distinct(
    acts: Activations, along: np.ndarray, k: int, tolerance: float, by_text: bool
) -> np.ndarray:
    """The `k` strongest samples that are active and differ from each other."""
    active = int((along > _rest(along)).sum())
    size = k
    while True:
        size = min(2 * size, active)
        order = largest(along, size)
        kept = order[_first_of_each(acts, order, _near(along[order][None], tolerance)[0])]
        if by_text:
            items = kept if acts.samples.item is None else acts.samples.item[kept]
            kept = kept[np.sort(np.unique(items, return_index=True)[1])]
        if len(kept) >= k or size == active:
            return kept[:k]


def _first_of_each(acts: Activations, order: np.ndarray, near: np.ndarray) -> np.ndarray:
    """bool `n`: which samples come before all others of the same vector. Only neighbours in
    activation (`near`, bool `n - 1`) can have it; the rows of these alone are read."""
    first = np.ones(len(order), bool)
    tied = np.flatnonzero(np.append(near, False) | np.insert(near, 0, False))
    if not len(tied):
        return first
    # Adding zero makes one of both zeros.
    rows = np.ascontiguousarray(acts.rows(order[tied]) + 0)
    words = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, where = np.unique(words, return_index=True)
    first[tied] = False
    first[tied[where]] = True
    return first
