"""All pairs of points and their distances, by products in float64, on the device of the points."""

from __future__ import annotations

import numpy as np
import torch

BLOCK = 2**21
"""Distances in a block: 16 MB."""
TRUSTED = 1e-12
"""A squared distance that a product may have wrong by more than this share is taken again."""


CLOSE = 1e-10
"""The same for a matrix, whose rounding goes on."""
ROWS = 256
"""Rows of a matrix at a time."""


def between(points: torch.Tensor) -> torch.Tensor:
    """float64 `S x S`, squared Euclidean distances.

    Args:
        points: float64 `S x D`, finite, best around the origin; near ones had better be near in
            order too, for the sake of tight clouds: these are taken around their own middle.
    """
    count, width = points.shape
    out = points.new_empty(count, count)
    doubt = (width + 8) * 2.0**-53 / CLOSE
    zero = points.new_zeros(width)
    todo = [(a, min(a + ROWS, count), zero) for a in range(0, count, ROWS)]
    while todo:
        begin, end, middle = todo.pop()
        right = points[begin:] - middle
        left = right[: end - begin]
        square = right.square().sum(1)
        sums = square[: end - begin, None] + square
        block = torch.addmm(sums, left, right.T, alpha=-2)
        i, j = torch.triu(block <= doubt * sums, 1).nonzero(as_tuple=True)
        if len(i) > 8 * (end - begin) and end - begin > 1:
            half = (begin + end + 1) // 2 if middle is not zero else end
            todo += [(a, b, points[a:b].mean(0)) for a, b in ((begin, half), (half, end)) if a < b]
            continue
        for a, b in zip(*(torch.split(x, max(1, BLOCK // width)) for x in (i, j)), strict=True):
            block[a, b] = (left[a] - right[b]).square_().sum(1)
        out[begin:end, begin:] = block.clamp_(min=0)
        out[begin:, begin:end] = block.T
        own = torch.triu(block[:, : end - begin], 1)
        out[begin:end, begin:end] = own + own.T
    return out


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
