"""Edits along a direction of neuron space, such as a concept vector: ablation and steering."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.arrays import number_array
from neuronwidgets.interventions.intervention import applied
from neuronwidgets.interventions.positions import Positions, token_positions
from neuronwidgets.models import layer_name
from neuronwidgets.modes import own_modes


@dataclass(frozen=True, eq=False)
class DirectionEdit:
    """`h - keep * (h . v) v + strength * v`, with `v` of unit length.

    Attributes:
        layer: which layer's output.
        direction: float64 `D`, brought to unit length.
        remove: the share of the component along `v` that is taken away; 1 ablates it.
        strength: how much of `v` is added, in the units of the activations.
        positions: which tokens are edited, negative from the end; `None`: all.
        call: which of the layer's answers in a pass is edited, from 0; `None`: every one.
    """

    layer: str
    direction: np.ndarray
    remove: float = 0.0
    strength: float = 0.0
    positions: Positions = None
    call: int | None = None

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
        object.__setattr__(self, "remove", finite("remove", self.remove))
        object.__setattr__(self, "strength", finite("strength", self.strength))
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
            along = (wide @ vector)[..., None]
            return (wide + (self.strength - self.remove * along) * vector).to(values.dtype)

        return change


@contextmanager
def ablate(
    model: nn.Module, layer: str | nn.Module, direction: Any, *, positions: Any = None,
    neuron_axis: int | None = None, call: int | None = None,
) -> Iterator[DirectionEdit]:  # fmt: skip
    """Take a direction (`D`), such as a concept vector, out of a layer while the `with` lasts.

    `positions`: the tokens to edit, one or several, negative from the end, or a slice; not given:
    all. `call`: which of the layer's answers in a pass, from 0; not given: every one.
    """
    name = layer_name(model, layer)
    edit = DirectionEdit(name, direction, remove=1.0, positions=positions, call=call)
    with applied(model, edit, neuron_axis):
        yield edit


@contextmanager
def steer(
    model: nn.Module, layer: str | nn.Module, direction: Any, strength: float, *,
    positions: Any = None, neuron_axis: int | None = None, call: int | None = None,
) -> Iterator[DirectionEdit]:  # fmt: skip
    """Add `strength` times the unit direction to a layer while the `with` lasts.

    `positions` and `call` as in `ablate`.
    """
    name = layer_name(model, layer)
    edit = DirectionEdit(name, direction, strength=strength, positions=positions, call=call)
    with applied(model, edit, neuron_axis):
        yield edit


def finite(name: str, value: Any) -> float:
    """A number as a float, refused if it is none, NaN or infinite."""
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {value!r:.40}.")
    return number
