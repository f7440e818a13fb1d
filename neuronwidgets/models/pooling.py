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
        rows `N x D`, and for "token" the `(sample, position)` of each row, int64 `N x 2` where the
        mask is (on the CPU, so that a GPU is not waited for).
    """
    if values.ndim == 2:
        if unit in ("token", "last", "cls"):
            raise ValueError(
                f"layer {layer!r} gives one vector per sample, so there is no {unit!r} to pick: "
                "use unit='mean'."
            )
        return values, None
    read = read_at(unit, mask, content, values)
    device = values.device
    if unit == "token":
        where = read.nonzero()
        if len(where) == read.numel():
            return values.reshape(len(where), -1), where
        at = where.to(device, non_blocking=True)
        return values[at[:, 0], at[:, 1]], where
    bare = ~read.any(1)
    if bare.any():
        raise ValueError(
            f"layer {layer!r}: row {int(bare.nonzero()[0])} of a batch is padding only, so there "
            f"is no {unit!r} of it. Leave such samples out."
        )
    if unit in ("last", "cls"):
        at = read.int().argmax(1).to(device, non_blocking=True)
        return values[torch.arange(len(values), device=device), at], None
    read = read.to(device, non_blocking=True)
    if unit == "max":
        return values.masked_fill(~read[..., None], -torch.inf).amax(1), None
    weight = read[..., None].to(values.dtype)
    # A masked position may hold NaN (fully padded rows in some attentions): 0 * NaN is NaN.
    total = values.masked_fill(~read[..., None], 0).sum(1)
    return total / weight.sum(1), None


def read_at(
    unit: str, mask: torch.Tensor | None, content: torch.Tensor | None, values: torch.Tensor
) -> torch.Tensor:
    """Which positions of `values` (`B x P x D`) a unit reads: bool `B x P`, where the mask is, or
    on the CPU; see `reduce`."""
    batch, length = values.shape[:2]
    device = torch.device("cpu") if mask is None else mask.device
    every = torch.ones(batch, length, dtype=torch.bool, device=device)
    mask = every if mask is None or mask.shape != every.shape else mask
    if unit in ("last", "cls"):
        position = torch.arange(length, device=device)
        last = unit == "last"
        ends = torch.where(mask, position, -1 if last else length)
        chosen = ends.amax(1) if last else ends.amin(1)
        return (position == chosen[:, None]) & mask
    content = mask if content is None or content.shape != every.shape else content.to(device)
    return torch.where(content.any(1, keepdim=True), content, mask)
