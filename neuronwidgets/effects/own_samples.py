"""The held-out samples that concepts retrieve, and those that are far from them."""

from __future__ import annotations

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.retrieval import scored
from neuronwidgets.activations.topk import largest


def retrieved(
    acts: Activations, dataset_index: np.ndarray, vectors: np.ndarray, mean: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` samples that score highest on each of `K` unit vectors by "cosine", and the half that
    scores lowest: both bool `K x S`.

    What is between the two may belong to the concept or not. Where a sample has several rows (its
    tokens), its best one counts.

    Args:
        acts: of the held-out samples.
        dataset_index: int64 `S`, distinct, each sample in the data.
        vectors: `K x D`.
        mean: `D`, the layer's mean.
        k: samples, at most.
    """
    count = len(dataset_index)
    scores = scored(acts.rows(np.arange(len(acts))), vectors.astype(np.float32), mean, "cosine").T
    order = np.argsort(dataset_index, kind="stable")
    places = acts.samples.dataset_indices(np.arange(len(acts)))[:, 0]
    at = order[np.searchsorted(dataset_index[order], places).clip(max=count - 1)]
    best = np.full((len(vectors), count), -np.inf, np.float32)
    for row, values in zip(best, scores, strict=True):
        np.maximum.at(row, at, values)
    chosen = np.zeros(best.shape, bool)
    np.put_along_axis(chosen, largest(best, min(k, count)), True, axis=1)
    far = np.zeros(best.shape, bool)
    np.put_along_axis(far, largest(-best, count // 2), True, axis=1)
    known = np.isfinite(best)
    return chosen & known, far & known & ~chosen
