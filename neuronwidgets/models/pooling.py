"""Pools a layer's activations on a batch to one row of neurons per sample."""

from __future__ import annotations

from functools import cached_property

import torch

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
        return without_positions(values, pooling, layer), None
    pool = Pool(pooling, mask, content, values)
    return pool.rows(values, layer), pool.where if pooling == "token" else None


def without_positions(values: torch.Tensor, pooling: str, layer: str) -> torch.Tensor:
    """`pooled` of a layer with one vector for each sample, `B x D`."""
    if pooling in ("token", "last", "cls"):
        raise ValueError(
            f"layer {layer!r} has one vector per sample and no {pooling!r}: use pooling='mean'."
        )
    return values


class Pool:
    """Pools layers whose output has the same batch and positions as `values`, `B x P x D`.

    What does not depend on the layer is computed once. The arguments are those of `pooled`.

    Attributes:
        read: bool `B x P`, see `pooled_positions`.
    """

    def __init__(
        self, pooling: str, mask: torch.Tensor | None, content: torch.Tensor | None,
        values: torch.Tensor,
    ) -> None:  # fmt: skip
        self._pooling = pooling
        self.read = pooled_positions(pooling, mask, content, values)

    @cached_property
    def where(self) -> torch.Tensor:
        """int64 `N x 2`: sample and position of each position that is read, in order."""
        return self.read.nonzero()

    def rows(self, values: torch.Tensor, layer: str) -> torch.Tensor:
        """The rows of a layer: `N x D`.

        Raises:
            ValueError: a sample of padding only.
        """
        if self._pooling == "token":
            if len(self.where) == self.read.numel():
                return values.reshape(len(self.where), -1)
            row, position = self._on("where", values.device).unbind(1)
            return values[row, position]
        if self._bare is not None:
            raise ValueError(
                f"layer {layer!r}: row {self._bare} of a batch is padding only and has no "
                f"{self._pooling!r}. Leave such samples out."
            )
        if self._pooling in ("last", "cls"):
            row = torch.arange(len(values), device=values.device)
            return values[row, self._on("_position", values.device)]
        if not self._every:
            # A masked position may hold NaN (fully padded rows in some attentions): 0 * NaN is NaN.
            value = 0 if self._pooling == "mean" else -torch.inf
            values = values.masked_fill(self._on("_unread", values.device), value)
        if self._pooling == "max":
            return values.amax(1)
        # The order of sums, and so their rounding, is that of the axes in memory.
        total = values.contiguous().sum(1, dtype=torch.float32)
        return total / self._on("_count", values.device)

    @cached_property
    def _bare(self) -> int | None:
        """The first sample that has no position, if there is one."""
        bare = ~self.read.any(1)
        return int(bare.nonzero()[0]) if bare.any() else None

    @cached_property
    def _every(self) -> bool:
        return bool(self.read.all())

    @cached_property
    def _unread(self) -> torch.Tensor:
        return ~self.read[..., None]

    @cached_property
    def _count(self) -> torch.Tensor:
        return self.read.sum(1, keepdim=True, dtype=torch.float32)

    @cached_property
    def _position(self) -> torch.Tensor:
        return self.read.int().argmax(1)

    def _on(self, name: str, device: torch.device) -> torch.Tensor:
        """One of its tensors on a device, where it is sent once."""
        if (name, device) not in self._sent:
            self._sent[name, device] = getattr(self, name).to(device, non_blocking=True)
        return self._sent[name, device]

    @cached_property
    def _sent(self) -> dict[tuple[str, torch.device], torch.Tensor]:
        return {}


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
