"""Bands at random places on a neuron's axis, as a control of a label's range."""

from __future__ import annotations

import numpy as np


def random_bands(
    counts: np.ndarray, edges: np.ndarray, low: np.ndarray, high: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Bands that hold as many samples as given ones, elsewhere on the axes of `k` neurons.

    A band that reaches the upper end of the axis goes on at the lower end, so that each sample is
    in a band with a probability equal to its share of the samples, whatever their distribution.
    Inside of a bin, samples count as evenly spread.

    Args:
        counts: int `k x B`, the samples in each bin.
        edges: float64 `k x (B + 1)`, ascending.
        low, high: float64 `k x P`, the given bands in disjoint pieces, NaN where one has fewer.
        start: float64 `k`, the share of the samples below the new band, 0 to 1.

    Returns:
        float64 `k x 2 x 2`, pieces `[low, high]`: NaN for a second one that is not there, and for
        a given band without pieces.
    """
    below = np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0))) / counts.sum(axis=1, keepdims=True)
    wide = edges[:, -1:] - edges[:, :1]

    def unit(values: np.ndarray) -> np.ndarray:
        return np.clip((values - edges[:, :1]) / wide, 0, 1)

    held = _by_row(unit(edges), below, unit(high)) - _by_row(unit(edges), below, unit(low))
    end = start + np.clip(np.nansum(held, axis=1), 0, 1)
    ends = _by_row(below, edges, np.stack([start, np.where(end > 1, end - 1, end)], axis=1))
    single = np.stack([ends, np.full_like(ends, np.nan)], axis=1)
    around = np.stack([
        np.stack([edges[:, 0], ends[:, 1]], axis=1), np.stack([ends[:, 0], edges[:, -1]], axis=1),
    ], axis=1)  # fmt: skip
    bands = np.where((end > 1)[:, None, None], around, single)
    bands[np.isnan(low).all(axis=1)] = np.nan
    return np.asarray(bands)


def _by_row(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Each row's `numpy.interp`: `x` and `y` are `k x n`, `at` is `k x m`; all of `x` and `at` are
    in 0 to 1, or NaN."""
    # One call for all rows: each has its own stretch of one axis.
    offset = 2.0 * np.arange(len(x))[:, None]
    return np.interp((at + offset).ravel(), (x + offset).ravel(), y.ravel()).reshape(at.shape)
