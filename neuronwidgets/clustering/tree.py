"""A linkage as a tree that is quick to cut at any height."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Tree:
    """The `2n - 1` nodes of a linkage of `n` samples, in SciPy's numbering.

    Node `i < n` is sample `i`, node `n + m` the `m`-th merge. The samples of a node stand side by
    side in `order`, at `start[node] : start[node] + size[node]`; the larger child comes first.

    Attributes:
        children: int32 `(n - 1) x 2`, in drawing order.
        height: float64 `2n - 1`, zero for samples, never below a child's.
        size, start, parent: int32 `2n - 1`; the root's parent is -1.
        order: int32 `n`, samples from left to right.
    """

    children: np.ndarray
    height: np.ndarray
    size: np.ndarray
    start: np.ndarray
    parent: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, Z: np.ndarray) -> Tree:
        """From a linkage `Z`, `(n - 1) x 4`."""
        return Trees.of(Z[None])[0]

    @property
    def n(self) -> int:
        """How many samples."""
        return len(self.order)

    @property
    def top(self) -> float:
        """The root's height."""
        return float(self.height[-1])

    def cut(self, threshold: float) -> np.ndarray:
        """The largest nodes whose merges are all at or below `threshold`, from left to right.

        int32 `K`, the clusters of `scipy.cluster.hierarchy.fcluster(Z, threshold, "distance")`.
        """
        above = (self.parent < 0) | (self.height[self.parent] > threshold)
        nodes = np.flatnonzero((self.height <= threshold) & above)
        if len(nodes) == 0:
            # Below every height each sample is a cluster.
            nodes = np.arange(self.n)
        return nodes[np.argsort(self.start[nodes])].astype(np.int32)

    def concepts(self, threshold: float, min_size: int) -> tuple[np.ndarray, np.ndarray]:
        """The clusters of at least `min_size` at a cut: their nodes and the assignment.

        int32 `K`, from left to right, and int64 `n`, each sample's cluster, -1 for none.
        """
        nodes = self.cut(threshold)
        nodes = nodes[self.size[nodes] >= min_size]
        assignment = np.full(self.n, -1, np.int64)
        for concept, node in enumerate(nodes):
            assignment[self.samples_of(int(node))] = concept
        return nodes, assignment

    def samples_of(self, node: int) -> np.ndarray:
        """int32, the samples of a node, from left to right."""
        start = self.start[node]
        return self.order[start : start + self.size[node]]

    @cached_property
    def merge_heights(self) -> np.ndarray:
        """float64 `n - 1`, ascending."""
        return self.height[self.n :]

    def colors(self, min_size: int) -> np.ndarray:
        """A colour for every node: int16 `2n - 1`, an index into the palette, -1 for small nodes.

        Where a concept splits, its larger part keeps its colour, and the smaller part takes one
        that is not on the screen. A node's colour does not depend on earlier cuts.
        """
        n, nodes = self.n, 2 * self.n - 1
        color = np.full(nodes, -1, np.int16)
        track = np.full(nodes, -1, np.int32)
        big = self.size >= min_size
        born: list[float] = []
        ends: list[float] = []
        for node in range(nodes - 1, -1, -1):
            if not big[node]:
                continue
            parent = int(self.parent[node])
            if parent >= 0 and self.children[parent - n][0] == node:
                track[node] = track[parent]
            else:
                track[node] = len(born)
                born.append(np.inf if parent < 0 else float(self.height[parent]))
                ends.append(0.0)
            ends[track[node]] = float(self.height[node])
        used: list[tuple[float, int]] = []
        free: list[int] = []
        slot = [0] * len(born)
        slots = 0
        for i in sorted(range(len(born)), key=lambda i: -born[i]):
            while used and -used[0][0] >= born[i]:
                heapq.heappush(free, heapq.heappop(used)[1])
            if not free:
                heapq.heappush(free, slots)
                slots += 1
            slot[i] = heapq.heappop(free)
            heapq.heappush(used, (-ends[i], slot[i]))
        color[track >= 0] = np.array(slot, np.int16)[track[track >= 0]]
        return color

    def inherit(self, nodes: Sequence[int], anchors: Sequence[int]) -> list[int]:
        """The anchor that each of `nodes` takes: an index into `anchors`, or -1.

        An anchor is the node at which a user gave a name. Each anchor goes to one node and each
        node takes one anchor. Pairs with the largest overlap come first, then those with the
        smaller anchor, then those with the smaller node number.
        """
        pairs = []
        for a, anchor in enumerate(anchors):
            for c, node in enumerate(nodes):
                small, large = sorted((int(anchor), int(node)), key=lambda x: self.size[x])
                first, last = self.start[large], self.start[large] + self.size[large]
                if first <= self.start[small] < last:
                    overlap = int(self.size[small])
                    pairs.append((-overlap, int(self.size[anchor]), int(anchor), int(node), a, c))
        taken = [-1] * len(nodes)
        spent: set[int] = set()
        for *_, a, c in sorted(pairs):
            if taken[c] < 0 and a not in spent:
                taken[c] = a
                spent.add(a)
        return taken


