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
"""Samples up to which the matrix of distances is kept: 2 MB."""


def ward(given: TopSamples, *, metric: str = "cosine") -> Clustering:
    """Ward linkage: each merge adds the least to the sum of squares.

    The default metric "cosine" scales the vectors to unit length, so that only directions count;
    "euclidean" takes them as they are (the paper).
    """
    return _linked(given, "ward", metric)


def average(given: TopSamples, *, metric: str | None = None) -> Clustering:
    """Mean distance of two clusters' samples; cosine by default, "euclidean" or "sqeuclidean"."""
    return _linked(given, "average", metric)


def complete(given: TopSamples, *, metric: str | None = None) -> Clustering:
    """Largest distance of two clusters' samples; Euclidean by default, or "cosine"."""
    return _linked(given, "complete", metric)


def single(given: TopSamples, *, metric: str | None = None) -> Clustering:
    """Smallest distance of two clusters' samples; Euclidean by default, or "cosine"."""
    return _linked(given, "single", metric)


@own_modes()
def _linked(given: TopSamples, method: str, metric: str | None) -> Clustering:
    from scipy.spatial.distance import squareform

    method, metric = check_method(method, metric)
    if metric == "cosine" and method != "ward":
        require_directions(given.vectors, given.index)
    if 2 <= len(given.vectors) <= FEW:
        # The distances are kept because suggested cuts need them.
        upper = condensed_distances(given.vectors.astype(np.float64), method, metric)
        Z = from_distances(upper, method)
        return Clustering(Z, metric=metric, linkage=method, distances=squareform(upper))
    return Clustering(linkage(given.vectors, method, metric), metric=metric, linkage=method)
