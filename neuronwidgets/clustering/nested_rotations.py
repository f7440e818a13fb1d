"""Random rotations of samples of which several are of one source, such as tokens of a text.

The null of `rotation_null` takes samples as independent. Tokens of one text are not: eight texts of
twelve tokens each are eight clusters, whether or not texts of a kind are alike. So these rotations
turn sources among each other, and samples about their source's mean, but no source into another
sample. If samples are a source's part plus one of their own, both Gaussian with covariances of one
shape, the samples keep their distribution (Langsrud 2005, *Rotation tests*, Statistics and
Computing 15, for each of the two).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

BLOCK = 1 << 18
"""Numbers in a block of rotations: 2 MB."""


def nested_rotations(
    gram: np.ndarray, source: np.ndarray, draws: int, seed: int
) -> Iterator[np.ndarray]:
    """Linear maps of `n` samples that keep sources: blocks of float64 `B x n x n`.

    Each maps the vector of ones to itself, the means of sources to a rotation of them, and the
    differences from these means to a rotation of them that leaves them inside of sources. A mean of
    few samples varies more than one of many: means are rotated at the scale `spread` of each.

    Args:
        gram: float64 `n x n`, dot products of the samples about their mean.
        source: int `n`, the source of each sample.
        draws: the number of maps.
        seed: of the rotations.
    """
    n = len(source)
    code, size = np.unique(source, return_inverse=True, return_counts=True)[1:]
    code, count = code.ravel(), len(size)
    scale = spread(gram, code, size)
    common = 1 / scale / np.linalg.norm(1 / scale)
    between = _complement(common)
    inside = _differences(code, size)
    step = max(1, BLOCK // n**2)
    for begin in range(0, draws, step):
        block = min(step, draws - begin)
        turns = between @ _kept(count - 1, block, (seed, begin)) @ between.T
        turns += np.outer(common, common)
        turns *= scale[:, None] / (scale * size)
        own = inside @ _kept(n - count, block, (seed, begin, 1)) @ inside.T
        yield turns[:, code[:, None], code] + own


def spread(gram: np.ndarray, code: np.ndarray, size: np.ndarray) -> np.ndarray:
    """float64 `T`: the standard deviation of each source's mean, up to a common factor.

    `sqrt(r + (1 - r) / size)`, with `r` the intraclass correlation of the samples, from an analysis
    of variance (Donner 1986, Int. Stat. Rev. 54), summed over all dimensions.

    Args:
        gram: float64 `n x n`, dot products of the samples about their mean.
        code: int `n`, the source of each sample, from 0 to `T - 1`.
        size: int `T`, the samples of each.
    """
    n, count = len(code), len(size)
    one_hot = (code == np.arange(count)[:, None]).astype(np.float64)
    squares = np.einsum("tn,tn->t", one_hot @ gram, one_hot)
    explained = float((squares / size).sum())
    if count < 2 or count == n:
        return np.ones(count)
    within = max(float(np.trace(gram)) - explained, 0) / (n - count)
    usual = (n - np.square(size).sum() / n) / (count - 1)
    part = max(explained / (count - 1) - within, 0) / usual
    r = part / (part + within) if part + within > 0 else 1.0
    out: np.ndarray = np.sqrt(r + (1 - r) / size)
    return out


def haar(rng: np.random.Generator, k: int, draws: int) -> np.ndarray:
    """Haar-random orthogonal matrices: float64 `draws x k x k`.

    Mezzadri 2007, *How to generate random matrices from the classical compact groups*.
    """
    q, r = np.linalg.qr(rng.standard_normal((draws, k, k)))
    q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
    return q


@lru_cache(maxsize=4)
def _kept(k: int, draws: int, seed: tuple[int, ...]) -> np.ndarray:
    """`haar`; those of the last sizes are kept: neurons of a layer often have as many sources."""
    q = haar(np.random.default_rng(seed), k, draws)
    q.flags.writeable = False
    return q


def _complement(unit: np.ndarray) -> np.ndarray:
    """float64 `T x (T - 1)`: an orthonormal basis of what is orthogonal to a vector of length 1."""
    # The columns but the first of the reflection that maps the first axis to the vector.
    normal = unit.copy()
    normal[0] += 1 if unit[0] >= 0 else -1
    basis = np.eye(len(unit)) - 2 / (normal @ normal) * np.outer(normal, normal)
    return basis[:, 1:]


def _differences(code: np.ndarray, size: np.ndarray) -> np.ndarray:
    """float64 `n x (n - T)`: an orthonormal basis of the differences inside of sources."""
    from scipy.linalg import helmert

    basis = np.zeros((len(code), len(code) - len(size)))
    order, column = np.argsort(code, kind="stable"), 0
    for rows in np.split(order, np.cumsum(size)[:-1]):
        more = len(rows) - 1
        if more:
            basis[rows, column : column + more] = helmert(len(rows)).T
        column += more
    return basis
