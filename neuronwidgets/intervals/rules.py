"""The rules that turn a width, `tau`, into a class's range."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import erf, ndtr

RULES = ("gaussian", "quantile", "discriminative")
"""Names of the rules, see `Ranges.intervals`."""

EXTREME = 4.0
"""Standard deviations of a normal distribution: from here on a quantile range ends at the extreme
sample, since a normal distribution has 1 in 16,000 samples beyond."""
SCORES = np.concatenate([[-EXTREME], np.arange(-12, 13) / 4, [EXTREME]])
"""Normal scores of the quantiles that are kept: every quarter of a standard deviation up to 3, and
the extremes. Between them a quantile range is interpolated."""
LEVELS = np.concatenate([[0.0], ndtr(SCORES[1:-1]), [1.0]])
"""Probabilities of these quantiles."""
EMPTY = 1e-9
"""Share of a class's samples: a bin with less is empty, since the FFT leaves rounding errors."""
SLACK = 1e-12
"""Relative tolerance of shares, so that the bin that sets the threshold reaches it."""


def mass(tau: float) -> float:
    """The share of a normal distribution within `tau` standard deviations of its mean."""
    return float(erf(tau / np.sqrt(2)))


def gaussian(mean: np.ndarray, std: np.ndarray, tau: float) -> np.ndarray:
    """`[mean - tau * std, mean + tau * std]` (arXiv 2502.06809, step 2): `D x 1 x 2`."""
    return np.stack([mean - tau * std, mean + tau * std], axis=-1)[:, None]


def quantile(quantiles: np.ndarray, tau: float) -> np.ndarray:
    """The quantiles whose normal scores are `-tau` and `tau`: `D x 1 x 2` from `D x Q`.

    Equal to the Gaussian range where the class is normal, and never beyond its samples. Linear
    between the scores that are kept.
    """
    low = quantile_at(quantiles, -tau)
    # Rounding may put the upper end below the lower one.
    return np.stack([low, np.maximum(low, quantile_at(quantiles, tau))], axis=-1)[:, None]


def quantile_at(quantiles: np.ndarray, score: float) -> np.ndarray:
    """The quantile at a normal score: float64 `D` from `D x Q`."""
    index = np.clip(np.searchsorted(SCORES, score, "right") - 1, 0, len(SCORES) - 2)
    share = (np.clip(score, -EXTREME, EXTREME) - SCORES[index]) / np.diff(SCORES)[index]
    left, right = quantiles[:, index], quantiles[:, index + 1]
    return np.asarray(left + share * (right - left))


STEPS = 100
"""Widths of a discriminative range per standard deviation: `tau` is resolved to 0.01."""
_MASSES = [mass(step / STEPS) for step in range(int(EXTREME) * STEPS + 1)]
"""Share of a normal distribution within each width."""


