"""The silhouettes of all cuts of many trees at once."""

from __future__ import annotations

from typing import Any

import numpy as np

BLOCK = 1 << 19
"""Numbers in a block of trees: 4 MB."""
SLICE = 1 << 15
"""Numbers in a block of cuts: 256 kB, which stay in a core's cache."""
ON_DEVICE = 1 << 24
"""Numbers in a block of trees or of cuts on a GPU: 128 MB."""


def silhouettes(distances: Any, Z: Any, min_size: int, most: int = 20) -> np.ndarray:
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
        distances: float32 or float64 `B x n x n`, symmetric, finite; an array, or a tensor on the
            device that computes.
        Z: `B x (n - 1) x 4`, linkages in SciPy's format, of the same kind.
        min_size: samples in a concept, at least.
        most: concepts in a cut, at most.
    """
    trees, merges = Z.shape[:2]
    out = np.full((trees, merges), np.nan)
    on_device = not isinstance(Z, np.ndarray)
    step = max(1, (ON_DEVICE if on_device else BLOCK) // max(1, merges) ** 2)
    for begin in range(0, trees, step):
        part = slice(begin, begin + step)
        values = _of_block(distances[part], Z[part], min_size, most)
        out[part] = values.cpu() if on_device else values
    return out


def _of_block(distances: Any, Z: Any, min_size: int, most: int) -> Any:
    """`silhouettes` of one block, of the kind of `Z`."""
    library, here = _library(Z), _device_of(Z)
    trees, merges = Z.shape[:2]
    n, nodes = merges + 1, 2 * merges + 1
    every = library.arange(trees, **here)[:, None]
    children = library.asarray(Z[:, :, :2], dtype=library.int64, **here).reshape(trees, -1)
    ones = library.ones((trees, n), dtype=library.int64, **here)
    size = library.concatenate([ones, library.asarray(Z[:, :, 3], dtype=library.int64, **here)], 1)
    parent = library.full((trees, nodes), nodes - 1, **here)
    parent[every, children] = n + library.arange(2 * merges, **here) // 2

    big = size >= min_size

    def walk(of: Any) -> Any:
        # A sum over the clusters of every cut: going down, each split replaces a node by its parts.
        change = of[every, children].reshape(trees, merges, 2).sum(2) - of[:, n:]
        return of[:, -1:] + library.flip(library.cumsum(library.flip(change, (1,)), 1), (1,))

    concepts, held = walk(library.asarray(big, dtype=library.int64, **here)), walk(big * size)
    # A small cluster that falls apart changes nothing.
    valid = (concepts >= 2) & (concepts <= most) & (2 * held >= n)
    out = library.full((trees, merges), np.nan, dtype=library.float64, **here)
    tree, cut = _nonzero(valid & big[:, n:])
    if len(tree) == 0:
        return out

    # The concepts of each cut: nodes made before it that merge at it or later.
    owner, node = _nonzero(big)
    first = library.searchsorted(owner, library.arange(trees + 1, **here))
    width = int((first[1:] - first[:-1]).max())
    table = library.full((trees, width), nodes - 1, **here)
    table[owner, library.arange(len(owner), **here) - first[owner]] = node
    born, dies = table - n, parent[every, table] - n
    alive = (born[tree] < cut[:, None]) & (dies[tree] >= cut[:, None])
    which, place = _nonzero(alive)
    slot = library.arange(len(which), **here)
    slot = slot - library.searchsorted(which, library.arange(len(tree), **here))[which]

    # The nodes that are needed, side by side: rows of `apart` and `within`.
    used = library.zeros((trees, width), dtype=bool, **here)
    used[tree[which], place] = True
    row = library.cumsum(library.asarray(used, dtype=library.int64, **here), 1) - 1
    width = int(row[:, -1].max()) + 1
    owner, place_used = _nonzero(used)
    node = table[owner, place_used]
    chosen = library.full((trees, width), -1, **here)
    chosen[owner, row[owner, place_used]] = node
    size_of = library.where(chosen < 0, 1, size[every, chosen])
    size_of = library.asarray(size_of, dtype=distances.dtype, **here)
    inside = _samples_inside(children, parent, size, chosen)
    sums = library.asarray(inside, dtype=distances.dtype, **here) @ distances
    apart = library.where(inside, np.inf, sums / size_of[:, :, None]).reshape(-1, n)
    alone = (size_of - 1).clip(1)[:, :, None]
    within = library.where(inside, sums / alone, np.inf)
    # A sample alone in its cluster counts 0, as one in no concept does.
    within[size_of == 1] = np.inf
    within = within.reshape(-1, n)

    rows = library.full((len(tree), int(slot.max()) + 1), -1, **here)
    rows[which, slot] = tree[which] * width + row[tree[which], place]
    # Slots that a cut does not have repeat its first concept.
    rows = library.where(rows < 0, rows[:, :1], rows)
    total = library.empty(len(tree), dtype=library.float64, **here)
    step = max(1, (SLICE if library is np else ON_DEVICE) // n)
    for begin in range(0, len(tree), step):
        cut_rows = rows[begin : begin + step]
        a, b = within[cut_rows[:, 0]], apart[cut_rows[:, 0]]
        for column in range(1, cut_rows.shape[1]):
            library.minimum(a, within[cut_rows[:, column]], out=a)
            library.minimum(b, apart[cut_rows[:, column]], out=b)
        total[begin : begin + step] = _total(a, b)
    out[tree, cut] = total / held[tree, cut]
    # Cuts in between are as the one above.
    change = library.where(big[:, n:], library.arange(merges, **here), merges)
    above = library.flip(_running_minimum(library.flip(change, (1,))), (1,))
    return library.where(valid, out[every, above.clip(None, merges - 1)], np.nan)


def _total(a: Any, b: Any) -> Any:
    """The sums of `(b - a) / max(a, b)` over those whose `a` is finite; 0 where both are 0."""
    library = _library(a)
    high = library.maximum(a, b)
    good = (high > 0) & (a < np.inf)
    if library is np:
        return np.divide(b - a, high, out=np.zeros_like(a), where=good).sum(axis=1)
    return library.where(good, (b - a) / high, 0).sum(1)


def _samples_inside(children: Any, parent: Any, size: Any, chosen: Any) -> Any:
    """bool `B x P x n`: whether each of the nodes `chosen` holds a sample; none for node -1."""
    library, here = _library(parent), _device_of(parent)
    trees, nodes = parent.shape
    n = (nodes + 1) // 2
    every = library.arange(trees, **here)[:, None]
    # Leaves stand from left to right: a node starts where the siblings left of it and of its
    # ancestors end.
    start = library.zeros_like(parent)
    start[every, children[:, 1::2]] = size[every, children[:, ::2]]
    jump = parent
    while bool((jump != nodes - 1).any()):
        start = start + start[every, jump]
        jump = jump[every, jump]
    leaf_offset = start[:, None, :n] - start[every, chosen][:, :, None]
    upto = library.where(chosen < 0, 0, size[every, chosen])[:, :, None]
    return (leaf_offset >= 0) & (leaf_offset < upto)


def _library(array: Any) -> Any:
    """NumPy or torch."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def _device_of(array: Any) -> dict[str, Any]:
    """The argument by which new tensors are on the device of a tensor."""
    return {} if isinstance(array, np.ndarray) else {"device": array.device}


def _nonzero(mask: Any) -> Any:
    """The indices of what is true, one array or tensor for each dimension."""
    if isinstance(mask, np.ndarray):
        return mask.nonzero()
    return [index.contiguous() for index in mask.nonzero(as_tuple=True)]


def _running_minimum(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return np.minimum.accumulate(values, axis=1)
    return values.cummin(1).values
