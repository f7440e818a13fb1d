"""Neurons whose concepts should not be trusted: their top samples share a position, a text or a
vector."""

from __future__ import annotations

import numpy as np

from neuronwidgets.activations.samples import Samples

MOST = 0.9
"""Share of the top samples at one position that is no coincidence."""
USUAL = 0.5
"""Share of the data set at one position from which that position is common: top samples there are
no surprise."""
EQUAL = 0.01
"""Distance up to which unit vectors are nearly equal (a cosine of 0.99995)."""


def doubt(samples: Samples, index: np.ndarray, Z: np.ndarray, metric: str) -> str:
    """Why a neuron's concepts should not be trusted, as a clause; "" if there is no reason.

    Args:
        samples: the samples of the activations.
        index: int `n`, the neuron's top samples.
        Z: float64 `(n - 1) x 4`, their linkage.
        metric: the linkage's metric. Under "cosine" vectors are nearly equal up to a distance of
            `EQUAL` at unit length, else only if they are equal.
    """
    if samples.token is not None and len(index) > 1:
        positions, counts = np.unique(samples.token[index], return_counts=True)
        position, share = int(positions[counts.argmax()]), float(counts.max() / len(index))
        if share >= MOST and (samples.token == position).mean() < USUAL:
            return f"{share:.0%} of its top samples are at position {position} of their texts"
    of_one = _largest(samples.sources(index))
    if of_one > max(1, len(index) / 2) and _largest(samples.source) < USUAL * len(samples):
        one = "image" if samples.kind == "image" else "text"
        return f"{of_one / len(index):.0%} of its top samples are of one {one}"
    # The last merge of a cluster has its size.
    close_merges = Z[Z[:, 2] <= (EQUAL if metric == "cosine" else 0.0)]
    if len(close_merges) and close_merges[:, 3].max() > len(index) / 2:
        return "most of its top samples have nearly equal vectors"
    return ""


def _largest(source: np.ndarray) -> int:
    """The number of samples of the source that has most."""
    return int(np.unique(source, return_counts=True)[1].max(initial=0))
