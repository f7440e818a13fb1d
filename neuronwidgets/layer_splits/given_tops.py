"""Top samples that were chosen from more rows than a layer has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class GivenTops:
    """The top samples of `D` neurons of a layer that has only some rows of the data.

    Attributes:
        index: int64 `D x n`, rows of the layer, strongest first, -1 after the last.
        activations: float32 `D x n`, the neuron's activations on them; NaN after the last.
        minimum: float32 `D`, the least activation of each neuron on all data.
        shared: bool `D`, whether several samples of the data have it.
    """

    index: np.ndarray
    activations: np.ndarray
    minimum: np.ndarray
    shared: np.ndarray

    @property
    def tops(self) -> np.ndarray:
        """int64 `D`: the number of top samples of each neuron."""
        count: np.ndarray = (self.index >= 0).sum(axis=1)
        return count

    def of(self, neurons: np.ndarray) -> GivenTops:
        """Those of some neurons."""
        arrays = (self.index, self.activations, self.minimum, self.shared)
        return GivenTops(*(np.asarray(array)[neurons] for array in arrays))

    def along(self, rows: int) -> np.ndarray:
        """float32 `D x rows`: activations that are right on top samples, and of which the minimum,
        and whether it is shared, are those of all data.

        To read the layer's own column of each neuron from disk would take as long as all else.
        """
        top = np.arange(self.index.shape[1]) < self.tops[:, None]
        strongest = np.where(self.tops > 0, self.activations[:, 0], self.minimum)
        along = np.repeat(np.where(self.shared, self.minimum, strongest)[:, None], rows, axis=1)
        neuron, place = np.nonzero(top)
        along[neuron, self.index[neuron, place]] = self.activations[neuron, place]
        for i in np.flatnonzero(~self.shared & (along.min(axis=1) > self.minimum)).tolist():
            # One row that is no top sample.
            free = np.setdiff1d(np.arange(self.index.shape[1] + 1), self.index[i])[0]
            along[i, free] = self.minimum[i]
        return along
