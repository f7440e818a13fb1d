"""Means over samples, with intervals from the bootstrap (Efron 1979)."""

from __future__ import annotations

from typing import Any

import numpy as np


def resampled(count: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of `count` samples is drawn in each resample: float64 `N x count`."""
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(count, np.full(count, 1 / max(1, count)), resamples)
    return draws.astype(np.float64)


def averaged(values: np.ndarray, chosen: np.ndarray, draws: np.ndarray | None = None) -> np.ndarray:
    """Means of `P x S` values over the chosen samples, in each resample: `N x P`.

    NaN where a resample holds none of the chosen samples. Without `draws`: the plain means,
    `1 x P`.
    """
    kept = values[:, chosen].astype(np.float64)
    weight = np.ones((1, kept.shape[1])) if draws is None else draws[:, chosen]
    total = weight.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(total > 0, weight @ kept.T, np.nan) / np.maximum(total, 1))


def ends(spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 2.5% and 97.5% quantiles of each column of `N x P`, NaN left out: two of `P`."""
    missing = np.isnan(spread).all(axis=0)
    quantiles = np.nanquantile(np.where(missing, 0, spread), [0.025, 0.975], axis=0)
    low, high = np.where(missing, np.nan, quantiles)
    return low, high


def beyond_draws(
    value: Any, low: Any, high: Any, draws: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the 95% interval of what an edit does beyond random ones, where these differ.

    If the edit were one more draw, the interval would hold 0 in 95% of cases: it is as wide as that
    in which one more draw lies about the mean of the draws (Student's t), and wider by what samples
    vary. That is so for draws about as a normal distribution has them; of draws with long tails,
    somewhat more lie outside.

    Args:
        value: what the edit does, less the mean of the draws: `P`.
        low, high: the ends of its interval over samples alone: `P`.
        draws: `R x P`, what each draw does. A single one does not tell: NaN.
    """
    from scipy.stats import t

    count = len(draws)
    if count < 2:
        none = np.full(np.shape(value), np.nan)
        return none, none.copy()
    reach = t.ppf(0.975, count - 1) * np.sqrt(1 + 1 / count) * np.std(draws, axis=0, ddof=1)
    return value - np.hypot(value - low, reach), value + np.hypot(high - value, reach)
