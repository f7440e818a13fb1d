"""Merges in the order in which they were found, and the linkage that they make."""

from __future__ import annotations

import numpy as np


class MergeLog:
    """Merges of clusters of `count` samples; a cluster is named by its smallest sample.

    Attributes, one row for each sample, of the cluster that it names:
        merge_of: int64, the merge that made it; -1 for the sample itself.
        height, size: float64, the criterion of that merge, and the number of samples.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.merge_of = np.full(count, -1)
        self.height = np.zeros(count)
        self.size = np.ones(count)
        self.blocks: list[np.ndarray] = []
        self.merges = 0

    def merge(self, kept: np.ndarray, absorbed: np.ndarray, height: np.ndarray) -> None:
        """Add pairs of clusters that merge at once; the new ones are named by `kept`."""
        # Rounding can leave a parent a hair below its child.
        height = np.maximum(height, np.maximum(self.height[kept], self.height[absorbed]))
        size = self.size[kept] + self.size[absorbed]
        left, right = (
            np.where(self.merge_of[x] < 0, x, self.count + self.merge_of[x])
            for x in (kept, absorbed)
        )
        self.blocks.append(np.stack([left, right, height, size], axis=1))
        self.height[kept], self.size[kept] = height, size
        self.merge_of[kept] = self.merges + np.arange(len(kept))
        self.merges += len(kept)

    def merge_equal(self, first: np.ndarray) -> None:
        """Merge every sample at height zero into the first one that is equal to it."""
        order = np.argsort(first, kind="stable")
        repeats = order[first[order] != order]
        rank = np.arange(len(repeats)) - np.searchsorted(first[repeats], first[repeats])
        for turn in range(int(rank.max(initial=-1)) + 1):
            duplicates = repeats[rank == turn]
            self.merge(first[duplicates], duplicates, np.zeros(len(duplicates)))

    def merge_chain(
        self, first: np.ndarray, kept: list[int], absorbed: list[int], heights: list[float]
    ) -> None:
        """Add merges one after the other, the last ones, whose clusters are rows of `first`."""
        nodes = np.where(self.merge_of < 0, np.arange(self.count), self.count + self.merge_of)
        node, highest, size = (x[first].tolist() for x in (nodes, self.height, self.size))
        merges = []
        for number, (a, b, value) in enumerate(zip(kept, absorbed, heights, strict=True)):
            # Rounding can leave a parent a hair below its child.
            highest[a] = max(value, highest[a], highest[b])
            size[a] += size[b]
            merges.append((node[a], node[b], highest[a], size[a]))
            node[a] = self.count + self.merges + number
        self.blocks.append(np.array(merges).reshape(-1, 4))
        self.merges += len(merges)

    def linkage(self) -> np.ndarray:
        """float64 `(S - 1) x 4`, by height; equal heights in the order of the merges."""
        Z = np.concatenate(self.blocks)
        order = np.argsort(Z[:, 2], kind="stable")
        node_of = np.empty(len(order))
        node_of[order] = self.count + np.arange(len(order))
        node = Z[:, :2].astype(np.int64)
        merged = node >= self.count
        Z[:, :2][merged] = node_of[node[merged] - self.count]
        Z[:, :2].sort(axis=1)
        return Z[order]
