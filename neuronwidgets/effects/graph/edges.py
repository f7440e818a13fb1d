"""Edges of a concept: the concepts of core neurons that its samples belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.split import split
from neuronwidgets.core.modes import own_modes
from neuronwidgets.effects.graph.core import CoreNeurons

LEAST = 0.02
"""Edges below 2% of what a concept's edges carry are left out: they are one or two samples."""


ABSENT = -2
"""Stands for a sample on which a neuron is no more active than on average."""


class SplitNeurons(Protocol):
    """Neurons of a layer that are split already, as `nw.split_layer` returns them."""

    acts: Activations | None

    def concepts(self, neuron: int) -> Concepts: ...


class Layer:
    """A lower layer: its activations, and the concepts of its neurons, each cut once.

    Args:
        given: `Activations`, whose neurons are split where they are needed with the defaults of
            `nw.split`; or what `nw.split_layer` returned.
    """

    def __init__(self, given: Activations | SplitNeurons) -> None:
        self._split: SplitNeurons | None = None
        if isinstance(given, Activations):
            self.acts = given
        elif hasattr(given, "concepts") and hasattr(given, "acts"):
            if given.acts is None:
                raise ValueError(
                    "below was loaded without its activations: use LayerSplit.load(folder, acts)."
                )
            self._split, self.acts = given, given.acts
        else:
            raise TypeError(
                "below must be Activations or what nw.split_layer returns, got a "
                f"{type(given).__name__}."
            )
        self._cuts: dict[int, Concepts] = {}

    def concepts(self, neuron: int) -> Concepts:
        """The concepts of one neuron at its default cut."""
        if neuron not in self._cuts:
            made = None
            if self._split is not None:
                try:
                    made = self._split.concepts(neuron)
                except IndexError:  # this neuron was not asked for
                    made = None
            self._cuts[neuron] = split(self.acts, neuron).cut() if made is None else made
        return self._cuts[neuron]


def require_same_samples(acts: Activations, below: Activations) -> None:
    """Refuse layers whose rows are not the same samples.

    Raises:
        ValueError: they are not.
    """
    same = len(acts) == len(below)
    if same:
        every = np.arange(len(acts))
        places = acts.samples.dataset_indices(every), below.samples.dataset_indices(every)
        same = np.array_equal(*places)
    if not same:
        raise ValueError(
            f"below has {len(below):,} samples of layer {below.layer!r}, and these are not the "
            f"{len(acts):,} of layer {acts.layer!r}: capture both layers at once, "
            "nw.capture(model, data, [layer, below])."
        )


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges of one concept, the largest |weight| first.

    Attributes:
        neuron, concept: int64 `E`, of the lower layer. Concept -1: the neuron has no concepts.
        attribution: float64 `E`, integrated gradients, the mean over the concept's samples: what
            the lower neuron adds to the activation on samples of its own concept.
        weight: float64 `E`, `attribution` over the sum of |attribution| of these edges.
        samples: float64 `E`, the share of the concept's samples that are in the lower concept.
    """

    neuron: np.ndarray
    concept: np.ndarray
    attribution: np.ndarray
    weight: np.ndarray
    samples: np.ndarray


@own_modes()
def edges_of(core: CoreNeurons, layer: Layer, most: int = 16) -> Edges:
    """The edges of a concept, after NeurFlow (arXiv 2502.16105, step 6).

    The attributions of each core neuron are added up over the concept's samples in each of the
    neuron's own concepts. (NeurFlow ends at neurons.) Samples on which a neuron is no more active
    than on average are in none of its concepts, and give no edge. Weights are divided by their sum
    of absolute values once; the authors' loop divides by a sum that it has already changed in part.
    """
    parts: list[tuple[int, int, float, float]] = []
    for column, neuron in enumerate(core.neurons.tolist()):
        member = concept_of(layer, neuron, core.rows)
        values = core.attributions[:, column]
        for concept in np.unique(member[member != ABSENT]).tolist():
            inside = member == concept
            parts.append((neuron, concept, values[inside].sum() / len(values), inside.mean()))
    parts.sort(key=lambda part: -abs(part[2]))
    parts = parts[:most]
    total = sum(abs(part[2]) for part in parts)
    parts = [part for part in parts if abs(part[2]) >= LEAST * total and part[2]]
    columns: Any = zip(*parts, strict=True) if parts else [()] * 4
    neuron, concept, attribution, samples = columns
    carried = np.array(attribution, np.float64)
    return Edges(
        np.array(neuron, np.int64), np.array(concept, np.int64), carried,
        carried / np.abs(carried).sum() if parts else carried, np.array(samples, np.float64),
    )  # fmt: skip


def concept_of(layer: Layer, neuron: int, rows: np.ndarray) -> np.ndarray:
    """The concept of a neuron that each sample belongs to: int64 `n`.

    A top sample of the neuron belongs to its own concept. Another belongs to the one that retrieves
    it with the highest score. Samples that activate the neuron no more than the mean sample does
    belong to none: `ABSENT`. Of a neuron without concepts all others are in concept -1.
    """
    concepts = layer.concepts(neuron)
    active = layer.acts.neuron(neuron)[rows] > layer.acts.mean[neuron]
    if not len(concepts):
        return np.where(active, -1, ABSENT)
    nearest = np.asarray(concepts.scores_of(rows=rows)).argmax(axis=1)
    member = np.where(active, nearest, ABSENT).astype(np.int64)
    own = {int(row): int(k) for row, k in zip(concepts.index, concepts.assignment, strict=True)}
    for i, row in enumerate(rows.tolist()):
        if own.get(row, -1) >= 0:
            member[i] = own[row]
    return member
