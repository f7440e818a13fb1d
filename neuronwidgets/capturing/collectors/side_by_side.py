"""Collectors of several layers as one collector, of a layer with the neurons of all."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from neuronwidgets.capturing.collectors.collector import Collector


def can_be_joined(collectors: Sequence[Collector]) -> bool:
    """Whether `joined` takes them: of one kind that has the state of each neuron by itself, and
    alike in all else, as collectors are that saw equally many rows."""
    kind = type(collectors[0])
    # A subclass may have a state of its own.
    declared = "_per_neuron" in vars(kind)
    if not declared or any(type(collector) is not kind for collector in collectors):
        return False
    alike = [_alike(collector) for collector in collectors]
    return all(one == alike[0] for one in alike)


def joined(collectors: Sequence[Collector]) -> Collector:
    """One collector of layers of one width, side by side. Its state is a copy of theirs."""
    whole = copy.copy(collectors[0])
    if whole.neurons is None:
        return whole
    whole.neurons = whole.neurons * len(collectors)
    for name, axis in whole._per_neuron.items():
        setattr(whole, name, torch.cat([getattr(one, name) for one in collectors], axis))
    return whole


def separated(whole: Collector, layers: int) -> list[Collector]:
    """The collectors of the layers. Their states are copies of its."""
    parts = [copy.copy(whole) for _ in range(layers)]
    if whole.neurons is None:
        return parts
    for name, axis in whole._per_neuron.items():
        pieces = getattr(whole, name).chunk(layers, axis)
        for part, piece in zip(parts, pieces, strict=True):
            setattr(part, name, piece.clone())
    for part in parts:
        part.neurons = whole.neurons // layers
    return parts


def _alike(collector: Collector) -> dict[str, Any]:
    """What collectors that are joined must have in common."""
    state = vars(collector).items()
    alike = {name: value for name, value in state if name not in collector._per_neuron}
    shapes: dict[str, Any] = {
        name: (value.dtype, value.device, value.shape)
        for name, value in state
        if name in collector._per_neuron
    }
    return alike | shapes
