"""Finds squared distances that a matrix product rounds too far, and measures them again."""

from __future__ import annotations

from typing import Any

DIFFERENCE_NUMBERS = 2**21
"""Numbers in a temporary matrix of differences, at most: 16 MB."""


def doubtful_share(width: int, accuracy: float) -> float:
    """Share of `|x|^2 + |y|^2`. At or below it, a product gives `|x - y|^2` with too large an
    error.

    A float64 product of `width` terms is wrong by at most `width * u * |x||y|` (Higham, Accuracy
    and Stability of Numerical Algorithms, (3.5)); 8 more terms for the roundings around it.

    Args:
        width: `D`, the terms of a product.
        accuracy: the relative error that a squared distance may have.
    """
    return (width + 8) * 2.0**-53 / accuracy


def remeasure(
    squares: Any,
    left: Any,
    right: Any,
    pairs: tuple[Any, Any],
    numbers: int = DIFFERENCE_NUMBERS,
) -> None:
    """Replace the squared distances of `pairs` by those of differences, in place.

    All are arrays, or all are tensors on one device.

    Args:
        squares: float64 `n x m`, squared distances of rows of `left` and `right`.
        left, right: float64 `n x D` and `m x D`.
        pairs: int64 rows and columns of `squares`.
        numbers: numbers in a temporary matrix of differences, at most.
    """
    step = max(1, numbers // left.shape[1])
    for begin in range(0, len(pairs[0]), step):
        i, j = (side[begin : begin + step] for side in pairs)
        difference = left[i] - right[j]
        difference *= difference
        squares[i, j] = difference.sum(1)
