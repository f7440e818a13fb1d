"""Running the model again on a neuron's top samples, for methods that cluster causes or effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.methods.method import TopSamples
from neuronwidgets.core.layer_place import titled
from neuronwidgets.data.batch import Batch
from neuronwidgets.models.content import content_of
from neuronwidgets.models.forward import move
from neuronwidgets.models.hooks import TruncatedForward
from neuronwidgets.models.outputs import rows_of, tensor_of
from neuronwidgets.models.pooling import pooled
from neuronwidgets.models.survey import surveyed

CLOSE = 1e-3
"""Largest difference from the captured activations, as a share of the largest of these, that counts
as equal."""
COARSE = 5e-2
"""The same if the model or the stored activations have less precision than float32."""


def data_of(given: TopSamples, data: Any, method: str) -> tuple[Any, np.ndarray]:
    """The data, and for each top sample its index into the data and its position (or -1): int64
    `n x 2`."""
    samples = given.acts.samples
    if data is not None and samples.origin is not None:
        raise ValueError(
            "the activations are of windows of texts, which they hold: leave data out."
        )
    places = samples.dataset_indices(given.index)
    if data is not None:
        return data, places
    items = samples.texts if samples.kind == "text" else samples.images
    if not len(items):
        raise ValueError(
            f"method={method!r} runs the model again: pass data=, the data that the activations "
            "were captured from."
        )
    top_items = [items[samples.item_of(int(row))] for row in given.index]
    return top_items, np.stack([np.arange(len(top_items)), places[:, 1]], axis=1)


def read_layer(
    model: nn.Module,
    module: nn.Module,
    acts: Activations,
    axis: int | None,
    call: int,
    batch: Batch,
) -> list[torch.Tensor]:
    """The neurons of the layer on a batch."""
    layer, at = acts.layer, acts.at
    outputs: list[torch.Tensor] = []
    inputs = move(model, batch.inputs)
    with surveyed({layer: module}, inputs, batch.size, axis, at=at) as survey:

        def keep(_name: str, output: Any) -> None:
            layout = survey[layer].layout(call)
            rows = rows_of(tensor_of(output, layer, at), layer, layout, batch, at)
            outputs.append(rows.detach().clone())

        TruncatedForward(model, {layer: module}, call, at)(inputs, keep)
    return outputs


def sample_rows(
    model: nn.Module, acts: Activations, values: torch.Tensor, batch: Batch, position: np.ndarray
) -> torch.Tensor:
    """The layer's row for each sample of a batch: `B x D`."""
    content = content_of(model, batch, values, acts.first)
    # Plain arrays have no pooling. If "mean" is wrong, `require_equal` refuses the rows.
    rows, row_places = pooled(values, acts.pooling or "mean", batch.mask, content, acts.layer)
    if row_places is None:
        return rows
    length = values.shape[1]
    cells = row_places[:, 0].cpu().numpy() * length + row_places[:, 1].cpu().numpy()
    sample_cells = np.arange(batch.size) * length + position
    index = np.minimum(np.searchsorted(cells, sample_cells), len(cells) - 1)
    if (position >= length).any() or (cells[index] != sample_cells).any():
        raise ValueError(
            f"layer {acts.layer!r} has no activation for some of the top tokens: the data or the "
            "tokenizer is not the one that the activations were captured with."
        )
    return rows[torch.as_tensor(index, device=rows.device)]


def require_equal(rows: np.ndarray, given: TopSamples, model: nn.Module) -> None:
    """Check that the model and the data give the activations that were captured.

    Raises:
        ValueError: they give others.
    """
    stored = getattr(given.acts.values, "stored_dtype", "float32")
    dtypes = {p.dtype for p in model.parameters() if p.is_floating_point()}
    half = dtypes & {torch.float16, torch.bfloat16} or any(
        torch.is_autocast_enabled(p.device.type) for p in model.parameters()
    )
    tolerance = CLOSE if stored == "float32" and not half else COARSE
    difference = np.abs(rows - given.vectors)
    largest = float(np.abs(given.vectors).max())
    # `not <=` instead of `>`: a difference of NaN is refused.
    if not difference.max() <= tolerance * largest:
        row, neuron = np.unravel_index(np.argmax(difference), difference.shape)
        raise ValueError(
            "the model gives other activations than those that were captured: sample "
            f"{given.index[row]}, neuron {neuron} of {titled(given.acts.layer, given.acts.at)} is "
            f"{rows[row, neuron]:.4g} now and was {given.vectors[row, neuron]:.4g}, the largest "
            "difference. Pass the model and the data that were captured, in the same order, with "
            "the same tokenizer, transform, max_length, neuron_axis and call."
        )


def gradient_of(
    total: torch.Tensor, leaf: torch.Tensor, acts: Activations, below: str
) -> torch.Tensor:
    """The gradient of `total`, a sum over the layer's neurons, at `leaf`, the layer `below`.

    Raises:
        ValueError: the first does not depend on the second.
    """
    gradient = None
    if total.requires_grad:
        (gradient,) = torch.autograd.grad(total, [leaf], allow_unused=True)
    if gradient is None:
        raise ValueError(
            f"no gradient comes from {titled(acts.layer, acts.at)} to below={below!r}: either the "
            "first does not depend on the second, or the model computes in between without "
            "gradients (torch.no_grad, detach, a compiled or quantized part)."
        )
    return gradient
