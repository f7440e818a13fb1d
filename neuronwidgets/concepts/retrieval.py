"""The samples that a concept retrieves from a dataset: those nearest to it in direction."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.topk import largest
from neuronwidgets.core.checks import integer, one_of
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.steps import drained

BY = ("cosine", "cosine-origin", "dot")
DEFAULT = "cosine"
CHUNK = 1 << 23
"""Numbers that are looked through at once: 32 MB."""


@own_modes()
def normalized(vectors: np.ndarray) -> np.ndarray:
    """Rows divided by their L2 norm, float32; a zero row stays zero."""
    # To about one first: squares of very large or small numbers do not fit.
    high, low = (f(axis=1, keepdims=True, initial=0) for f in (vectors.max, vectors.min))
    peak = np.maximum(high, -low)
    scaled = vectors / np.where(peak > 0, peak, 1)
    norm = np.sqrt(np.einsum("kd,kd->k", scaled, scaled))[:, None]
    scaled /= np.where(norm > 0, norm, 1)
    return scaled.astype(np.float32, copy=False)


def check_by(by: Any) -> str:
    """`by`, refused if samples cannot be read so."""
    return one_of("by", by, BY)


@own_modes()
def directions(groups: Sequence[np.ndarray], mean: np.ndarray, by: str) -> np.ndarray:
    """What samples are compared with: unit vectors, float32 `K x D`.

    Args:
        groups: each concept's samples, `n_k x D`.
        mean: `D`, the layer's mean.
        by: "cosine": the difference of the median sample (each neuron's median: a mean follows the
            few longest samples) from the layer's mean; else the mean sample (arXiv 2304.09707).
    """
    if not groups:
        return np.zeros((0, len(mean)), np.float32)
    if check_by(by) == "cosine":
        return normalized(np.stack([np.median(group, axis=0) - mean for group in groups]))
    return normalized(np.stack([group.mean(axis=0, dtype=np.float64) for group in groups]))


@own_modes()
def scored(values: np.ndarray, vectors: np.ndarray, mean: np.ndarray, by: str) -> np.ndarray:
    """How well samples fit each of `K` directions (see `directions`): float32 `S x K`.

    Args:
        values: `S x D`.
        vectors: `K x D`, of unit length.
        mean: `D`, the layer's mean.
        by: "cosine": of the samples' differences from the layer's mean with the directions;
            "cosine-origin": of the samples themselves; "dot": the dot product, by which samples
            with long vectors come first whatever the direction (arXiv 2304.09707).

    A sample at the origin of its cosine scores 0.
    """
    vectors = vectors.T.astype(values.dtype)
    if by == "dot":
        return np.asarray(values @ vectors)
    if by == "cosine":
        values = values - mean.astype(values.dtype)
    with np.errstate(over="ignore", under="ignore"):
        squares = np.einsum("sd,sd->s", values, values)
    number = np.finfo(values.dtype)
    lost = np.flatnonzero(~((squares > number.tiny / number.eps) & (squares < np.inf)))
    if len(lost):
        # Squares that do not fit, or zeros: these rows to about one first.
        rows = values[lost]
        peak = np.abs(rows).max(axis=1, keepdims=True, initial=0)
        rows = rows / np.where(peak > 0, peak, 1)
        values = values.copy() if by != "cosine" else values
        values[lost], squares[lost] = rows, np.einsum("sd,sd->s", rows, rows)
    length = np.sqrt(np.where(squares > 0, squares, 1))[:, None]
    return np.asarray((values @ vectors) / length, np.float32)


Query = tuple[np.ndarray, str]
"""Directions, float32 `K x D` of unit length, and how samples are compared with them."""


def retrieving(
    acts: Activations, queries: Sequence[Query], mean: Any = None, *, k: int
) -> Generator[float, None, list[tuple[np.ndarray, np.ndarray]]]:
    """The `k` samples that score highest on each direction (see `scored`), in one pass.

    A generator: yields the share done, returns for each query `(rows, scores)`, int64 and float32,
    both `K x k`, highest first, ties to the smaller row. `mean`: the layer's, if not that of
    `acts`.
    """
    k = integer("k", k, 1)
    for _, by in queries:
        check_by(by)
    count, k = len(acts), min(k, len(acts))
    wanted = sum(len(vectors) for vectors, _ in queries)
    if wanted and mean is None and any(by == "cosine" for _, by in queries):
        mean = acts.mean
    best = [
        (np.zeros((len(vectors), 0), np.int64), np.zeros((len(vectors), 0), np.float32))
        for vectors, _ in queries
    ]
    step = max(k, CHUNK // max(1, acts.shape[1] + wanted))
    for start in range(0, count if wanted else 0, step):
        values = acts.values[start : start + step]
        for i, (vectors, by) in enumerate(queries):
            if len(vectors):
                best[i] = _better(*best[i], scored(values, vectors, mean, by).T, start, k)
        yield min(1.0, (start + step) / count)
    return [
        (rows, scores) if rows.shape[1] else (np.zeros((0, k), np.int64), np.zeros((0, k), "f4"))
        for rows, scores in best
    ]


def _better(
    rows: np.ndarray, scores: np.ndarray, part: np.ndarray, start: int, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best `k` of those so far and of a chunk's `K x S` scores, which begins at `start`."""
    top = largest(part, k)
    rows = np.concatenate([rows, top + start], axis=1)
    scores = np.concatenate([scores, np.take_along_axis(part, top, 1)], axis=1)
    keep = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(rows, keep, 1), np.take_along_axis(scores, keep, 1)


def retrieve(
    acts: Activations, vectors: np.ndarray, mean: Any = None, *, k: int = 20, by: str = DEFAULT
) -> tuple[np.ndarray, np.ndarray]:
    """`retrieving` of one query in one go: `(rows, scores)`, both `K x k`."""
    return drained(retrieving(acts, [(vectors, by)], mean, k=k))[0]
