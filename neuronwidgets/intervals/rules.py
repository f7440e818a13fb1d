"""Where a class's range ends: the rules behind one width, `tau`."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import erf, ndtr

RULES = ("gaussian", "quantile", "discriminative")

EXTREME = 4.0
"""The normal score at which a quantile stands for the extreme sample."""
SCORES = np.concatenate([[-EXTREME], np.arange(-12, 13) / 4, [EXTREME]])
"""Normal scores of the quantiles that are kept: every quarter of a deviation."""
LEVELS = np.concatenate([[0.0], ndtr(SCORES[1:-1]), [1.0]])
EMPTY = 1e-9
"""Shares of a bin below this are rounding."""
SLACK = 1e-12


def mass(tau: float) -> float:
    """The share of a normal distribution within `tau` deviations of its mean."""
    return float(erf(tau / np.sqrt(2)))


def gaussian(mean: np.ndarray, std: np.ndarray, tau: float) -> np.ndarray:
    """`[mean - tau * std, mean + tau * std]` (arXiv 2502.06809, step 2): `D x 1 x 2`."""
    return np.stack([mean - tau * std, mean + tau * std], axis=-1)[:, None]


def quantile(quantiles: np.ndarray, tau: float) -> np.ndarray:
    """The quantiles whose normal scores are `-tau` and `tau`: `D x 1 x 2` from `D x Q`.

    As wide as the Gaussian range where the class is normal, and never beyond its samples.
    Between the scores that are kept, linear.
    """

    def at(score: float) -> np.ndarray:
        place = np.clip(np.searchsorted(SCORES, score, "right") - 1, 0, len(SCORES) - 2)
        share = (np.clip(score, -EXTREME, EXTREME) - SCORES[place]) / np.diff(SCORES)[place]
        left, right = quantiles[:, place], quantiles[:, place + 1]
        return np.asarray(left + share * (right - left))

    low = at(-tau)
    # Not below by rounding.
    return np.stack([low, np.maximum(low, at(tau))], axis=-1)[:, None]


STEPS = 100
"""How many widths per deviation a discriminative range has."""
_MASSES = [mass(step / STEPS) for step in range(int(EXTREME) * STEPS + 1)]


def least_shares(density: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How much of a bin a class must have for a discriminative range of each width: float64
    `(4 * STEPS + 1) x 2`, from `tau` 0 to 4: the share, and where just that, the density.

    The share is `density / (density + others)`: at 0.5 the class is as dense as the others are in
    the mean. It is chosen for all neurons together: the bins that reach it hold as much of the
    class, on average over the neurons, as a Gaussian range of `tau` would. No other choice of bins
    that does holds less of the others (Neyman & Pearson 1933). Where many have the same share,
    such as all of it, the densest come first.

    Args:
        density: float32 `D x B`, the class's share of its own samples in each bin.
        others: float64 `D x B`, the other classes' mean.
    """
    own = density[density > EMPTY].astype(np.float64)
    share = own / (own + others[density > EMPTY])
    order = np.lexsort((-own, -share))
    held = np.cumsum(own[order]) / own.sum()
    place = np.minimum(np.searchsorted(held, _MASSES), len(held) - 1)
    return np.stack([share[order][place], own[order][place]], axis=1)


def discriminative(
    density: np.ndarray, others: np.ndarray, edges: np.ndarray, least: np.ndarray
) -> np.ndarray:
    """Where a class has at least the share `least[0]` of the density, and where it has just that,
    at least the density `least[1]`: `D x P x 2`, NaN where a neuron has fewer pieces.

    Bins, joined where neighbours. A piece that reaches the first or last bin is open there; a
    neuron on which the class never has so much has none.

    Args:
        density, others: as in `least_shares`.
        edges: float64 `D x (B + 1)`.
    """
    inside = _reached(density, others, least[0], least[1])
    padded = np.pad(inside, ((0, 0), (1, 1)))
    starts, ends = (padded[:, 1:] & ~padded[:, :-1]), (padded[:, :-1] & ~padded[:, 1:])
    # At least one, so that no array is empty.
    pieces = np.full((len(inside), max(1, int(starts.sum(axis=1).max(initial=0))), 2), np.nan)
    for side, marks in enumerate((starts, ends)):
        neuron, bin_ = np.nonzero(marks)
        number = np.cumsum(marks, axis=1)[neuron, bin_] - 1
        pieces[neuron, number, side] = edges[neuron, bin_]
    pieces[inside[:, 0], 0, 0] = -np.inf
    last = starts.sum(axis=1) - 1
    pieces[inside[:, -1], last[inside[:, -1]], 1] = np.inf
    return pieces


def _reached(density: np.ndarray, others: np.ndarray, share: Any, dense: Any) -> np.ndarray:
    """Whether a bin has more than `share` of the density, or that and the density `dense`."""
    own = density.astype(np.float64)
    # The share of the bin that sets the bar, whatever the rounding.
    above = own > (1 + SLACK) * share * (own + others)
    level = (own >= (1 - SLACK) * share * (own + others)) & (own >= dense)
    return np.asarray((density > EMPTY) & (above | level))


def first_widths(density: np.ndarray, others: np.ndarray, least: np.ndarray) -> np.ndarray:
    """The narrowest discriminative range that each bin is in: uint16 `C x B`, in steps of
    `1 / STEPS`; one more than the widest where it is in none.

    A wider range has all bins of a narrower one, so these say what every width has.

    Args:
        density, others: float32, float64 `C x B`, of each class on one neuron.
        least: float64 `C x W x 2`, of each class, as from `least_shares`.
    """
    classes = np.arange(len(density))[:, None]
    low = np.zeros(density.shape, np.int64)
    high = np.full(density.shape, least.shape[1])
    while (open_ := low < high).any():
        middle = np.minimum((low + high) // 2, least.shape[1] - 1)
        asked = least[classes, middle]
        inside = _reached(density, others, asked[..., 0], asked[..., 1])
        high = np.where(open_ & inside, middle, high)
        low = np.where(open_ & ~inside, middle + 1, low)
    return low.astype(np.uint16)


def smoothed(counts: np.ndarray, bandwidth: np.ndarray) -> np.ndarray:
    """Histograms smoothed by a Gaussian: float32 `... x B`, each row a share that sums to 1.

    Args:
        counts: `... x B`.
        bandwidth: `...`, the Gaussian's deviation in bins; 0 leaves a row as it is.
    """
    bins = counts.shape[-1]
    lag = np.minimum(np.arange(2 * bins), 2 * bins - np.arange(2 * bins))
    width = np.maximum(bandwidth, 1e-3)[..., None]
    kernel = np.exp(-0.5 * (lag / width) ** 2)
    spectrum = np.fft.rfft(counts, 2 * bins) * np.fft.rfft(kernel)
    made = np.fft.irfft(spectrum, 2 * bins)[..., :bins]
    made[made < EMPTY * made.max(axis=-1, keepdims=True)] = 0
    return np.asarray(made / made.sum(axis=-1, keepdims=True), np.float32)
