"""Edits whose strength can be set, and random edits of the same kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from neuronwidgets.core.arrays import number_array
from neuronwidgets.core.layer_place import At, at_of, checked_at
from neuronwidgets.core.modes import own_modes
from neuronwidgets.interventions.directions import DirectionEdit
from neuronwidgets.interventions.intervention import Intervention
from neuronwidgets.interventions.positions import Positions, token_positions

NEGLIGIBLE = 1e-6
"""Share of the largest singular value: directions below it are linear combinations of others."""


@dataclass(frozen=True, eq=False)
class SpanEdit:
    """Mean ablation of the span of several directions: `h - Q' Q (h - level)`.

    `Q` has the span's orthonormal basis as its rows, so every component of `h` in the span becomes
    that of `level`. With one direction it is what `DirectionEdit` does with `remove=1`.

    Attributes:
        layer: the name of the edited layer.
        directions: `k x D`, linearly dependent or not; becomes the float64 basis, `r x D`, r <= k.
        level: float64 `D`, as a rule the layer's mean; `None`: zero ablation.
        positions, call, first, at: as in `DirectionEdit`.

    Raises:
        ValueError: the directions are not finite, or all zero.
    """

    layer: str
    directions: np.ndarray
    level: np.ndarray | None = None
    positions: Positions = None
    call: int | None = None
    first: bool = True
    at: At = "output"

    @own_modes()
    def __post_init__(self) -> None:
        given = np.atleast_2d(number_array(self.directions, "the directions", form="k x D numbers"))
        if given.ndim != 2 or not np.isfinite(given).all() or not given.any():
            raise ValueError(
                "the directions must be k x D finite numbers that are not all zero, got shape "
                f"{given.shape}."
            )
        _, sizes, basis = np.linalg.svd(given.astype(np.float64), full_matrices=False)
        object.__setattr__(self, "directions", basis[sizes > NEGLIGIBLE * sizes[0]])
        if self.level is not None:
            level = np.asarray(self.level, np.float64)
            if level.shape != given.shape[1:]:
                raise ValueError(
                    f"level must have {given.shape[1]:,} numbers as the directions have, got shape "
                    f"{level.shape}."
                )
            object.__setattr__(self, "level", level)
        object.__setattr__(self, "positions", token_positions(self.positions))
        checked_at(self.at)

    def width(self) -> int | None:
        """`D`, the number of neurons in the layer."""
        return int(self.directions.shape[1])

    def prepared(self, like: torch.Tensor) -> Callable[..., torch.Tensor]:
        """The edit, with its basis on the device of `like`; float32 accumulation."""
        basis = torch.as_tensor(self.directions, device=like.device).float()
        level = 0.0 if self.level is None else self.directions @ self.level
        target = torch.as_tensor(level, device=like.device).float()

        def change(values: torch.Tensor, in_place: bool = False) -> torch.Tensor:
            wide = values.float()
            return (wide - (wide @ basis.T - target) @ basis).to(values.dtype)

        return change


@dataclass(frozen=True, eq=False)
class Scaled:
    """`h + strength * (edit(h) - h)`: 0 is no edit, 1 the edit, more goes beyond it."""

    edit: Intervention
    strength: float

    @property
    def layer(self) -> str:
        return self.edit.layer

    @property
    def positions(self) -> Positions:
        return self.edit.positions

    @property
    def call(self) -> int | None:
        return self.edit.call

    @property
    def first(self) -> bool:
        return getattr(self.edit, "first", True)

    @property
    def at(self) -> At:
        return at_of(self.edit)

    def width(self) -> int | None:
        """`D`, the number of neurons in the layer; `None` if unknown."""
        return self.edit.width()

    def prepared(self, like: torch.Tensor) -> Callable[..., torch.Tensor]:
        """The scaled edit; float32 accumulation."""
        edit = self.edit
        if isinstance(edit, DirectionEdit):
            remove, added = self.strength * edit.remove, self.strength * edit.strength
            return replace(edit, remove=remove, strength=added).prepared(like)
        whole = edit.prepared(like)

        def change(values: torch.Tensor, in_place: bool = False) -> torch.Tensor:
            if self.strength == 1:
                return whole(values, in_place)
            edited = whole(values).float()
            return torch.lerp(values.float(), edited, self.strength).to(values.dtype)

        return change


def random_like(edit: Any, rng: np.random.Generator) -> Any:
    """The same edit of a random direction, or of the span of as many random directions.

    A `DirectionEdit` keeps its level, since it does not have the layer's mean.

    Args:
        edit: a `DirectionEdit` or a `SpanEdit`.
        rng: draws the directions, uniformly on the sphere.
    """
    if isinstance(edit, SpanEdit):
        return replace(edit, directions=rng.standard_normal(edit.directions.shape))
    return replace(edit, direction=rng.standard_normal(len(edit.direction)))
