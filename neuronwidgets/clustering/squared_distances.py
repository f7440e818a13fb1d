"""Distances of all pairs of points, by products in float64, on the device of the points."""

from __future__ import annotations

import numpy as np
import torch

from neuronwidgets.clustering.block_threads import ParallelMap, serial_map
from neuronwidgets.clustering.doubtful_pairs import doubtful_share, remeasure

MATRIX_ACCURACY = 1e-10
"""Relative error of a squared distance in a matrix from which a linkage goes on: its updates add
rounding of their own."""
CONDENSED_ACCURACY = 1e-12
"""Relative error of a squared distance that is a result."""
CROWD = 8
"""Doubtful pairs for each row, on average. With more, centring the rows on their own mean is
faster than measuring the pairs."""


def _squares_by_product(
    left: torch.Tensor, right: torch.Tensor, sums: torch.Tensor, accuracy: float, diagonal: int
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Squared distances of the rows of `left` and `right`, and which of them are in doubt.

    Args:
        left, right: float64 `n x D` and `m x D`.
        sums: float64 `n x m`, the sums of their squared norms.
        accuracy: relative error that is not in doubt.
        diagonal: the first diagonal from which on doubtful pairs are looked for.

    Returns:
        float64 `n x m`, and int64 rows and columns of the doubtful pairs, for `remeasure`.
    """
    block = torch.addmm(sums, left, right.T, alpha=-2)
    doubtful = block <= doubtful_share(left.shape[1], accuracy) * sums
    row, column = torch.triu(doubtful, diagonal).nonzero(as_tuple=True)
    return block, (row, column)


def squared_distance_matrix(
    points: torch.Tensor, block_rows: int = 256, parallel: ParallelMap = serial_map
) -> torch.Tensor:
    """float64 `S x S`, squared Euclidean distances.

    Args:
        points: float64 `S x D`, finite, best around the origin. Tight groups are centred on their
            own mean, which works best if near points are near each other in order.
        block_rows: rows in a block of products.
        parallel: calls a function with every block.
    """
    count = len(points)
    out = points.new_empty(count, count)
    origin = points.new_zeros(points.shape[1])

    def fill(rows: tuple[int, int, torch.Tensor]) -> list[tuple[int, int, torch.Tensor]]:
        """Fill rows and the same columns, or list the parts that need another centre."""
        begin, end, centre = rows
        right = points[begin:] - centre
        left = right[: end - begin]
        norms = right.square().sum(1)
        sums = norms[: end - begin, None] + norms
        block, pairs = _squares_by_product(left, right, sums, MATRIX_ACCURACY, diagonal=1)
        if len(pairs[0]) > CROWD * (end - begin) and end - begin > 1:
            middle = (begin + end + 1) // 2 if centre is not origin else end
            parts = (begin, middle), (middle, end)
            return [(a, b, points[a:b].mean(0)) for a, b in parts if a < b]
        remeasure(block, left, right, pairs)
        out[begin:end, begin:] = block.clamp_(min=0)
        out[begin:, begin:end] = block.T
        upper = torch.triu(block[:, : end - begin], 1)
        out[begin:end, begin:end] = upper + upper.T
        return []

    waiting = [(a, min(a + block_rows, count), origin) for a in range(0, count, block_rows)]
    while waiting:
        waiting = [part for parts in parallel(fill, waiting) for part in parts]
    return out


def condensed_distances(
    points: torch.Tensor, squared: bool = False, block_pairs: int = 2**21
) -> np.ndarray:
    """float64 `S (S - 1) / 2`, in the order of `scipy.spatial.distance.pdist`: Euclidean.

    Args:
        points: float64 `S x D`, finite, best around the origin.
        squared: leave out the square root.
        block_pairs: distances in a block, at most (16 MB).
    """
    count = len(points)
    out = np.empty(count * (count - 1) // 2)
    norms = points.square().sum(1)
    begin = written = 0
    while begin < count - 1:
        rows = min(max(1, block_pairs // (count - begin)), count - 1 - begin)
        left, right = points[begin : begin + rows], points[begin + 1 :]
        sums = norms[begin : begin + rows, None] + norms[begin + 1 :]
        # Only pairs to the right of the diagonal of all pairs are wanted.
        block, pairs = _squares_by_product(left, right, sums, CONDENSED_ACCURACY, diagonal=0)
        remeasure(block, left, right, pairs)
        distances = (block if squared else block.clamp_(min=0).sqrt_()).cpu().numpy()
        for row in range(rows):
            upto = written + count - 1 - begin - row
            out[written:upto] = distances[row, row:]
            written = upto
        begin += rows
    return out
