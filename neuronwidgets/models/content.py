"""Which positions of a batch are content: no padding, no special token, no attention sink."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from neuronwidgets.data.batch import Batch

SINK = 5.0
"""A first token that is so many times longer than the others is an attention sink: in a language
model it is 30 to 1,000 times longer in the middle of the residual stream (Xiao et al. 2024; Sun et
al. 2024)."""
MOST_SPECIAL = 16
"""So many special tokens stand before the patches of an image, at most."""


def content_of(
    model: nn.Module, batch: Batch, values: torch.Tensor, first: bool = True
) -> torch.Tensor | None:
    """Which positions of `values` (`B x P x D`) means, maxima and tokens are taken of: bool
    `B x P`, or `None` for all that are no padding.

    Args:
        model: whose layer gave `values`.
        batch: what it was given.
        values: the layer's output.
        first: whether the first token of each text counts.
    """
    content = batch.content
    if values.ndim != 3:
        return content
    if batch.mask is None:
        special = prefix_of(model, batch, values.shape[1])
        if not special:
            return content
        content = torch.ones(values.shape[:2], dtype=torch.bool)
        content[:, :special] = False
        return content
    if first or batch.mask.shape != values.shape[:2]:
        return content
    return (batch.mask if content is None else content) & ~_first(batch.mask)


def prefix_of(model: nn.Module, batch: Batch, positions: int) -> int:
    """How many of a vision transformer's positions, from the front, are no patch of the image:
    [CLS], distillation and register tokens. 0 where the model does not cut its images into patches.
    """
    pixels = _pixels(batch.inputs)
    if not batch.images or pixels is None:
        return 0
    for part in model.modules():
        if isinstance(part, nn.Conv2d) and part.in_channels == pixels.shape[1]:
            size = part.kernel_size
            # The first convolution over the image: patches do not overlap.
            if size != part.stride or min(size) < 2:
                return 0
            patches = math.prod(n // s for n, s in zip(pixels.shape[2:], size, strict=True))
            extra = positions - patches
            return extra if 0 < extra <= min(MOST_SPECIAL, patches) else 0
    return 0


def has_sink(batch: Batch, values: torch.Tensor) -> bool:
    """Whether the texts' first tokens, special ones too, are attention sinks: their median length
    is over 5 times that of the other tokens that are content.

    Args:
        batch: texts.
        values: a layer's output, `B x P x D`.
    """
    if batch.mask is None or values.ndim != 3 or batch.mask.shape != values.shape[:2]:
        return False
    content = batch.mask if batch.content is None else batch.content
    first = _first(batch.mask)
    rest = content & ~first
    several = rest.any(1, keepdim=True) & first.any(1, keepdim=True)
    lengths = values.float().norm(dim=-1).cpu()
    here, there = lengths[(first & several).cpu()], lengths[(rest & several).cpu()]
    if not len(here):
        return False
    return bool(here.median() > SINK * there.median())


def first_counts(batch: Batch) -> bool:
    """Whether the first token of some text is content, and no special token."""
    content = batch.mask if batch.content is None else batch.content
    if batch.mask is None or content is None:
        return True
    return bool((_first(batch.mask) & content).any())


def _first(mask: torch.Tensor) -> torch.Tensor:
    """The first token of each text that is no padding: bool `B x T`."""
    return mask & (mask.int().cumsum(1) == 1)


def _pixels(inputs: Any) -> torch.Tensor | None:
    if hasattr(inputs, "keys"):
        inputs = inputs.get("pixel_values")
    found = inputs[0] if isinstance(inputs, tuple | list) and inputs else inputs
    return found if isinstance(found, torch.Tensor) and found.ndim == 4 else None
