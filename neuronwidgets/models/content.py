"""Finds the positions that are content: no padding, no special token, no attention sink."""

from __future__ import annotations

import math
import re
from typing import Any
from weakref import WeakSet

import torch
from torch import nn

from neuronwidgets.data.batch import Batch

SINK = 5.0
"""Ratio of the median norm of first tokens to that of the other tokens above which the first
tokens are attention sinks. In the middle of a language model's residual stream the ratio is 30 to
1,000 (Xiao et al. 2024; Sun et al. 2024)."""
MAX_SPECIAL = 16
"""Special tokens before the patches of an image. More extra positions mean that the positions are
not patches."""
PADDING_MODELS: WeakSet[nn.Module] = WeakSet()
"""Models of which `own_padding` has found that they pad texts themselves, on the right."""
_SPECIAL = re.compile("cls|class|reg|dist|token|prompt")
"""Names of parameters that are special tokens."""
_DETECTION = re.compile("det[a-z]*_tokens?$")
"""Names of the parameter of detection tokens: YOLOS in transformers, and as it was published."""


def content_of(
    model: nn.Module, batch: Batch, values: torch.Tensor, first: bool = True
) -> torch.Tensor | None:
    """The positions of a layer's output that means, maxima and tokens are taken of.

    Args:
        model: the model.
        batch: its inputs.
        values: the layer's output, `B x P x D`.
        first: whether the first token of each text is content.

    Returns:
        bool `B x P`; `None` for all positions that are not padding.
    """
    content = batch.content
    if values.ndim != 3:
        return content
    if batch.mask is None:
        special, detection = beside_patches(model, batch, values.shape[1])
        if not special and not detection:
            return content
        content = torch.ones(values.shape[:2], dtype=torch.bool)
        content[:, :special] = False
        content[:, values.shape[1] - detection :] = False
        return content
    more = values.shape[1] - batch.mask.shape[1]
    if more > 0 and model in PADDING_MODELS:
        tokens = batch.mask if content is None else content
        tokens = tokens if first else tokens & ~_first(batch.mask)
        return nn.functional.pad(tokens, (0, more), value=False)
    if first or batch.mask.shape != values.shape[:2]:
        return content
    return (batch.mask if content is None else content) & ~_first(batch.mask)


def beside_patches(model: nn.Module, batch: Batch, positions: int) -> tuple[int, int]:
    """The numbers of positions of a vision transformer before and behind the patches of the image.

    Before them are [CLS], distillation and register tokens, behind them the detection tokens of
    YOLOS. 0 for models without patches.
    """
    pixels = _pixels(batch.inputs)
    if not batch.images or pixels is None:
        return 0, 0
    for part in model.modules():
        if isinstance(part, nn.Conv2d) and part.in_channels == pixels.shape[1]:
            size = part.kernel_size
            # The first convolution over the image: patches do not overlap.
            if size != part.stride or min(size) < 2:
                return 0, 0
            patches = math.prod(n // s for n, s in zip(pixels.shape[2:], size, strict=True))
            if positions == part.out_channels and not _has_special_tokens(model, positions):
                return 0, 0  # the channels, over which an MLP-Mixer maps positions
            extra = positions - patches
            if 0 < extra <= min(MAX_SPECIAL, patches):
                return extra, 0
            detection = _detection_tokens(model, part.out_channels)
            special = extra - detection
            return (special, detection) if detection and 0 <= special <= MAX_SPECIAL else (0, 0)
    return 0, 0


def _detection_tokens(model: nn.Module, width: int) -> int:
    """The number of detection tokens of a vision transformer, by the name of their parameter."""
    found = (w for name, w in model.named_parameters() if _DETECTION.search(name))
    return next((w.numel() // width for w in found if w.shape[-1] == width), 0)


def _has_special_tokens(model: nn.Module, width: int) -> bool:
    """Whether a model has parameters of a few vectors of `width` numbers that are named as special
    tokens are."""
    return any(
        _SPECIAL.search(own) and weight.shape[-1] == width and weight.numel() <= MAX_SPECIAL * width
        for part in model.modules()
        if not isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d)
        for own, weight in part.named_parameters(recurse=False)
        if weight.ndim
    )


def has_sink(batch: Batch, values: torch.Tensor) -> bool:
    """Whether the texts' first tokens, special or not, are attention sinks.

    They are if their median norm is over `SINK` times that of the other content tokens.

    Args:
        batch: texts.
        values: a layer's output, `B x P x D`.
    """
    if batch.mask is None or values.ndim != 3 or batch.mask.shape != values.shape[:2]:
        return False
    content = batch.mask if batch.content is None else batch.content
    first = _first(batch.mask)
    rest = content & ~first
    has_both = rest.any(1, keepdim=True) & first.any(1, keepdim=True)
    norms = values.float().norm(dim=-1).cpu()
    first_norms, other_norms = norms[(first & has_both).cpu()], norms[(rest & has_both).cpu()]
    if not len(first_norms):
        return False
    return bool(first_norms.median() > SINK * other_norms.median())


def first_is_content(batch: Batch) -> bool:
    """Whether any text's first token is content, not a special token."""
    content = batch.mask if batch.content is None else batch.content
    if batch.mask is None or content is None:
        return True
    return bool((_first(batch.mask) & content).any())


def _first(mask: torch.Tensor) -> torch.Tensor:
    """The first token of each text after padding: bool `B x T`."""
    return mask & (mask.int().cumsum(1) == 1)


def _pixels(inputs: Any) -> torch.Tensor | None:
    if hasattr(inputs, "keys"):
        inputs = inputs.get("pixel_values")
    pixels = inputs[0] if isinstance(inputs, tuple | list) and inputs else inputs
    return pixels if isinstance(pixels, torch.Tensor) and pixels.ndim == 4 else None
