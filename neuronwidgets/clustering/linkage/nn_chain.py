"""Linkage from a matrix of criteria by a chain of nearest neighbours."""

from __future__ import annotations

import numpy as np


def chain(
    D: np.ndarray, weight: np.ndarray, criterion: str
) -> tuple[list[int], list[int], list[float]]:
    """Merges of clusters, from the matrix of their criteria, by a chain of nearest neighbours.

    Each cluster is followed by its nearest one until two are each other's: these merge (Benzécri
    1982; Müllner 2011, fig. 3). Of equal neighbours the previous one is taken, then the first.

    Args:
        D: float64 `n x n`, symmetric; it is changed.
        weight: float64 `n`, the number of points in each.
        criterion: "ward" or "average".

    Returns:
        Two lists of `n - 1` rows, the first of which stands for both from then on, and the
        criterion at which they merge; a chain does not find them in order of height.
    """
    np.fill_diagonal(D, np.inf)
    weight, place = weight.copy(), np.arange(len(D))
    one: list[int] = []
    other: list[int] = []
    height: list[float] = []
    path: list[int] = []
    left = len(D)
    while left > 1:
        if not path:
            if left < 0.7 * len(D):
                keep = weight > 0
                D, weight, place = D[np.ix_(keep, keep)], weight[keep], place[keep]
            path = [int((weight > 0).argmax())]
        while True:
            row = D[path[-1]]
            near = int(row.argmin())
            if len(path) > 1 and row[path[-2]] <= row[near]:
                break
            path.append(near)
        b, a = sorted([path.pop(), path.pop()], reverse=True)
        n, m, value = weight[a], weight[b], D[a, b]
        one.append(int(place[a]))
        other.append(int(place[b]))
        height.append(float(value))
        # Lance and Williams 1967.
        if criterion == "ward":
            new = (weight + n) * D[a]
            new += (weight + m) * D[b]
            new -= weight * value
            new /= weight + (n + m)
        else:
            new = (n * D[a] + m * D[b]) / (n + m)
        new[a] = new[b] = np.inf
        D[a] = D[:, a] = new
        D[:, b] = np.inf
        weight[a] += m
        weight[b] = 0
        left -= 1
    return one, other, height
