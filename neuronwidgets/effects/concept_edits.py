"""The edits that take a concept out of a layer, the whole neuron, and random edits like them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.core.checks import one_of
from neuronwidgets.core.layer_place import at_of
from neuronwidgets.effects.edits import SpanEdit, random_like
from neuronwidgets.intervals.ranges import ranges
from neuronwidgets.interventions.directions import DirectionEdit
from neuronwidgets.interventions.intervention import Intervention
from neuronwidgets.interventions.masks import NeuronEdit, range_edit
from neuronwidgets.interventions.random_bands import random_edit

Edits = tuple[Intervention, ...]
"""Edits that are applied together, at most one of each layer."""
DIRECTION, RANGE, MEMBERS, OWN = "direction", "range", "members", "own edits"
KINDS = (DIRECTION, RANGE, MEMBERS)


class ConceptEdits:
    """The edits of one cut's concepts.

    Args:
        concepts: `K` concepts.
        edit: "direction", "range" or "members" (see `causes`), or for each concept one `SpanEdit`
            or `DirectionEdit`, or several of different layers.
        tau: half-width of ranges, in standard deviations.
        top: how many neurons "members" masks, a share or a number.
        seed: of the random edits.
    """

    def __init__(
        self, concepts: Concepts, edit: str | Sequence[Any], tau: float, top: float, seed: int
    ) -> None:
        self._concepts, self._seed = concepts, seed
        self._own: list[Edits] | None = None
        if isinstance(edit, str):
            self.kind = one_of("edit", edit, KINDS)
        else:
            self.kind = OWN
            own: list[Any] = [e if isinstance(e, list | tuple) else [e] for e in edit]
            self._own = [tuple(edits) for edits in own]
            if len(self._own) != len(concepts):
                raise ValueError(
                    f"edit must have one entry for each of {len(concepts)} concepts, got "
                    f"{len(self._own)}."
                )
            for each in self._own:
                _check(each)
        if self.kind == RANGE and concepts.neuron is None:
            raise ValueError("edit='range' needs a neuron, and a direction was split: use "
                             "edit='direction' or 'members'.")  # fmt: skip
        self._tau, self._top = tau, top
        self._ranges = ranges(concepts.labelled()) if self.kind in (RANGE, MEMBERS) else None

    @property
    def layers(self) -> list[str]:
        """The names of all layers that are edited, each once."""
        own = [edit.layer for edits in self._own or () for edit in edits]
        return list(dict.fromkeys([self._concepts.layer, *own]))

    def key(self, k: int) -> tuple[Any, ...]:
        """What makes concept `k` the same concept in another cut: its samples."""
        return k if self._own else self._concepts.groups[k].tobytes(), self.kind

    def of(self, k: int) -> Edits:
        """What takes concept `k` out."""
        if self._own is not None:
            return self._own[k]
        if self._ranges is not None:
            return (self._mask(k),)
        return (self._direction(self._concepts.differences[k]),)

    def neuron(self) -> Edits:
        """Mean ablation of the whole neuron, or of the direction that was split."""
        concepts = self._concepts
        if concepts.neuron is None:
            return (self._direction(concepts.direction),)
        index = np.array([concepts.neuron])
        return (NeuronEdit(
            concepts.layer, index, np.array([-np.inf]), np.array([np.inf]), "mean",
            concepts.layer_mean[index], neurons_in_layer=len(concepts.layer_mean),
            call=self._call, at=at_of(concepts.origin),
        ),)  # fmt: skip

    def random_key(self, k: int, draw: int) -> tuple[Any, ...]:
        """What makes a random edit the same for another concept."""
        return ("random", draw) if self.kind == DIRECTION else ("random", draw, *self.key(k))

    def random(self, k: int, draw: int) -> Edits:
        """An edit like `of(k)`: random directions, or bands at random places of the same axes."""
        if self._ranges is not None:
            (mask,) = self.of(k)
            assert isinstance(mask, NeuronEdit)
            return (random_edit(self._ranges, mask, 1000 * self._seed + draw),)
        if self._own is None:
            return (self.random_direction(draw),)
        rng = np.random.default_rng([self._seed, draw])
        return tuple(random_like(edit, rng) for edit in self._own[k])

    def random_direction(self, draw: int) -> DirectionEdit:
        """Mean ablation of a random direction, the same for all concepts."""
        rng = np.random.default_rng([self._seed, draw])
        return self._direction(rng.standard_normal(len(self._concepts.layer_mean)))

    @property
    def _call(self) -> int | None:
        split = self._concepts.split
        return None if split is None else split.acts.call

    def _direction(self, vector: np.ndarray) -> DirectionEdit:
        concepts = self._concepts
        wide = np.asarray(vector, np.float64)
        level = float(concepts.layer_mean @ (wide / np.linalg.norm(wide)))
        return DirectionEdit(
            concepts.layer, wide, remove=1.0, level=level, first=concepts.first, call=self._call,
            at=at_of(concepts.origin),
        )  # fmt: skip

    def _mask(self, k: int) -> NeuronEdit:
        assert self._ranges is not None
        neuron = self._concepts.neuron
        neurons = None if self.kind == MEMBERS or neuron is None else [neuron]
        edit = range_edit(self._ranges, k, self._tau, self._top, neurons=neurons, call=self._call)
        # The ranges are of the top samples only, and the mean is to be the layer's.
        return replace(edit, value=self._concepts.layer_mean[edit.neurons])


def _check(edits: Edits) -> None:
    for edit in edits:
        if not isinstance(edit, DirectionEdit | SpanEdit):
            raise TypeError(
                "edit must be 'direction', 'range', 'members', or hold DirectionEdit or SpanEdit, "
                f"got a {type(edit).__name__}."
            )
    if len({edit.layer for edit in edits}) < len(edits):
        raise ValueError("edit has two edits of one layer for one concept: use one SpanEdit.")
