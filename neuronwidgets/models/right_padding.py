"""Finds models whose activations depend on the padding on the right, and reads texts without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import nn

from neuronwidgets.core.warning import warn
from neuronwidgets.data.batch import Batch
from neuronwidgets.models.left_padding import (
    COARSE,
    WRONG,
    columns,
    difference,
    is_coarse,
)

CHANGED = 1e-4
"""Difference from which padding on the right changes activations in float32, as that of
`left_padding.SAME`. Rounding alone is about 2e-6, in models of 6 to 32 layers."""


class RightPadding:
    """Splits batches into parts of texts of one length if padding changes what the model computes.

    Most models mask their padding. Others read it: convolutions over tokens (ConvBERT), attention
    by landmarks (Nystromformer), models without a mask (FNet, a bidirectional LSTM). A text's
    activations would then depend on the texts beside it. The first batch of texts that are padded
    decides: the model must give the same for its most padded row as for that row without padding.

    Args:
        model: the model.
        read: returns the tensors to compare of a batch, each `B x T x ...` or `B x ...`.
    """

    def __init__(self, model: nn.Module, read: Callable[[Batch], list[torch.Tensor]]) -> None:
        self._model, self._read = model, read
        self._matters: bool | None = None

    def parts(self, batch: Batch, size: int) -> list[range]:
        """The rows of each part of a batch, at most `size` in one."""
        if not self._splits(batch):
            return [range(i, min(i + size, batch.size)) for i in range(0, batch.size, size)]
        lengths = _lengths(batch)
        starts = [0]
        for i in range(1, batch.size):
            if lengths[i] != lengths[i - 1] or i - starts[-1] == size:
                starts.append(i)
        return [range(*ends) for ends in zip(starts, [*starts[1:], batch.size], strict=True)]

    def trimmed(self, part: Batch) -> Batch:
        """A part without the columns that are padding in all of its rows."""
        if not self._splits(part):
            return part
        length = max(_lengths(part))
        return replace(columns(part, slice(0, length)), spans=part.spans, words=part.words)

    def _splits(self, batch: Batch) -> bool:
        """Whether a batch is padded on the right, and this changes what the model computes."""
        if self._matters is False or batch.mask is None or not _of_tokens(batch):
            return False
        if bool(batch.mask[:, -1].all()):
            return False
        if not bool(batch.mask[:, 0].all()):
            return False  # padding on the left: `LeftPadding`
        if self._matters is None:
            if self._model.training:
                return False  # dropout
            self._matters = self._changes(batch)
        return self._matters

    def _changes(self, batch: Batch) -> bool:
        assert batch.mask is not None
        shortest = min(range(batch.size), key=_lengths(batch).__getitem__)
        # The row twice: the axis of samples cannot be told from a batch of one.
        doubled = batch.part([shortest] * 2)
        assert doubled.mask is not None
        length = _lengths(doubled)[0]
        try:
            padded = self._read(doubled)
            bare = self._read(columns(doubled, slice(0, length)))
        except Exception:
            return False  # what fails with padding, too, is said when the batch is read
        limit = CHANGED
        if any(tensor.device.type != "cpu" for tensor in bare):
            limit = COARSE  # TF32, of convolutions by default
        if is_coarse(self._model):
            limit = WRONG
        if difference(padded, bare, doubled.mask[0]) <= limit:
            return False
        try:
            self._read(columns(doubled, slice(0, 1)))
        except Exception:
            warn(
                f"padding changes what {type(self._model).__name__} computes, and it cannot read "
                "short texts without padding: activations depend on the texts beside them in a "
                "batch.",
            )
            return False
        return True


def _lengths(batch: Batch) -> list[int]:
    """The number of columns up to each row's last token."""
    assert batch.mask is not None
    last = batch.mask.int().flip(1).argmax(1)
    return (batch.mask.shape[1] - last).tolist()


def _of_tokens(batch: Batch) -> bool:
    """Whether the model's main input is token ids, one for each place of the mask, or its only
    input is series with one step for each."""
    inputs = batch.inputs
    if isinstance(inputs, Mapping):
        only = next(iter(inputs.values())) if len(inputs) == 1 else None
        inputs = inputs.get("input_ids", only)
    if not isinstance(inputs, torch.Tensor) or batch.mask is None:
        return False
    series = inputs.is_floating_point()
    return inputs.ndim == 2 + series and inputs.shape[:2] == batch.mask.shape
