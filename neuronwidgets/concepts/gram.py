"""Dot products of a few points, and their distances: all that clustering asks of them."""

from __future__ import annotations

from typing import Any

import numpy as np

TRUSTED = 1e-10
"""A squared distance that a product may have wrong by more than this share is taken again."""
ROOM = 2**21
"""Numbers in a temporary matrix of differences, at most: 16 MB."""
NONE = (np.zeros(0, np.intp), np.zeros(0, np.intp))


def gram(points: Any, metric: str = "euclidean") -> tuple[np.ndarray, np.ndarray]:
    """Dot products of points less their mean, and their squared distances, on their device.

    Args:
        points: float64 `n x D` tensor, finite. It is overwritten.
        metric: with "cosine" the points are made of unit length first: half a squared distance is
            then one minus the cosine.

    Returns:
        float64 `n x n` twice. Points that are nearly the same are measured by their differences:
        equal ones are at zero.
    """
    count, width = points.shape
    if metric == "cosine":
        points /= points.abs().amax(1, keepdim=True)
        points /= points.norm(dim=1, keepdim=True)
    # Higham, Accuracy and Stability of Numerical Algorithms, (3.5).
    doubt = (width + 8) * 2.0**-53 / TRUSTED
    products = _products(points)
    square, close = _distances(products, doubt)
    if len(close[0]) > count:
        # Far from the origin: once more around their mean.
        points -= points.mean(0)
        products = _products(points)
        square, close = _distances(products, doubt)
    for begin in range(0, len(close[0]), max(1, ROOM // width)):
        i, j = (side[begin : begin + max(1, ROOM // width)] for side in close)
        square[i, j] = square[j, i] = (points[i] - points[j]).square().sum(1).cpu().numpy()
    mean = products.mean(0)
    products -= mean[:, None] + mean - mean.mean()
    return products, square


def _products(points: Any) -> np.ndarray:
    if points.device.type == "cpu":
        # A matrix times itself: NumPy computes one half of it.
        array = points.numpy()
        found: np.ndarray = array @ array.T
        return found
    return np.asarray((points @ points.T).cpu())


def _distances(products: np.ndarray, doubt: float) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Squared distances, and the pairs of which rounding leaves too little."""
    norm = products.diagonal()
    sums = norm[:, None] + norm
    square = sums - 2 * products
    sums *= doubt
    near = square <= sums
    some = np.count_nonzero(near) > len(near)
    np.fill_diagonal(square, 0)
    np.maximum(square, 0, out=square)
    return square, np.triu(near, 1).nonzero() if some else NONE
