"""Finds models whose activations depend on the padding on the right, and reads texts without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import nn

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
    decides: the model must give the same for its most padded row, of two tokens or more where it
    has one, as for that row without padding.
    Texts with fewer tokens than such a model can read (CANINE, Funnel) keep padding up to as many.

    Args:
        model: the model.
        read: returns the tensors to compare of a batch, each `B x T x ...` or `B x ...`.
    """

    def __init__(self, model: nn.Module, read: Callable[[Batch], list[torch.Tensor]]) -> None:
        self._model, self._read = model, read
        self._matters: bool | None = None
        self._least = 1

    def parts(self, batch: Batch, size: int) -> list[range]:
        """The rows of each part of a batch, at most `size` in one."""
        if not self._splits(batch):
            return [range(i, min(i + size, batch.size)) for i in range(0, batch.size, size)]
        lengths = [max(length, self._least) for length in _lengths(batch)]
        starts = [0]
        for i in range(1, batch.size):
            if lengths[i] != lengths[i - 1] or i - starts[-1] == size:
                starts.append(i)
        return [range(*ends) for ends in zip(starts, [*starts[1:], batch.size], strict=True)]

    def trimmed(self, part: Batch) -> Batch:
        """A part without the columns that are padding in all of its rows."""
        if not self._splits(part):
            return part
        length = max(self._least, *_lengths(part))
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
        lengths = _lengths(batch)
        # A text of one token cannot tell whether tokens read those behind them.
        telling = [i for i, n in enumerate(lengths) if 1 < n < batch.mask.shape[1]]
        shortest = min(telling or range(batch.size), key=lengths.__getitem__)
        # The row twice: the axis of samples cannot be told from a batch of one.
        doubled = batch.part([shortest] * 2)
        assert doubled.mask is not None
        length, most = _lengths(doubled)[0], doubled.mask.shape[1]
        padded, bare = self._first_columns(doubled, most), self._first_columns(doubled, length)
        if padded is None:
            return False  # what fails with padding, too, is said when the batch is read
        width = length
        if bare is None:
            width = self._fewest(doubled, length, most)
            bare = self._first_columns(doubled, width) or padded
        bare = [x[:, :length] if x.ndim > 2 and x.shape[1] == width else x for x in bare]
        # Of layers that sample down, or have positions beside the tokens, padding is read, too.
        more = any(
            x.ndim > 2 and x.shape[1] != y.shape[1] and (x.shape[1], y.shape[1]) != (most, length)
            for x, y in zip(padded, bare, strict=True)
        )
        if not more and difference(padded, bare, doubled.mask[0]) <= limit_of(self._model, bare):
            return False
        if width > 1 and self._first_columns(doubled, 1) is None:
            self._least = self._fewest(doubled, 1, width)
        return True

    def _first_columns(self, batch: Batch, count: int) -> list[torch.Tensor] | None:
        """The tensors of a batch's first columns; `None` if the model cannot read so few."""
        try:
            return self._read(columns(batch, slice(0, count)))
        except Exception:
            return None

    def _fewest(self, batch: Batch, low: int, high: int) -> int:
        """The fewest columns that the model can read: more than `low`, at most `high`."""
        while high - low > 1:
            middle = (low + high) // 2
            if self._first_columns(batch, middle) is None:
                low = middle
            else:
                high = middle
        return high


def limit_of(model: nn.Module, tensors: list[torch.Tensor]) -> float:
    """The difference up to which activations with and without padding are the same."""
    if is_coarse(model):
        return WRONG
    # TF32, of convolutions by default.
    return COARSE if any(tensor.device.type != "cpu" for tensor in tensors) else CHANGED


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
