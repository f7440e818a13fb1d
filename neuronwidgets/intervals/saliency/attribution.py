"""Gradients of a class's logit at a layer, for the gradient methods."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.layer_place import titled
from neuronwidgets.data.batches import batches
from neuronwidgets.data.select import selected  # fmt: skip
from neuronwidgets.models.classes import class_names, is_binary, logits_of, two_logits
from neuronwidgets.models.content import content_of
from neuronwidgets.models.forward import call, move, trainable
from neuronwidgets.models.hooks import evaluating, hooked
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.left_padding import LeftPadding
from neuronwidgets.models.outputs import replaced, tensor_of, unclear
from neuronwidgets.models.pooling import pooled_positions
from neuronwidgets.models.survey import LayerCalls, surveyed


@dataclass(frozen=True)
class GradientSource:
    """A classifier and the data that the activations are from, for the gradient methods.

    Attributes:
        model: the classifier.
        data: the data given to `capture`; `None`: the texts of the activations.
        tokenizer, transform, batch_size, max_length, neuron_axis: see `capture`.
        classes, predict: see `evaluate_masks`.
    """

    model: nn.Module
    data: Any = None
    tokenizer: Any = None
    transform: Callable[[Any], Any] | None = None
    batch_size: int = 64
    max_length: int | None = None
    neuron_axis: int | None = None
    classes: Sequence[str] | Mapping[Any, str] | None = None
    predict: Callable[[Any], Any] | None = None


def attributed(
    acts: Activations,
    label: int,
    source: GradientSource | None,
    scales: Sequence[tuple[float, float]],
) -> np.ndarray:
    """`mean_{x in c} sum_i w_i h_j dF_c(a_i h) / dh_j` for every neuron `j`: float64 `D`.

    `F_c` is the label's logit, `(a_i, w_i)` are the `scales`, and `h` is the layer's output (or
    its input, for activations of it) at the positions that the activations were pooled from: the
    last or first token, or all that count, over which the result is a sum.
    """
    if source is None:
        raise ValueError("this method needs the model's gradients: pass model=, and data=, the "
                         "data that the activations were captured from.")  # fmt: skip
    assert acts.labels is not None
    name = acts.label_names[label]
    names = class_names(source.model, [name], source.classes)
    class_index, class_count = names.index(name), max(len(names), len(acts.label_names))
    source = replace(source, model=trainable(source.model))
    module = find_layer(source.model, acts.layer)
    data, indices = _label_data(acts, label, source)
    label_batches = batches(
        data, model=source.model, processor=source.tokenizer, transform=source.transform,
        batch_size=source.batch_size, max_length=source.max_length,
    )  # fmt: skip
    total_samples = None if label_batches.tally is not None else label_batches.total
    if source.data is not None and total_samples not in (None, len(acts)):
        raise ValueError(f"data must be what the {len(acts):,} activations were captured from, one "
                         "sample for each.")  # fmt: skip
    total, count = np.zeros(acts.shape[1]), 0
    padding = LeftPadding.of_output(source.model)
    with evaluating(source.model), torch.enable_grad():
        for batch, _ in selected(label_batches, indices, source.batch_size):
            batch = padding(batch)
            inputs = move(source.model, batch.inputs)
            layer = {acts.layer: module}
            for scale, weight in scales:
                with surveyed(layer, inputs, batch.size, source.neuron_axis, at=acts.at) as answers:
                    part = _at_scale(source, acts, module, answers, batch, inputs, class_index,
                                     class_count, scale)  # fmt: skip
                total += weight * part
            count += batch.size
    return total / count


def _at_scale(
    source: GradientSource, acts: Activations, module: nn.Module,
    answers: Mapping[str, LayerCalls], batch: Any, inputs: Any, class_index: int,
    class_count: int, scale: float,
) -> np.ndarray:  # fmt: skip
    """`sum_x h_j dF_c(a h) / dh_j` over a batch, at the scale `a`: float64 `D`."""
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []
    calls = itertools.count()

    def edit(output: Any) -> Any:
        if next(calls) != (acts.call or 0):
            return None
        tensor = tensor_of(output, acts.layer, acts.at)
        layout = answers[acts.layer].layout(acts.call or 0)
        if layout is None:
            raise ValueError(unclear(acts.layer, tuple(tensor.shape), batch.size, acts.at))
        values = layout.rows(tensor.detach(), batch.size)
        flat = values if values.ndim == 3 else values[:, None]
        content = content_of(source.model, batch, flat, acts.first)
        read = pooled_positions(acts.pooling, batch.mask, content, flat).to(flat.device)[..., None]
        read = read.reshape(*values.shape[:-1], 1)
        leaf = torch.where(read, values * scale, values).requires_grad_()
        kept.append((leaf, torch.where(read, values, 0)))
        # A copy, since the next layer may work in place.
        return replaced(output, layout.output(leaf.clone(), tensor.shape, batch.size))

    with hooked(module, edit, at=acts.at):
        logits = logits_of(call(source.model, inputs), source.predict)
    if is_binary(logits, batch.size, class_count):
        logits = two_logits(logits)
    if logits.ndim != 2 or not class_index < logits.shape[1]:
        raise ValueError("the logits must be samples x classes, got shape "
                         f"{tuple(logits.shape)}: pass predict= or classes=.")  # fmt: skip
    if not kept:
        raise ValueError(f"layer {acts.layer!r} was never called while the model ran.")
    if not logits.requires_grad:
        raise ValueError(
            "the logits do not require grad, so they have no gradient at "
            f"{titled(acts.layer, acts.at)}: predict= and the model must keep torch's gradients."
        )
    leaves = [leaf for leaf, _ in kept]
    gradients = torch.autograd.grad(logits[:, class_index].sum(), leaves, allow_unused=True)
    parts = [
        (gradient.float() * values.float()).flatten(0, -2).sum(0).double()
        for gradient, (_, values) in zip(gradients, kept, strict=True)
        if gradient is not None
    ]
    if not parts:
        raise ValueError(f"the logits do not depend on {titled(acts.layer, acts.at)}.")
    return np.asarray(torch.stack(parts).sum(0).cpu().numpy())


def _label_data(acts: Activations, label: int, source: GradientSource) -> tuple[Any, np.ndarray]:
    """The data, and the indices of the label's samples in it."""
    assert acts.labels is not None
    samples, rows = acts.samples, np.flatnonzero(acts.labels == label)
    if samples.token is not None:
        raise ValueError(
            "gradients of single tokens are not supported: capture with pooling='mean', 'last' or "
            "'cls'."
        )
    if source.data is None:
        if samples.kind != "text":
            raise ValueError("pass data=, the data that the activations were captured from.")
        return [samples.texts[samples.item_of(int(row))] for row in rows], np.arange(len(rows))
    if samples.origin is not None:
        raise ValueError("the activations hold the windows of texts that they are from: leave "
                         "data out.")  # fmt: skip
    return source.data, samples.dataset_indices(rows)[:, 0]
