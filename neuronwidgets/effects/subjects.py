"""What effects are asked of: neurons, concepts or vectors of one layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.retrieval import directions
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.split import Split
from neuronwidgets.core.checks import is_integer
from neuronwidgets.core.compiled import plain
from neuronwidgets.core.layer_place import At, checked_at
from neuronwidgets.models.layers import layer_name
from neuronwidgets.models.neurons import is_gated, neuron_layers

MOST_SHARES = 64
"""Neurons whose shares of samples are counted: on disk each takes a pass."""
Halves = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Subjects:
    """`K` vectors in the space of a layer's neurons.

    Attributes:
        layer, at: the layer.
        kind: "neuron", "concept" or "vector".
        names: of the `K` vectors.
        vectors: float64 `K x D`, of unit length; of neurons `K x 1`, 1 or -1.
        neurons: int64 `K`, the neuron of each; `None` unless they are neurons.
        share: float64 `K`, the share of samples on this side of zero; `None` if unknown.
        halves: the same vectors from every other sample and from the rest; `None` unless they are
            concepts.
        acts: the activations that they are from; `None` if unknown.
        poles: whether each neuron is there twice, and the second one mirrored.
    """

    layer: str
    at: At
    kind: str
    names: tuple[str, ...]
    vectors: np.ndarray
    neurons: np.ndarray | None = None
    share: np.ndarray | None = None
    halves: Halves | None = None
    acts: Activations | None = None
    poles: bool = False

    @classmethod
    def of(
        cls, source: Any, model: nn.Module, layer: Any, at: Any, neurons: Any, poles: bool | None
    ) -> Subjects:
        """The subjects of `effects_of`.

        Raises:
            TypeError: `source` is nothing that has effects.
            ValueError, IndexError: no layer, or no such neuron.
        """
        if isinstance(source, Concepts | Split | Activations):
            if layer is not None or at is not None:
                raise ValueError(f"layer= and at= are those of the {type(source).__name__}: "
                                 "leave them out.")  # fmt: skip
            if neurons is not None and not isinstance(source, Activations):
                raise ValueError("neurons= goes with activations: pass the number of a neuron "
                                 "as the first argument, with layer=.")  # fmt: skip
        if isinstance(source, Concepts):
            return _of_concepts(source)
        if isinstance(source, Split):
            if source.neuron is None:
                vector = source.direction[None]
                return cls(source.layer, source.at, "vector", ("the direction",), vector,
                           acts=source.acts)  # fmt: skip
            source, neurons = source.acts, [source.neuron]
        if isinstance(source, Activations):
            width = source.shape[1]
            numbers = np.arange(width) if neurons is None else _numbers(neurons)
            return _of_neurons(numbers, width, source.layer, source.at, poles, model, source)
        if layer is None:
            raise TypeError(
                f"source must be Concepts, a Split or Activations, got a {type(source).__name__}: "
                "for the number of a neuron, or a vector, also pass layer=."
            )
        name = layer_name(model, layer)
        place = neuron_layers(plain(model)).get(name, "output") if at is None else checked_at(at)
        if is_integer(source) or np.asarray(source).dtype.kind in "iu":
            # The width is known once the model has run.
            return _of_neurons(_numbers(source), None, name, place, poles, model, None)
        vectors = np.atleast_2d(np.asarray(source, np.float64))
        if vectors.ndim != 2 or not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
            raise ValueError(
                "a vector must hold finite numbers that are not all zero: one for each neuron, "
                f"got shape {np.shape(source)}."
            )
        names = tuple(f"vector {i}" for i in range(len(vectors)))
        return cls(name, place, "vector", names, _unit(vectors))

    def __len__(self) -> int:
        return len(self.names)

    def check(self, width: int) -> None:
        """Refuse subjects that do not fit a layer of `width` neurons.

        Raises:
            ValueError, IndexError: they are of another layer.
        """
        if self.neurons is None:
            if self.vectors.shape[1] != width:
                raise ValueError(
                    f"layer {self.layer!r} has {width:,} neurons, and the {self.kind}s have "
                    f"{self.vectors.shape[1]:,} numbers: they are of another layer or model."
                )
            return
        wrong = self.neurons[(self.neurons >= width) | (self.neurons < 0)]
        if len(wrong):
            raise IndexError(
                f"neuron {int(wrong[0])} does not exist in layer {self.layer!r}, which has "
                f"{width:,}: 0 to {width - 1}."
            )

    def rows(self, width: int, part: slice = slice(None)) -> np.ndarray:
        """Some of the vectors in a layer of `width` neurons: float64 `n x D`."""
        vectors = self.vectors[part]
        return vectors if self.neurons is None else _axes(self.neurons[part], width, vectors[:, 0])

    def others(self, count: int, width: int, seed: int) -> np.ndarray:
        """Controls of the same kind: random other neurons, or random directions: `count x D`."""
        rng = np.random.default_rng(seed)
        if self.neurons is not None:
            rest = np.setdiff1d(np.arange(width), self.neurons)
            rest = np.arange(width) if len(rest) == 0 else rest
            drawn = rng.choice(rest, min(count, len(rest)), replace=False)
            return _axes(drawn, width)
        return _unit(rng.normal(size=(count, width)))


def _axes(neurons: np.ndarray, width: int, signs: Any = 1.0) -> np.ndarray:
    axes = np.zeros((len(neurons), width))
    axes[np.arange(len(neurons)), neurons] = signs
    return axes


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _of_concepts(concepts: Concepts) -> Subjects:
    if not len(concepts):
        raise ValueError("the cut has no concept: raise its threshold, or lower min_size.")
    names = tuple(name or f"concept {k}" for k, name in enumerate(concepts.names))
    halves: list[np.ndarray] = []
    for start in (0, 1):
        # A concept of one sample has no second half.
        groups = [g[start::2] if len(g) > start else g for g in concepts.groups]
        members = [concepts.top_vectors[group] for group in groups]
        halves.append(directions(members, concepts.layer_mean, "cosine").astype(np.float64))
    acts = None if concepts.split is None else concepts.split.acts
    return Subjects(
        concepts.layer, concepts.origin.at, "concept", names,
        concepts.differences.astype(np.float64), halves=(halves[0], halves[1]), acts=acts,
    )  # fmt: skip


def _of_neurons(
    numbers: np.ndarray, width: int | None, layer: str, at: At, poles: bool | None,
    model: nn.Module, acts: Activations | None,
) -> Subjects:  # fmt: skip
    """Neurons; of a gated MLP both poles of each, since its activation takes both signs."""
    if poles is None:
        poles = is_gated(plain(model), layer, at)
    signs = np.tile([1.0, -1.0], len(numbers)) if poles else np.ones(len(numbers))
    numbers = np.repeat(numbers, 2) if poles else numbers
    marks = {1.0: " +", -1.0: " \u2212"} if poles else {1.0: ""}
    names = tuple(f"neuron {n}{marks[s]}" for n, s in zip(numbers.tolist(), signs.tolist(),
                                                          strict=True))  # fmt: skip
    share = None if acts is None or width is None else _shares(acts, numbers, signs, width)
    return Subjects(layer, at, "neuron", names, signs[:, None], numbers, share, None, acts, poles)


def _numbers(neurons: Any) -> np.ndarray:
    numbers = np.atleast_1d(np.asarray(neurons))
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1 or not len(numbers):
        raise ValueError(f"neurons must be whole numbers, got {neurons!r:.60}.")
    return numbers.astype(np.int64)


def _shares(
    acts: Activations, numbers: np.ndarray, signs: np.ndarray, width: int
) -> np.ndarray | None:
    """The share of samples on each neuron's side of zero: float64 `K`; `None` of many neurons."""
    columns = np.unique(numbers)
    if len(columns) > MOST_SHARES or columns[0] < 0 or columns[-1] >= width:
        return None
    along = {column: acts.along(column) for column in columns.tolist()}
    pairs = zip(numbers.tolist(), signs.tolist(), strict=True)
    return np.array([(sign * along[number] > 0).mean() for number, sign in pairs])
