"""What a concept vector finds: the samples of the whole dataset that project highest on it."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from neuronwidgets.activations import Activations
from neuronwidgets.activations.largest import largest
from neuronwidgets.modes import own_modes

_CHUNK = 1 << 23


@own_modes()
def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows divided by their L2 norm, float32; a zero row stays zero."""
    # To about one first: squares of very large or small numbers do not fit.
    high, low = (f(axis=1, keepdims=True, initial=0) for f in (vectors.max, vectors.min))
    peak = np.maximum(high, -low)
    scaled = vectors / np.where(peak > 0, peak, 1)
    norm = np.sqrt(np.einsum("kd,kd->k", scaled, scaled))[:, None]
    scaled /= np.where(norm > 0, norm, 1)
    return scaled.astype(np.float32, copy=False)


def finding(
    acts: Activations, vectors: np.ndarray, k: int
) -> Generator[float, None, tuple[np.ndarray, np.ndarray]]:
    """Find the `k` samples with the largest projection on each of `K x D` vectors.

    A generator: yields the share done, returns `(rows, projections)`, int64 and float32, both
    `K x k`, largest first, ties to the smaller row.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k={k!r}; a whole number of at least 1 is needed.")
    count, k = len(acts), min(int(k), len(acts))
    wanted = len(vectors)
    if wanted == 0:
        return np.zeros((0, k), np.int64), np.zeros((0, k), np.float32)
    rows = np.zeros((wanted, 0), np.int64)
    scores = np.zeros((wanted, 0), np.float32)
    step = max(k, _CHUNK // max(1, acts.shape[1] + wanted))
    vectors = vectors.astype(acts.values.dtype)
    for start in range(0, count, step):
        part = (acts.values[start : start + step] @ vectors.T).T.astype(np.float32)
        best = largest(part, k)
        rows = np.concatenate([rows, best + start], axis=1)
        scores = np.concatenate([scores, np.take_along_axis(part, best, 1)], axis=1)
        keep = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        rows = np.take_along_axis(rows, keep, 1)
        scores = np.take_along_axis(scores, keep, 1)
        yield min(1.0, (start + step) / count)
    return rows, scores


@own_modes()
def find(acts: Activations, vectors: np.ndarray, k: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """`finding` in one go: `(rows, projections)`, both `K x k`."""
    steps = finding(acts, vectors, k)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: tuple[np.ndarray, np.ndarray] = done.value
            return found
