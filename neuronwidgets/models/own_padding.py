"""Leaves out the positions by which a model itself pads its texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from neuronwidgets.data.batch import Batch
from neuronwidgets.data.position_limit import position_table
from neuronwidgets.models.content import PADDING_MODELS
from neuronwidgets.models.left_padding import columns, difference
from neuronwidgets.models.right_padding import limit_of


class Undecided(Exception):
    """A layer has more positions than the texts have tokens, and why is unknown."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class OwnPadding:
    """Leaves out padding that a model adds on the right, to a multiple of its attention window.

    Longformer, LED, Reformer and BigBird do so, with tokens or with zeros that they mask. The first
    texts with fewer tokens than a layer has positions decide: padded to that many tokens, they must
    have as many positions, and the same activations; and other numbers of tokens must give other
    numbers of positions, unlike those of an image beside the text or of a decoder.

    Args:
        model: the model.
        read: returns all layers' activations on a batch, by name, each `B x P x D` or `B x D`.
    """

    def __init__(
        self, model: nn.Module, read: Callable[[Batch], Mapping[str, torch.Tensor]]
    ) -> None:
        self._model, self._read = model, read
        self._padded: dict[str, bool] = {}

    def without(self, name: str, rows: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The rows of a layer at the tokens of a batch; all rows if the others are no padding.

        Raises:
            Undecided: call `decide` first.
        """
        if not _longer(rows, batch):
            return rows
        if name not in self._padded:
            raise Undecided(name)
        assert batch.mask is not None
        return rows[:, : batch.mask.shape[1]] if self._padded[name] else rows

    def decide(self, name: str, batch: Batch) -> None:
        """Find out whether what a layer has beside the tokens is padding; with it, all layers."""
        assert batch.mask is not None
        self._padded[name] = False
        longest = int(batch.mask.sum(1).argmax())
        # The row twice: the axis of samples cannot be told from a batch of one.
        doubled = batch.part([longest] * 2)
        with suppress(Exception):  # what the model cannot read is said when the batch is read
            bare = self._read(doubled)
            longer = {name: rows for name, rows in bare.items() if _longer(rows, doubled)}
            for positions in {rows.shape[1] for rows in longer.values()}:
                padded = self._read(self._with_padding(doubled, positions))
                others = self._other_counts(doubled, positions)
                for name, rows in longer.items():
                    if rows.shape[1] == positions:
                        follows = {positions} != others.get(name, {positions})
                        same = follows and self._same(padded[name], rows, doubled)
                        self._padded[name] = same
                        if same:
                            PADDING_MODELS.add(self._model)

    def _other_counts(self, batch: Batch, positions: int) -> dict[str, set[int]]:
        """The numbers of positions of each layer on fewer and on more tokens."""
        tried = [columns(batch, slice(0, 1))]
        table = position_table(self._model)
        # The next multiple of a window is at most twice as long. A GPU stops at other positions.
        if table is None or 2 * positions <= table:
            tried.append(self._with_padding(batch, positions + 1))
        counts: dict[str, set[int]] = {}
        for other in tried:
            with suppress(Exception):
                for name, rows in self._read(other).items():
                    counts.setdefault(name, set()).add(rows.shape[1])
        return counts

    def _with_padding(self, batch: Batch, positions: int) -> Batch:
        """The batch with padding on the right, up to `positions` tokens."""
        assert batch.mask is not None
        shape = tuple(batch.mask.shape)
        pad = getattr(getattr(self._model, "config", None), "pad_token_id", None)

        def padded(value: Any, fill: int) -> Any:
            if not isinstance(value, torch.Tensor) or tuple(value.shape) != shape:
                return value
            return nn.functional.pad(value, (0, positions - shape[1]), value=fill)

        inputs = batch.inputs
        if isinstance(inputs, Mapping):
            inputs = {
                name: padded(value, (pad or 0) if name == "input_ids" else 0)
                for name, value in inputs.items()
            }
        mask = padded(batch.mask, 0)
        return replace(batch, inputs=padded(inputs, pad or 0), mask=mask, content=None, spans=[])

    def _same(self, padded: torch.Tensor, rows: torch.Tensor, batch: Batch) -> bool:
        if padded.shape != rows.shape or batch.mask is None:
            return False
        mask = batch.mask[0]
        if not bool(mask[0]):
            return False  # padding on the left
        length = int(mask.nonzero()[-1]) + 1
        padded, rows = padded[:, : len(mask)], rows[:, :length]
        return difference([padded], [rows], mask) <= limit_of(self._model, [rows])


def _longer(rows: torch.Tensor, batch: Batch) -> bool:
    """Whether a layer has more positions than the texts of a batch have tokens."""
    return rows.ndim == 3 and batch.mask is not None and rows.shape[1] > batch.mask.shape[1]
