"""Exact agglomerative clustering in linear memory, by rounds of reciprocal nearest neighbours.

Two clusters that are each other's nearest neighbours merge in every order of merging, if merging
never brings a cluster nearer to a third one (reducibility: Bruynooghe 1978). So all such pairs
merge at once, in rounds (Sumengen et al., *Scaling Hierarchical Agglomerative Clustering to
Billion-sized Datasets*, arXiv 2105.11653; Yu et al., *ParChain*, arXiv 2106.04727). README.md
explains the rest: float32 products that only rule out, bounds for tiles of clusters, float64 for
what is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from neuronwidgets.clustering.block_threads import block_threads
from neuronwidgets.clustering.linkage.centroids import Centroids, Criterion
from neuronwidgets.clustering.linkage.merge_log import MergeLog
from neuronwidgets.clustering.linkage.nearest import Nearest
from neuronwidgets.clustering.linkage.nn_chain import nearest_neighbour_chain
from neuronwidgets.clustering.linkage.partition import bisect, principal_axes
from neuronwidgets.clustering.linkage.tile_bounds import TileBounds
from neuronwidgets.clustering.linkage.tuning import DEFAULT, Tuning
from neuronwidgets.clustering.squared_distances import squared_distance_matrix


def first_equal(points: torch.Tensor, block_numbers: int = DEFAULT.block_numbers) -> torch.Tensor:
    """int64 `S`: the smallest number of a row that is equal to this one.

    A pair of equal rows may be missed, which costs time but changes no height.
    """
    count, width = points.shape
    number = torch.arange(1, width + 1, dtype=torch.float32, device=points.device)
    # Rows are sorted by a projection, so that equal ones are neighbours. Its weights are multiples
    # of the golden ratio, modulo 1.
    weights = (number * 0.6180339887498949) % 1 + 0.5
    step = max(1, block_numbers // width)
    projection = torch.cat([(x * weights.to(x.dtype)).sum(1) for x in torch.split(points, step)])
    projection, order = projection.sort(stable=True)
    same = projection[1:] == projection[:-1]
    for pairs in torch.split(same.nonzero()[:, 0], step):
        same[pairs] = (points[order[pairs]] == points[order[pairs + 1]]).all(1)
    group = torch.cat([same.new_zeros(1), ~same]).cumsum(0)
    first = torch.full((count,), count, device=points.device)
    first.scatter_reduce_(0, group, order, "amin")
    out = torch.empty_like(order)
    out[order] = first[group]
    return out


@contextmanager
def full_float32() -> Iterator[None]:
    """Multiply float32 in full float32, also where the user allows fewer bits (TF32, bfloat16)."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)


def reciprocal_linkage(
    points: torch.Tensor, criterion: Criterion, tuning: Tuning = DEFAULT
) -> np.ndarray:
    """The linkage of `S` points: float64 `(S - 1) x 4`, heights in the unit of the criterion.

    Args:
        points: float64 `S x D`, `S >= 2`, finite, around the origin and with its largest number
            near one; on its device. They are changed.
        criterion: "ward" or "average".
    """
    count, device = len(points), points.device
    equal = first_equal(points, tuning.block_numbers)
    first = (equal == torch.arange(count, device=device)).nonzero()[:, 0]
    log = MergeLog(count)
    log.merge_equal(equal.cpu().numpy())
    weight = torch.bincount(equal, minlength=count)[first].double()
    clusters = len(first)
    with torch.inference_mode(False), full_float32(), block_threads(device) as parallel:
        axes = principal_axes(points, tuning.axes)
        along = (points @ axes).index_select(0, first).cpu().numpy()
        tile = max(tuning.tile, -(-clusters // tuning.most_tiles))
        order, edges = bisect(along, tile)
        slots = torch.from_numpy(order).to(device)
        centroids = Centroids(points, weight[slots], first[slots], criterion, tuning, parallel)
        if clusters > tuning.matrix_clusters:
            _merge_in_rounds(centroids, TileBounds(centroids, edges, axes, tuning), log, tuning)
        if int(centroids.alive.sum()) > 1:
            _merge_by_matrix(centroids, log)
    return log.linkage()


def _merge_in_rounds(
    centroids: Centroids, bounds: TileBounds, log: MergeLog, tuning: Tuning
) -> None:
    """Merge reciprocal nearest neighbours until few clusters are left, or rounds are slow."""
    nearest = Nearest(bounds, tuning)
    clusters, slow = centroids.end, False
    while clusters > (tuning.slow_matrix_clusters if slow else tuning.matrix_clusters):
        kept, absorbed = nearest.pairs()
        value = centroids.measure(kept, absorbed)
        left, right = (centroids.first[slots].cpu().numpy() for slots in (kept, absorbed))
        log.merge(left, right, value.cpu().numpy())
        clusters -= len(kept)
        slow = len(kept) * tuning.slow_round < clusters
        nearest.merge(kept, absorbed, value)


def _merge_by_matrix(centroids: Centroids, log: MergeLog) -> None:
    """Merge all clusters that are left, from the matrix of their criteria."""
    rows = centroids.alive.nonzero()[:, 0]
    weight, first = centroids.weight[rows], centroids.first[rows]
    matrix = squared_distance_matrix(centroids.means(rows), parallel=centroids.parallel)
    if centroids.criterion == "ward":
        matrix /= 0.5 / weight[:, None] + 0.5 / weight
    else:
        spread = centroids.spread[rows]
        matrix += spread + spread[:, None]
    # By their smallest sample: ties go by index.
    order = first.argsort()
    D, weights = matrix[order][:, order].cpu().numpy(), weight[order].cpu().numpy()
    merges = nearest_neighbour_chain(D, weights, centroids.criterion)
    log.merge_chain(first[order].cpu().numpy(), *merges)
