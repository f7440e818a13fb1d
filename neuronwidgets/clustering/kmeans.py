"""k-means of many small sets of points at once, from their distances alone."""

from __future__ import annotations

import numpy as np

MOST_STEPS = 300
"""Steps of Lloyd's algorithm, at most, as in scikit-learn."""


def kmeans(
    square: np.ndarray, clusters: np.ndarray, begun: np.ndarray, n_init: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's algorithm on `B` sets of `n` points, each into its own number of clusters.

    Of `n_init` starts by k-means++ (Arthur & Vassilvitskii 2007) and one at `begun`, the result
    with the least sum of squared distances to the centroids. These distances follow from those of
    points: `d2(i, A) = mean_A d2(i, .) - mean_AA d2 / 2`.

    Args:
        square: float64 `B x n x n`, squared Euclidean distances.
        clusters: int `B`, the number of clusters of each set; fewer where there are fewer distinct
            points.
        begun: int `B x n`, the clusters of one start, numbered from 0.
        n_init: the number of starts by k-means++.
        seed: seed of their draws.

    Returns:
        int64 `B x n`, each point's cluster, and float64 `B x n`, its squared distance to the
        centroid. Clusters are numbered by their first points; none is empty.
    """
    sets, n = begun.shape
    # Equal points cannot be in two clusters.
    distinct = n - np.tril(square == 0, -1).any(axis=2).sum(axis=1)
    clusters = np.minimum(clusters, distinct)
    begun = np.minimum(begun, clusters[:, None] - 1)
    most = int(clusters.max())
    rng = np.random.default_rng(seed)
    # The same draws for every set: its result does not depend on the other sets.
    first, draws = rng.integers(n, size=n_init), rng.random((n_init, n))
    best, away, least = begun.astype(np.int64), np.zeros((sets, n)), np.full(sets, np.inf)
    real = np.arange(most) < clusters[:, None]
    for start in range(-1, n_init):
        if start < 0:
            label = begun
        else:
            label = _seeded(square, clusters, most, int(first[start]), draws[start])
        label, far = _lloyd(square, label, real)
        total = far.sum(axis=1)
        # A difference by rounding alone does not count.
        better = total < least * (1 - 1e-12)
        best[better], away[better], least[better] = label[better], far[better], total[better]
    return _numbered(best, most), away


def _seeded(
    square: np.ndarray, clusters: np.ndarray, most: int, first: int, draws: np.ndarray
) -> np.ndarray:
    """k-means++: each further centre is a point, drawn in proportion to its squared distance to
    the nearest centre."""
    sets, n = square.shape[:2]
    every = np.arange(sets)
    near = square[:, first].copy()
    label = np.zeros((sets, n), np.int64)
    for centre in range(1, most):
        sums = near.cumsum(axis=1)
        at = (sums < draws[centre] * sums[:, -1:]).sum(axis=1)
        far = square[every, np.minimum(at, n - 1)]
        closer = (far < near) & (centre < clusters)[:, None]
        label[closer] = centre
        near[closer] = far[closer]
    return label


def _lloyd(
    square: np.ndarray, label: np.ndarray, real: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Clusters after which nothing moves, and squared distances to their centroids."""
    sets, n = label.shape
    each, points = np.arange(sets)[:, None], np.arange(n)
    label = label.copy()
    far = np.zeros((sets, n))
    moving = np.arange(sets)
    for _ in range(MOST_STEPS):
        member = (label[moving, :, None] == np.arange(real.shape[1])).astype(np.float64)
        size = member.sum(axis=1)
        share = member / np.maximum(size, 1)[:, None]
        to = square[moving] @ share
        to -= np.einsum("bik,bik->bk", share, to)[:, None] / 2
        np.maximum(to, 0, out=to)
        to[~np.broadcast_to((real[moving] & (size > 0))[:, None], to.shape)] = np.inf
        here = each[: len(moving)]
        own = to[here, points, label[moving]]
        new = to.argmin(axis=2)
        nearest = to[here, points, new]
        # A point that is as near to its own centroid stays.
        new = np.where(nearest < own, new, label[moving])
        far[moving] = own
        for i in np.flatnonzero((real[moving] & (size == 0)).any(axis=1)):
            # An empty cluster takes the point that is farthest from its centroid.
            gaps = nearest[i].copy()
            for empty in np.flatnonzero(real[moving[i]] & (size[i] == 0)):
                gaps[np.bincount(new[i], minlength=len(size[i]))[new[i]] == 1] = -1
                taken = int(gaps.argmax())
                new[i, taken], gaps[taken] = empty, -1
        changed = (new != label[moving]).any(axis=1)
        label[moving] = new
        moving = moving[changed]
        if len(moving) == 0:
            break
    return label, far


def _numbered(label: np.ndarray, most: int) -> np.ndarray:
    """The same clusters, numbered in the order of their first points."""
    sets, n = label.shape
    first = np.full((sets, most), n)
    each = np.arange(sets)
    for point in range(n - 1, -1, -1):
        first[each, label[:, point]] = point
    rank = first.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.take_along_axis(rank, label, 1)
