"""A layer's raw output -> one row of neurons per sample."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn

Unit = Literal["mean", "max", "last", "cls", "token"]
UNITS: tuple[str, ...] = ("mean", "max", "last", "cls", "token")

_LAST = ("Linear", "LayerNorm", "RMSNorm", "Embedding")
# Conv2d, ConvTranspose1d, LayerNorm2d, AdaptiveAvgPool2d ... but not ConvBertLayer.
_FIRST = re.compile(r"(Conv|ConvTranspose|Norm|Pool)\dd|GroupNorm|SyncBatchNorm|ConvLayer$")


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


def reduce(
    values: torch.Tensor,
    unit: str,
    mask: torch.Tensor | None,
    content: torch.Tensor | None,
    layer: str,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Reduce `B x P x D` (positions in the middle) or `B x D` to rows of neurons, in float32.

    Args:
        values: `B x D` or `B x P x D`.
        unit: "mean", "max", "last", "cls" or "token".
        mask: bool `B x P`, false at padding.
        content: bool `B x P`, false at padding and special tokens; means, maxima and tokens are
            taken where it is true (where it never is, where `mask` is true).
        layer: the layer's name, for messages.

    Returns:
        rows `N x D`, and for "token" the `(sample, position)` of each row, int64 `N x 2`.
    """
    if values.ndim == 2:
        if unit in ("token", "last", "cls"):
            raise ValueError(
                f"layer {layer!r} gives one vector per sample, so there is no {unit!r} to pick: "
                "use unit='mean'."
            )
        return values, None
    batch, length, _ = values.shape
    device = values.device
    every = torch.ones(batch, length, dtype=torch.bool, device=device)
    mask = every if mask is None or mask.shape != every.shape else mask.to(device)
    content = mask if content is None or content.shape != every.shape else content.to(device)
    content = torch.where(content.any(1, keepdim=True), content, mask)
    rows = torch.arange(batch, device=device)
    position = torch.arange(length, device=device)
    if unit == "token":
        where = content.nonzero()
        return values[where[:, 0], where[:, 1]], where
    bare = ~content.any(1)
    if bare.any():
        raise ValueError(
            f"layer {layer!r}: row {int(bare.nonzero()[0])} of a batch is padding only, so there "
            f"is no {unit!r} of it. Leave such samples out."
        )
    if unit == "last":
        return values[rows, torch.where(mask, position, -1).amax(1)], None
    if unit == "cls":
        return values[rows, torch.where(mask, position, length).amin(1)], None
    if unit == "max":
        return values.masked_fill(~content[..., None], -torch.inf).amax(1), None
    weight = content[..., None].to(values.dtype)
    # A masked position may hold NaN (fully padded rows in some attentions): 0 * NaN is NaN.
    total = values.masked_fill(~content[..., None], 0).sum(1)
    return total / weight.sum(1), None
