"""The samples that concepts retrieve from a data set: those that score highest on a direction."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.topk import largest
from neuronwidgets.core.checks import integer, one_of
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.steps import drained

BY = ("cosine", "cosine-origin", "dot")
"""Ways to compare a sample with a direction, see `scored`."""
DEFAULT = "cosine"
CHUNK = 1 << 23
"""Numbers read and scored at once: 32 MB in float32."""


@own_modes()
def normalized(vectors: np.ndarray) -> np.ndarray:
    """Rows divided by their L2 norm, float32; a zero row stays zero."""
    # Rows are scaled first: squares of very large or small numbers overflow or vanish.
    high, low = (f(axis=1, keepdims=True, initial=0) for f in (vectors.max, vectors.min))
    peak = np.maximum(high, -low)
    scaled = vectors / np.where(peak > 0, peak, 1)
    norm = np.sqrt(np.einsum("kd,kd->k", scaled, scaled))[:, None]
    scaled /= np.where(norm > 0, norm, 1)
    return scaled.astype(np.float32, copy=False)


def check_by(by: Any) -> str:
    """`by` as a string.

    Raises:
        ValueError: it is not one of `BY`.
    """
    return one_of("by", by, BY)


@own_modes()
def directions(groups: Sequence[np.ndarray], mean: np.ndarray, by: str) -> np.ndarray:
    """The directions that samples are compared with: unit vectors, float32 `K x D`.

    Args:
        groups: each concept's samples, `n_k x D`.
        mean: `D`, the layer's mean.
        by: "cosine": from the layer's mean to the median sample (each neuron's median, because the
            longest samples dominate a mean); else the mean sample (arXiv 2304.09707).
    """
    if not groups:
        return np.zeros((0, len(mean)), np.float32)
    if check_by(by) == "cosine":
        return normalized(np.stack([np.median(group, axis=0) - mean for group in groups]))
    return normalized(np.stack([group.mean(axis=0, dtype=np.float64) for group in groups]))


@own_modes()
def scored(values: np.ndarray, vectors: np.ndarray, mean: np.ndarray, by: str) -> np.ndarray:
    """The scores of samples on each of `K` directions (see `directions`): `S x K`, float32; by
    "dot" in the dtype of `values`.

    Args:
        values: `S x D`.
        vectors: `K x D`, of unit length.
        mean: `D`, the layer's mean.
        by: "cosine": the cosine of the direction and the sample's difference from the layer's mean;
            "cosine-origin": the cosine of the direction and the sample; "dot": the dot product of
            the two (arXiv 2304.09707), which ranks samples with long vectors first.

    A sample whose cosine is undefined (at the mean, or at the origin) scores 0.
    """
    vectors = vectors.T.astype(values.dtype)
    if by == "dot":
        return np.asarray(values @ vectors)
    if by == "cosine":
        values = values - mean.astype(values.dtype)
    with np.errstate(over="ignore", under="ignore"):
        squares = np.einsum("sd,sd->s", values, values)
    limits = np.finfo(values.dtype)
    inexact = np.flatnonzero(~((squares > limits.tiny / limits.eps) & (squares < np.inf)))
    if len(inexact):
        # Rows whose squares overflow or vanish are scaled first.
        rows = values[inexact]
        peak = np.abs(rows).max(axis=1, keepdims=True, initial=0)
        rows = rows / np.where(peak > 0, peak, 1)
        values = values.copy() if by != "cosine" else values
        values[inexact], squares[inexact] = rows, np.einsum("sd,sd->s", rows, rows)
    length = np.sqrt(np.where(squares > 0, squares, 1))[:, None]
    return np.asarray((values @ vectors) / length, np.float32)


def scored_rows(
    acts: Activations,
    rows: np.ndarray,
    vectors: np.ndarray,
    mean: np.ndarray,
    by: str,
    *,
    chunk: int = CHUNK,
) -> np.ndarray:
    """`scored` of some rows of `acts`, `chunk` numbers at a time: `len(rows) x K`."""
    step = max(1, chunk // max(1, acts.shape[1]))
    parts = [
        scored(acts.rows(rows[start : start + step]), vectors, mean, by)
        for start in range(0, len(rows), step)
    ]
    return np.concatenate([np.zeros((0, len(vectors)), np.float32), *parts])


class Query(NamedTuple):
    """What to search for.

    Attributes:
        vectors: directions, float32 `K x D` of unit length.
        by: one of `BY`.
        leave_out: for each direction the rows, int64, that it does not retrieve; `None` for none.
        source: int64 `S`, the text or image of each row, of which a direction then retrieves one
            row at most, and none of those that have rows to leave out; `None` for any rows.
        among: bool `S`, the rows that are searched; `None` for all.
    """

    vectors: np.ndarray
    by: str
    leave_out: Sequence[np.ndarray] | None = None
    source: np.ndarray | None = None
    among: np.ndarray | None = None


def retrieving(
    acts: Activations, queries: Sequence[Query], mean: Any = None, *, k: int, chunk: int = CHUNK
) -> Generator[float, None, list[tuple[np.ndarray, np.ndarray]]]:
    """The `k` samples that score highest on each direction (see `scored`), in one pass.

    A generator: yields the share done, returns for each query `(rows, scores)`, int64 and as
    `scored`, both `K x k`, highest first, ties to the smaller row. Where fewer than `k` rows are
    searched and not left out, others follow with scores of -inf.

    Args:
        acts: the activations that are searched.
        queries: the directions, and how samples are compared with them. Those with the same
            vectors, one after the other, are compared once.
        mean: the layer's mean; not given: that of `acts`.
        k: samples for each direction; all if there are fewer.
        chunk: numbers read and scored at once.

    Raises:
        ValueError: an unknown way to compare, `k` below 1.
    """
    k = integer("k", k, 1)
    for query in queries:
        check_by(query.by)
    count, k = len(acts), min(int(k), len(acts))
    total = sum(len(query.vectors) for query in queries)
    if total and mean is None and any(query.by == "cosine" for query in queries):
        mean = acts.mean
    best = [
        (np.zeros((len(query.vectors), 0), np.int64), np.zeros((len(query.vectors), 0), "f4"))
        for query in queries
    ]
    step = max(k, chunk // max(1, acts.shape[1] + total))
    for start in range(0, count if total else 0, step):
        values = acts.values[start : start + step]
        before, scores = None, np.zeros(0)
        for i, (vectors, by, leave_out, source, among) in enumerate(queries):
            if not len(vectors):
                continue
            if before is None or before[0] is not vectors or before[1] != by:
                scores = scored(values, vectors, mean, by).T
            before = vectors, by
            if among is not None:
                scores, before = scores.copy(), None
                scores[:, ~among[start : start + len(values)]] = -np.inf
            if source is not None:
                found = _best_of_each(scores, source[start : start + len(values)])
                best[i] = _merged_of_each(*best[i], found, start, k, source, leave_out)
                continue
            if leave_out is not None:
                scores, before = scores.copy(), None
                for row, rows in zip(scores, leave_out, strict=True):
                    row[rows[(rows >= start) & (rows < start + len(values))] - start] = -np.inf
            best[i] = _merged(*best[i], scores, start, k)
        yield min(1.0, (start + step) / count)
    return [
        (rows, scores) if rows.shape[1] else (np.zeros((0, k), np.int64), np.zeros((0, k), "f4"))
        for rows, scores in best
    ]


def _merged(
    rows: np.ndarray, scores: np.ndarray, chunk_scores: np.ndarray, start: int, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best `k` of the best rows so far and of a chunk (`K x S` scores) from row `start` on."""
    top = largest(chunk_scores, k)
    top_scores = np.take_along_axis(chunk_scores, top, 1)
    return _best(np.hstack([rows, top + start]), np.hstack([scores, top_scores]), k)


