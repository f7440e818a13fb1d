"""How much an edit changes a model's predictions on any data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.layer_place import at_of
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.progress import progress_line, warn_stopped
from neuronwidgets.data.batches import batches
from neuronwidgets.interventions.edited_forward import EditedForward
from neuronwidgets.interventions.intervention import Intervention
from neuronwidgets.interventions.perplexity import losses
from neuronwidgets.models.classes import logits_of
from neuronwidgets.models.forward import move
from neuronwidgets.models.hooks import evaluating
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.left_padding import LeftPadding


@dataclass(frozen=True, repr=False)
class Price:
    """How much an edit changes a model's predictions.

    Attributes:
        kl: the mean Kullback-Leibler divergence KL(edited || plain) of the predictions, in nats
            per prediction.
        changed: the share of predictions whose most likely answer changes.
        predictions: the number of predictions: tokens of a language model, samples of a classifier.
        perplexity, plain: perplexity under the edit and without it; `None` for a classifier.
    """

    kl: float
    changed: float
    predictions: int
    perplexity: float | None = None
    plain: float | None = None

    def __repr__(self) -> str:
        effect = f"KL {self.kl:.4g} nats, another answer for {self.changed:.1%}"
        if self.perplexity is not None and self.plain is not None:
            effect = f"perplexity {self.plain:.4g} -> {self.perplexity:.4g}, {effect}"
        return f"Price({effect} of {self.predictions:,} predictions)"


def price(
    model: nn.Module, edit: Intervention, data: Any, *, tokenizer: Any = None,
    predict: Callable[[Any], Any] | None = None, transform: Callable[[Any], Any] | None = None,
    batch_size: int = 64, max_length: int | None = None, neuron_axis: int | None = None,
    progress: bool = True,
) -> Price:  # fmt: skip
    """Measure how much an edit changes a model's predictions.

    Call it after the edit's `with`: `with nw.ablate(...) as edit: ...`, then
    `nw.price(model, edit, data)`.

    Args:
        model: a language model or a classifier, without other edits.
        edit: what `ablate`, `steer`, `mask_range` and `mask_neurons` yield.
        data: what `capture` takes.
        tokenizer, transform, batch_size, max_length, neuron_axis: see `capture`.
        predict: the model's output -> logits, `B x classes` or `B x T x vocabulary`. Not given: the
            output's `.logits` or `["logits"]`, or the output itself.
        progress: show a line with the progress and the time left. An interrupted call returns the
            price on the samples so far.

    Raises:
        ValueError: the outputs are no logits, or the data hold no prediction.
    """
    source = batches(
        data, model=model, processor=tokenizer, transform=transform, batch_size=batch_size,
        max_length=max_length,
    )  # fmt: skip
    forward = EditedForward(model, find_layer(model, edit.layer), neuron_axis, at=at_of(edit))
    totals: list[np.ndarray] = []
    causal, done = False, 0
    with (
        evaluating(model),
        torch.no_grad(),
        progress_line("comparing", source.expected, "samples", progress) as line,
    ):
        try:
            for batch in map(LeftPadding.of_output(model), source.batches):
                inputs = move(model, batch.inputs)
                plain, edited = (
                    logits_of(output, predict).float() for output in forward.on(inputs).all([edit])
                )
                causal = plain.ndim == 3 and batch.mask is not None
                nats = [0.0, 0.0]
                if causal:
                    nats = [float(losses(o, inputs, batch.mask)[0].sum()) for o in (plain, edited)]
                totals.append(np.array([*_compared(plain, edited, batch.mask), *nats]))
                done += batch.size
                line.update(batch.size)
        except KeyboardInterrupt:
            if not totals:
                raise
            warn_stopped(done, source.expected, "samples")
    count, kl, changed, before, after = np.sum(totals, axis=0) if totals else np.zeros(5)
    if not count:
        raise ValueError("data hold no prediction: pass samples, or texts of two tokens or more.")
    with np.errstate(over="ignore"):
        perplexity = [float(np.exp(total / count)) for total in (after, before)] if causal else ()
    return Price(kl / count, changed / count, int(count), *perplexity)


@own_modes()
def _compared(
    plain: torch.Tensor, edited: torch.Tensor, mask: torch.Tensor | None
) -> tuple[int, float, float]:
    """The number of predictions, the sum of their divergences, and the number that changed."""
    if plain.ndim == 3 and mask is not None:
        # A token's prediction counts where the text has a next token.
        real = mask.to(plain.device)
        real = real[:, 1:] & real[:, :-1]
        plain, edited = plain[:, :-1][real], edited[:, :-1][real]
    if plain.ndim != 2:
        raise ValueError(
            "the logits must be samples x classes, or texts x tokens x vocabulary, got shape "
            f"{tuple(plain.shape)}. Pass predict=, the model's output -> logits."
        )
    plain_log, edited_log = plain.log_softmax(-1), edited.log_softmax(-1)
    kl = nn.functional.kl_div(plain_log, edited_log, reduction="none", log_target=True).sum(-1)
    changed = (plain.argmax(-1) != edited.argmax(-1)).sum()
    return len(plain), float(kl.double().sum()), float(changed)
