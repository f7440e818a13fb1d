"""Where to cut: the natural gaps of a tree's merge heights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuronwidgets.concepts.tree import Tree

MOST = 10
ROUNDING = 1e-9


@dataclass(frozen=True)
class Suggestion:
    """A threshold, the number of concepts that it gives, and how wide its gap is.

    `gap` is the gap's width on the square-root scale of the heights, as a share of that scale:
    how far the line can move and give the same concepts.
    """

    threshold: float
    concepts: int
    gap: float


def suggestions(tree: Tree, min_size: int) -> list[Suggestion]:
    """For each number of concepts up to ten, the middle of its widest gap; fewest concepts first.

    A gap is a stretch of heights over which the concepts (clusters of at least `min_size`) stay
    the same in number and hold at least half of the samples. Heights that differ by rounding only
    have no gap between them. A tree of fewer samples than `min_size` has no concepts and no
    suggestions.
    """
    heights = tree.merge_heights
    if tree.n < min_size:
        return []
    if len(heights) == 0 or tree.top == 0:
        return [Suggestion(tree.top, 1, 1.0)]
    # Walking down the tree, a split changes concepts and members by what its parts have.
    n = tree.n

    def walk(of_node: np.ndarray) -> np.ndarray:
        change = of_node[tree.children].sum(axis=1) - of_node[n:]
        return np.asarray(np.cumsum(np.concatenate([of_node[-1:], change[::-1]])))

    big = tree.size >= min_size
    count = np.where(2 * walk(big * tree.size) >= n, walk(big.astype(np.int64)), 0)
    edge = np.concatenate([[tree.top * 1.02], heights[::-1], [0.0]])
    root = np.sqrt(edge) / np.sqrt(tree.top)
    # Merge equal neighbours: a small cluster splitting off leaves the concepts as many.
    widest: dict[int, Suggestion] = {}
    first = 0
    for i in range(1, len(count) + 1):
        if i < len(count) and count[i] == count[first]:
            continue
        k, gap = int(count[first]), float(root[first] - root[i])
        if 1 <= k <= MOST and gap > ROUNDING and (k not in widest or gap > widest[k].gap):
            middle = float(((root[first] + root[i]) / 2) ** 2 * tree.top)
            widest[k] = Suggestion(middle, k, gap)
        first = i
    return [widest[k] for k in sorted(widest)]


def stretch(tree: Tree, min_size: int, threshold: float) -> Suggestion:
    """A threshold that was chosen otherwise, and the gap around it: between two merges."""
    heights = tree.merge_heights
    concepts = int((tree.size[tree.cut(threshold)] >= min_size).sum())
    if tree.top == 0:
        return Suggestion(threshold, concepts, 1.0)
    place = int(np.searchsorted(heights, threshold, side="right"))
    edge = np.concatenate([[0.0], heights, [tree.top * 1.02]])[place : place + 2]
    low, high = np.sqrt(edge / tree.top)
    return Suggestion(threshold, concepts, float(high - low))


def default_threshold(tree: Tree, min_size: int) -> float:
    """The cut to begin with: the widest gap that gives at least two concepts, if there is one."""
    found = suggestions(tree, min_size)
    several = [s for s in found if s.concepts > 1]
    if not several:
        return found[0].threshold if found else tree.top
    return max(several, key=lambda s: s.gap).threshold
