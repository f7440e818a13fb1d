"""Scores that need a neuron's activations on all data, from sums that are kept while it is read."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import torch

from neuronwidgets.capturing.collectors import fused
from neuronwidgets.capturing.collectors.chunk import Chunk, in_cache
from neuronwidgets.capturing.collectors.collector import Collector
from neuronwidgets.capturing.collectors.moments import MomentTable

if TYPE_CHECKING:
    from typing_extensions import Self

FROM_SUMS = ("kurtosis", "sparsity", "monosemantic_scale")
"""Scores that `score_columns` gives."""


class Mean(Collector):
    """The mean of each neuron's values: float64 `D`. Rows must be finite.

    Args:
        absolute: of the absolute values.
    """

    _settings = ("absolute",)
    _per_neuron = MappingProxyType({"_sum": 0})

    def __init__(self, absolute: bool = False) -> None:
        self.absolute, self.seen = absolute, 0

    def _start(self, neurons: int, device: torch.device) -> None:
        self._sum = torch.zeros(neurons, dtype=torch.float64, device=device)

    def add(self, chunk: Chunk) -> None:
        chunk = self._admit(chunk)
        self.seen += len(chunk)
        if len(chunk) and fused.usable(chunk.device):
            sums = chunk.sums
            self._sum += sums[9] if self.absolute else sums[0] * sums[1]
            return
        for neurons, tile in chunk.tiles(in_cache(chunk.device)):
            wide = tile.given.double()
            wide = wide.abs_() if self.absolute else wide
            self._sum[neurons] += wide.new_ones(len(wide)) @ wide

    def merge(self, other: Self) -> None:
        peer = self._peer(other)
        if peer is not None:
            self._sum += peer._sum
            self.seen += peer.seen

    def result(self) -> np.ndarray:
        mean: np.ndarray = (self._sum / self.seen).cpu().numpy()
        return mean


def score_columns(moments: MomentTable, absolute_mean: np.ndarray) -> dict[str, np.ndarray]:
    """The scores of these names: float64 `D` each, NaN for constant neurons.

    Args:
        moments: those of all rows.
        absolute_mean: float64 `D`, the mean of absolute values.
    """
    varies = moments.least < moments.most
    variance = np.where(varies, moments.variance, np.nan)
    reach = np.maximum(moments.most - moments.mean, moments.mean - moments.least)
    square = variance + moments.mean**2
    columns = {
        "kurtosis": moments.kurtosis - 3,
        "sparsity": (1 - absolute_mean**2 / square) / (1 - 1 / moments.count),
        "monosemantic_scale": reach**2 / variance,
    }
    return {name: np.where(varies, columns[name], np.nan) for name in FROM_SUMS}
