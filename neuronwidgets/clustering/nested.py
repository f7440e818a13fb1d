"""A tree one of whose cuts gives known clusters, such as those of k-means."""

from __future__ import annotations

import numpy as np

from neuronwidgets.clustering.linkage.engine import linkage

ROOM = 1.1
"""Ratio of the lowest merge between clusters to the highest merge inside one, if merges between
clusters have to be raised."""


def nested(points: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Ward's tree inside each cluster, and Ward's merges of the clusters above them.

    Merges inside a cluster have the heights of Ward's tree of that cluster alone. Merges between
    clusters have those of Ward's merges of whole clusters (Lance & Williams 1967, with sizes), if
    all of these lie above all merges inside. If not, all merges between clusters are raised by the
    same amount, so that the lowest is 1.1 times the highest merge inside. Then only differences
    between their heights are Ward's.

    Args:
        points: float64 `n x P`.
        labels: int `n`, the cluster of each point.

    Returns:
        `Z`, float64 `(n - 1) x 4`, in SciPy's format, and a threshold at which its cut gives the
        clusters: on the square-root scale the middle between the two kinds of merges.
    """
    n = len(points)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    trees, roots, count = [], [], n
    for rows in groups:
        tree = linkage(points[rows], "ward")
        nodes = np.concatenate([rows, count + np.arange(len(tree))])
        tree[:, :2] = nodes[tree[:, :2].astype(np.int64)]
        trees.append(tree)
        count += len(tree)
        roots.append(nodes[-1])
    inside = np.concatenate(trees)
    # SciPy's format lists merges by height: nodes are numbered anew in that order.
    order = np.argsort(inside[:, 2], kind="stable")
    number = np.arange(count)
    number[n + order] = n + np.arange(count - n)
    inside = inside[order]
    inside[:, :2] = np.sort(number[inside[:, :2].astype(np.int64)], axis=1)
    highest = float(inside[-1, 2]) if len(inside) else 0.0
    between = _merges(points, groups, number[roots], count)
    if len(between) == 0:
        return inside, 1.01 * highest
    if not between[0, 2] > highest * (1 + 1e-6):
        between[:, 2] += ROOM * highest - between[0, 2]
    middle = (np.sqrt(highest) + np.sqrt(between[0, 2])) / 2
    return np.concatenate([inside, between]), float(middle**2)


def _merges(
    points: np.ndarray, groups: list[np.ndarray], nodes: np.ndarray, count: int
) -> np.ndarray:
    """Ward's merges of whole clusters: float64 `(k - 1) x 4`.

    Args:
        points: float64 `n x P`.
        groups: the points of each of `k` clusters.
        nodes: int `k`, the cluster's nodes.
        count: the number of nodes so far, which is the first new node.
    """
    from scipy.spatial.distance import cdist

    size = np.array([float(len(rows)) for rows in groups])
    centroids = np.stack([points[rows].mean(axis=0) for rows in groups])
    joint_size = size[:, None] + size
    # Squared heights.
    squares = 2 * np.outer(size, size) / joint_size * cdist(centroids, centroids, "sqeuclidean")
    np.fill_diagonal(squares, np.inf)
    nodes = nodes.astype(np.int64)
    Z = np.zeros((len(groups) - 1, 4))
    for step in range(len(Z)):
        a, b = divmod(int(squares.argmin()), len(squares))
        square, total = squares[a, b], size + size[a] + size[b]
        joined = (size + size[a]) * squares[a] + (size + size[b]) * squares[b] - size * square
        is_cluster = np.isfinite(squares[a]) & np.isfinite(squares[b])
        joined = np.where(is_cluster, joined / total, np.inf)
        size[a] += size[b]
        Z[step] = *sorted((nodes[a], nodes[b])), np.sqrt(square), size[a]
        squares[a] = squares[:, a] = joined
        squares[b] = squares[:, b] = np.inf
        nodes[a] = count + step
    Z[:, 2] = np.maximum.accumulate(Z[:, 2])
    return Z
