"""The log of a toy model's training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Log:
    """Measures during training: 8 entries per doubling of the steps.

    Attributes:
        step: int64 `L`, steps done.
        loss: float64 `L`, mean training loss of the steps since the entry before.
        mean_bias: float64 `L`, mean bias of the hidden layer.
        monosemantic: int64 `L`, number of monosemantic neurons by the 0.999 rule.
    """

    step: np.ndarray
    loss: np.ndarray
    mean_bias: np.ndarray
    monosemantic: np.ndarray

    def __len__(self) -> int:
        return len(self.step)


LOGGED = ("step", "loss", "mean_bias", "monosemantic")
"""The arrays of a `Log`."""
