"""Whether groups of samples come back when only half of the samples are clustered."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from neuronwidgets.clustering.tree import Tree

RECURS = 0.75
"""The Jaccard index from which on a group has come back (Hennig 2007)."""


def recurring(
    distances: np.ndarray, method: str, groups: np.ndarray, resamples: int, seed: int = 0
) -> Generator[float, None, np.ndarray]:
    """In what share of resamples each of `p` groups is a branch of the tree again.

    Hennig 2007, *Cluster-wise assessment of cluster stability*, Comput. Stat. Data Anal. 52, by
    subsets: half of the samples, drawn without replacement, are linked again. A group has come
    back if some branch of that tree has a Jaccard index of at least 0.75 with what the draw has of
    it. A draw that has fewer than two of its samples says nothing about it.

    A generator: yields the share done, returns float64 `p`, from 0 to 1; NaN where no draw says
    anything.

    Args:
        distances: float64 `n x n`, symmetric, of the metric that was linked.
        method: the linkage, as SciPy names it.
        groups: bool `p x n`.
        resamples: how many draws.
        seed: of the draws.
    """
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    n = len(distances)
    rng = np.random.default_rng(seed)
    back, judged = np.zeros(len(groups)), np.zeros(len(groups))
    for draw in range(resamples):
        some = np.sort(rng.choice(n, max(2, -(-n // 2)), replace=False))
        Z = hierarchy.linkage(squareform(distances[np.ix_(some, some)], checks=False), method)
        tree = Tree.of(Z)
        # What the draw has of each group, counted along the leaves.
        inside = groups[:, some[tree.order]]
        upto = np.concatenate(
            [np.zeros((len(groups), 1), np.int64), np.cumsum(inside, axis=1)], axis=1
        )
        common = upto[:, tree.start + tree.size] - upto[:, tree.start]
        size = upto[:, -1]
        best = (common / (tree.size + size[:, None] - common)).max(axis=1)
        back += (size >= 2) & (best >= RECURS)
        judged += size >= 2
        yield (draw + 1) / resamples
    share: np.ndarray = np.divide(back, judged, out=np.full(len(groups), np.nan), where=judged > 0)
    return share
