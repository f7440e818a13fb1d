"""The four linkages, on the layer's own vectors; Ward is the paper's (arXiv 2304.09707)."""

from __future__ import annotations

from neuronwidgets.concepts.linkage import check_method, linkage, require_directions
from neuronwidgets.concepts.methods.method import Clustering, TopSamples
from neuronwidgets.modes import own_modes


def ward(given: TopSamples, *, metric: str | None = None) -> Clustering:
    """Ward linkage, Euclidean: each merge adds the least to the sum of squares."""
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
    method, metric = check_method(method, metric)
    if metric == "cosine":
        require_directions(given.vectors, given.index)
    return Clustering(linkage(given.vectors, method, metric), metric=metric, linkage=method)
