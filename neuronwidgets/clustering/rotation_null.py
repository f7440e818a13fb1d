"""A null model without clusters for the tree of some samples: a rotation test.

Wedderburn 1975, *Random rotations and multivariate normal simulation*; Langsrud 2005, *Rotation
tests*, Statistics and Computing 15: for centred samples `X` (`n x D`) and a Haar-random rotation
`Q` about the mean, `Q X` has the mean and covariance of `X`, and if the rows are Gaussian with any
covariance, its distribution. The test takes only dot products: `Q G Q'`.

Activations are not Gaussian, so there are two amendments (docs/explanation/scores.md says what they
do).

- Heavy tails: samples further out than Gaussian ones make clusters of their own. So the rotated
  samples get the distances from the mean that the samples have, by rank, in their own directions.
- Unit length: without heavy tails, samples of unit length (cosine) stay so when they are rotated.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neuronwidgets.clustering.linkage.engine import distances_of
from neuronwidgets.clustering.silhouette import silhouettes

BLOCK = 1 << 18
"""Numbers in a block of rotations: 2 MB."""
MOST_CONCEPTS = 10
"""Concepts in a cut whose silhouette counts, at most."""
TAIL_RATIO = 1.5
"""Variance of the squared distances from the mean, as a multiple of that of Gaussian samples. Tails
are heavy above it: 100 Gaussian samples do not reach it by chance."""


def rotations(n: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Haar-random rotations of `n` samples about their mean: blocks of float64 `B x n x n`.

    Each maps the vector of ones to zero and is orthogonal on what is left.
    """
    from scipy.linalg import helmert

    rng = np.random.default_rng(seed)
    basis = helmert(n)
    step = max(1, BLOCK // n**2)
    for begin in range(0, draws, step):
        normal = rng.standard_normal((min(step, draws - begin), n - 1, n - 1))
        q, r = np.linalg.qr(normal)
        # Mezzadri 2007, How to generate random matrices from the classical compact groups.
        q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
        yield basis.T @ (q @ basis)


def rotated(gram: np.ndarray, turns: np.ndarray, metric: str = "euclidean") -> np.ndarray:
    """Gram matrices of samples about their mean (`n x n`) after `B` rotations: `B x n x n`."""
    products = (turns.reshape(-1, len(gram)) @ gram).reshape(turns.shape) @ turns.swapaxes(1, 2)
    squares = np.diagonal(gram)
    if heavy_tailed(gram):
        lengths = np.sqrt(np.sort(np.maximum(squares, 0)))
    elif metric == "cosine":
        # Back from the mean `m` to the origin. A sample is `c + m`, where the `c` have mean 0, and
        # its length is 1: from that follow `|m|^2` and `c . m`.
        along_mean = turns @ ((squares.mean() - squares) / 2)
        products += along_mean[:, :, None] + along_mean[:, None, :] + max(0.0, 1 - squares.mean())
        lengths = np.ones(len(gram))
    else:
        return products
    norms = np.sqrt(np.maximum(np.diagonal(products, axis1=1, axis2=2), 0))
    rank = norms.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    scale = np.divide(lengths[rank], norms, out=np.zeros_like(norms), where=norms > 0)
    products *= scale[:, :, None]
    products *= scale[:, None, :]
    return products


def heavy_tailed(gram: np.ndarray) -> bool:
    """Whether the squared distances from the mean vary far more than a rotation makes them.

    A row `q` of a rotation is uniform on a sphere of `n - 1` dimensions with
    `|q|^2 = (n - 1) / n`, so `E (q' G q)^2 = |q|^4 (tr(G)^2 + 2 tr(G^2)) / ((n - 1) (n + 1))`.
    """
    n = len(gram)
    # Whatever the scale, squares then fit in float64.
    gram = gram / (np.abs(gram).max() or 1)
    square = np.trace(gram) ** 2
    fourth = (square + 2 * np.square(gram).sum()) * (n - 1) / (n**2 * (n + 1))
    return bool(np.diagonal(gram).var() > TAIL_RATIO * (fourth - square / n**2))


def distances(gram: np.ndarray, method: str, metric: str) -> np.ndarray:
    """Distances as a linkage has them, from Gram matrices: float64 `... x n x n`, both.

    With the metric "cosine" the samples are of unit length. Distances of nearly equal samples are
    inexact, since only products are given. Silhouettes are means and tolerate that.
    """
    norms = np.diagonal(gram, axis1=-2, axis2=-1)
    squares = norms[..., :, None] + norms[..., None, :] - 2 * gram
    np.maximum(squares, 0, out=squares)
    out: np.ndarray = distances_of(squares, method, metric)
    return out


def separation(distances: np.ndarray, Z: np.ndarray, min_size: int) -> np.ndarray:
    """The largest silhouette of the cuts with 2 to 10 concepts, at least 0: float64 `B`."""
    scores = silhouettes(distances, Z, min_size, MOST_CONCEPTS)
    return np.fmax.reduce(scores, axis=1, initial=0)


def separations(
    gram: np.ndarray, method: str, metric: str, min_size: int, turns: np.ndarray
) -> np.ndarray:
    """`separation` of samples after each of `B` rotations, each with its own tree: float64 `B`."""
    from scipy.cluster.hierarchy import linkage

    apart = distances(rotated(gram, turns, metric), method, metric)
    row, column = np.triu_indices(len(gram), 1)
    upper = apart.reshape(len(apart), -1).take(row * len(gram) + column, axis=1)
    trees = np.stack([linkage(d, method) for d in upper])
    return separation(apart, trees, min_size)
