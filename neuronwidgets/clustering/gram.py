"""Dot products of a few points, and their distances: all that clustering asks of them."""

from __future__ import annotations

from typing import Any

import numpy as np

TRUSTED = 1e-10
"""A squared distance that a product may have wrong by more than this share is taken again."""
ROOM = 2**21
"""Numbers in a temporary matrix of differences, at most: 16 MB."""


def gram(points: Any, metric: str = "euclidean") -> tuple[np.ndarray, np.ndarray]:
    """Dot products of points less their mean, and their squared distances, on their device.

    Args:
        points: float64 `n x D` array or tensor, finite. It is overwritten; an array only with the
            metric "euclidean".
        metric: with "cosine" the points are made of unit length first: half a squared distance is
            then one minus the cosine.

    Returns:
        float64 `n x n` twice. Points that are nearly the same are measured by their differences:
        equal ones are at zero.
    """
    normalize(points, metric)
    # Far from the origin products say little of distances.
    points -= points.mean(0)
    found = products(points)
    square, near = squares(found[None], points.shape[1])
    if near.any():
        step = max(1, ROOM // points.shape[1])
        pairs = np.triu(_doubtful(found, square[0], points.shape[1]), 1).nonzero()
        for begin in range(0, len(pairs[0]), step):
            i, j = (side[begin : begin + step] for side in pairs)
            apart = points[i] - points[j]
            apart = apart if isinstance(apart, np.ndarray) else apart.cpu().numpy()
            square[0, i, j] = square[0, j, i] = (apart**2).sum(1)
    return centred(found), square[0]


def normalize(points: Any, metric: str) -> None:
    """Bring points (`... x D`) to unit length, in place, if the metric is "cosine"."""
    if metric == "cosine":
        for length in (points.abs().amax(-1, keepdim=True), None):
            length = points.norm(dim=-1, keepdim=True) if length is None else length
            points /= length.masked_fill_(length == 0, 1)


def products(points: Any, out: np.ndarray | None = None) -> np.ndarray:
    """Dot products of the rows of a float64 `... x n x D` tensor: `... x n x n`, into `out`."""
    if isinstance(points, np.ndarray) or points.device.type == "cpu":
        # A matrix times itself: NumPy computes one half of it.
        array = np.asarray(points)
        return np.matmul(array, array.swapaxes(-1, -2), out=out)
    found: np.ndarray = (points @ points.mT).cpu().numpy()
    if out is None:
        return found
    out[...] = found
    return out


def squares(products: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances from dot products.

    Args:
        products: float64 `B x n x n`.
        width: `D`, how many terms each of them has.

    Returns:
        float64 `B x n x n`, and bool `B`: where rounding leaves too little of one of them, so
        that `gram` has to look again.
    """
    norm = np.diagonal(products, axis1=1, axis2=2)
    square = products * -2
    square += norm[:, :, None]
    square += norm[:, None, :]
    # With the largest norms: a few that need no second look get one.
    bound = 2 * _doubt(width) * norm.max(axis=1, initial=0)
    diagonal = np.arange(norm.shape[1])
    square[:, diagonal, diagonal] = np.inf
    near = square.min(axis=(1, 2), initial=np.inf) <= bound
    square[:, diagonal, diagonal] = 0
    return np.maximum(square, 0, out=square), near


def centred(products: np.ndarray) -> np.ndarray:
    """Dot products `... x n x n` of points less their mean."""
    mean = products.mean(axis=-1)
    return products - mean[..., :, None] - (mean - mean.mean(axis=-1)[..., None])[..., None, :]


def _doubt(width: int) -> float:
    # Higham, Accuracy and Stability of Numerical Algorithms, (3.5).
    return float((width + 8) * 2.0**-53 / TRUSTED)


def _doubtful(products: np.ndarray, square: np.ndarray, width: int) -> np.ndarray:
    norm = products.diagonal()
    near: np.ndarray = square <= _doubt(width) * (norm[:, None] + norm)
    return near
