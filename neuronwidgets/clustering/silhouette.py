"""The silhouettes of all cuts of many trees at once."""

from __future__ import annotations

import numpy as np

BLOCK = 1 << 19
"""Numbers in a block of trees: 4 MB."""
SLICE = 1 << 15
"""Numbers in a block of cuts: 256 kB, which stay in a core's cache."""


def silhouettes(distances: np.ndarray, Z: np.ndarray, min_size: int, most: int = 20) -> np.ndarray:
    """Mean silhouettes of the cuts of `B` trees of `n` samples: float64 `B x (n - 1)`.

    Entry `[b, m]` is that of the cut just below merge `m` (merges `0` to `m - 1` are done), over
    the samples in concepts (clusters of at least `min_size`); the others are left out. -1 to 1,
    higher: further apart. NaN for fewer than two concepts, for more than `most`, and for concepts
    that hold fewer than half of the samples.

    Rousseeuw 1987, *Silhouettes*, J. Comput. Appl. Math. 20: `s = (b - a) / max(a, b)`, where `a`
    is a sample's mean distance to the others of its cluster and `b` that to the nearest other
    cluster; 0 for a sample alone in its cluster. The distances between a node and every sample
    are summed once, for all cuts that have the node as a cluster.

    Args:
        distances: float32 or float64 `B x n x n`, symmetric, finite.
        Z: `B x (n - 1) x 4`, linkages in SciPy's format.
        min_size: samples in a concept, at least.
        most: concepts in a cut, at most.
    """
    trees, merges = Z.shape[:2]
    out = np.full((trees, merges), np.nan)
    step = max(1, BLOCK // max(1, merges) ** 2)
    for begin in range(0, trees, step):
        part = slice(begin, begin + step)
        _fill(out[part], distances[part], Z[part], min_size, most)
    return out


def _fill(out: np.ndarray, distances: np.ndarray, Z: np.ndarray, min_size: int, most: int) -> None:
    trees, merges = out.shape
    n, nodes = merges + 1, 2 * merges + 1
    every = np.arange(trees)[:, None]
    children = Z[:, :, :2].reshape(trees, -1).astype(np.int64)
    size = np.concatenate([np.ones((trees, n), np.int64), Z[:, :, 3].astype(np.int64)], axis=1)
    parent = np.full((trees, nodes), nodes - 1)
    parent[every, children] = np.repeat(np.arange(n, nodes), 2)

    big = size >= min_size

    def walk(of: np.ndarray) -> np.ndarray:
        # A sum over the clusters of every cut: going down, each split replaces a node by its parts.
        change = of[every, children].reshape(trees, merges, 2).sum(axis=2) - of[:, n:]
        return of[:, -1:] + np.cumsum(change[:, ::-1], axis=1)[:, ::-1]

    concepts, held = walk(big.astype(np.int64)), walk(big * size)
    # A small cluster that falls apart changes nothing.
    valid = (concepts >= 2) & (concepts <= most) & (2 * held >= n)
    tree, cut = np.nonzero(valid & big[:, n:])
    if len(tree) == 0:
        return

    # The concepts of each cut: nodes made before it that merge at it or later.
    owner, node = np.nonzero(big)
    first = np.searchsorted(owner, np.arange(trees + 1))
    width = int(np.diff(first).max())
    table = np.full((trees, width), nodes - 1)
    table[owner, np.arange(len(owner)) - first[owner]] = node
    born, dies = table - n, parent[every, table] - n
    alive = (born[tree] < cut[:, None]) & (dies[tree] >= cut[:, None])
    which, place = np.nonzero(alive)
    slot = np.arange(len(which)) - np.searchsorted(which, np.arange(len(tree)))[which]

    # The nodes that are needed, side by side: rows of `apart` and `within`.
    used = np.zeros((trees, width), bool)
    used[tree[which], place] = True
    row = np.cumsum(used, axis=1) - 1
    width = int(row[:, -1].max()) + 1
    owner, place_used = np.nonzero(used)
    node = table[owner, place_used]
    chosen = np.full((trees, width), -1)
    chosen[owner, row[owner, place_used]] = node
    size_of = np.where(chosen < 0, 1, size[every, chosen]).astype(distances.dtype)
    inside = _samples_inside(children, parent, size, chosen)
    sums = inside.astype(distances.dtype) @ distances
    apart = np.where(inside, np.inf, sums / size_of[:, :, None]).reshape(-1, n)
    alone = np.maximum(size_of - 1, 1)[:, :, None]
    within = np.where(inside, sums / alone, np.inf)
    # A sample alone in its cluster counts 0, as one in no concept does.
    within[size_of == 1] = np.inf
    within = within.reshape(-1, n)

    rows = np.full((len(tree), int(slot.max()) + 1), -1)
    rows[which, slot] = tree[which] * width + row[tree[which], place]
    # Slots that a cut does not have repeat its first concept.
    rows = np.where(rows < 0, rows[:, :1], rows)
    total = np.empty(len(tree))
    step = max(1, SLICE // n)
    for begin in range(0, len(tree), step):
        cut_rows = rows[begin : begin + step]
        a, b = within[cut_rows[:, 0]], apart[cut_rows[:, 0]]
        for column in cut_rows.T[1:]:
            np.minimum(a, within[column], out=a)
            np.minimum(b, apart[column], out=b)
        total[begin : begin + step] = _total(a, b)
    out[tree, cut] = total / held[tree, cut]
    # Cuts in between are as the one above.
    change = np.where(big[:, n:], np.arange(merges), merges)
    above = np.minimum.accumulate(change[:, ::-1], axis=1)[:, ::-1]
    out[:] = np.where(valid, np.take_along_axis(out, np.minimum(above, merges - 1), 1), np.nan)


def _total(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sums of `(b - a) / max(a, b)` over those whose `a` is finite; 0 where both are 0."""
    high = np.maximum(a, b)
    good = (high > 0) & (a < np.inf)
    return np.divide(b - a, high, out=np.zeros_like(a), where=good).sum(axis=1)


def _samples_inside(
    children: np.ndarray, parent: np.ndarray, size: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """bool `B x P x n`: whether each of the nodes `chosen` holds a sample; none for node -1."""
    trees, nodes = parent.shape
    n = (nodes + 1) // 2
    every = np.arange(trees)[:, None]
    # Leaves stand from left to right: a node starts where the siblings left of it and of its
    # ancestors end.
    start = np.zeros_like(parent)
    start[every, children[:, 1::2]] = size[every, children[:, ::2]]
    jump = parent
    while (jump != nodes - 1).any():
        start = start + start[every, jump]
        jump = jump[every, jump]
    leaf_offset = start[:, None, :n] - start[every, chosen][:, :, None]
    upto = np.where(chosen < 0, 0, size[every, chosen])[:, :, None]
    inside: np.ndarray = (leaf_offset >= 0) & (leaf_offset < upto)
    return inside