@dataclass(frozen=True, eq=False)
class Trees:
    """`B` trees of `n` samples each: the arrays of `Tree`, with `B` before their other sizes."""

    children: np.ndarray
    height: np.ndarray
    size: np.ndarray
    start: np.ndarray
    parent: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, Z: np.ndarray) -> Trees:
        """From linkages `Z`, `B x (n - 1) x 4`."""
        count, n = len(Z), Z.shape[1] + 1
        nodes, tree = 2 * n - 1, np.arange(count)[:, None]
        size = np.concatenate([np.ones((count, n)), Z[:, :, 3]], axis=1).astype(np.int32)
        height = np.maximum.accumulate(Z[:, :, 2], axis=1)
        height = np.concatenate([np.zeros((count, n)), height], axis=1)
        left, right = Z[:, :, 0].astype(np.int32), Z[:, :, 1].astype(np.int32)
        right_size, left_size = size[tree, right], size[tree, left]
        swap = (right_size > left_size) | ((right_size == left_size) & (right < left))
        left, right = np.where(swap, right, left), np.where(swap, left, right)
        # Until the end the root is its own parent.
        parent = np.full((count, nodes), nodes - 1, np.int32)
        parent[tree, left] = parent[tree, right] = np.arange(n, nodes)
        # A right child begins where its sibling ends; the sum over all ancestors is the start.
        start = np.zeros((count, nodes), np.int32)
        start[tree, right] = size[tree, left]
        above = parent
        while (above != nodes - 1).any():
            start += start[tree, above]
            above = above[tree, above]
        parent[:, -1] = -1
        order = np.empty((count, n), np.int32)
        order[tree, start[:, :n]] = np.arange(n)
        return cls(np.stack([left, right], axis=2), height, size, start, parent, order)

    @classmethod
    def single(cls, tree: Tree) -> Trees:
        """One tree, whose arrays it shares."""
        arrays = (tree.children, tree.height, tree.size, tree.start, tree.parent, tree.order)
        return cls(*(array[None] for array in arrays))

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, i: int) -> Tree:
        return Tree(
            self.children[i],
            self.height[i],
            self.size[i],
            self.start[i],
            self.parent[i],
            self.order[i],
        )

    def assignment(self, threshold: np.ndarray, min_size: int) -> np.ndarray:
        """The assignment of `Tree.concepts`, each tree at its own threshold (`B`): int64
        `B x n`."""
        tree = np.arange(len(self))[:, None]
        n = self.order.shape[1]
        up = np.where(self.parent < 0, 2 * n - 2, self.parent)
        merged = self.height[tree, up] <= threshold[:, None]
        top = np.where(merged, up, np.arange(2 * n - 1))
        while True:
            higher = top[tree, top]
            if (higher == top).all():
                break
            top = higher
        # From left to right, a concept begins where the cluster changes.
        cluster = top[tree, self.order]
        large = self.size[tree, cluster] >= min_size
        begins = np.ones_like(large)
        begins[:, 1:] = cluster[:, 1:] != cluster[:, :-1]
        number = np.where(large, (begins & large).cumsum(axis=1) - 1, -1)
        out = np.empty(number.shape, np.int64)
        out[tree, self.order] = number
        return out


def identities(
    tree: Tree, colors: np.ndarray, nodes: Sequence[int], names: Mapping[int, str]
) -> tuple[list[int], list[str | None]]:
    """Palette slot and user's name of each of `nodes`.

    A name takes its colour to the cluster that holds most of the concept that was named. The
    cluster that had this colour takes the other one's.

    Args:
        tree: the tree of the nodes.
        colors: `tree.colors(min_size)`.
        nodes: the clusters on the screen.
        names: the user's names, by the nodes at which they were given.
    """
    slots = [int(colors[node]) for node in nodes]
    anchors = list(names)
    node_names: list[str | None] = [None] * len(slots)
    for i, a in enumerate(tree.inherit(nodes, anchors)):
        if a < 0:
            continue
        node_names[i] = names[anchors[a]]
        former_color = int(colors[anchors[a]])
        if former_color < 0:
            continue
        if former_color in slots:
            slots[slots.index(former_color)] = slots[i]
        slots[i] = former_color
    return slots, node_names
