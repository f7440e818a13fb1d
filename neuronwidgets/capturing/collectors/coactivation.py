"""Counts how often neurons are active together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neuronwidgets.capturing.collectors.chunk import Chunk
from neuronwidgets.capturing.collectors.collector import Collector

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, eq=False)
class Coactivations:
    """The numbers of rows on which pairs of neurons are active.

    Attributes:
        together: int64 `D x D`, symmetric, the rows on which both are active.
        seen: the number of all rows.
        threshold: the activation above which a neuron is active.
    """

    together: np.ndarray
    seen: int
    threshold: float

    @property
    def active(self) -> np.ndarray:
        """int64 `D`, the rows on which each neuron is active."""
        return self.together.diagonal().copy()

    @property
    def jaccard(self) -> np.ndarray:
        """float64 `D x D`: the rows on which both are active, as a share of those on which either
        is; NaN for neurons that are never active."""
        active = self.active
        with np.errstate(invalid="ignore"):
            return self.together / (active[:, None] + active - self.together)

    @property
    def phi(self) -> np.ndarray:
        """float64 `D x D`: Pearson's correlation of being active, -1 to 1; NaN if one of the two is
        always or never active."""
        share = self.active / max(self.seen, 1)
        spread = np.sqrt(share * (1 - share))
        with np.errstate(divide="ignore", invalid="ignore"):
            phi = (self.together / max(self.seen, 1) - np.outer(share, share)) / np.outer(
                spread, spread
            )
        return np.clip(phi, -1, 1)

    def to_frame(self, top: int = 1000) -> Any:
        """A `pandas.DataFrame` of the `top` pairs with the largest phi: `neuron`, `other`,
        `together`, `jaccard`, `phi`. Pairs without phi are left out."""
        import pandas as pd

        neuron, other = np.triu_indices(len(self.together), 1)
        phi = self.phi[neuron, other]
        order = np.argsort(-phi, kind="stable")
        order = order[~np.isnan(phi[order])][:top]
        neuron, other = neuron[order], other[order]
        return pd.DataFrame(
            {
                "neuron": neuron,
                "other": other,
                "together": self.together[neuron, other],
                "jaccard": self.jaccard[neuron, other],
                "phi": phi[order],
            }
        )


class Coactivation(Collector):
    """The number of rows on which each pair of neurons is above a threshold.

    Counts are exact: products of at most a few million rows of zeros and ones are whole numbers
    below 2^24 in float32, and are summed in int64. NaN counts as not active. Memory: `8 D^2` bytes.
    """

    _settings = ("threshold",)

    def __init__(self, threshold: float = 0.0) -> None:
        self.threshold = float(threshold)
        if np.isnan(self.threshold):
            raise ValueError("threshold must be a number, got nan.")
        self.seen = 0

    def _start(self, neurons: int, device: torch.device) -> None:
        self._together = torch.zeros(neurons, neurons, dtype=torch.int64, device=device)

    def add(self, chunk: Chunk) -> None:
        for part in self._admit(chunk).parts():
            active = (part.rows > self.threshold).float()
            # Autocast would round the counts to 8 bits.
            with torch.autocast(active.device.type, enabled=False):
                self._together += (active.T @ active).long()
            self.seen += len(part)

    def merge(self, other: Self) -> None:
        peer = self._peer(other)
        if peer is not None:
            self._together += peer._together
            self.seen += peer.seen

    def result(self) -> Coactivations:
        if self.neurons is None:
            raise ValueError("Coactivation has seen no rows.")
        return Coactivations(self._together.cpu().numpy().copy(), self.seen, self.threshold)
