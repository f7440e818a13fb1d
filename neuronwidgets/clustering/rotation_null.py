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

Where several samples are of one source (tokens of a text), sources stay together, see
`nested_rotations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.clustering.linkage.engine import distances_of
from neuronwidgets.clustering.nested_rotations import BLOCK, haar, nested_rotations
from neuronwidgets.clustering.silhouette import silhouettes

if TYPE_CHECKING:
    import torch

    from neuronwidgets.clustering.device_draws import DeviceDraws

MOST_CONCEPTS = 10
"""Concepts in a cut whose silhouette counts, at most."""
TREES = 1 << 20
"""Numbers in a block of draws: 4 MB in float32."""
ON_DEVICE = 1 << 23
"""Numbers in a block of rotations of a GPU, at least, where neurons share none: 64 MB."""
CLOSE = 0.01
"""Mean squared distance from the mean below which directions are too close for float32."""
LIKE = 0.22
"""The most that two neurons which share draws differ in what their null depends on, as a natural
logarithm, times the root of the number of draws: the error of sharing then stays below that of so
many draws (docs/benchmarks/scores.md)."""
TOGETHER = 4
"""Neurons that share draws, at most: p of many neurons with the same draws rise and fall together.
"""
TIE = 1e-6
"""Values that differ by less are equal: the difference is a rounding error of float32."""
TAIL_RATIO = 1.5
"""Variance of the squared distances from the mean, as a multiple of that of Gaussian samples. Tails
are heavy above it: 100 Gaussian samples do not reach it by chance."""


def rotations(n: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Haar-random rotations of `n` samples about their mean: blocks of float64 `B x n x n`.

    Each maps the vector of ones to zero and is orthogonal on what is left.
    """
    step = max(1, BLOCK // n**2)
    if draws <= step:
        yield from [_one_block(n, draws, seed)] if draws else []
        return
    rng = np.random.default_rng(seed)
    for begin in range(0, draws, step):
        yield _turns(rng, n, min(step, draws - begin))


@lru_cache(maxsize=2)
def _one_block(n: int, draws: int, seed: int) -> np.ndarray:
    """The same for every block of a layer."""
    turns = _turns(np.random.default_rng(seed), n, draws)
    turns.flags.writeable = False
    return turns


def _turns(rng: np.random.Generator, n: int, draws: int) -> np.ndarray:
    from scipy.linalg import helmert

    basis = helmert(n)
    out: np.ndarray = basis.T @ (haar(rng, n - 1, draws) @ basis)
    return out


def rotated(
    gram: np.ndarray, turns: np.ndarray, metric: str = "euclidean", tails: bool | None = None
) -> np.ndarray:
    """Gram matrices of samples about their mean (`n x n`) after `B` rotations: `B x n x n`.

    `tails`: `heavy_tailed(gram)`, if it is known.
    """
    products = (turns.reshape(-1, len(gram)) @ gram).reshape(turns.shape) @ turns.swapaxes(1, 2)
    squares = np.diagonal(gram)
    if heavy_tailed(gram) if tails is None else tails:
        lengths = np.sqrt(np.sort(np.maximum(squares, 0)))
    elif metric == "cosine":
        # Back from the mean `m` to the origin. A sample is `c + m`, where the `c` have mean 0, and
        # its length is 1: from that follow `|m|^2` and `c . m`.
        along_mean = turns @ ((squares.mean() - squares) / 2)
        products += along_mean[:, :, None] + along_mean[:, None, :] + max(0.0, 1 - squares.mean())
        lengths = np.ones(len(gram), gram.dtype)
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
    """The largest silhouette of the cuts with 2 to 10 concepts, at least 0: `B`."""
    return _largest(silhouettes(distances, Z, min_size, MOST_CONCEPTS))


def _largest(of_cuts: np.ndarray) -> np.ndarray:
    """The largest silhouette of each tree's cuts, at least 0."""
    return np.fmax.reduce(of_cuts, axis=1, initial=0)


def null_separations(
    grams: np.ndarray, method: str, metric: str, min_size: int, draws: int, seed: int = 0,
    device: torch.device | None = None, sources: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """`separation` of the samples after each of `draws` rotations: float64 `N x draws`.

    Each draw has its own tree. Neurons of like null (see `alike`) share their draws, of which each
    makes a part, unless several of their samples are of one source.

    Args:
        grams: float64 `N x n x n`, dot products of each neuron's samples about their mean.
        method, metric, min_size: of the trees and their concepts.
        draws: rotations for each neuron.
        seed: of the rotations.
        device: a GPU makes all draws of a block at once, if it can link so many samples (see
            `can_fuse`); they are the same draws, up to rounding.
        sources: int `N x n`, the source of each sample (the text of a token); `None`: each is of
            its own.
    """
    tails = np.array([heavy_tailed(gram) for gram in grams], bool)
    n = grams.shape[1]
    if sources is None:
        sources = np.broadcast_to(np.arange(n), grams.shape[:2])
    repeated = (np.diff(np.sort(sources, axis=1), axis=1) == 0).sum(axis=1)
    alone = np.flatnonzero(repeated == 0)
    on_device = _on_device(grams, tails, method, metric, device)

    def found(turns: np.ndarray, owner: np.ndarray, turn: np.ndarray) -> np.ndarray:
        if on_device is not None:
            return _largest(on_device.silhouettes(turns, owner, turn, min_size, MOST_CONCEPTS))
        return _separations(grams, tails, method, metric, turns, owner, turn, min_size)

    out = np.empty((len(grams), draws))
    if len(alone):
        group = alike(grams[alone], tails[alone], metric, LIKE / np.sqrt(max(draws, 1)))
        members = [alone[group == g] for g in range(group.max() + 1)]
        begin = 0
        for turns in rotations(n, draws, seed):
            draw = np.arange(begin, begin + len(turns))
            owner = np.concatenate([m[draw % len(m)] for m in members])
            turn = np.tile(np.arange(len(turns)), len(members))
            out[np.ix_(alone, draw)] = found(turns, owner, turn).reshape(len(members), -1)[group]
            begin += len(turns)
    # Neurons with as many sources have random matrices in common, which are made once.
    nested = np.argsort(repeated, kind="stable")[len(alone) :]
    for turns, owner, draw in _nested(
        grams, sources, nested, draws, seed, 0 if on_device is None else ON_DEVICE
    ):
        out[owner, draw] = found(turns, owner, np.arange(len(turns)))
    return out


def _nested(
    grams: np.ndarray, sources: np.ndarray, neurons: np.ndarray, draws: int, seed: int, numbers: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rotations of each of some neurons that keep its sources, `B x n x n`, the neuron of each, and
    which of its draws each is; blocks of at least so many numbers, or all that there are."""
    turns: list[np.ndarray] = []
    owner: list[int] = []
    draw: list[int] = []
    for neuron in neurons.tolist():
        begin = 0
        for block in nested_rotations(grams[neuron], sources[neuron], draws, seed):
            turns.append(block)
            owner += [neuron] * len(block)
            draw += range(begin, begin + len(block))
            begin += len(block)
            if len(owner) * block[0].size >= numbers:
                yield np.concatenate(turns), np.array(owner), np.array(draw)
                turns, owner, draw = [], [], []
    if turns:
        yield np.concatenate(turns), np.array(owner), np.array(draw)


def _on_device(
    grams: np.ndarray, tails: np.ndarray, method: str, metric: str, device: torch.device | None
) -> DeviceDraws | None:
    """What makes the draws on a GPU, if it is one that can link so many samples."""
    if device is None or device.type == "cpu":
        return None
    from neuronwidgets.clustering.device_draws import DeviceDraws
    from neuronwidgets.clustering.linkage.small_trees import can_fuse

    if not can_fuse(device, grams.shape[1], method):
        return None
    return DeviceDraws(grams, tails, method, metric, device)


def _separations(
    grams: np.ndarray, tails: np.ndarray, method: str, metric: str,
    turns: np.ndarray, owner: np.ndarray, turn: np.ndarray, min_size: int,
) -> np.ndarray:  # fmt: skip
    """float64 `B`: `separation` of the samples of neurons `owner` after rotations `turn`."""
    both = turns, turns.astype(np.float32)
    order = np.argsort(owner, kind="stable")
    step = max(1, TREES // grams.shape[1] ** 2)
    out = np.empty(len(owner))
    for begin in range(0, len(order), step):
        some = order[begin : begin + step]
        apart = _distances(grams, tails, method, metric, both, owner[some], turn[some])
        out[some] = separation(apart, _trees(apart, method), min_size)
    return out


def _distances(
    grams: np.ndarray, tails: np.ndarray, method: str, metric: str,
    turns: tuple[np.ndarray, np.ndarray], owner: np.ndarray, turn: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """float32 `B x n x n`: distances of the samples of neurons `owner` after rotations `turn`.

    `turns` are the rotations in float64 and float32, `owner` is in order.
    """
    n = grams.shape[1]
    out = np.empty((len(owner), n, n), np.float32)
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    for begin, end in zip(first, [*first[1:], len(owner)], strict=True):
        neuron = owner[begin]
        gram = _precise(grams[neuron], metric, tails[neuron])
        by = turns[gram.dtype == np.float32][turn[begin:end]]
        out[begin:end] = distances(rotated(gram, by, metric, tails[neuron]), method, metric)
    return out


def _trees(distances: np.ndarray, method: str) -> np.ndarray:
    """Linkages, by SciPy. It holds Python's lock, so all are made together."""
    from scipy.cluster.hierarchy import linkage

    n = distances.shape[1]
    row, column = np.triu_indices(n, 1)
    upper = distances.reshape(len(distances), -1).take(row * n + column, axis=1)
    return np.stack([linkage(of_tree, method) for of_tree in upper.astype(np.float64)])


def _precise(gram: np.ndarray, metric: str, tails: bool) -> np.ndarray:
    """Dot products in float32, if distances after a rotation then keep five digits.

    Those of unit vectors close to each other do not: they are small beside the lengths.
    """
    squares = np.diagonal(gram)
    if metric != "cosine" or tails:
        # The scale does not matter, and whatever it is, the products then fit in float32.
        gram = gram / (squares.max() or 1)
    elif squares.mean() < CLOSE:
        return gram
    return gram.astype(np.float32)


def alike(grams: np.ndarray, tails: np.ndarray, metric: str, like: float) -> np.ndarray:
    """int64 `N`: groups of at most `TOGETHER` neurons whose nulls are nearly one distribution.

    Rotated samples have a distribution that depends on the eigenvalues of their dot products, with
    heavy tails on the distances from the mean, and with unit length on how far the mean is from the
    origin. In a group the logarithms of these differ by at most `like`: sums over the eigenvalues
    (of squares; the root of that of third powers; of logarithms, for the small ones), the root of
    the kurtosis of the distances, and the fourth root of their mean square.

    Args:
        grams: float64 `N x n x n`, dot products about the mean.
        tails: bool `N`, `heavy_tailed` of each.
        metric: "cosine" or another.
        like: the largest difference.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    count = len(grams)
    if count == 1:
        return np.zeros(1, np.int64)
    points = np.stack([_depends_on(g, t, metric) for g, t in zip(grams, tails, strict=True)])
    # Heavy tails have a null of their own.
    points = np.column_stack([points, tails * 2 * like])
    group = fcluster(linkage(points, "complete", "chebyshev"), like, "distance")
    order = np.argsort(group, kind="stable")
    place = np.arange(count) - np.searchsorted(group[order], group[order])
    group[order] = group[order] * count + place // TOGETHER
    out: np.ndarray = np.unique(group, return_inverse=True)[1]
    return out


def _depends_on(gram: np.ndarray, tails: bool, metric: str) -> np.ndarray:
    """float64 `5`: the logarithms of what the null of a neuron depends on (see `alike`)."""
    n = len(gram)
    peak = np.diagonal(gram).max() or 1
    scaled = gram / peak
    squares = np.diagonal(scaled)
    total = max(squares.sum(), 1)
    share = (scaled / total).astype(np.float32)
    values = [
        np.square(share).sum(),
        np.sqrt(max((share * (share @ share)).sum(), 0)),
        np.linalg.slogdet(np.eye(n, dtype=np.float32) + n * share)[1],
        np.sqrt(n * np.square(squares).sum() / total**2) if tails else 1,
        (peak * total / n) ** 0.25 if metric == "cosine" and not tails else 1,
    ]
    out: np.ndarray = np.log(np.maximum(np.array(values, np.float64), np.finfo(np.float32).tiny))
    return out
