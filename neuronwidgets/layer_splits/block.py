"""A block of a split layer: some neurons with their top samples, trees and concepts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

_IN_FILES = {"assignment": "members"}
"""Attribute -> name of its array in a file, if the two differ."""


@dataclass(frozen=True, eq=False)
class Block:
    """`N` neurons (or directions) with `n` top samples each, and `C` concepts in all.

    Attributes:
        neurons: int64 `N`, the numbers of the neurons (or directions).
        index: int64 `N x n`, the top samples of each, strongest first. A neuron with fewer than `n`
            has -1 after its last one.
        activations: `N x n`, the neuron's activations on them; NaN after the last one.
        tops: int64 `N`, the number of top samples of each (see `activations.top_samples`).
        Z: float64 `N x (n - 1) x 4`, the linkages in SciPy's format; `partial.padded` describes
            those of neurons with fewer top samples.
        threshold: float64 `N`, the height of each cut.
        assignment: int32 `N x n`, the concept of each top sample at the cut, -1 for none.
        counts: int64 `N`, the number of concepts of each.
        vectors: float32 `C x D`, the concept vectors, neuron after neuron.
        scores: `{name: float64 N}`.
    """

    neurons: np.ndarray
    index: np.ndarray
    activations: np.ndarray
    Z: np.ndarray
    threshold: np.ndarray
    assignment: np.ndarray
    counts: np.ndarray
    vectors: np.ndarray
    scores: dict[str, np.ndarray]
    tops: np.ndarray

    def __len__(self) -> int:
        return len(self.neurons)

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by their names in a file; that of a score begins with "score."."""
        plain = {
            _IN_FILES.get(f.name, f.name): getattr(self, f.name)
            for f in fields(self)
            if f.name != "scores"
        }
        return plain | {f"score.{name}": values for name, values in self.scores.items()}

    @classmethod
    def of(cls, arrays: dict[str, Any]) -> Block:
        """The block that `arrays` describes."""
        scores = {k.removeprefix("score."): v for k, v in arrays.items() if k.startswith("score.")}
        attributes = {name: attribute for attribute, name in _IN_FILES.items()}
        plain = {attributes.get(k, k): v for k, v in arrays.items() if not k.startswith("score.")}
        # Blocks of earlier versions have no `tops`: all their neurons have `n`.
        count, n = plain["index"].shape
        return cls(**{"tops": np.full(count, n), **plain}, scores=scores)
