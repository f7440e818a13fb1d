"""The neurons that hold still over some samples, and how far all samples are from that state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neuronwidgets.activations.activations import Activations

CHUNK = 1 << 21
"""Activations whose deviations are computed in one step: 16 MB of float64."""


@dataclass(frozen=True, eq=False)
class Steady:
    """The state of `n` samples, its steadiest neurons first.

    Attributes:
        neurons: int64 `M`, the neurons that vary in the data, by ascending spread.
        state: float64 `M`, the samples' mean activation.
        scale: float64 `M`, the neurons' standard deviations over the data.
        spread: float64 `M`, the largest distance of a sample from the mean, in `scale`.
        thresholds: float64 `M`, the largest deviation of the samples on the first 1 to `M` neurons
            (see `deviations`).
    """

    neurons: np.ndarray
    state: np.ndarray
    scale: np.ndarray
    spread: np.ndarray
    thresholds: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, scale: np.ndarray) -> Steady:
        """From the samples' activations, `n x D`, and the neurons' deviations, `D`."""
        varied = np.flatnonzero(scale > 0)
        values = values[:, varied].astype(np.float64)
        state = values.mean(axis=0)
        spread = np.abs(values - state).max(axis=0) / scale[varied]
        order = np.argsort(spread, kind="stable")
        steady = cls(
            varied[order], state[order], scale[varied][order], spread[order], np.zeros(len(order))
        )
        largest = steady.deviations(values[:, order]).max(axis=0)
        return cls(steady.neurons, steady.state, steady.scale, steady.spread, largest)

    def deviations(self, values: np.ndarray, size: int | None = None) -> np.ndarray:
        """The mean squared distance from the state on the first 1 to `size` neurons.

        Args:
            values: `n x size`, the activations of the first neurons, in their order.
            size: not given: `M`.

        Returns:
            float64 `n x size`, in squared standard deviations.
        """
        size = len(self.neurons) if size is None else size
        distance = (values - self.state[:size]) / self.scale[:size]
        distance *= distance
        np.cumsum(distance, axis=1, out=distance)
        distance /= np.arange(1, size + 1)
        return distance

    def inside(self, values: np.ndarray) -> np.ndarray:
        """bool `n x M`: whether samples (`n x D`) deviate no more, on the first 1 to `M` neurons,
        than those of which the state is."""
        return self.deviations(values[:, self.neurons].astype(np.float64)) <= self.thresholds


def chunks(acts: Activations) -> Iterator[tuple[slice, np.ndarray]]:
    """All samples in steps of a multiple of eight rows: the rows and their activations."""
    step = max(8, CHUNK // acts.shape[1] // 8 * 8)
    for start in range(0, len(acts), step):
        part = slice(start, min(start + step, len(acts)))
        yield part, acts.values[part]


def deviation_of_neurons(acts: Activations) -> np.ndarray:
    """float64 `D`: each neuron's standard deviation over all samples; 0 for a constant one."""
    total = np.zeros(acts.shape[1])
    low, high = np.full(acts.shape[1], np.inf), np.full(acts.shape[1], -np.inf)
    for _, values in chunks(acts):
        total += ((values - acts.mean) ** 2).sum(axis=0)
        np.minimum(low, values.min(axis=0), out=low)
        np.maximum(high, values.max(axis=0), out=high)
    return np.where(high > low, np.sqrt(total / len(acts)), 0.0)
