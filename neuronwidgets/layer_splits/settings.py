"""The settings by which a whole layer is split."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.defaults import default_min_size
from neuronwidgets.concepts.methods.method import Clustering, TopSamples
from neuronwidgets.concepts.split import Split, axis_of, resting


@dataclass(frozen=True)
class Settings:
    """The arguments of `neuronwidgets.split_layer`; `threshold=None`: that which each tree
    suggests."""

    top: int
    threshold: float | None
    method: str
    metric: str
    min_size: int
    refined: bool
    scores: tuple[str, ...]
    draws: int
    seed: int
    own_size: bool = True
    """Whether `min_size` is the default, which depends on the number of top samples."""
    null: int = 1
    """Version of polysemanticity's null, of which one folder holds one; 1 also without that score.

    1: each neuron makes all its draws. 2: neurons of like null share draws. 3: tokens of one text
    stay together.
    """

    def about(self) -> dict[str, Any]:
        """The settings for a JSON file."""
        return asdict(self) | {"scores": list(self.scores)}

    @classmethod
    def of(cls, about: dict[str, Any]) -> Settings:
        """The settings that `about` describes."""
        return cls(**about | {"scores": tuple(about["scores"])})

    def split(
        self,
        acts: Activations,
        target: Any,
        index: np.ndarray,
        activations: np.ndarray,
        vectors: np.ndarray,
        Z: np.ndarray,
    ) -> Split:
        """The `Split` of a target (a neuron's number, or a direction) from its linkage."""
        if len(index) < 2:
            return resting(acts, target, acts.along(target), self.method, {}, self.metric)
        neuron = int(target) if np.ndim(target) == 0 else None
        axis = np.asarray(target) if neuron is None else axis_of(acts, target)
        min_size = (
            min(self.min_size, default_min_size(len(index))) if self.own_size else self.min_size
        )
        return Split(
            TopSamples(acts, neuron, axis, index, activations, vectors),
            Clustering(Z, metric=self.metric, linkage=self.method),
            self.method,
            min_size=min_size,
        )
