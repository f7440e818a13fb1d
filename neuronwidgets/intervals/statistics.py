"""Statistics of one class's activations, for all neurons at once."""

from __future__ import annotations

import numpy as np


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, population standard deviation, skewness and kurtosis (normal: 0 and 3) of `n x D`.

    Skewness and kurtosis are NaN where the values do not vary.
    """
    # The mean of equal values may differ from them by rounding.
    flat = values.min(axis=0) == values.max(axis=0)
    mean = np.where(flat, values[0], values.mean(axis=0))
    centred = values - mean
    variance = (centred**2).mean(axis=0)
    deviation = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        skewness = np.where(flat, np.nan, (centred**3).mean(axis=0) / deviation**3)
        kurtosis = np.where(flat, np.nan, (centred**4).mean(axis=0) / deviation**4)
    return mean, deviation, skewness, kurtosis


def kolmogorov_smirnov(values: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Distance of each neuron's distribution (`n x D`) from its fitted normal: `D`, 0 to 1.

    Equal to `scipy.stats.kstest(column, "norm", (mean, deviation)).statistic`; NaN where the values
    do not vary.
    """
    from scipy.special import ndtr

    count = len(values)
    flat = deviation == 0
    scale = np.where(flat, 1, deviation)
    expected = ndtr((np.sort(values, axis=0) - mean) / scale)
    step = np.arange(count)[:, None]
    above = ((step + 1) / count - expected).max(axis=0)
    below = (expected - step / count).max(axis=0)
    return np.where(flat, np.nan, np.maximum(above, below))


def histogram(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts of `n x D` values in each neuron's equal bins, `edges` `D x (B + 1)`: `D x B`.

    Values beyond the edges are counted in the first and last bin.
    """
    bins = edges.shape[1] - 1
    low, high = edges[:, 0], edges[:, -1]
    wide = np.where(high > low, high - low, 1)
    bin_ = np.clip((values - low) / wide * bins, 0, bins - 1).astype(np.int64)
    flat = bin_ + np.arange(values.shape[1]) * bins
    return np.bincount(flat.ravel(), minlength=values.shape[1] * bins).reshape(-1, bins)
