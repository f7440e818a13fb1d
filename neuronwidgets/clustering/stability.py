"""Stability of groups of samples: whether they recur when half of the samples are clustered."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from neuronwidgets.clustering.halves import halves
from neuronwidgets.clustering.tree import Tree

RECURRENCE = 0.75
"""Jaccard index from which on a group recurs (Hennig 2007)."""


def recurring(
    distances: np.ndarray,
    method: str,
    groups: np.ndarray,
    resamples: int,
    seed: int = 0,
    source: np.ndarray | None = None,
) -> Generator[float, None, np.ndarray]:
    """The share of resamples in which each of `p` groups is a branch of the tree again.

    Hennig 2007, *Cluster-wise assessment of cluster stability*, Comput. Stat. Data Anal. 52, by
    subsets: half of the samples, drawn without replacement, are linked again; of the samples of one
    source (the tokens of a text) all or none. A group recurs if some branch of that tree has a
    Jaccard index of at least 0.75 with the group's samples in the draw. For a group of more than
    half of the draw, the samples outside of the two must have such an index as well: the whole tree
    has it with any three quarters of the samples. A draw with fewer than two of the group's
    sources, or without any sample outside of it, does not count for the group, unless it is a group
    of all samples.

    A generator: yields the share done, returns float64 `p`, from 0 to 1; NaN for a group for which
    no draw counts.

    Args:
        distances: float64 `n x n`, symmetric, as the linkage had them.
        method: the linkage, as SciPy names it.
        groups: bool `p x n`.
        resamples: the number of draws.
        seed: seed of the draws.
        source: int `n`, the source of each sample; `None`: each is of its own.
    """
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    rng = np.random.default_rng(seed)
    source = np.arange(len(distances)) if source is None else source
    recurred, counted = np.zeros(len(groups)), np.zeros(len(groups))
    of_all = groups.all(axis=1)
    for draw in range(resamples):
        subset = np.sort(max(halves(source, rng), key=len))
        if len(subset) < 2:
            continue
        Z = hierarchy.linkage(squareform(distances[np.ix_(subset, subset)], checks=False), method)
        tree = Tree.of(Z)
        # The samples of each group, counted from left to right: a branch is a range of them.
        inside = groups[:, subset[tree.order]]
        cumulative = np.concatenate(
            [np.zeros((len(groups), 1), np.int64), np.cumsum(inside, axis=1)], axis=1
        )
        common = cumulative[:, tree.start + tree.size] - cumulative[:, tree.start]
        size = cumulative[:, -1]
        n_drawn = len(subset)
        either = tree.size + size[:, None] - common
        alike = common >= RECURRENCE * either
        outside_alike = n_drawn - either >= RECURRENCE * (n_drawn - common)
        recurs = (alike & (outside_alike | (2 * size[:, None] <= n_drawn))).any(axis=1)
        sources = np.array([len(np.unique(source[subset[group[subset]]])) for group in groups])
        counts = (sources >= 2) & ((size < n_drawn) | of_all)
        recurred += counts & recurs
        counted += counts
        yield (draw + 1) / resamples
    share = np.full(len(groups), np.nan)
    np.divide(recurred, counted, out=share, where=counted > 0)
    return share
