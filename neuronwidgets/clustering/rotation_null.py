"""Trees of as many samples, of the same shape, that have no clusters: a rotation test.

Wedderburn 1975, *Random rotations and multivariate normal simulation*; Langsrud 2005, *Rotation
tests*, Statistics and Computing 15: for centred samples `X` (`n x D`) and a Haar-random rotation
`Q` about the mean, `Q X` has the mean and covariance of `X`, and if the rows are Gaussian with any
covariance, its distribution. Only dot products are needed: `Q G Q'`.

Two amendments for what activations are (docs/explanation/scores.md says what they do). Samples
further out than Gaussian ones would be make clusters of their own: where there are such
tails, the rotated samples are moved along their directions to the distances from the mean that the
samples have, the nearest to the nearest. Else, where the samples are of unit length (cosine), so
are the rotated ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neuronwidgets.clustering.linkage.engine import distances_of
from neuronwidgets.clustering.silhouette import silhouettes

BLOCK = 1 << 18
"""Numbers in a block of rotations: 2 MB."""
MOST = 10
"""Cuts of more concepts are not looked at."""
TAILS = 1.5
"""So many times the variance that Gaussian samples would have: more than chance gives 100."""


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
    made = (turns.reshape(-1, len(gram)) @ gram).reshape(turns.shape) @ turns.swapaxes(1, 2)
    own = np.diagonal(gram)
    if heavy(gram):
        wanted = np.sqrt(np.sort(np.maximum(own, 0)))
    elif metric == "cosine":
        # About the origin again: of `|c + m| = 1` with mean `c` of 0 follow `|m|^2` and `c . m`.
        toward = turns @ ((own.mean() - own) / 2)
        made += toward[:, :, None] + toward[:, None, :] + max(0.0, 1 - own.mean())
        wanted = np.ones(len(gram))
    else:
        return made
    norms = np.sqrt(np.maximum(np.diagonal(made, axis1=1, axis2=2), 0))
    rank = norms.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    scale = np.divide(wanted[rank], norms, out=np.zeros_like(norms), where=norms > 0)
    made *= scale[:, :, None]
    made *= scale[:, None, :]
    return made


def heavy(gram: np.ndarray) -> bool:
    """Whether the squared distances from the mean vary far more than a rotation makes them.

    A row `q` of a rotation is uniform on a sphere of `n - 1` dimensions with
    `|q|^2 = (n - 1) / n`, so `E (q' G q)^2 = |q|^4 (tr(G)^2 + 2 tr(G^2)) / ((n - 1) (n + 1))`.
    """
    n = len(gram)
    # So that squares fit whatever the scale.
    gram = gram / (np.abs(gram).max() or 1)
    square = np.trace(gram) ** 2
    fourth = (square + 2 * np.square(gram).sum()) * (n - 1) / (n**2 * (n + 1))
    return bool(np.diagonal(gram).var() > TAILS * (fourth - square / n**2))


def distances(gram: np.ndarray, method: str, metric: str) -> np.ndarray:
    """float64 `... x n x n`: distances of samples with Gram matrices `... x n x n`, as a linkage
    has them; of "cosine" the samples are at unit length."""
    own = np.diagonal(gram, axis1=-2, axis2=-1)
    squares = own[..., :, None] + own[..., None, :] - 2 * gram
    np.maximum(squares, 0, out=squares)
    out: np.ndarray = distances_of(squares, method, metric)
    return out


def separation(distances: np.ndarray, Z: np.ndarray, min_size: int) -> np.ndarray:
    """The largest silhouette of the cuts with 2 to 10 concepts, at least 0: float64 `B`."""
    found = silhouettes(distances, Z, min_size, MOST)
    return np.fmax.reduce(found, axis=1, initial=0)


def separations(
    gram: np.ndarray, method: str, metric: str, min_size: int, turns: np.ndarray
) -> np.ndarray:
    """`separation` of samples after each of `B` rotations, as their own trees have it: `B`."""
    from scipy.cluster.hierarchy import linkage

    apart = distances(rotated(gram, turns, metric), method, metric)
    row, column = np.triu_indices(len(gram), 1)
    upper = apart.reshape(len(apart), -1).take(row * len(gram) + column, axis=1)
    trees = np.stack([linkage(d, method) for d in upper])
    return separation(apart, trees, min_size)
