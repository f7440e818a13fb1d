"""A band that was drawn on one neuron, carried over to the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuronwidgets.core.checks import one_of
from neuronwidgets.core.modes import own_modes
from neuronwidgets.intervals.ranges import Ranges
from neuronwidgets.intervals.rules import EXTREME, RULES, SCORES, quantile_at


@own_modes()
def carried(
    ranges: Ranges, label: Any, neuron: int, band: np.ndarray, rule: str = "gaussian"
) -> np.ndarray:
    """The band of one neuron on every neuron: float64 `D x P x 2` from `P x 2`.

    An edge is read as the label's z-score on `neuron`, `z = (edge - mean) / std`, and stands at
    `mean + z * std` of the label on every other neuron. By the rule "quantile" it is read as the
    label's quantile, see `rules.quantile`. An open end stays open. `neuron` keeps the band as it
    was drawn.

    By the rule "quantile", an edge beyond the label's samples stands at the outermost sample of
    every other neuron; a piece that holds none of the label's values has no piece there (NaN).

    Args:
        ranges: of all neurons.
        label: the label's name or index.
        neuron: the neuron that the band was drawn on.
        band: pieces `[low, high]` in ascending order, infinite at an open end.
        rule: see `Ranges.intervals`; "discriminative" reads z-scores, as "gaussian" does.

    Raises:
        ValueError: the label has a single sample, or the rule is unknown.
    """
    one_of("rule", rule, RULES)
    c = ranges.several(label)
    on_neurons = (
        _by_quantile(ranges.quantiles[c], neuron, band)
        if rule == "quantile"
        else _by_z(ranges.mean[c], ranges.std[c], neuron, band)
    )
    on_neurons[neuron] = band
    return on_neurons


def _by_z(mean: np.ndarray, std: np.ndarray, neuron: int, band: np.ndarray) -> np.ndarray:
    z = z_scores(mean[neuron], std[neuron], band)
    finite = np.isfinite(z)
    # Infinity times a deviation of 0 has no value.
    ends = mean[:, None, None] + np.where(finite, z, 0) * std[:, None, None]
    return np.asarray(np.where(finite, ends, z))


def z_scores(mean: float, std: float, edges: np.ndarray) -> np.ndarray:
    """`(edges - mean) / std`; without deviation, 0 at the mean and infinite elsewhere."""
    distance = np.asarray(edges, np.float64) - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(distance == 0, 0.0, distance / std))


def _by_quantile(quantiles: np.ndarray, neuron: int, band: np.ndarray) -> np.ndarray:
    own = quantiles[neuron]
    pieces = np.full((len(quantiles), len(band), 2), np.nan)
    for i, (low, high) in enumerate(band):
        if low > own[-1] or high < own[0]:
            continue
        at_low, at_high = _score(own, low), -_score(-own[::-1], -high)
        pieces[:, i, 0] = -np.inf if np.isneginf(low) else quantile_at(quantiles, at_low)
        pieces[:, i, 1] = np.inf if np.isposinf(high) else quantile_at(quantiles, at_high)
    # A piece in a gap between two quantiles ends where it begins, but for rounding.
    pieces[..., 1] = np.maximum(pieces[..., 0], pieces[..., 1])
    return pieces


def _score(quantiles: np.ndarray, edge: float) -> float:
    """The least normal score whose quantile is `edge`, `-EXTREME` below all: quantiles `Q`."""
    index = int(np.searchsorted(quantiles, edge))
    if index == 0:
        return -EXTREME
    index = min(index, len(quantiles) - 1)
    below, above = quantiles[index - 1], quantiles[index]
    share = (edge - below) / (above - below)
    return float(SCORES[index - 1] + share * (SCORES[index] - SCORES[index - 1]))
