"""What every edit of a layer's output shares: where, on which positions, and its life."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import nn

from neuronwidgets.models import find_layer, hooked, neuron_axis, replaced, tensor_of
from neuronwidgets.modes import own_modes


class Intervention(Protocol):
    """An edit of one layer's output: a frozen dataclass that `save`s and loads.

    `prepared(like)` gives a function of `... x D` values, and of whether it may overwrite them,
    that returns the same shape and dtype. `positions` are the places on the second axis (tokens)
    that are edited, negative ones from the end; `None`: all.
    """

    @property
    def layer(self) -> str: ...
    @property
    def positions(self) -> tuple[int, ...] | None: ...
    def width(self) -> int | None: ...
    def prepared(self, like: torch.Tensor) -> Callable[..., torch.Tensor]: ...


@contextmanager
def applied(
    model: nn.Module, edit: Intervention, axis: int | None = None
) -> Iterator[Intervention]:
    """Apply `edit` to every forward pass of `model`, `generate` included, until the `with` ends.

    Nestable: of two edits of one layer the outer one comes first. Gone after an exception too.
    Warns if the model's dropout or batch statistics are in training mode.
    """
    module = find_layer(model, edit.layer)
    if any(part.training and _unsteady(part) for part in model.modules()):
        warnings.warn(
            f"{type(model).__name__} is in training mode while its layer {edit.layer!r} is edited: "
            "dropout and batch statistics blur what the edit does. Call model.eval() first, unless "
            "you train it.",
            stacklevel=4,
        )
    with hooked(module, editor(module, edit, axis), every_thread=True):
        yield edit


def _unsteady(part: nn.Module) -> bool:
    """Whether a module computes something else while it trains."""
    if isinstance(part, nn.modules.dropout._DropoutNd):
        return part.p > 0
    return isinstance(part, nn.modules.batchnorm._NormBase)


def editor(
    module: nn.Module, edit: Intervention, axis: int | None = None, in_place: bool = False
) -> Callable[[Any], Any]:
    """`edit` as a function of the raw output of `module`, which it may overwrite if `in_place`."""
    ready: dict[tuple[Any, ...], Callable[..., torch.Tensor]] = {}

    @own_modes()
    def changed(output: Any) -> Any:
        tensor = tensor_of(output, edit.layer)
        place = neuron_axis(module, tensor, edit.layer, axis)
        values = tensor.movedim(place, -1)
        width = edit.width()
        if width is not None and values.shape[-1] != width:
            raise ValueError(
                f"the intervention was made for {width:,} neurons and layer {edit.layer!r} has "
                f"{values.shape[-1]:,}: the layer it came from is needed."
            )
        key = (values.device, values.dtype)
        if key not in ready:
            ready[key] = edit.prepared(values)
        made = _at(values, edit.positions, ready[key], edit.layer, in_place)
        return replaced(output, made.movedim(-1, place))

    return changed


def _at(
    values: torch.Tensor,
    positions: tuple[int, ...] | None,
    change: Callable[..., torch.Tensor],
    layer: str,
    in_place: bool,
) -> torch.Tensor:
    if positions is None:
        return change(values, in_place)
    if values.ndim < 3:
        raise ValueError(
            f"positions={positions}, and layer {layer!r} has one vector per sample: leave "
            "positions out."
        )
    length = values.shape[1]
    inside = [p % length for p in positions if -length <= p < length]
    if not inside:
        return values
    index = torch.as_tensor(inside, device=values.device)
    return values.index_copy(1, index, change(values.index_select(1, index)))
