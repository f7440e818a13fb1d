"""The four linkages, on the layer's own vectors; Ward is the paper's (arXiv 2304.09707)."""

from __future__ import annotations

import numpy as np

from neuronwidgets.clustering.linkage.engine import (
    check_method,
    condensed_distances,
    from_distances,
    linkage,
    require_directions,
)
from neuronwidgets.concepts.methods.method import Clustering, TopSamples
from neuronwidgets.core.modes import own_modes

FEW = 500
"""Of so many samples the matrix of distances is small: 2 MB."""


def ward(given: TopSamples, *, metric: str = "cosine") -> Clustering:
    """Ward linkage: each merge adds the least to the sum of squares.

    Of the vectors at unit length, so that samples are told apart by direction; with
    `metric="euclidean"` of the vectors as they are (the paper).
    """
    return _linked(given, "ward", metric)


def average(given: TopSamples, *, metric: str | None = None) -> Clustering:
    """Mean distance of two clusters' samples; cosine, "euclidean" or "sqeuclidean"."""
    return _linked(given, "average", metric)


def complete(given: TopSamples, *, metric: str | None = None) -> Clustering:
    """Largest distance of two clusters' samples; Euclidean or "cosine"."""
    return _linked(given, "complete", metric)


def single(given: TopSamples, *, metric: str | None = None) -> Clustering:
    """Smallest distance of two clusters' samples; Euclidean or "cosine"."""
    return _linked(given, "single", metric)


@own_modes()
def _linked(given: TopSamples, method: str, metric: str | None) -> Clustering:
    from scipy.spatial.distance import squareform

    method, metric = check_method(method, metric)
    if metric == "cosine" and method != "ward":
        require_directions(given.vectors, given.index)
    if 2 <= len(given.vectors) <= FEW:
        # Kept: cuts are suggested from the same distances.
        upper = condensed_distances(given.vectors.astype(np.float64), method, metric)
        Z = from_distances(upper, method)
        return Clustering(Z, metric=metric, linkage=method, distances=squareform(upper))
    return Clustering(linkage(given.vectors, method, metric), metric=metric, linkage=method)
