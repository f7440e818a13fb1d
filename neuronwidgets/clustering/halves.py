"""Random halves of samples of which several are of one source, such as tokens of a text."""

from __future__ import annotations

import numpy as np


def halves(source: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The samples in two parts without a common source, as near to halves as the order drawn
    allows.

    Args:
        source: int `n`, the source of each sample.
        rng: draws the order of sources.
    """
    first, code, size = np.unique(
        source, return_index=True, return_inverse=True, return_counts=True
    )[1:]
    order = np.argsort(first)[rng.permutation(len(size))]
    samples = np.argsort(np.argsort(order)[code.ravel()], kind="stable")
    ends = np.cumsum(size[order])
    middle = ends[np.abs(2 * ends - len(samples)).argmin()]
    return samples[:middle], samples[middle:]
