"""Exact agglomerative clustering of points in linear memory, by reciprocal nearest neighbours.

Two clusters that are each other's nearest neighbours merge in every order of merging, if merging
never brings a cluster nearer to a third one (reducibility: Bruynooghe 1978). So all such pairs
merge at once, in rounds (Sumengen et al., *Scaling Hierarchical Agglomerative Clustering to
Billion-sized Datasets*, arXiv 2105.11653; Yu et al., *ParChain*, arXiv 2106.04727).
docs/explanation/linkage.md explains what this file adds: float32 products that only ever rule
out, bounds for tiles of clusters, float64 for what is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch

from neuronwidgets.clustering.linkage.centroids import ROOM, Criterion, Every, each
from neuronwidgets.clustering.linkage.nearest import Neighbours
from neuronwidgets.clustering.linkage.nn_chain import chain
from neuronwidgets.clustering.linkage.partition import axes, halves
from neuronwidgets.clustering.pairwise import between

TILE = 512
"""Clusters in a tile, at least (on a CPU: a block of products fits in the second-level cache)."""
MOST_TILES = 64
"""Tiles, about: so the bounds take memory linear in the number of points."""
FEW = 2000
"""So few clusters go on with the matrix of their criteria (32 MB)."""
SOME = 5000
"""So few go on with it (200 MB) where rounds merge less than 1 in `SLOW`."""
SLOW = 100


def duplicates(points: torch.Tensor) -> torch.Tensor:
    """int64 `S`: the smallest number of a row that is equal to this one (most equal rows, at
    least; one that is missed costs time, not truth)."""
    count, width = points.shape
    number = torch.arange(1, width + 1, dtype=torch.float32, device=points.device)
    along = (number * 0.6180339887498949) % 1 + 0.5
    step = max(1, ROOM // width)
    marks = torch.cat([(x * along.to(x.dtype)).sum(1) for x in torch.split(points, step)])
    marks, order = marks.sort(stable=True)
    same = marks[1:] == marks[:-1]
    here = same.nonzero()[:, 0]
    for some in torch.split(here, step):
        same[some] = (points[order[some]] == points[order[some + 1]]).all(1)
    group = torch.cat([same.new_zeros(1), ~same]).cumsum(0)
    first = torch.full((count,), count, device=points.device)
    first.scatter_reduce_(0, group, order, "amin")
    out = torch.empty_like(order)
    out[order] = first[group]
    return out


@contextmanager
def whole_float32() -> Iterator[None]:
    """Products of float32 in float32: a user may have asked for fewer bits (TF32, bfloat16)."""
    asked = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(asked)


@contextmanager
def threads(device: torch.device) -> Iterator[Every]:
    """As many threads as torch has, each with whole blocks instead of a share of every step.

    Torch's own threads meet after each step. Where other work wants the processor too, one waits
    there for the other's turn, and two took ten times as long as one.
    """
    count = torch.get_num_threads()
    if device.type != "cpu" or count == 1:
        yield each
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield lambda do, things: list(pool.map(do, things))
    finally:
        torch.set_num_threads(count)


def tree(points: torch.Tensor, criterion: Criterion) -> np.ndarray:
    """The linkage of `S` points: float64 `(S - 1) x 4`, heights in the unit of the criterion.

    Args:
        points: float64 `S x D`, `S >= 2`, finite, around the origin and with its largest number
            near one; on its device.
        criterion: "ward" or "average".
    """
    count = len(points)
    first = duplicates(points)
    names = (first == torch.arange(count, device=points.device)).nonzero()[:, 0]
    record = Record(count)
    record.equal(first.cpu().numpy())
    weight = torch.bincount(first, minlength=count)[names].double()
    left = len(names)
    with torch.inference_mode(False), whole_float32(), threads(points.device) as every:
        centre = points if left == count else points[names]
        order, edges = halves(
            (centre @ axes(centre)).cpu().numpy(), max(TILE, -(-left // MOST_TILES))
        )
        some = torch.from_numpy(order).to(points.device)
        centre, weight, names = centre[some], weight[some], names[some]
        spread = torch.zeros_like(weight)
        if left > FEW:
            clusters = Neighbours(centre, weight, names, edges, criterion, every)
            slow = False
            while left > (SOME if slow else FEW):
                one, other = clusters.pairs()
                value = clusters.exact(one, other)
                first_names, second_names = (clusters.name[x].cpu().numpy() for x in (one, other))
                record.merge(first_names, second_names, value.cpu().numpy())
                left -= len(one)
                slow = len(one) * SLOW < left
                clusters.merge(one, other, value)
            rows = clusters.alive.nonzero()[:, 0]
            columns = clusters.centre, clusters.weight, clusters.spread, clusters.name
            centre, weight, spread, names = (x[rows] for x in columns)
        if left > 1:
            square = between(centre)
            if criterion == "ward":
                square /= 0.5 / weight[:, None] + 0.5 / weight
            else:
                square += spread + spread[:, None]
            # By name: ties go by index.
            some = names.argsort()
            D = square[some][:, some].cpu().numpy()
            record.chain(names[some].tolist(), *chain(D, weight[some].cpu().numpy(), criterion))
    return record.linkage()


class Record:
    """Merges in the order in which they were found, and their linkage in SciPy's order."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.made = np.full(count, -1)
        """The merge that made the cluster with this smallest point; -1 for the point itself."""
        self.height = np.zeros(count)
        self.size = np.ones(count)
        self.parts: list[np.ndarray] = []
        self.done = 0

    def equal(self, first: np.ndarray) -> None:
        """Merge every point at height zero into the first one that is equal to it."""
        order = np.argsort(first, kind="stable")
        rest = order[first[order] != order]
        rank = np.arange(len(rest)) - np.searchsorted(first[rest], first[rest])
        for turn in range(int(rank.max(initial=-1)) + 1):
            some = rest[rank == turn]
            self.merge(first[some], some, np.zeros(len(some)))

    def merge(self, one: np.ndarray, other: np.ndarray, height: np.ndarray) -> None:
        """Pairs of clusters, by their smallest points, that merge at once; `one` is smaller."""
        # Rounding can leave a parent a hair below its child.
        height = np.maximum(height, np.maximum(self.height[one], self.height[other]))
        size = self.size[one] + self.size[other]
        left, right = (
            np.where(self.made[x] < 0, x, self.count + self.made[x]) for x in (one, other)
        )
        self.parts.append(np.stack([left, right, height, size], axis=1))
        self.height[one], self.size[one] = height, size
        self.made[one] = self.done + np.arange(len(one))
        self.done += len(one)

    def chain(self, names: list[int], one: list[int], other: list[int], at: list[float]) -> None:
        """Merges one after the other, of places in the list of smallest points `names`."""
        for a, b, height in zip(one, other, at, strict=True):
            self.merge(np.array(names[a : a + 1]), np.array(names[b : b + 1]), np.array([height]))

    def linkage(self) -> np.ndarray:
        """float64 `(S - 1) x 4`, by height; equal heights in the order of the merges."""
        Z = np.concatenate(self.parts)
        order = np.argsort(Z[:, 2], kind="stable")
        place = np.empty(len(order))
        place[order] = self.count + np.arange(len(order))
        node = Z[:, :2].astype(np.int64)
        merged = node >= self.count
        Z[:, :2][merged] = place[node[merged] - self.count]
        Z[:, :2].sort(axis=1)
        return Z[order]
