"""What a whole layer is split by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.split import Split, smallest
from neuronwidgets.core.arrays import one_hot


@dataclass(frozen=True)
class Settings:
    """See `neuronwidgets.split_layer`; `threshold=None` is the one that each tree suggests."""

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
    """Whether `min_size` follows the number of top samples."""

    def about(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"scores": list(self.scores)}

    @classmethod
    def of(cls, about: dict[str, Any]) -> Settings:
        """What `about` gave."""
        return cls(**about | {"scores": tuple(about["scores"])})

    def split(
        self,
        acts: Activations,
        unit: Any,
        index: np.ndarray,
        activations: np.ndarray,
        vectors: np.ndarray,
        Z: np.ndarray,
    ) -> Split:
        """One neuron's `Split` (`unit` is its number, or a direction) of what is known of it."""
        neuron = int(unit) if np.ndim(unit) == 0 else None
        min_size = self.min_size
        at_rest = len(index) < 2
        if at_rest:
            # As `neuronwidgets.split` has it.
            index = np.arange(2)
            activations, vectors = acts.along(unit)[index], acts.rows(index)
            Z, min_size = np.array([[0.0, 1, 0, 2]]), 3
        elif self.own_size:
            min_size = min(min_size, smallest(len(index)))
        direction = np.asarray(unit) if neuron is None else one_hot(neuron, acts.shape[1])
        return Split(
            acts,
            neuron,
            direction,
            index,
            activations,
            vectors,
            Z,
            self.method,
            self.metric,
            min_size,
            at_rest=at_rest,
        )
