"""A loss with its bootstrap interval, and how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuronwidgets.interventions.bootstrap import ends

CONCEPT, NEURON, RANDOM = "concept", "neuron", "random"
SIDES = ("own", "siblings", "others")
"""The concept's samples, those of the neuron's other concepts, and all others."""


@dataclass(frozen=True)
class Loss:
    """A mean over samples, the ends of its 95% interval, and its value in each resample (`N`)."""

    value: float
    low: float
    high: float
    spread: np.ndarray

    @classmethod
    def of(cls, value: float, spread: np.ndarray) -> Loss:
        """With the 2.5% and 97.5% quantiles of `spread`."""
        low, high = ends(spread[:, None])
        return cls(float(value), float(low[0]), float(high[0]), spread)

    def __sub__(self, other: Loss) -> Loss:
        return Loss.of(self.value - other.value, self.spread - other.spread)

    @property
    def clear(self) -> bool:
        """Whether the interval does not hold 0."""
        return self.low > 0 or self.high < 0


def ratio(own: float, siblings: float) -> float:
    """Own over siblings; NaN where siblings lose nothing, so that no ratio exists."""
    return own / siblings if siblings > 0 else float("nan")


def signed(value: float, digits: int = 2) -> str:
    """A number with a true minus sign."""
    return f"{value:+.{digits}g}".replace("-", "\u2212")


def interval(loss: Loss) -> str:
    """A loss with its interval: "+0.0085 (+0.003 to +0.014)"."""
    return f"{signed(loss.value)} ({signed(loss.low)} to {signed(loss.high)})"


def listed(names: Sequence[str], most: int = 4) -> str:
    """The first names, quoted, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
