"""Linkage from a matrix of criteria by a chain of nearest neighbours."""

from __future__ import annotations

import numpy as np


def nearest_neighbour_chain(
    D: np.ndarray, weight: np.ndarray, criterion: str
) -> tuple[list[int], list[int], list[float]]:
    """Merges of clusters, from the matrix of their criteria, by a chain of nearest neighbours.

    Each cluster is followed by its nearest one until two are each other's: these merge (Benzécri
    1982; Juan 1982; Müllner 2011, fig. 3). Of equal neighbours the previous one in the chain is
    taken, then the first row.

    Args:
        D: float64 `n x n`, symmetric; it is changed.
        weight: float64 `n`, the number of samples in each cluster.
        criterion: "ward" or "average".

    Returns:
        Two lists of `n - 1` rows, which merge in pairs, and their criterion. The first row of a
        pair stands for both from then on. The merges are not in order of height.
    """
    np.fill_diagonal(D, np.inf)
    weight, row_of = weight.copy(), np.arange(len(D))
    kept: list[int] = []
    absorbed: list[int] = []
    values: list[float] = []
    path: list[int] = []
    clusters = len(D)
    while clusters > 1:
        if not path:
            if clusters < 0.7 * len(D):
                alive = weight > 0
                D, weight, row_of = D[np.ix_(alive, alive)], weight[alive], row_of[alive]
            path = [int((weight > 0).argmax())]
        while True:
            row = D[path[-1]]
            nearest = int(row.argmin())
            if len(path) > 1 and row[path[-2]] <= row[nearest]:
                break
            path.append(nearest)
        b, a = sorted([path.pop(), path.pop()], reverse=True)
        n, m, value = weight[a], weight[b], D[a, b]
        kept.append(int(row_of[a]))
        absorbed.append(int(row_of[b]))
        values.append(float(value))
        # Lance and Williams 1967.
        if criterion == "ward":
            merged = (weight + n) * D[a]
            merged += (weight + m) * D[b]
            merged -= weight * value
            merged /= weight + (n + m)
        else:
            merged = (n * D[a] + m * D[b]) / (n + m)
        merged[a] = merged[b] = np.inf
        D[a] = D[:, a] = merged
        D[:, b] = np.inf
        weight[a] += m
        weight[b] = 0
        clusters -= 1
    return kept, absorbed, values
