"""How near samples of the dataset are to each concept: what labels are ranked by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from neuronwidgets.activations import Activations
    from neuronwidgets.concepts.concepts import Concepts

_CHUNK = 1 << 23


@np.errstate(over="ignore", invalid="ignore")
def projections(concepts: Concepts, rows: np.ndarray) -> np.ndarray:
    """Some rows of the dataset on every concept vector: `R x K`."""
    acts = concepts._require_split("projections").acts
    parts = [part @ concepts.vectors.T for _, part in _parts(acts, rows)]
    return _finite(np.concatenate(parts), acts)


@np.errstate(over="ignore", invalid="ignore")
def cosines(concepts: Concepts, rows: np.ndarray) -> np.ndarray:
    """The cosine of `x - m` and `c - m`: float64 `R x K`.

    `x` is a sample, `c` the mean of a concept's samples, `m` the mean of all `rows`. 0 where `x`
    or `c` is the mean itself.
    """
    acts = concepts._require_split("cosines").acts
    mean = np.zeros(acts.shape[1])
    for _, part in _parts(acts, rows):
        mean += part.sum(axis=0, dtype=np.float64) / len(rows)
    centres = np.zeros((len(concepts), acts.shape[1]))
    for k in range(len(concepts)):
        centres[k] = concepts.top_vectors[concepts.labels == k].mean(axis=0, dtype=np.float64)
    centres -= mean
    centres = _divided(centres, np.linalg.norm(centres, axis=1, keepdims=True))
    out = np.empty((len(rows), len(concepts)))
    for at, part in _parts(acts, rows):
        centred = part - mean
        length = _finite(np.linalg.norm(centred, axis=1, keepdims=True), acts)
        out[at] = _divided(centred @ centres.T, length)
    return _finite(out, acts)


def _parts(acts: Activations, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    step = max(1, _CHUNK // acts.shape[1])
    for start in range(0, len(rows), step):
        at = slice(start, start + step)
        yield at, acts.rows(rows[at])


def _divided(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.divide(values, by, out=np.zeros_like(values), where=by > 0)


def _finite(scores: np.ndarray, acts: Activations) -> np.ndarray:
    if not np.isfinite(scores).all():
        raise ValueError(
            f"the values of layer {acts.layer!r} are too large to compare: bring them to a smaller "
            "scale."
        )
    return scores
