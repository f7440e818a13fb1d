"""A layer's output or input: its tensor, its rows of neurons, and the same with a new tensor."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from neuronwidgets.core.layer_place import At, titled
from neuronwidgets.data.batch import Batch
from neuronwidgets.models.axes import Layout

_EXPERTS = ".experts."
HALF = (torch.float16, torch.bfloat16)
"""The dtypes in which activations of models come and stay, beside float32."""


def tensor_of(output: Any, layer: str, at: At = "output") -> torch.Tensor:
    """The tensor in a layer's output: the output itself, or the first in a tuple, list, mapping or
    dataclass.

    At the input, `output` is the layer's first tensor argument, as `hooks.hooked` gives it.

    Raises:
        ValueError: there is none.
    """
    if isinstance(output, torch.Tensor):
        return output
    if at == "input":
        raise ValueError(
            f"{titled(layer, at)} is no tensor, since none of its arguments is one: read its "
            "output, at='output', or another layer."
        )
    items = output.values() if isinstance(output, Mapping) else output
    packed = output, *(output if isinstance(output, tuple) else ())
    if any(isinstance(item, PackedSequence) for item in packed):
        raise ValueError(
            f"layer {layer!r} returns a PackedSequence, whose rows mix samples: choose a layer "
            "that comes after it is padded again."
        )
    if is_dataclass(output) and not isinstance(output, Mapping):
        items = [getattr(output, field.name) for field in fields(output)]
    if isinstance(items, str) or not hasattr(items, "__iter__"):
        items = ()
    for item in items:
        if isinstance(item, torch.Tensor):
            return item
    raise ValueError(
        f"layer {layer!r} returns a {type(output).__name__} without a tensor: choose "
        "a layer that returns activations."
    )


def checked(tensor: torch.Tensor, layer: str, at: At = "output") -> torch.Tensor:
    """The output of a layer, refused unless it has two axes or more and holds floats."""
    must = f"{titled(layer, at)} must {'return' if at == 'output' else 'have'}"
    if tensor.ndim < 2:
        raise ValueError(
            f"{must} at least a batch axis and a neuron axis, got shape {tuple(tensor.shape)}."
        )
    if not tensor.is_floating_point():
        raise ValueError(f"{must} floating point numbers, got {tensor.dtype}.")
    return tensor


def check_axes(
    shape: Sequence[int],
    layer: str,
    neuron_axis: int | None,
    batch_axis: int | None,
    at: At = "output",
) -> None:
    """Refuse axes that an output of `shape` does not have, and equal axes."""
    dimensions = len(shape)
    for name, axis in (("neuron_axis", neuron_axis), ("batch_axis", batch_axis)):
        if axis is not None and not -dimensions <= axis < dimensions:
            raise ValueError(
                f"{name} must be from {-dimensions} to {dimensions - 1}, got {axis}: the {at} of "
                f"layer {layer!r} has shape {tuple(shape)}."
            )
    batch = 0 if batch_axis is None else batch_axis % dimensions
    if neuron_axis is not None and neuron_axis % dimensions == batch:
        raise ValueError(
            f"neuron_axis={neuron_axis} is the batch axis of layer {layer!r}, whose {at} has "
            f"shape {tuple(shape)}: pass batch_axis= as well if the batch is another axis."
        )


def rows_of(
    tensor: torch.Tensor, layer: str, layout: Layout | None, batch: Batch, at: At = "output"
) -> torch.Tensor:
    """The output of a layer for a batch as float32 `B x D` or `B x P x D` (`P` positions).

    Raises:
        ValueError: the batch axis or the neuron axis is unknown.
    """
    return own_rows_of(tensor, layer, layout, batch, at).float()


def own_rows_of(
    tensor: torch.Tensor, layer: str, layout: Layout | None, batch: Batch, at: At = "output"
) -> torch.Tensor:
    """As `rows_of`, but float16 and bfloat16 stay as they are. All else is float32.

    Raises:
        ValueError: the batch axis or the neuron axis is unknown.
    """
    shape = tuple(tensor.shape)
    if layout is None or len(layout.kinds) != tensor.ndim:
        raise ValueError(unclear(layer, shape, batch.size, at))
    if layout.reordered:
        raise ValueError(
            f"the {at} of layer {layer!r} has the samples of a batch in another order, for the "
            "model sorts them (by length, say): choose a layer before that, or one behind the "
            "place where they are put back, or pass batch_size=1."
        )
    rows = layout.rows(tensor, batch.size)
    if rows.shape[0] != batch.size:
        raise ValueError(unclear(layer, shape, batch.size, at))
    if rows.ndim == 2 and batch.mask is not None and batch.mask.shape[1] == 1:
        # Texts of one token: the layer may have dropped the axis of tokens.
        rows = rows[:, None]
    return rows if rows.dtype in HALF else rows.float()


def inside_experts(layer: str) -> bool:
    """Whether a layer belongs to the experts of a mixture, by its name."""
    return _EXPERTS in f".{layer}."


def unclear(
    layer: str, shape: tuple[int, ...], samples: int | None = None, at: At = "output"
) -> str:
    """The message for a layer whose batch axis or neuron axis is unknown."""
    if inside_experts(layer):
        return (
            f"layer {layer!r} belongs to experts, whose rows are not in the order of the tokens: "
            "choose the layer around them."
        )
    of = "" if samples is None else f" for a batch of {samples}"
    has = "returns" if at == "output" else "has"
    if samples is None or samples in shape:
        remedy = "pass neuron_axis= (and batch_axis=, if the batch is not the first axis)."
    else:
        remedy = (
            "no axis has the size of the batch. Choose another layer, such as the one around it, "
            "or pass neuron_axis=."
        )
    return (
        f"{titled(layer, at)} {has} shape {shape}{of}, and its batch axis and neuron axis are "
        f"unknown: {remedy}"
    )


def replaced(output: Any, tensor: torch.Tensor) -> Any:
    """A copy of `output` with `tensor` in place of its tensor, see `tensor_of`."""
    if isinstance(output, torch.Tensor):
        return tensor
    if isinstance(output, Mapping):
        key = next(key for key, value in output.items() if isinstance(value, torch.Tensor))
        items = {**output, key: tensor}
        return items if type(output) is dict else type(output)(**items)
    if is_dataclass(output) and not isinstance(output, type):
        names = [field.name for field in fields(output)]
        own = next(name for name in names if isinstance(getattr(output, name), torch.Tensor))
        changed = copy.copy(output)
        object.__setattr__(changed, own, tensor)  # a frozen one, too
        return changed
    index = next(i for i, value in enumerate(output) if isinstance(value, torch.Tensor))
    parts = [*output[:index], tensor, *output[index + 1 :]]
    if hasattr(output, "_fields"):  # a named tuple
        return type(output)(*parts)
    return type(output)(parts)
