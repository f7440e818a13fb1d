"""What a score sees: a batch of neurons, each with its top samples, their tree and its cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.gram import gram
from neuronwidgets.clustering.linkage.engine import at_unit_length
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.renamed import former_names

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

MOST = 2000
"""With more top samples there is no matrix of all pairs (32 MB)."""


@dataclass(frozen=True, repr=False, eq=False)
class Neurons:
    """`N` neurons (or directions) of a layer that was read on `S` samples.

    Attributes:
        acts: where they came from.
        along: float32 or float64 `N x S`, each one's activation on every sample (or the sample's
            projection on the direction).
        index: int64 `N x n`, its top samples, strongest first.
        gram: float64 `N x n x n`, dot products of what was clustered less their mean; `None`
            with more than 2,000 top samples: what needs it is NaN then.
        Z: float64 `N x (n - 1) x 4`, the linkages in SciPy's format.
        assignment: int64 `N x n`, the concept of each top sample at the cut, -1 for none.
        method, metric: the linkage whose heights `Z` has.
        min_size: smaller clusters are no concept.
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

    def __post_init__(self) -> None:
        count, n = self.index.shape
        needed = {
            "along": (count, len(self.acts)),
            "gram": (count, n, n),
            "Z": (count, n - 1, 4),
            "assignment": (count, n),
        }
        for name, shape in needed.items():
            values = getattr(self, name)
            found = shape if values is None else values.shape
            if found != shape:
                raise ValueError(
                    f"{name} must have shape {shape} for {count} neurons with {n} top samples each "
                    f"of {len(self.acts):,} samples, got shape {found}."
                )

    if not TYPE_CHECKING:
        __getattr__ = former_names("Neurons", members="assignment")

    @classmethod
    @own_modes()
    def of(cls, concepts: Concepts) -> Neurons:
        """One neuron, at one cut of its split."""
        import torch

        split = concepts.require_split("a score")
        products = None
        if len(split.index) <= MOST:
            points = torch.from_numpy(split.clustered.astype(np.float64))
            products = gram(points, split.metric)[0][None]
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
        """int64 `N x n`: the top samples' labels, -1 for none; `None` where the data has none."""
        return None if self.acts.labels is None else self.acts.labels[self.index]

    @cached_property
    @own_modes()
    def active(self) -> np.ndarray:
        """float64 `N`: the share of its top samples on which each does not rest.

        It rests where it is at its minimum over the dataset, if several samples share that.
        """
        least = self.along.min(axis=1, keepdims=True)
        rests = (self.along == least).sum(axis=1, keepdims=True) > 1
        above = np.take_along_axis(self.along, self.index, 1) > least
        share: np.ndarray = (above | ~rests).mean(axis=1)
        return share

    @cached_property
    @own_modes()
    def variety(self) -> np.ndarray:
        """float64 `N`: 1 minus the mean cosine of two of its top samples, about the layer's mean
        over all samples: 0 where they are one direction, about 1 where they are as random ones."""
        mean = self.acts.mean
        n = self.index.shape[1]
        out = np.full(len(self), np.nan)
        for i, index in enumerate(self.index if n > 1 else ()):
            # The sum of unit vectors tells: no pairs.
            total = at_unit_length(self.acts.rows(index) - mean).sum(axis=0)
            out[i] = 1 - (total @ total - n) / (n * (n - 1))
        return out

    @cached_property
    @own_modes()
    def concepts(self) -> np.ndarray:
        """int64 `N`: how many concepts each has at its cut."""
        most: np.ndarray = self.assignment.max(axis=1) + 1
        return most

    def __repr__(self) -> str:
        return (
            f"Neurons({len(self)} of layer {self.acts.layer!r}, top {self.index.shape[1]}, "
            f"{self.method}/{self.metric})"
        )
