"""All pairs of points and their distances, by products in float64, on the device of the points."""

from __future__ import annotations

import numpy as np
import torch

BLOCK = 2**21
"""Distances in a block: 16 MB."""
TRUSTED = 1e-12
"""A squared distance that a product may have wrong by more than this share is taken again."""


def condensed(points: torch.Tensor, squared: bool = False) -> np.ndarray:
    """float64 `S (S - 1) / 2`, in the order of `scipy.spatial.distance.pdist`: Euclidean.

    Args:
        points: float64 `S x D`, finite, best around the origin.
        squared: leave out the square root.
    """
    count, width = points.shape
    out = np.empty(count * (count - 1) // 2)
    square = points.square().sum(1)
    # What a product of D terms can have wrong (Higham, Accuracy and Stability, 3.5).
    doubt = (width + 8) * 2.0**-53 / TRUSTED
    begin = place = 0
    while begin < count - 1:
        rows = min(max(1, BLOCK // (count - begin)), count - 1 - begin)
        left, right = points[begin : begin + rows], points[begin + 1 :]
        sums = square[begin : begin + rows, None] + square[begin + 1 :]
        block = torch.addmm(sums, left, right.T, alpha=-2)
        # Only pairs to the right of the diagonal are wanted.
        close = torch.triu(block <= doubt * sums).nonzero(as_tuple=True)
        for i, j in zip(*(torch.split(x, max(1, BLOCK // width)) for x in close), strict=True):
            block[i, j] = (left[i] - right[j]).square_().sum(1)
        found = (block if squared else block.clamp_(min=0).sqrt_()).cpu().numpy()
        for row in range(rows):
            upto = place + count - 1 - begin - row
            out[place:upto] = found[row, row:]
            place = upto
        begin += rows
    return out
