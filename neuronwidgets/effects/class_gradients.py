"""The mean gradient of a classifier's logits on all neurons of a layer.

It is the Jacobian lens of `effects_of` for every neuron at once: one backward pass for each class
and batch, instead of one forward-mode product for each neuron and sample.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.layer_place import titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.subsample import evenly_spaced
from neuronwidgets.data.batch import Batch, BatchSource
from neuronwidgets.data.select import selected
from neuronwidgets.effects.readout import Traced, taken
from neuronwidgets.models.classes import logits_of
from neuronwidgets.models.forward import call, move
from neuronwidgets.models.hooks import evaluating, hooked
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.outputs import replaced, tensor_of

SAMPLES = 64
"""Samples of the mean. A neuron that is active in a tenth of them has six of its own."""
BATCH = 32
"""Samples of one pass."""
MOST_CLASSES = 200
"""Classes, at most: each costs a backward pass for each batch."""


@dataclass(frozen=True, eq=False)
class ClassGradients:
    """The mean change of `C` logits by one unit more of each of `D` neurons.

    Attributes:
        effects: `D x C`, for each neuron the mean over the samples in which it is active:
            above zero, at one position at least. One unit more is one at every position. Of a
            neuron that is active in none, the mean over all samples.
        active: int64 `D`, the samples in which each neuron is active.
        samples: the number of samples.
    """

    effects: torch.Tensor
    active: np.ndarray
    samples: int


def obstacle(trace: Traced) -> str:
    """Why the gradients are not computed for these outputs, a clause; "" if they can be."""
    count = trace.logits.shape[-1]
    if trace.per_position:
        return (
            f"the outputs are {count:,} numbers at each position, and not the classes of a sample"
        )
    if count > MOST_CLASSES:
        return f"the model has {count:,} classes, and at most {MOST_CLASSES} are tried"
    return "the model has a single output, and no other to compare it with" if count < 2 else ""


def class_gradients(
    model: nn.Module, trace: Traced, given: Sequence[Batch]
) -> Generator[float, None, ClassGradients]:
    """The gradients over some batches; each step yields the share that is done.

    Raises:
        ValueError: no gradient leads from the outputs to the layer.
    """
    classes, device = trace.logits.shape[-1], trace.values.device
    dtype = torch.promote_types(trace.values.dtype, torch.float32)
    sums = torch.zeros((trace.width, classes), dtype=dtype, device=device)
    whole, active = torch.zeros_like(sums), torch.zeros_like(sums[:, 0])
    count = 0
    for b, batch in enumerate(given):
        values, logits = _passed(model, trace, batch)
        fires = _active(trace, batch, values).to(dtype)
        for c in range(classes):
            yield (b + c / classes) / len(given)
            gradient = _gradient(trace, batch, values, logits, c).to(dtype)
            sums[:, c] += (fires * gradient).sum(0)
            whole[:, c] += gradient.sum(0)
        active += fires.sum(0)
        count += batch.size
    mean = sums / active.clamp(min=1)[:, None]
    effects = torch.where(active[:, None] > 0, mean, whole / max(1, count))
    return ClassGradients(effects, active.long().cpu().numpy(), count)


def spread(acts: Activations, data: Any, read: Callable[[Any, int], BatchSource]) -> list[Batch]:
    """Batches of `SAMPLES` samples, evenly spaced over the activations; of ready batches and of
    shuffled data, the first ones.

    Args:
        acts: the activations.
        data: what they are from; `None`: the texts or images that they hold.
        read: makes batches of samples, so many in each.

    Raises:
        ValueError: the data is empty, or not that of the activations.
    """
    rows = evenly_spaced(np.arange(len(acts)), SAMPLES)
    if data is None:
        held = acts.samples.take(rows)
        return taken(read(list(held.texts or held.images), BATCH), SAMPLES)
    source = read(data, BATCH)
    if not source.rows_are_samples or source.shuffle_reason is not None:
        return taken(source, SAMPLES)
    index = np.unique(acts.samples.dataset_indices(rows)[:, 0])
    return [batch for batch, _ in selected(source, index, BATCH)]


def _passed(model: nn.Module, trace: Traced, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """The layer's values, which need gradients, and the logits, of one pass."""
    begun: list[torch.Tensor] = []

    def edit(output: Any) -> Any:
        if begun:
            return None
        tensor = tensor_of(output, trace.layer, trace.at)
        begun.append(tensor.detach().clone().requires_grad_())
        # A copy, since the model may change it in place.
        value = begun[0].clone()
        return value if trace.at == "input" else replaced(output, value)

    module = find_layer(model, trace.layer)
    with evaluating(model), torch.enable_grad(), hooked(module, edit, at=trace.at):
        logits = logits_of(call(model, move(model, batch.inputs)))
    if not begun or not logits.requires_grad:
        raise ValueError(
            f"no gradient leads from the outputs of {type(model).__name__} to "
            f"{titled(trace.layer, trace.at)}: what its neurons promote is not known."
        )
    return begun[0], logits


@own_modes()
def _gradient(
    trace: Traced, batch: Batch, values: torch.Tensor, logits: torch.Tensor, output: int
) -> torch.Tensor:
    """The gradient of one logit in each sample, added up over positions: `B x D`."""
    (found,) = torch.autograd.grad(
        logits[:, output].sum(), values, retain_graph=True, allow_unused=True
    )
    found = torch.zeros_like(values) if found is None else found
    rows = trace.layout.rows(found, batch.size)
    return (rows * _content(batch, rows)).sum(1) if rows.ndim == 3 else rows


@own_modes()
@torch.no_grad()
def _active(trace: Traced, batch: Batch, values: torch.Tensor) -> torch.Tensor:
    """Whether each neuron is active in each sample: bool `B x D`."""
    rows = trace.layout.rows(values, batch.size)
    return ((rows > 0) & (_content(batch, rows) > 0)).any(1) if rows.ndim == 3 else rows > 0


def _content(batch: Batch, rows: torch.Tensor) -> torch.Tensor:
    """1 at the positions of `B x P x D` rows that are no padding, 0 at the others."""
    if batch.mask is None or batch.mask.shape != rows.shape[:2]:
        return torch.ones((), dtype=rows.dtype, device=rows.device)
    return batch.mask.to(rows)[..., None]
