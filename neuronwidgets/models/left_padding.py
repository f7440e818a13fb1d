"""Gives ready batches that are padded on the left the inputs with which padding has no effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from neuronwidgets.data.batch import Batch
from neuronwidgets.data.batch_parts import is_padding_name
from neuronwidgets.models.classes import named_logits
from neuronwidgets.models.forward import call, move
from neuronwidgets.models.hooks import evaluating
from neuronwidgets.models.outputs import tensor_of

SAME = 1e-3
"""Largest difference at which activations with and without padding are the same in float32: for
each neuron the largest difference over its largest magnitude, averaged over neurons."""
COARSE = 5e-2
"""The same for models that compute in float16 or bfloat16, whose rounding differs by padding."""
WRONG = 0.25
"""Difference from which padding is certainly wrong in float16 or bfloat16, and refused."""


class LeftPadding:
    """Gives batches that are padded on the left `position_ids` if the model needs them.

    The first such batch decides: the model must give the same for its most padded row as for that
    row without padding. If it does not, `position_ids` that count from the first token are tried.
    This package itself always pads on the right.

    Args:
        model: the model.
        read: returns the tensors to compare of a batch, each `B x T x ...` or `B x ...`.
    """

    def __init__(self, model: nn.Module, read: Callable[[Batch], list[torch.Tensor]]) -> None:
        self._model, self._read = model, read
        self._needed: bool | None = None

    @classmethod
    def of_output(cls, model: nn.Module) -> LeftPadding:
        """Compare the model's output, or its logits."""

        def read(batch: Batch) -> list[torch.Tensor]:
            with evaluating(model):
                output = call(model, move(model, batch.inputs))
            named = named_logits(output)
            return [tensor_of(output if named is None else named, type(model).__name__)]

        return cls(model, read)

    def __call__(self, batch: Batch) -> Batch:
        """The batch, with `position_ids` if the model needs them.

        Raises:
            ValueError: padding on the left changes the model's output even with `position_ids`.
        """
        mask = batch.mask
        if mask is None or not isinstance(batch.inputs, Mapping):
            return batch
        if "position_ids" in batch.inputs or not bool((~mask[:, 0] & mask.any(1)).any()):
            return batch
        if "attention_mask" not in batch.inputs and any(map(is_padding_name, batch.inputs)):
            return batch  # a model of one's own is told of its padding in its own way
        if self._needed is None:
            self._needed = self._needs(batch)
        return _numbered(batch) if self._needed else batch

    def _needs(self, batch: Batch) -> bool:
        """Whether the model needs `position_ids` for padding on the left."""
        assert batch.mask is not None
        padding = batch.mask.int().argmax(1)
        # The row twice: the axis of samples cannot be told from a batch of one.
        doubled = batch.part([int(padding.argmax())] * 2)
        assert doubled.mask is not None
        tokens = doubled.mask[0].nonzero().flatten()
        expected = self._read(columns(doubled, slice(int(tokens[0]), int(tokens[-1]) + 1)))
        coarse = is_coarse(self._model)
        without = self._difference(doubled, expected)
        if without <= (COARSE if coarse else SAME):
            return False
        try:
            numbered = self._difference(_numbered(doubled), expected)
        except (RuntimeError, TypeError):
            # The model takes no `position_ids`.
            numbered = float("inf")
        if numbered <= (COARSE if coarse else SAME) or (coarse and numbered < without / 2):
            return True
        if coarse and without < WRONG:
            return False
        raise ValueError(
            f"data is padded on the left, which changes the output of {type(self._model).__name__} "
            "even with position_ids: pass batches that are padded on the right "
            "(tokenizer.padding_side = 'right'), or the texts."
        )

    def _difference(self, one: Batch, expected: list[torch.Tensor]) -> float:
        """The difference of one padded row's tensors from `expected`, see `SAME`."""
        assert one.mask is not None
        return difference(self._read(one), expected, one.mask[0])


def difference(
    tensors: list[torch.Tensor], expected: list[torch.Tensor], mask: torch.Tensor
) -> float:
    """The difference of a padded row's tensors from those without padding, see `SAME`.

    Args:
        tensors: of the padded row, `B x T x ...` or `B x ...`.
        expected: of the row without padding.
        mask: bool `T`, false at padding.
    """
    largest = 0.0
    tokens = mask.nonzero().flatten()
    first, length = int(tokens[0]), int(tokens[-1] - tokens[0]) + 1
    for padded, bare in zip(tensors, expected, strict=True):
        if padded.ndim > 2 and (padded.shape[1], bare.shape[1]) == (len(mask), length):
            padded, bare = padded[:, tokens], bare[:, tokens - first]
        width = bare.shape[-1]
        # One token may come with an axis of tokens or without one.
        if padded.shape[-1] != width or padded.numel() != bare.numel():
            continue  # its positions are not tokens
        padded, bare = (x.float().reshape(-1, width) for x in (padded, bare))
        magnitude, differences = bare.abs().amax(0), (padded - bare).abs().amax(0)
        active = (magnitude > 0) | (differences > 0)
        share = (differences / magnitude.clamp(min=1e-12)).clamp(max=1)[active]
        largest = max(largest, float(share.mean()) if len(share) else 0.0)
    return largest


def is_coarse(model: nn.Module) -> bool:
    """Whether a model computes in float16 or bfloat16, whose rounding differs by padding."""
    dtypes = {p.dtype for p in model.parameters() if p.is_floating_point()}
    return bool(dtypes & {torch.float16, torch.bfloat16})


def _numbered(batch: Batch) -> Batch:
    """The batch with `position_ids` that count from each text's first token."""
    assert batch.mask is not None
    numbers = (batch.mask.long().cumsum(1) - 1).clamp(min=0)
    return replace(batch, inputs={**batch.inputs, "position_ids": numbers})


def columns(batch: Batch, kept: slice) -> Batch:
    """The batch with these columns of tokens only."""
    assert batch.mask is not None
    shape = tuple(batch.mask.shape)

    def cut(value: Any) -> Any:
        per_token = isinstance(value, torch.Tensor) and tuple(value.shape[:2]) == shape
        return value[:, kept] if per_token else value

    inputs = batch.inputs
    if isinstance(inputs, Mapping):
        inputs = {name: cut(value) for name, value in inputs.items()}
    return replace(
        batch,
        inputs=cut(inputs),
        mask=batch.mask[:, kept],
        content=cut(batch.content),
        spans=[],
        words=[],
    )
