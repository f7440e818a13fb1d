"""What a layer returns: where its tensor is, which axis holds the neurons, how to put one back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from neuronwidgets.models.batch import Batch

_LAST = ("Linear", "LayerNorm", "RMSNorm", "Embedding")
# Conv2d, ConvTranspose1d, LayerNorm2d, AdaptiveAvgPool2d ... but not ConvBertLayer.
_FIRST = re.compile(r"(Conv|ConvTranspose|Norm|Pool)\dd|GroupNorm|SyncBatchNorm|ConvLayer$")
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


def neuron_axis(module: nn.Module, output: torch.Tensor, layer: str, axis: int | None) -> int:
    """Which axis of the output holds the neurons; `axis` if the user says so.

    Convolutions, their norms and pools: 1. Linear layers, layer norms, embeddings: the last.
    Anything else: the last of two or three axes (tokens x neurons), 1 of four or five (maps).
    """
    if output.ndim < 2:
        raise ValueError(
            f"layer {layer!r} returns shape {tuple(output.shape)}, which has no neuron axis: "
            "batch x neurons, batch x tokens x neurons or batch x channels x space is needed."
        )
    if not output.is_floating_point():
        raise ValueError(f"layer {layer!r} returns {output.dtype}; activations are floating point.")
    if axis is not None:
        if axis in (0, -output.ndim) or not -output.ndim <= axis < output.ndim:
            raise ValueError(
                f"neuron_axis={axis} does not fit layer {layer!r}, whose output has "
                f"shape {tuple(output.shape)} (axis 0 is the batch)."
            )
        return axis % output.ndim
    kind = type(module).__name__
    if _FIRST.search(kind) or getattr(module, "data_format", "") == "channels_first":
        return 1
    if any(kind.startswith(name) or kind.endswith(name) for name in _LAST):
        return output.ndim - 1
    return output.ndim - 1 if output.ndim <= 3 else 1


def laid(
    module: nn.Module, output: Any, layer: str, batch: Batch, axis: int | None = None
) -> torch.Tensor:
    """What a layer returned for a batch, as `B x D` or `B x positions x D` in float32.

    `axis` says which axis holds the neurons, if not the usual one.

    Raises:
        ValueError: its first axis is not the batch.
    """
    tensor = tensor_of(output, layer)
    if _EXPERTS in f".{layer}." and tensor.shape[:1] != (batch.size,):
        raise ValueError(
            f"layer {layer!r} belongs to experts, whose rows are in the order in which tokens "
            "are sent to them: choose the layer around them."
        )
    if batch.mask is not None and tensor.ndim == 2 and len(tensor) == batch.mask.numel():
        # All tokens in one row each, as in OPT and around experts.
        tensor = tensor.reshape(*batch.mask.shape, -1)
    if not getattr(module, "batch_first", True) and tensor.ndim == 3:
        # An RNN's own convention: positions x batch x neurons.
        tensor = tensor.transpose(0, 1)
    where = neuron_axis(module, tensor, layer, axis)
    if tensor.shape[0] != batch.size:
        raise ValueError(
            f"layer {layer!r} returns {tensor.shape[0]} rows for {batch.size} samples: "
            "its first axis must be the batch."
        )
    return tensor.movedim(where, -1).flatten(1, -2).float() if tensor.ndim > 2 else tensor.float()


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
