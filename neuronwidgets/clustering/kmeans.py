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
    best, best_distance = begun.astype(np.int64), np.zeros((sets, n))
    best_total = np.full(sets, np.inf)
    exists = np.arange(most) < clusters[:, None]
    for start in range(-1, n_init):
        if start < 0:
            assignment = begun
        else:
            assignment = _seeded(square, clusters, most, int(first[start]), draws[start])
        assignment, squared_distance = _lloyd(square, assignment, exists)
        total = squared_distance.sum(axis=1)
        # A difference by rounding alone does not count.
        better = total < best_total * (1 - 1e-12)
        best[better], best_distance[better] = assignment[better], squared_distance[better]
        best_total[better] = total[better]
    return _numbered(best, most), best_distance


def _seeded(
    square: np.ndarray, clusters: np.ndarray, most: int, first: int, draws: np.ndarray
) -> np.ndarray:
    """k-means++: each further centre is a point, drawn in proportion to its squared distance to
    the nearest centre."""
    sets, n = square.shape[:2]
    all_sets = np.arange(sets)
    nearest_square = square[:, first].copy()
    assignment = np.zeros((sets, n), np.int64)
    for centre in range(1, most):
        sums = nearest_square.cumsum(axis=1)
        drawn = (sums < draws[centre] * sums[:, -1:]).sum(axis=1)
        squared_distance = square[all_sets, np.minimum(drawn, n - 1)]
        closer = (squared_distance < nearest_square) & (centre < clusters)[:, None]
        assignment[closer] = centre
        nearest_square[closer] = squared_distance[closer]
    return assignment


def _lloyd(
    square: np.ndarray, assignment: np.ndarray, exists: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Clusters after which nothing moves, and squared distances to their centroids."""
    sets, n = assignment.shape
    all_sets, points = np.arange(sets)[:, None], np.arange(n)
    assignment = assignment.copy()
    squared_distance = np.zeros((sets, n))
    moving = np.arange(sets)
    for _ in range(MOST_STEPS):
        membership = (assignment[moving, :, None] == np.arange(exists.shape[1])).astype(np.float64)
        size = membership.sum(axis=1)
        share = membership / np.maximum(size, 1)[:, None]
        to_centroids = square[moving] @ share
        to_centroids -= np.einsum("bik,bik->bk", share, to_centroids)[:, None] / 2
        np.maximum(to_centroids, 0, out=to_centroids)
        absent = ~(exists[moving] & (size > 0))
        to_centroids[np.broadcast_to(absent[:, None], to_centroids.shape)] = np.inf
        set_index = all_sets[: len(moving)]
        own_distance = to_centroids[set_index, points, assignment[moving]]
        new_assignment = to_centroids.argmin(axis=2)
        nearest = to_centroids[set_index, points, new_assignment]
        # A point that is as near to its own centroid stays.
        new_assignment = np.where(nearest < own_distance, new_assignment, assignment[moving])
        squared_distance[moving] = own_distance
        for i in np.flatnonzero((exists[moving] & (size == 0)).any(axis=1)):
            # An empty cluster takes the point that is farthest from its centroid.
            gaps = nearest[i].copy()
            for empty in np.flatnonzero(exists[moving[i]] & (size[i] == 0)):
                sizes = np.bincount(new_assignment[i], minlength=len(size[i]))
                gaps[sizes[new_assignment[i]] == 1] = -1
                taken = int(gaps.argmax())
                new_assignment[i, taken], gaps[taken] = empty, -1
        changed = (new_assignment != assignment[moving]).any(axis=1)
        assignment[moving] = new_assignment
        moving = moving[changed]
        if len(moving) == 0:
            break
    return assignment, squared_distance


def _numbered(assignment: np.ndarray, most: int) -> np.ndarray:
    """The same clusters, numbered in the order of their first points."""
    sets, n = assignment.shape
    first = np.full((sets, most), n)
    all_sets = np.arange(sets)
    for point in range(n - 1, -1, -1):
        first[all_sets, assignment[:, point]] = point
    rank = first.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.take_along_axis(rank, assignment, 1)
