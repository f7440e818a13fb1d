"""A concept that is kept: its vectors, and the samples that belong to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.core.layer_place import At

_MIX = np.uint64(0x9E3779B97F4A7C15)
"""Spreads a token's position over 64 bits: the golden ratio, as in Fibonacci hashing."""


@dataclass(frozen=True, repr=False, eq=False)
class PinnedConcept:
    """One concept of a neuron, without the activations that it was found in.

    Attributes:
        name: its name.
        layer, at: the layer, and whether its output or its input was read.
        neuron: the neuron; `None` for a direction.
        threshold: the height of the cut that gave it.
        vector: float32 `D`, the concept vector (see `Concepts.vectors`).
        difference: float32 `D`, the direction by which "cosine" retrieves (see
            `Concepts.differences`).
        mean: float64 `D`, the layer's mean.
        members: uint64 `n`, the keys of its samples (see `keys_of`).
        data: the name of the data set whose keys the library holds.
    """

    name: str
    layer: str
    at: At
    neuron: int | None
    threshold: float
    vector: np.ndarray
    difference: np.ndarray
    mean: np.ndarray
    members: np.ndarray
    data: str

    @classmethod
    def of(cls, concepts: Concepts, number: int, keys: np.ndarray, data: str) -> PinnedConcept:
        """Concept `number` of `concepts`; `data` and `keys` are those of its data set."""
        rows = concepts.index[concepts.groups[number]]
        return cls(
            concepts.names[number],
            concepts.layer,
            concepts.origin.at,
            concepts.neuron,
            float(concepts.threshold),
            np.asarray(concepts.vectors[number], np.float32),
            concepts.differences[number],
            concepts.layer_mean,
            np.unique(keys[rows]),
            data,
        )

    def same_space(self, acts: Activations) -> bool:
        """Whether its vectors are in the space of `acts`: the same layer, place and width."""
        return (self.layer, self.at, len(self.vector)) == (acts.layer, acts.at, acts.shape[1])

    def same(self, other: PinnedConcept) -> bool:
        """Whether the two are the same samples of the same neuron."""
        return (
            (self.layer, self.at, self.neuron) == (other.layer, other.at, other.neuron)
            and np.array_equal(self.members, other.members)
            and np.array_equal(self.vector, other.vector)
        )

    def __repr__(self) -> str:
        of = "a direction" if self.neuron is None else f"neuron {self.neuron}"
        return f"{self.name!r}: {len(self.members)} samples of {of} of {self.layer!r}"


def keys_of(acts: Activations) -> np.ndarray:
    """uint64 `S`: a key for each sample, the same wherever the same sample is read.

    It is the hash of the text or image, joined with the position of a token. Samples that cannot
    be shown are known by their place in the data set.
    """
    samples = acts.samples
    rows = np.arange(len(acts))
    if samples.kind == "none":
        indices = samples.dataset_indices(rows)
        return indices[:, 0].astype(np.uint64)
    prints = np.array(samples.fingerprints(), np.uint64)
    of_item = prints if samples.item is None else prints[samples.item]
    if samples.token is None:
        return of_item
    with np.errstate(over="ignore"):
        mixed: np.ndarray = of_item + _MIX * (samples.token.astype(np.uint64) + np.uint64(1))
    return mixed
