"""Ablation of and steering along a direction of neuron space, such as a concept vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.arrays import number_array
from neuronwidgets.core.checks import is_integer, number
from neuronwidgets.core.layer_place import At, checked_at, chosen_at, titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.renamed import renamed_keyword
from neuronwidgets.interventions.intervention import applied
from neuronwidgets.interventions.positions import Positions, token_positions
from neuronwidgets.models.layers import layer_name


class HasConcepts(Protocol):
    """What an edit needs of `Concepts`."""

    @property
    def layer(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def differences(self) -> np.ndarray: ...
    @property
    def layer_mean(self) -> np.ndarray: ...
    @property
    def first(self) -> bool: ...
    @property
    def origin(self) -> Any: ...


@dataclass(frozen=True, eq=False, repr=False)
class DirectionEdit:
    """`h - remove * (h . v - level) v + strength * v`, with `v` of unit length.

    Attributes:
        layer: the name of the edited layer.
        direction: float64 `D`, normalized to unit length.
        remove: the share of the component along `v` that is replaced by `level`; 1 ablates it.
        strength: the multiple of `v` that is added, in the units of the activations.
        positions: the tokens that are edited, negative from the end; `None`: all.
        call: which of the layer's calls in a pass is edited, from 0; `None`: every one.
        level: the component along `v` that ablation leaves: 0 for zero ablation, or the layer
            mean's component for mean ablation.
        first: whether the first token of each text is edited too.
        at: whether the layer's "output" is edited or its "input".
    """

    layer: str
    direction: np.ndarray
    remove: float = 0.0
    strength: float = 0.0
    positions: Positions = None
    call: int | None = None
    level: float = 0.0
    first: bool = True
    at: At = "output"

    @own_modes()
    def __post_init__(self) -> None:
        numbers = number_array(self.direction, "the direction", form="a list of numbers")
        vector = numbers.astype(np.float64)
        norm = float(np.linalg.norm(vector)) if vector.ndim == 1 else 0.0
        if vector.ndim != 1 or not np.isfinite(norm) or norm == 0:
            raise ValueError(
                "the direction must be one finite vector of neuron space that is not zero, got "
                f"shape {vector.shape} and length {norm:.4g}."
            )
        object.__setattr__(self, "direction", vector / norm)
        for name in ("remove", "strength", "level"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        object.__setattr__(self, "positions", token_positions(self.positions))
        checked_at(self.at)

    def width(self) -> int | None:
        """`D`, the number of neurons in the layer."""
        return len(self.direction)

    def prepared(self, like: torch.Tensor) -> Callable[..., torch.Tensor]:
        """The edit, with its direction on the device of `like`; float32 accumulation."""
        vector = torch.as_tensor(self.direction, device=like.device).float()

        def change(values: torch.Tensor, in_place: bool = False) -> torch.Tensor:
            if self.remove == 0 and self.strength == 0:
                return values
            wide = values.float()
            along = (wide @ vector)[..., None] - self.level
            return (wide + (self.strength - self.remove * along) * vector).to(values.dtype)

        return change

    def __repr__(self) -> str:
        changes = []
        if self.remove:
            changes.append(f"{self.remove:.0%} of the component brought to {self.level:.4g}")
        if self.strength:
            changes.append(f"{self.strength:+.4g} added")
        where = "all tokens" if self.positions is None else f"tokens {self.positions}"
        where += "" if self.first else " but the first of each text"
        return (
            f"DirectionEdit({titled(self.layer, self.at)}, {len(self.direction):,} neurons: "
            f"{', '.join(changes) or 'nothing'}; {where})"
        )


@renamed_keyword("to", "replacement")
@contextmanager
def ablate(
    model: nn.Module, layer: str | nn.Module | HasConcepts, direction: Any, *,
    replacement: Literal["mean", "zero"] | None = None, positions: Any = None,
    first: bool | None = None, neuron_axis: int | None = None, call: int | None = None,
    at: At | None = None,
) -> Iterator[DirectionEdit]:  # fmt: skip
    """Ablate a direction of a layer while the `with` lasts.

    `ablate(model, concepts, 2)` (or a concept's name) is mean ablation along the concept's
    difference from the layer's mean. The mean's own component stays, since it holds what all
    samples share, and without it the model breaks (`nw.price` measures how much).
    `ablate(model, layer, vector)` is zero ablation along any `D` numbers.

    Args:
        model: any `torch.nn.Module` with the layer.
        layer, direction: concepts and one of them, or a layer and a vector.
        replacement: what the component becomes, "mean" (the layer mean's) or "zero". Not given:
            "mean" with concepts, "zero" with a vector.
        positions: the tokens to edit, one or several, negative from the end, or a slice. Not given:
            all.
        first: whether to edit the first token of each text. Not given: yes, unless it is an
            attention sink in the concepts' layer.
        neuron_axis: the axis of the layer's output that holds the neurons, where it cannot be
            inferred.
        call: which of the layer's calls in a pass is edited, from 0. Not given: every one.
        at: whether the layer's "output" is edited or its "input". Not given: where the concepts are
            from; of a layer and a vector, the output.

    Yields:
        The `DirectionEdit`, which can be saved.
    """
    name, vector, level, first = _chosen(model, layer, direction, replacement, first)
    edit = DirectionEdit(
        name, vector, remove=1.0, positions=positions, call=call, level=level, first=first,
        at=_chosen_at(layer, at),
    )  # fmt: skip
    with applied(model, edit, neuron_axis):
        yield edit


@contextmanager
def steer(
    model: nn.Module, layer: str | nn.Module | HasConcepts, direction: Any, strength: float, *,
    positions: Any = None, first: bool | None = None, neuron_axis: int | None = None,
    call: int | None = None, at: At | None = None,
) -> Iterator[DirectionEdit]:  # fmt: skip
    """Add `strength` times the unit direction to a layer while the `with` lasts.

    A concept's direction is its difference from the layer's mean. The other arguments are those of
    `ablate`.
    """
    name, vector, _, first = _chosen(model, layer, direction, None, first)
    edit = DirectionEdit(
        name, vector, strength=strength, positions=positions, call=call, first=first,
        at=_chosen_at(layer, at),
    )  # fmt: skip
    with applied(model, edit, neuron_axis):
        yield edit


def _chosen(
    model: nn.Module, layer: Any, direction: Any, replacement: str | None, first: bool | None
) -> tuple[str, Any, float, bool]:
    """The layer's name, the direction, the level that ablation leaves, and `first`."""
    if replacement not in (None, "mean", "zero"):
        raise ValueError(f"replacement must be 'mean' or 'zero', got {replacement!r:.40}.")
    if not hasattr(layer, "differences"):
        if replacement == "mean":
            raise ValueError(
                "replacement='mean' needs the layer's mean, which a vector does not have: pass "
                "concepts and one of them, nw.ablate(model, concepts, 0)."
            )
        return layer_name(model, layer), direction, 0.0, first is not False
    k = _concept_index(layer, direction)
    vector = layer.differences[k].astype(np.float64)
    level = (
        0.0
        if replacement == "zero"
        else float(layer.layer_mean @ (vector / np.linalg.norm(vector)))
    )
    return layer.layer, vector, level, layer.first if first is None else bool(first)


def _chosen_at(layer: Any, at: At | None) -> At:
    """Where to edit: where the concepts are from, or `at` for a layer and a vector."""
    if hasattr(layer, "differences"):
        return chosen_at(at, getattr(layer, "origin", None), "concepts")
    return "output" if at is None else checked_at(at)


def _concept_index(concepts: HasConcepts, concept: Any) -> int:
    """The index of a concept, given by its number or its name."""
    names = list(concepts.names)
    if isinstance(concept, str) and names.count(concept) == 1:
        return names.index(concept)
    if is_integer(concept):
        if 0 <= concept < len(names):
            return int(concept)
        raise IndexError(f"concept {concept} does not exist: there are {len(names)}, from 0.")
    count = names.count(concept) if concept in names else 0
    problem = f"{count} concepts have that name" if count else "no concept has that name"
    raise ValueError(
        f"concept {concept!r:.40}: {problem}. Pass its number, 0 to {len(names) - 1}: "
        f"{', '.join(f'{i} {name}' for i, name in enumerate(names))}."
    )
