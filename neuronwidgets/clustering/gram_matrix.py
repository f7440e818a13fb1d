"""Dot products of a few points, and their squared distances, for many sets of points at once.

`squared_distances` computes distances of many points in torch. Here the products are kept, and
come in batches from NumPy, which computes one half of a matrix times itself. The two add norms and
products in another order, so one function for both would change the last digits of results, or
cost one of them its speed. They share how doubtful pairs are found and measured again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neuronwidgets.clustering.doubtful_pairs import doubtful_share, remeasure

ACCURACY = 1e-10
"""Relative error that a squared distance may have; those in doubt are measured again."""


def gram_and_squares(points: Any, metric: str = "euclidean") -> tuple[np.ndarray, np.ndarray]:
    """Dot products of points less their mean, and their squared distances, on their device.

    Args:
        points: float64 `n x D` array or tensor, finite. It is overwritten; an array only with the
            metric "euclidean".
        metric: with "cosine" the points are normalized first: half a squared distance is then one
            minus the cosine.

    Returns:
        float64 `n x n` twice. Points that are nearly the same are measured by their differences:
        equal ones are at zero.
    """
    normalize_rows(points, metric)
    # Far from the origin products say little of distances.
    points -= points.mean(0)
    products = dot_products(points)
    squares, doubtful = squares_of_products(products[None], points.shape[1])
    square = squares[0]
    if doubtful.any():
        norms = products.diagonal()
        near = square <= doubtful_share(points.shape[1], ACCURACY) * (norms[:, None] + norms)
        i, j = np.triu(near, 1).nonzero()
        rows = points if isinstance(points, np.ndarray) else points.cpu().numpy()
        remeasure(square, rows, rows, (i, j))
        square[j, i] = square[i, j]
    return centred_products(products), square


def normalize_rows(points: Any, metric: str) -> None:
    """Divide the rows of a `... x D` tensor by their L2 norm, in place, if the metric is "cosine".

    Rows of zeros stay zero.
    """
    if metric == "cosine":
        # By the largest number first, whose square may not fit.
        points /= _nonzero(points.abs().amax(-1, keepdim=True))
        points /= _nonzero(points.norm(dim=-1, keepdim=True))


def _nonzero(lengths: Any) -> Any:
    return lengths.masked_fill_(lengths == 0, 1)


def dot_products(points: Any, out: Any = None) -> Any:
    """Dot products of the rows of a float64 `... x n x D` tensor: `... x n x n`, an array, or into
    `out`: an array if the tensor is on the CPU, or a tensor on its device."""
    if out is not None and not isinstance(out, np.ndarray):
        return out.copy_(points @ points.mT)
    if isinstance(points, np.ndarray) or points.device.type == "cpu":
        # A matrix times itself: NumPy computes one half of it.
        array = np.asarray(points)
        return np.matmul(array, array.swapaxes(-1, -2), out=out)
    return (points @ points.mT).cpu().numpy()


def squares_of_products(products: Any, width: int) -> tuple[Any, np.ndarray]:
    """Squared distances from dot products.

    Args:
        products: float64 `B x n x n`, an array or a tensor.
        width: `D`, how many terms each of them has.

    Returns:
        float64 `B x n x n`, and bool `B`: where rounding leaves too little of one of them, so
        that `gram_and_squares` has to compute the set again.
    """
    norms = products.diagonal(0, 1, 2)
    squares = products * -2
    squares += norms[:, :, None]
    squares += norms[:, None, :]
    count, n = norms.shape
    diagonal = squares.reshape(count, n * n)[:, :: n + 1]
    diagonal[...] = np.inf
    # With the largest norms: a few sets are computed again without need.
    share = 2 * doubtful_share(width, ACCURACY)
    if isinstance(squares, np.ndarray):
        least, most = squares.min(axis=(1, 2), initial=np.inf), norms.max(axis=1, initial=0)
        doubtful = least <= share * most
        np.maximum(squares, 0, out=squares)
    else:
        doubtful = (squares.amin((1, 2)) <= share * norms.amax(1)).cpu().numpy()
        squares.clamp_(min=0)
    diagonal[...] = 0
    return squares, doubtful


def centred_products(products: np.ndarray) -> np.ndarray:
    """Dot products `... x n x n` of points less their mean."""
    mean = products.mean(axis=-1)
    return products - mean[..., :, None] - (mean - mean.mean(axis=-1)[..., None])[..., None, :]
