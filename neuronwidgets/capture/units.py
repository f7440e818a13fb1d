"""A layer's activations on a batch -> one row of neurons per sample."""

from __future__ import annotations

from typing import Literal

import torch

Unit = Literal["mean", "max", "last", "cls", "token"]
UNITS: tuple[str, ...] = ("mean", "max", "last", "cls", "token")


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
