"""What a method of splitting is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neuronwidgets.activations.activations import Activations


@dataclass(frozen=True, eq=False)
class TopSamples:
    """The top samples of one neuron, or of one direction.

    Attributes:
        acts: where they are from.
        neuron: the neuron, or `None` for a direction.
        direction: float64 `D`, the neuron's axis or the direction, of unit length.
        index: int64 `n`, the samples (rows of `acts`), strongest first.
        activations: `n`, the neuron's activation on them (or the projection on the direction).
        vectors: `n x D`, the whole layer on them.
    """

    acts: Activations
    neuron: int | None
    direction: np.ndarray
    index: np.ndarray
    activations: np.ndarray
    vectors: np.ndarray


@dataclass(frozen=True, eq=False)
class Clustering:
    """How a method clusters `n` top samples.

    Attributes:
        Z: float64 `(n - 1) x 4`, a tree in SciPy's format.
        points: `n x P`, what was clustered; `None`: the layer's own vectors.
        metric: how distances between them are measured.
        linkage: whose heights `Z` has: "ward", "average", "complete" or "single".
        chosen: the threshold that gives the method's own clusters, where it says how many there
            are; `None` where the tree has to say it.
        distances: float64 `n x n`, those that the linkage began with, where they were computed.
    """

    Z: np.ndarray
    points: np.ndarray | None = None
    metric: str = "euclidean"
    linkage: str = "ward"
    chosen: float | None = None
    distances: np.ndarray | None = None


Method = Callable[..., Clustering]
"""`method(top_samples, *, setting=...)`: its settings are its arguments by keyword."""
