"""A tree in which clusters that were found otherwise are one of its cuts."""

from __future__ import annotations

import numpy as np

from neuronwidgets.clustering.linkage.engine import linkage

ROOM = 1.1
"""Where merges between clusters have to be raised, the lowest one comes to stand so many times as
high as the highest merge inside."""


def nested(points: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Ward trees inside of clusters, and Ward merges of their centroids above them.

    Heights inside are those of Ward's tree of each cluster alone. Between clusters they are those
    of Ward's merges of all of a cluster's samples at once (Lance & Williams 1967, with sizes), if
    all of these lie above all merges inside. If not, all of those between are raised by the same
    amount, so that the lowest is 1.1 times the highest inside: these are then no Ward heights any
    more, but their differences are.

    Args:
        points: float64 `n x P`.
        labels: int `n`, the cluster of each.

    Returns:
        `Z`, float64 `(n - 1) x 4`, in SciPy's format, and a threshold at which its cut is the
        clusters: between the two kinds of merges, in the middle on the square-root scale.
    """
    n = len(points)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    parts, tops, made = [], [], n
    for rows in groups:
        part = linkage(points[rows], "ward")
        known = np.concatenate([rows, made + np.arange(len(part))])
        part[:, :2] = known[part[:, :2].astype(np.int64)]
        parts.append(part)
        made += len(part)
        tops.append(known[-1])
    inside = np.concatenate(parts)
    order = np.argsort(inside[:, 2], kind="stable")
    number = np.arange(made)
    number[n + order] = n + np.arange(made - n)
    inside = inside[order]
    inside[:, :2] = np.sort(number[inside[:, :2].astype(np.int64)], axis=1)
    low = float(inside[-1, 2]) if len(inside) else 0.0
    between = _merges(points, groups, number[tops], made)
    if len(between) == 0:
        return inside, 1.01 * low
    if not between[0, 2] > low * (1 + 1e-6):
        between[:, 2] += ROOM * low - between[0, 2]
    middle = (np.sqrt(low) + np.sqrt(between[0, 2])) / 2
    return np.concatenate([inside, between]), float(middle**2)


def _merges(
    points: np.ndarray, groups: list[np.ndarray], nodes: np.ndarray, made: int
) -> np.ndarray:
    """Ward merges of whole clusters, whose nodes are `nodes`: `(k - 1) x 4`."""
    from scipy.spatial.distance import cdist

    size = np.array([float(len(rows)) for rows in groups])
    centre = np.stack([points[rows].mean(axis=0) for rows in groups])
    both = size[:, None] + size
    # The squared height.
    gap = 2 * np.outer(size, size) / both * cdist(centre, centre, "sqeuclidean")
    np.fill_diagonal(gap, np.inf)
    nodes = nodes.astype(np.int64)
    Z = np.zeros((len(groups) - 1, 4))
    for step in range(len(Z)):
        a, b = divmod(int(gap.argmin()), len(gap))
        height, rest = gap[a, b], size + size[a] + size[b]
        joined = (size + size[a]) * gap[a] + (size + size[b]) * gap[b] - size * height
        joined = np.where(np.isfinite(gap[a]) & np.isfinite(gap[b]), joined / rest, np.inf)
        size[a] += size[b]
        Z[step] = *sorted((nodes[a], nodes[b])), np.sqrt(height), size[a]
        gap[a] = gap[:, a] = joined
        gap[b] = gap[:, b] = np.inf
        nodes[a] = made + step
    Z[:, 2] = np.maximum.accumulate(Z[:, 2])
    return Z
