"""Input and output of a method of splitting: `TopSamples` and `Clustering`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neuronwidgets.activations.activations import Activations


@dataclass(frozen=True, eq=False)
class TopSamples:
    """The top samples of one neuron, or of one direction.

    Attributes:
        acts: the activations that the samples are rows of.
        neuron: the neuron, or `None` for a direction.
        direction: float64 `D`, the neuron's axis or the direction, of unit length.
        index: int64 `n`, the samples (rows of `acts`), strongest first.
        activations: `n`, the neuron's activation on them (or the projection on the direction).
        vectors: `n x D`, the activations of the whole layer on them.
    """

    acts: Activations
    neuron: int | None
    direction: np.ndarray
    index: np.ndarray
    activations: np.ndarray
    vectors: np.ndarray


@dataclass(frozen=True, eq=False)
class Clustering:
    """A method's clustering of `n` top samples.

    Attributes:
        Z: float64 `(n - 1) x 4`, a tree in SciPy's format.
        points: `n x P`, the points that were clustered; `None`: the layer's own vectors.
        metric: the metric of the distances between them.
        linkage: the linkage that defines the heights of `Z`: "ward", "average", "complete" or
            "single".
        chosen: the threshold that gives the method's clusters, if it fixes their number; `None`:
            the tree suggests one.
        distances: float64 `n x n`, the distances that the linkage starts from; `None` if they were
            not kept.
    """

    Z: np.ndarray
    points: np.ndarray | None = None
    metric: str = "euclidean"
    linkage: str = "ward"
    chosen: float | None = None
    distances: np.ndarray | None = None


Method = Callable[..., Clustering]
"""`method(top_samples, *, setting=...)`: its settings are its keyword arguments."""