def least_shares(density: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The least share of the density that a bin needs to be in a discriminative range.

    The share of a bin is `density / (density + others)`: at 0.5 the class is as dense as the mean
    of the others. One threshold holds for all neurons: the bins that reach it hold as much of the
    class, on average over the neurons, as a Gaussian range of `tau` would. No other set of bins
    with as much of the class holds less of the others (Neyman & Pearson 1933). Of bins with equal
    shares, the densest come first, so a bin at the threshold also needs a least density.

    Args:
        density: float32 `D x B`, the share of the class's samples in each bin.
        others: float64 `D x B`, the mean density of the other classes.

    Returns:
        float64 `(4 * STEPS + 1) x 2`: the least share, and the least density at that share, for
        each `tau` from 0 to 4.
    """
    shares = density[density > EMPTY].astype(np.float64)
    share = shares / (shares + others[density > EMPTY])
    order = np.lexsort((-shares, -share))
    held = np.cumsum(shares[order]) / shares.sum()
    last = np.minimum(np.searchsorted(held, _MASSES), len(held) - 1)
    return np.stack([share[order][last], shares[order][last]], axis=1)


def discriminative(
    density: np.ndarray, others: np.ndarray, edges: np.ndarray, least: np.ndarray
) -> np.ndarray:
    """The bins in which a class reaches the least share, neighbours joined.

    A piece that reaches the first or last bin is open there. A neuron without such a bin has no
    piece.

    Args:
        density, others: as in `least_shares`.
        edges: float64 `D x (B + 1)`.
        least: the least share, and the least density at that share.

    Returns:
        `D x P x 2`, NaN where a neuron has fewer pieces.
    """
    inside = _reached(density, others, least[0], least[1])
    padded = np.pad(inside, ((0, 0), (1, 1)))
    starts, ends = (padded[:, 1:] & ~padded[:, :-1]), (padded[:, :-1] & ~padded[:, 1:])
    # At least one piece, so that no array is empty.
    pieces = np.full((len(inside), max(1, int(starts.sum(axis=1).max(initial=0))), 2), np.nan)
    for side, is_end in enumerate((starts, ends)):
        neuron, bin_ = np.nonzero(is_end)
        piece = np.cumsum(is_end, axis=1)[neuron, bin_] - 1
        pieces[neuron, piece, side] = edges[neuron, bin_]
    pieces[inside[:, 0], 0, 0] = -np.inf
    last = starts.sum(axis=1) - 1
    pieces[inside[:, -1], last[inside[:, -1]], 1] = np.inf
    return pieces


def _reached(density: np.ndarray, others: np.ndarray, share: Any, dense: Any) -> np.ndarray:
    """Whether a bin has more than `share` of the density, or `share` and at least `dense`."""
    shares = density.astype(np.float64)
    # With `SLACK`, since the bin that sets the share must reach it despite rounding.
    above = shares > (1 + SLACK) * share * (shares + others)
    level = (shares >= (1 - SLACK) * share * (shares + others)) & (shares >= dense)
    return np.asarray((density > EMPTY) & (above | level))


def first_widths(density: np.ndarray, others: np.ndarray, least: np.ndarray) -> np.ndarray:
    """The width of the narrowest discriminative range that holds each bin.

    A wider range holds all bins of a narrower one, so these widths describe the ranges of all
    widths.

    Args:
        density, others: float32, float64 `C x B`, of each class on one neuron.
        least: float64 `C x W x 2`, from `least_shares` for each class.

    Returns:
        uint16 `C x B`, in steps of `1 / STEPS`; `W` for a bin that is in no range.
    """
    classes = np.arange(len(density))[:, None]
    low = np.zeros(density.shape, np.int64)
    high = np.full(density.shape, least.shape[1])
    while (open_ := low < high).any():
        middle = np.minimum((low + high) // 2, least.shape[1] - 1)
        needed = least[classes, middle]
        inside = _reached(density, others, needed[..., 0], needed[..., 1])
        high = np.where(open_ & inside, middle, high)
        low = np.where(open_ & ~inside, middle + 1, low)
    return low.astype(np.uint16)


def smoothed(counts: np.ndarray, bandwidth: np.ndarray) -> np.ndarray:
    """Histograms smoothed by a Gaussian: float32 `... x B`; each row sums to 1.

    Args:
        counts: `... x B`.
        bandwidth: `...`, the Gaussian's standard deviation in bins; 0 leaves a row as it is.
    """
    bins = counts.shape[-1]
    lag = np.minimum(np.arange(2 * bins), 2 * bins - np.arange(2 * bins))
    width = np.maximum(bandwidth, 1e-3)[..., None]
    kernel = np.exp(-0.5 * (lag / width) ** 2)
    spectrum = np.fft.rfft(counts, 2 * bins) * np.fft.rfft(kernel)
    density = np.fft.irfft(spectrum, 2 * bins)[..., :bins]
    density[density < EMPTY * density.max(axis=-1, keepdims=True)] = 0
    return np.asarray(density / density.sum(axis=-1, keepdims=True), np.float32)
