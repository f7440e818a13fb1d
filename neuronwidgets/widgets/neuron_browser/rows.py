"""The rows of NeuronBrowser's table: what is known of each neuron without splitting it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.overviews.overview import Extremes, drawn

TOP = 5
"""Top samples in a row of the table."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of `N` neurons.

    Attributes:
        neurons: int64 `N`, ascending.
        least, largest: float32 `N`; NaN: not known yet.
        top: int32 `N x 5`, rows of the activations, strongest first; -1: fewer, or not known yet.
        histogram: uint8 `N x 32`; `None`: not counted yet.
        known: whether least, largest and top are known.
    """

    neurons: np.ndarray
    least: np.ndarray
    largest: np.ndarray
    top: np.ndarray
    histogram: np.ndarray | None = None
    known: bool = False

    @classmethod
    def blank(cls, neurons: np.ndarray) -> Rows:
        """Rows of which nothing is known yet."""
        count = len(neurons)
        unknown = np.full(count, np.nan, np.float32)
        return cls(neurons, unknown, unknown, np.full((count, TOP), -1, np.int32))

    def with_extremes(self, found: Extremes) -> Rows:
        """With the extremes of all neurons of the layer."""
        chosen = self.neurons
        top = np.full((len(chosen), TOP), -1, np.int32)
        top[:, : found.top.shape[1]] = found.top[chosen]
        return replace(
            self, least=found.least[chosen], largest=found.largest[chosen], top=top, known=True
        )

    def with_histograms(self, counts: np.ndarray) -> Rows:
        """With the counts of all neurons of the layer."""
        return replace(self, histogram=drawn(counts[self.neurons]))

    def limits(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest values of all `width` neurons of the layer; 0 of those that the
        table has not: float32."""
        wide = np.zeros((2, width), np.float32)
        wide[:, self.neurons] = self.least, self.largest
        return wide[0], wide[1]

    def first(self, ranked: np.ndarray) -> int | None:
        """The first of these neurons that is not constant; `None` where none is known."""
        alive = set(self.neurons[~self.dead].tolist()) if self.known else set()
        return next((neuron for neuron in ranked.tolist() if neuron in alive), None)

    @property
    def dead(self) -> np.ndarray:
        """bool `N`: the neurons that are constant."""
        return self.largest == self.least


def dead_layer(acts: Activations) -> str:
    """A sentence on a layer whose neurons are all constant."""
    count = len(acts)
    samples = "the only sample" if count == 1 else f"all {count:,} samples"
    return (
        f"every neuron of layer {acts.layer!r} is constant on {samples}: there is nothing to split "
        "or to compare. Read other samples or another layer."
    )