def _best(rows: np.ndarray, scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` with the highest scores, ties to the first."""
    keep = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(rows, keep, 1), np.take_along_axis(scores, keep, 1)


class _OfSources(NamedTuple):
    """The best row of each of `T` sources in a chunk: float `K x T`, int64 `K x T`, int64 `T`."""

    scores: np.ndarray
    rows: np.ndarray
    source: np.ndarray


def _best_of_each(scores: np.ndarray, source: np.ndarray) -> _OfSources:
    """The best row of each source, ties to the smaller: of `K x S` scores."""
    order = np.argsort(source, kind="stable")
    if (order[1:] > order[:-1]).all():
        ordered = scores
    else:
        ordered, source = scores[:, order], source[order]
    starts = np.flatnonzero(np.diff(source, prepend=source[0] - 1))
    best = np.maximum.reduceat(ordered, starts, axis=1)
    sizes = np.diff(starts, append=len(source))
    last = len(source) - 1
    place = np.where(ordered == np.repeat(best, sizes, axis=1), np.arange(len(source)), last)
    return _OfSources(best, order[np.minimum.reduceat(place, starts, axis=1)], source[starts])


def _merged_of_each(
    rows: np.ndarray, scores: np.ndarray, found: _OfSources, start: int, k: int,
    source: np.ndarray, leave_out: Sequence[np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """As `_merged`, of one row of each source."""
    for row, out in zip(found.scores, leave_out or (), strict=leave_out is not None):
        row[np.isin(found.source, source[out])] = -np.inf
    top = largest(found.scores, k)
    others, other_scores = (np.take_along_axis(part, top, 1) for part in (found.rows, found.scores))
    others = others + start
    # A text that began in a chunk before may be among both.
    same = source[rows][:, :, None] == source[others][:, None, :]
    better = other_scores[:, None, :] > scores[:, :, None]
    scores = np.where((same & better).any(axis=2), -np.inf, scores)
    other_scores = np.where((same & ~better).any(axis=1), -np.inf, other_scores)
    return _best(np.hstack([rows, others]), np.hstack([scores, other_scores]), k)


def retrieve(
    acts: Activations,
    vectors: np.ndarray,
    mean: Any = None,
    *,
    k: int = 20,
    by: str = DEFAULT,
    leave_out: Sequence[np.ndarray] | None = None,
    source: np.ndarray | None = None,
    among: np.ndarray | None = None,
    chunk: int = CHUNK,
) -> tuple[np.ndarray, np.ndarray]:
    """What `retrieving` returns for one query: `(rows, scores)`, both `K x k`."""
    query = Query(vectors, by, leave_out, source, among)
    return drained(retrieving(acts, [query], mean, k=k, chunk=chunk))[0]
