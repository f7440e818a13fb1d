"""Ready batches that are padded on the left: what the model needs to answer as without padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from neuronwidgets.data.batch import Batch
from neuronwidgets.models.forward import call, move
from neuronwidgets.models.hooks import evaluating
from neuronwidgets.models.outputs import tensor_of

SAME = 1e-3
"""How far answers with and without padding may be apart: the mean over neurons of the largest
difference, as a share of the neuron's largest magnitude. `COARSE` where the model computes in less
than float32, and `WRONG` what is refused there."""
COARSE, WRONG = 5e-2, 0.25


class LeftPadding:
    """Gives batches that are padded on the left the `position_ids` that a model needs.

    The first such batch tells: its most padded row has to be answered as it is alone, without
    padding. If it is not, `position_ids` that count from its first token are tried. Ours are never
    padded so.

    Args:
        model: what is read.
        read: what is read of it on a batch, each `B x T x ...` or `B x ...`.
    """

    def __init__(self, model: nn.Module, read: Callable[[Batch], list[torch.Tensor]]) -> None:
        self._model, self._read = model, read
        self._needed: bool | None = None

    @classmethod
    def of_output(cls, model: nn.Module) -> LeftPadding:
        """For those who read the model's output."""

        def read(batch: Batch) -> list[torch.Tensor]:
            with evaluating(model):
                output = call(model, move(model, batch.inputs))
            return [tensor_of(getattr(output, "logits", output), type(model).__name__)]

        return cls(model, read)

    def __call__(self, batch: Batch) -> Batch:
        """The batch as the model is to have it.

        Raises:
            ValueError: the model answers differently to padding on the left whatever it is told.
        """
        mask = batch.mask
        if mask is None or not isinstance(batch.inputs, Mapping):
            return batch
        if "position_ids" in batch.inputs or not bool((~mask[:, 0] & mask.any(1)).any()):
            return batch
        if self._needed is None:
            self._needed = self._needs(batch)
        return _numbered(batch) if self._needed else batch

    def _needs(self, batch: Batch) -> bool:
        """Whether `position_ids` make the difference."""
        assert batch.mask is not None
        padding = batch.mask.int().argmax(1)
        # Twice, so that the axis of samples shows.
        one = batch.part([int(padding.argmax())] * 2)
        assert one.mask is not None
        there = one.mask[0].nonzero().flatten()
        expected = self._read(_columns(one, slice(int(there[0]), int(there[-1]) + 1)))
        kinds = {p.dtype for p in self._model.parameters() if p.is_floating_point()}
        coarse = bool(kinds & {torch.float16, torch.bfloat16})
        without = self._apart(one, expected)
        if without <= (COARSE if coarse else SAME):
            return False
        try:
            numbered = self._apart(_numbered(one), expected)
        except (RuntimeError, TypeError):
            # It takes none.
            numbered = float("inf")
        if numbered <= (COARSE if coarse else SAME) or (coarse and numbered < without / 2):
            return True
        if coarse and without < WRONG:
            return False
        raise ValueError(
            f"data is padded on the left, and {type(self._model).__name__} answers a text with "
            "such padding differently than the text alone, also with position_ids: pass batches "
            "that are padded on the right (tokenizer.padding_side = 'right'), or the texts."
        )

    def _apart(self, one: Batch, expected: list[torch.Tensor]) -> float:
        """How far answers to one padded row are from those without padding."""
        assert one.mask is not None
        mask, apart = one.mask[0], 0.0
        real = mask.nonzero().flatten()
        first, length = int(real[0]), int(real[-1] - real[0]) + 1
        for found, alone in zip(self._read(one), expected, strict=True):
            if found.ndim > 2 and (found.shape[1], alone.shape[1]) == (len(mask), length):
                found, alone = found[:, real], alone[:, real - first]
            if found.shape != alone.shape:
                continue  # its positions are no tokens
            width = alone.shape[-1]
            found, alone = (x.float().reshape(-1, width) for x in (found, alone))
            size, difference = alone.abs().amax(0), (found - alone).abs().amax(0)
            active = (size > 0) | (difference > 0)
            share = (difference / size.clamp(min=1e-12)).clamp(max=1)[active]
            apart = max(apart, float(share.mean()) if len(share) else 0.0)
        return apart


def _numbered(batch: Batch) -> Batch:
    """The batch with the place of each token in its own text."""
    assert batch.mask is not None
    numbers = (batch.mask.long().cumsum(1) - 1).clamp(min=0)
    return replace(batch, inputs={**batch.inputs, "position_ids": numbers})


def _columns(batch: Batch, columns: slice) -> Batch:
    """Some of the tokens of each row."""
    assert batch.mask is not None
    shape = tuple(batch.mask.shape)

    def some(value: Any) -> Any:
        along = isinstance(value, torch.Tensor) and tuple(value.shape[:2]) == shape
        return value[:, columns] if along else value

    return replace(
        batch,
        inputs={name: some(value) for name, value in batch.inputs.items()},
        mask=batch.mask[:, columns],
        content=some(batch.content),
        spans=[],
        words=[],
    )
