"""The input of a score: a batch of neurons with their top samples, trees and cuts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.gram_matrix import gram_and_squares
from neuronwidgets.clustering.linkage.engine import SAFE_SQUARE, at_unit_length
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.renamed import former_names

if TYPE_CHECKING:
    import torch

    from neuronwidgets.concepts.concepts import Concepts

MOST = 2000
"""Top samples up to which the matrix of all pairs is kept: 32 MB in float64."""


@dataclass(frozen=True, repr=False, eq=False)
class Neurons:
    """`N` neurons (or directions) of a layer of `S` samples.

    Attributes:
        acts: the layer's activations.
        along: float32 or float64 `N x S`, the activation of each neuron on every sample (or the
            projection of the sample on the direction).
        index: int64 `N x n`, the top samples of each, strongest first.
        gram: float64 `N x n x n`, dot products of the centred points that were clustered; `None`
            with more than 2,000 top samples. Scores that need it are then NaN.
        Z: float64 `N x (n - 1) x 4`, the linkages in SciPy's format.
        assignment: int64 `N x n`, the concept of each top sample at the cut, -1 for none.
        method, metric: the linkage that defines the heights of `Z`, and its metric.
        min_size: smaller clusters are no concept.
        device: where the draws of a null are made; `None`: on the CPU.
    """

    acts: Activations
    along: np.ndarray
    index: np.ndarray
    gram: np.ndarray | None
    Z: np.ndarray
    assignment: np.ndarray
    method: str = "ward"
    metric: str = "euclidean"
    min_size: int = 5
    device: torch.device | None = None

    def __post_init__(self) -> None:
        count, n = self.index.shape
        shapes = {
            "along": (count, len(self.acts)),
            "gram": (count, n, n),
            "Z": (count, n - 1, 4),
            "assignment": (count, n),
        }
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values is not None and values.shape != shape:
                raise ValueError(
                    f"{name} must have shape {shape} for {count} neurons with {n} top samples each "
                    f"of {len(self.acts):,} samples, got shape {values.shape}."
                )

    if not TYPE_CHECKING:
        __getattr__ = former_names("Neurons", members="assignment")

    @classmethod
    @own_modes()
    def of(cls, concepts: Concepts) -> Neurons:
        """A batch of one neuron, at one cut of its split."""
        import torch

        split = concepts.require_split("a score")
        products = None
        if len(split.index) <= MOST:
            points = torch.from_numpy(split.clustered.astype(np.float64))
            products = gram_and_squares(points, split.metric)[0][None]
        along = split.acts.along(split.direction if split.neuron is None else split.neuron)
        return cls(
            split.acts,
            along[None],
            split.index[None],
            products,
            split.Z[None],
            concepts.assignment[None],
            split.linkage,
            split.metric,
            split.min_size,
        )

    def __len__(self) -> int:
        return len(self.index)

    @cached_property
    def labels(self) -> np.ndarray | None:
        """int64 `N x n`: the top samples' labels, -1 for none; `None` if the data has no labels."""
        return None if self.acts.labels is None else self.acts.labels[self.index]

    @cached_property
    @own_modes()
    def active(self) -> np.ndarray:
        """float64 `N`: the share of the top samples on which each neuron is not at rest.

        It is at rest at its minimum over the data set, if several samples share the minimum.
        """
        minimum = self.along.min(axis=1, keepdims=True)
        can_rest = (self.along == minimum).sum(axis=1, keepdims=True) > 1
        above_minimum = np.take_along_axis(self.along, self.index, 1) > minimum
        share: np.ndarray = (above_minimum | ~can_rest).mean(axis=1)
        return share

    @cached_property
    @own_modes()
    def variety(self) -> np.ndarray:
        """float64 `N`: 1 minus the mean cosine of two top samples, about the layer's mean over all
        samples: 0 for samples in one direction, about 1 for random samples."""
        mean = self.acts.mean
        n = self.index.shape[1]
        out = np.full(len(self), np.nan)
        # Fresh memory for each neuron would take longer than the arithmetic.
        points, squares = np.empty((2, n, len(mean)))
        for i, index in enumerate(self.index if n > 1 else ()):
            np.subtract(self.acts.rows(index), mean, out=points)
            # The sum of unit vectors gives the mean cosine without all pairs.
            total = _sum_of_directions(points, squares)
            out[i] = 1 - (total @ total - n) / (n * (n - 1))
        return out

    @cached_property
    @own_modes()
    def concepts(self) -> np.ndarray:
        """int64 `N`: the number of concepts of each at its cut."""
        counts: np.ndarray = self.assignment.max(axis=1) + 1
        return counts

    def __repr__(self) -> str:
        return (
            f"Neurons({len(self)} of layer {self.acts.layer!r}, top {self.index.shape[1]}, "
            f"{self.method}/{self.metric})"
        )


def _sum_of_directions(points: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """float64 `D`: the sum of `at_unit_length(points)`; `squares`, `n x D`, is overwritten."""
    with np.errstate(over="ignore", under="ignore"):
        norms = np.square(points, out=squares).sum(axis=1)
    if ((norms > SAFE_SQUARE) & (norms < np.inf)).all():
        total: np.ndarray = (1 / np.sqrt(norms)) @ points
        return total
    return at_unit_length(points).sum(axis=0)
