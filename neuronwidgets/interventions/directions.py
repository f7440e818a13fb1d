"""Edits along a direction of neuron space, such as a concept vector: ablation and steering."""

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
from neuronwidgets.core.modes import own_modes
from neuronwidgets.interventions.intervention import applied
from neuronwidgets.interventions.positions import Positions, token_positions
from neuronwidgets.models.layers import layer_name

To = Literal["mean", "zero"]


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


@dataclass(frozen=True, eq=False, repr=False)
class DirectionEdit:
    """`h - remove * (h . v - level) v + strength * v`, with `v` of unit length.

    Attributes:
        layer: which layer's output.
        direction: float64 `D`, brought to unit length.
        remove: the share of the component along `v` that is brought to `level`; 1 ablates it.
        strength: how much of `v` is added, in the units of the activations.
        positions: which tokens are edited, negative from the end; `None`: all.
        call: which of the layer's answers in a pass is edited, from 0; `None`: every one.
        level: the component along `v` that ablation leaves: 0, or the layer's mean's.
        first: whether the first token of each text is edited too.
    """

    layer: str
    direction: np.ndarray
    remove: float = 0.0
    strength: float = 0.0
    positions: Positions = None
    call: int | None = None
    level: float = 0.0
    first: bool = True

    @own_modes()
    def __post_init__(self) -> None:
        found = number_array(self.direction, "the direction", form="a list of numbers")
        vector = found.astype(np.float64)
        norm = float(np.linalg.norm(vector)) if vector.ndim == 1 else 0.0
        if vector.ndim != 1 or not np.isfinite(norm) or norm == 0:
            raise ValueError(
                f"the direction has shape {vector.shape} and length {norm:.4g}: one finite vector "
                "of neuron space that is not zero is needed."
            )
        object.__setattr__(self, "direction", vector / norm)
        for name in ("remove", "strength", "level"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        object.__setattr__(self, "positions", token_positions(self.positions))

    def width(self) -> int | None:
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
        done = []
        if self.remove:
            done.append(f"{self.remove:.0%} of the component brought to {self.level:.4g}")
        if self.strength:
            done.append(f"{self.strength:+.4g} added")
        where = "all tokens" if self.positions is None else f"tokens {self.positions}"
        where += "" if self.first else " but the first of each text"
        return (
            f"DirectionEdit(layer {self.layer!r}, {len(self.direction):,} neurons: "
            f"{', '.join(done) or 'nothing'}; {where})"
        )


@contextmanager
def ablate(
    model: nn.Module, layer: str | nn.Module | HasConcepts, direction: Any, *,
    to: To | None = None, positions: Any = None, first: bool | None = None,
    neuron_axis: int | None = None, call: int | None = None,
) -> Iterator[DirectionEdit]:  # fmt: skip
    """Take a direction out of a layer while the `with` lasts.

    `ablate(model, concepts, 2)` (or a concept's name) takes out the concept's difference from the
    layer's mean, which stays: the mean itself holds what all samples share, and without it the
    model breaks (`nw.price` says how much). `ablate(model, layer, vector)` takes out any `D`
    numbers, down to zero.

    Args:
        model: any `torch.nn.Module` with the layer.
        layer, direction: concepts and one of them, or a layer and a vector.
        to: what the component becomes: the layer's "mean" (not given: that, of concepts) or
            "zero".
        positions: the tokens to edit, one or several, negative from the end, or a slice; not
            given: all.
        first: whether the first token of each text is edited; not given: it is, unless it is an
            attention sink in the concepts' layer.
        neuron_axis: which axis of the layer's output holds the neurons, if that cannot be told.
        call: which of the layer's answers in a pass, from 0; not given: every one.

    Yields:
        the `DirectionEdit`, which says what it does and can be saved.
    """
    name, vector, level, first = _chosen(model, layer, direction, to, first)
    edit = DirectionEdit(
        name, vector, remove=1.0, positions=positions, call=call, level=level, first=first
    )
    with applied(model, edit, neuron_axis):
        yield edit


@contextmanager
def steer(
    model: nn.Module, layer: str | nn.Module | HasConcepts, direction: Any, strength: float, *,
    positions: Any = None, first: bool | None = None, neuron_axis: int | None = None,
    call: int | None = None,
) -> Iterator[DirectionEdit]:  # fmt: skip
    """Add `strength` times the unit direction to a layer while the `with` lasts.

    Of concepts, the direction is their difference from the layer's mean; the other arguments are
    those of `ablate`.
    """
    name, vector, _, first = _chosen(model, layer, direction, None, first)
    edit = DirectionEdit(
        name, vector, strength=strength, positions=positions, call=call, first=first
    )
    with applied(model, edit, neuron_axis):
        yield edit


def _chosen(
    model: nn.Module, layer: Any, direction: Any, to: str | None, first: bool | None
) -> tuple[str, Any, float, bool]:
    """The layer's name, the direction, the component that ablation leaves, and `first`."""
    if to not in (None, "mean", "zero"):
        raise ValueError(f"to must be 'mean' or 'zero', got {to!r:.40}.")
    if not hasattr(layer, "differences"):
        if to == "mean":
            raise ValueError(
                "to='mean' needs the layer's mean: pass concepts and one of them, "
                "nw.ablate(model, concepts, 0), instead of a vector."
            )
        return layer_name(model, layer), direction, 0.0, first is not False
    k = _number(layer, direction)
    vector = layer.differences[k].astype(np.float64)
    level = 0.0 if to == "zero" else float(layer.layer_mean @ (vector / np.linalg.norm(vector)))
    return layer.layer, vector, level, layer.first if first is None else bool(first)


def _number(concepts: HasConcepts, which: Any) -> int:
    """A concept by its number or its name."""
    names = list(concepts.names)
    if isinstance(which, str) and names.count(which) == 1:
        return names.index(which)
    if is_integer(which):
        if 0 <= which < len(names):
            return int(which)
        raise IndexError(f"concept {which} is not there: there are {len(names)}, from 0.")
    several = f"{names.count(which)} concepts have that name" if which in names else "no such name"
    raise ValueError(
        f"concept {which!r:.40}: {several}. Give its number, 0 to {len(names) - 1}: "
        f"{', '.join(f'{i} {name}' for i, name in enumerate(names))}."
    )
