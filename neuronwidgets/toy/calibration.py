"""How well found directions match the true ones of a toy model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.core.arrays import number_array
from neuronwidgets.core.checks import number
from neuronwidgets.core.modes import own_modes

COSINE = 0.9
"""Default of the least cosine of a recovered true direction."""


@dataclass(frozen=True, repr=False, eq=False)
class Calibration:
    """`K` found directions matched to `N` true ones, one to one, for the largest sum of cosines.

    Attributes:
        cosines: float64 `K x N`, of all pairs.
        found, true: int64 `min(K, N)`, the matched pairs, in the order of `found`.
        threshold: the cosine from which a direction counts as recovered.
    """

    cosines: np.ndarray
    found: np.ndarray
    true: np.ndarray
    threshold: float

    @classmethod
    def of(cls, cosines: np.ndarray, threshold: float = COSINE) -> Calibration:
        """The matching for `K x N` cosines."""
        from scipy.optimize import linear_sum_assignment

        found, true = linear_sum_assignment(cosines, maximize=True)
        return cls(cosines, found, true, float(threshold))

    @property
    def matched(self) -> np.ndarray:
        """float64 `min(K, N)`, the cosine of each pair."""
        return self.cosines[self.found, self.true]

    @property
    def recovered(self) -> float:
        """The share of the `N` true directions that have a match of at least `threshold`."""
        count = self.cosines.shape[1]
        return float((self.matched >= self.threshold).sum() / count) if count else float("nan")

    @property
    def precise(self) -> float:
        """The share of the `K` found directions whose match is at least `threshold`."""
        count = self.cosines.shape[0]
        return float((self.matched >= self.threshold).sum() / count) if count else float("nan")

    def __repr__(self) -> str:
        found, true = self.cosines.shape
        median = f"{np.median(self.matched):.3f}" if len(self.matched) else "none"
        return (
            f"Calibration({found} found, {true} true: {self.recovered:.0%} recovered at a cosine "
            f"of {self.threshold:g}, median matched cosine {median})"
        )


@own_modes()
def calibrate(found: Any, true: Any, threshold: float = COSINE) -> Calibration:
    """Match found directions to true ones and score them.

    For a toy model, `true` is `run.directions` (of all features, or of those that drive a neuron)
    and `found` a split's concept vectors: both are directions of the hidden layer's space.

    Args:
        found: `K x D`, directions of any length above 0; or `Concepts`.
        true: `N x D`. A row of zeros is a feature without a direction, which is never recovered.
        threshold: the least cosine of a recovered direction, in (0, 1].
    """
    number("threshold", threshold, above=0, most=1)
    directions, truth = _rows("found", getattr(found, "vectors", found)), _rows("true", true)
    if directions.shape[1] != truth.shape[1]:
        raise ValueError(
            "found and true must be directions of one space, such as a layer's neurons, but found "
            f"has {directions.shape[1]} dimensions and true has {truth.shape[1]}."
        )
    length = np.linalg.norm(directions, axis=1)
    if (length == 0).any():
        raise ValueError(
            f"found[{int(np.flatnonzero(length == 0)[0])}] is zero, so it has no direction."
        )
    return Calibration.of(cosines_of(directions, truth), threshold)


@own_modes()
def cosines_of(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Cosines of the rows of `K x D` and `N x D`: float64 `K x N`; 0 where a row is zero."""

    def normalized(rows: np.ndarray) -> np.ndarray:
        wide = np.asarray(rows, np.float64)
        size = np.linalg.norm(wide, axis=1, keepdims=True)
        return wide / np.where(size > 0, size, 1)

    return np.clip(normalized(found) @ normalized(true).T, -1, 1)


def _rows(name: str, values: Any) -> np.ndarray:
    array = number_array(values, name).astype(np.float64)
    if array.ndim != 2:
        raise ValueError(
            f"{name} must be a matrix with a direction in each row, got shape {array.shape}."
        )
    if not math.isfinite(float(np.abs(array).sum())):
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ValueError(f"{name}[{row}] is not finite.")
    return array
