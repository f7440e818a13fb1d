"""Pools a layer's activations on a batch to one row of neurons per sample."""

from __future__ import annotations

from typing import Literal

import torch

Pooling = Literal["mean", "max", "last", "cls", "token"]
POOLINGS: tuple[str, ...] = ("mean", "max", "last", "cls", "token")


def pooled(
    values: torch.Tensor,
    pooling: str,
    mask: torch.Tensor | None,
    content: torch.Tensor | None,
    layer: str,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Pool `B x P x D` activations (`P` positions), or `B x D`, to rows of neurons.

    Means are float32, summed in float32. All other rows keep the dtype of `values`.

    Args:
        values: `B x D` or `B x P x D`.
        pooling: "mean", "max", "last", "cls" or "token".
        mask: bool `B x P`, false at padding.
        content: bool `B x P`, false at padding and special tokens. Means, maxima and tokens are
            taken where it is true; in samples without content, where `mask` is true.
        layer: the layer's name, for messages.

    Returns:
        rows `N x D`, and for "token" the `(sample, position)` of each row, int64 `N x 2`, on the
        mask's device. A mask on the CPU saves waiting for a GPU.

    Raises:
        ValueError: a sample of padding only, or "token", "last" or "cls" without positions.
    """
    if values.ndim == 2:
        if pooling in ("token", "last", "cls"):
            raise ValueError(
                f"layer {layer!r} has one vector per sample and no {pooling!r}: use pooling='mean'."
            )
        return values, None
    read = pooled_positions(pooling, mask, content, values)
    device = values.device
    if pooling == "token":
        where = read.nonzero()
        if len(where) == read.numel():
            return values.reshape(len(where), -1), where
        index = where.to(device, non_blocking=True)
        return values[index[:, 0], index[:, 1]], where
    bare = ~read.any(1)
    if bare.any():
        raise ValueError(
            f"layer {layer!r}: row {int(bare.nonzero()[0])} of a batch is padding only and has no "
            f"{pooling!r}. Leave such samples out."
        )
    if pooling in ("last", "cls"):
        position = read.int().argmax(1).to(device, non_blocking=True)
        return values[torch.arange(len(values), device=device), position], None
    count = read.sum(1, keepdim=True, dtype=torch.float32).to(device, non_blocking=True)
    if not read.all():
        unread = ~read[..., None].to(device, non_blocking=True)
        # A masked position may hold NaN (fully padded rows in some attentions): 0 * NaN is NaN.
        values = values.masked_fill(unread, 0 if pooling == "mean" else -torch.inf)
    if pooling == "max":
        return values.amax(1), None
    # The order of sums, and so their rounding, is that of the axes in memory.
    return values.contiguous().sum(1, dtype=torch.float32) / count, None


def pooled_positions(
    pooling: str, mask: torch.Tensor | None, content: torch.Tensor | None, values: torch.Tensor
) -> torch.Tensor:
    """The positions of `values` (`B x P x D`) that a pooling reads: bool `B x P`, on the mask's
    device, else on the CPU. The arguments are those of `pooled`."""
    batch, length = values.shape[:2]
    device = torch.device("cpu") if mask is None else mask.device
    every = torch.ones(batch, length, dtype=torch.bool, device=device)
    mask = every if mask is None or mask.shape != every.shape else mask
    if pooling in ("last", "cls"):
        position = torch.arange(length, device=device)
        last = pooling == "last"
        ends = torch.where(mask, position, -1 if last else length)
        chosen = ends.amax(1) if last else ends.amin(1)
        return (position == chosen[:, None]) & mask
    content = mask if content is None or content.shape != every.shape else content.to(device)
    return torch.where(content.any(1, keepdim=True), content, mask)
