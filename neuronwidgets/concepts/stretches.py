"""Intervals of heights over which the number of concepts does not change, of many trees at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuronwidgets.clustering.tree import Trees

POWER = 0.25
"""Exponent of the number of concepts, by which a cut's mean silhouette is multiplied.

Two concepts far apart have the best silhouette of all, so without this factor the default cut would
be too coarse. Exponents from 0.2 to 0.35 do equally well (docs/decisions/ has the data)."""
MOST = 10
"""Concepts in a suggested cut, at most."""
ROUNDING = 1e-9
"""Relative differences of heights up to this are rounding errors."""


@dataclass(frozen=True)
class Stretch:
    """An interval of heights over which the number of concepts does not change."""

    threshold: float
    """Its middle, on the square-root scale."""
    concepts: int
    gap: float
    low: float
    """Its lower end: a merge height, or 0."""

    @property
    def rank(self) -> float:
        """Its width, weighted by the number of concepts: gaps narrow as concepts become more."""
        return self.gap * self.concepts


@dataclass(frozen=True, eq=False)
class Stretches:
    """`K` stretches of several trees, those of one tree side by side, from its top down.

    Attributes:
        tree: int64 `K`, the tree of each.
        threshold, gap, low: float64 `K`; `concepts`: int64 `K`: see `Stretch`.
    """

    tree: np.ndarray
    threshold: np.ndarray
    concepts: np.ndarray
    gap: np.ndarray
    low: np.ndarray

    @classmethod
    def of(cls, trees: Trees, min_size: int) -> Stretches:
        """The stretches with up to ten concepts that hold at least half of the samples.

        Concepts are clusters of at least `min_size` samples. Heights that differ by rounding only
        have no stretch between them. Trees of fewer samples than `min_size` have no stretch.
        """
        count, n = trees.order.shape
        heights, top = trees.height[:, n:], trees.height[:, -1:]
        numbers = _sums_down(trees, (trees.size >= min_size).astype(np.int64))
        numbers = np.where(2 * _held(trees, min_size) >= n, numbers, 0)
        flat = top == 0
        ends = np.concatenate([top * 1.02, heights[:, ::-1], np.zeros((count, 1))], axis=1)
        roots = np.sqrt(ends / np.where(flat, 1, top))
        # A small cluster that splits off does not change the number of concepts: neighbours are
        # joined.
        begins = np.diff(numbers, axis=1, prepend=-1) != 0
        after = np.where(begins[:, 1:], np.arange(1, n), n)
        after = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
        after = np.concatenate([after, np.full((count, 1), n)], axis=1)
        gaps = roots[:, :-1] - np.take_along_axis(roots, after, 1)
        chosen = begins & (numbers >= 1) & (numbers <= MOST) & (gaps > ROUNDING) & ~flat
        # Equal samples are one concept at every height.
        chosen[:, 0] |= flat[:, 0] & (n >= min_size)
        tree, first = np.nonzero(chosen)
        is_flat, peak = flat[tree, 0], top[tree, 0]
        upper, lower = roots[tree, first], roots[tree, after[tree, first]]
        threshold = np.where(is_flat, 0.0, ((upper + lower) / 2) ** 2 * peak)
        return cls(
            tree,
            threshold,
            np.where(is_flat, 1, numbers[tree, first]),
            np.where(is_flat, 1.0, gaps[tree, first]),
            np.where(is_flat, 0.0, lower**2 * peak),
        )

    def listed(self) -> list[Stretch]:
        """The stretches of one tree, one by one."""
        columns = (self.threshold, self.concepts, self.gap, self.low)
        return [Stretch(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]


def compactness(
    trees: Trees, of_cuts: np.ndarray, min_size: int,
    tree: np.ndarray, threshold: np.ndarray, concepts: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """float64 `K`: the mean silhouette at each threshold, -1 to 1.

    Samples in no concept count 0: otherwise cuts that leave most samples out would win.

    Args:
        trees: `B` trees.
        of_cuts: float64 `B x (n - 1)`, the mean silhouettes of all cuts, see `silhouettes`.
        min_size: smaller clusters are no concept.
        tree, threshold, concepts: as in `Stretches`.
    """
    n = trees.order.shape[1]
    if n == 1:
        return np.full(len(tree), -1.0)
    merges = (trees.height[tree, n:] <= threshold[:, None]).sum(axis=1)
    covered = _held(trees, min_size)[tree, n - 1 - merges] / n
    values = of_cuts[tree, np.minimum(merges, n - 2)] * covered
    # Above the last merge there is one cluster, which has no silhouette.
    return np.where((concepts < 2) | np.isnan(values), -1.0, values)


def leaders(
    tree: np.ndarray, concepts: np.ndarray, gap: np.ndarray, compact: np.ndarray | None,
    power: float = POWER,
) -> np.ndarray:  # fmt: skip
    """int64, indices of stretches: of each tree that has any, the one that its default threshold is
    in. Of equally compact stretches the widest.

    Args:
        tree, concepts, gap: of `K` stretches, as in `Stretches`.
        compact: float64 `K`, the mean silhouette in each; `None`: the widest gap decides.
        power: see `POWER`.
    """
    several = concepts > 1
    score = np.zeros(len(tree))
    if compact is not None:
        # Not by NumPy, whose powers depend on the processor.
        powers = np.array([float(k) ** power for k in range(int(concepts.max(initial=0)) + 1)])
        score = np.where(several, np.maximum(compact, 0) * powers[concepts], 0)
    order = np.lexsort((-gap * concepts, -score, ~several, tree))
    return order[np.flatnonzero(np.diff(tree[order], prepend=-1))]


def _held(trees: Trees, min_size: int) -> np.ndarray:
    """int `B x n`: the samples in concepts after `0` to `n - 1` splits from the top."""
    return _sums_down(trees, np.where(trees.size >= min_size, trees.size, 0))


def _sums_down(trees: Trees, of_nodes: np.ndarray) -> np.ndarray:
    """`B x n`: sums of the nodes' values over the clusters after `0` to `n - 1` splits from the
    top."""
    count, n = trees.order.shape
    parts = of_nodes[np.arange(count)[:, None, None], trees.children].sum(axis=2)
    # Down the tree each split replaces a node by its two children.
    change = parts - of_nodes[:, n:]
    out: np.ndarray = np.cumsum(np.concatenate([of_nodes[:, -1:], change[:, ::-1]], axis=1), axis=1)
    return out
