"""What a layer returns: where its tensor is, its rows of neurons, how to put a tensor back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from neuronwidgets.data.batch import Batch
from neuronwidgets.models.axes import Layout

_EXPERTS = ".experts."


def tensor_of(output: Any, layer: str) -> torch.Tensor:
    """The tensor in a layer's output: itself, or the first one of a tuple, list or mapping."""
    if isinstance(output, torch.Tensor):
        return output
    items = output.values() if isinstance(output, Mapping) else output
    if isinstance(items, str) or not hasattr(items, "__iter__"):
        items = ()
    for item in items:
        if isinstance(item, torch.Tensor):
            return item
    raise ValueError(
        f"layer {layer!r} returns a {type(output).__name__} without a tensor: choose "
        "a layer that returns activations."
    )


def checked(tensor: torch.Tensor, layer: str) -> torch.Tensor:
    """The output of a layer, refused where it cannot hold activations."""
    if tensor.ndim < 2:
        raise ValueError(
            f"layer {layer!r} returns shape {tuple(tensor.shape)}: at least a batch axis and a "
            "neuron axis are needed."
        )
    if not tensor.is_floating_point():
        raise ValueError(
            f"layer {layer!r} returns {tensor.dtype}: activations are floating-point numbers."
        )
    return tensor


def check_axes(
    shape: Sequence[int], layer: str, neuron_axis: int | None, batch_axis: int | None
) -> None:
    """Refuse axes that an output of `shape` does not have, or that are one and the same."""
    dimensions = len(shape)
    for name, axis in (("neuron_axis", neuron_axis), ("batch_axis", batch_axis)):
        if axis is not None and not -dimensions <= axis < dimensions:
            raise ValueError(
                f"{name}={axis} does not fit layer {layer!r}, whose output has shape "
                f"{tuple(shape)}: use {-dimensions} to {dimensions - 1}."
            )
    batch = 0 if batch_axis is None else batch_axis % dimensions
    if neuron_axis is not None and neuron_axis % dimensions == batch:
        raise ValueError(
            f"neuron_axis={neuron_axis} is the batch axis of layer {layer!r}, whose output has "
            f"shape {tuple(shape)}: pass batch_axis= as well if the batch is another axis."
        )


def rows_of(tensor: torch.Tensor, layer: str, layout: Layout | None, batch: Batch) -> torch.Tensor:
    """The output of a layer for a batch as `B x D` or `B x positions x D`, in float32.

    Raises:
        ValueError: which axis is the batch, or which holds the neurons, is unclear.
    """
    shape = tuple(tensor.shape)
    if layout is None or len(layout.kinds) != tensor.ndim:
        raise ValueError(unclear(layer, shape, batch.size))
    rows = layout.rows(tensor, batch.size)
    if rows.shape[0] != batch.size:
        raise ValueError(unclear(layer, shape, batch.size))
    if rows.ndim == 2 and batch.mask is not None and batch.mask.shape[1] == 1:
        # One token of each text: with and without an axis of tokens is the same.
        rows = rows[:, None]
    return rows.float()


def unclear(layer: str, shape: tuple[int, ...], samples: int | None = None) -> str:
    """Why a layer's axes are not guessed, and what to do."""
    if f"{_EXPERTS}" in f".{layer}.":
        return (
            f"layer {layer!r} belongs to experts, whose rows are in the order in which tokens are "
            "sent to them: choose the layer around them."
        )
    of = "" if samples is None else f" for a batch of {samples}"
    return (
        f"layer {layer!r} returns shape {shape}{of}, and which axis is the batch and which holds "
        "the neurons cannot be told: pass neuron_axis= (and batch_axis=, if the batch is not the "
        "first axis)."
    )


def replaced(output: Any, tensor: torch.Tensor) -> Any:
    """`output` with `tensor` in place of the tensor that `tensor_of` finds in it; a new object."""
    if isinstance(output, torch.Tensor):
        return tensor
    if isinstance(output, Mapping):
        key = next(key for key, value in output.items() if isinstance(value, torch.Tensor))
        items = {**output, key: tensor}
        return items if type(output) is dict else type(output)(**items)
    place = next(i for i, value in enumerate(output) if isinstance(value, torch.Tensor))
    parts = [*output[:place], tensor, *output[place + 1 :]]
    if hasattr(output, "_fields"):  # a named tuple
        return type(output)(*parts)
    return type(output)(parts)
