"""Neurons whose top samples are of one kind for a reason that is not what they mean."""

from __future__ import annotations

import numpy as np

from neuronwidgets.activations.samples import Samples

MOST = 0.9
"""So many of the top samples at one position are no coincidence..."""
USUAL = 0.5
"""... unless the data has that many of them there."""
EQUAL = 0.01
"""Unit vectors that are so close (a cosine of 0.99995) are nearly equal."""


def doubt(samples: Samples, index: np.ndarray, Z: np.ndarray, metric: str) -> str:
    """Why a neuron's concepts should not be trusted, in a clause; "" where nothing speaks so.

    Args:
        samples: what the rows of the activations were.
        index: int `n`, the neuron's top samples.
        Z: their linkage.
        metric: of the linkage; nearly equal vectors are told by their distance at unit length
            ("cosine"), else by equal vectors alone.
    """
    if samples.token is not None and len(index) > 1:
        tokens = samples.token[index]
        position, count = (int(v[0]) for v in _most(tokens))
        share = count / len(index)
        if share >= MOST and (samples.token == position).mean() < USUAL:
            return f"{share:.0%} of its top samples are at position {position} of their texts"
    # A cluster that is whole at that height has its size in the last merge below it.
    close = Z[Z[:, 2] <= (EQUAL if metric == "cosine" else 0.0)]
    if len(close) and close[:, 3].max() > len(index) / 2:
        return "most of its top samples have nearly equal vectors"
    return ""


def _most(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most frequent value, and how often it occurs."""
    kinds, counts = np.unique(values, return_counts=True)
    best = counts.argmax()
    return kinds[best : best + 1], counts[best : best + 1]
