"""Negative log likelihood of texts under a language model."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from neuronwidgets.core.modes import own_modes
from neuronwidgets.models.classes import logits_of


def check_causal(model: nn.Module) -> None:
    """Refuse models that do not predict the next token."""
    can_generate = getattr(model, "can_generate", None)
    if can_generate is not None and not can_generate():
        raise ValueError(
            f"{type(model).__name__} does not predict the next token, so it has no perplexity: "
            "pass language_model=, a causal language model with the same layer, or leave texts out."
        )


@own_modes()
def losses(output: Any, inputs: Any, mask: torch.Tensor | None) -> tuple[torch.Tensor, Any]:
    """Negative log likelihood of each text, in nats, and its number of predicted tokens.

    Args:
        output: a causal language model's output, with logits `B x T x V`.
        inputs: mapping with `input_ids`, or the ids, `B x T`.
        mask: bool `B x T`, false at padding.

    Returns:
        float64 `B` and int64 `B`; a text of one token predicts none.
    """
    ids = inputs["input_ids"] if hasattr(inputs, "keys") else inputs
    logits = logits_of(output)
    if logits.ndim != 3 or logits.shape[:2] != ids.shape:
        raise ValueError(
            "the logits must be texts x tokens x vocabulary, got shape "
            f"{tuple(logits.shape)} for token ids of shape {tuple(ids.shape)}: perplexity needs a "
            "language model."
        )
    real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.to(ids.device)
    real = real[:, 1:] & real[:, :-1]
    each = nn.functional.cross_entropy(
        logits[:, :-1].float().transpose(1, 2), ids[:, 1:], reduction="none"
    )
    # Padding may hold NaN, and 0 * NaN is NaN.
    return each.double().masked_fill(~real, 0).sum(1).cpu(), real.sum(1).cpu()
