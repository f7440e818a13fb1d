"""Contributions of a lower layer's neurons to a neuron: input times gradient."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.methods.method import TopSamples
from neuronwidgets.concepts.methods.rerun import (
    data_of,
    gradient_of,
    read_layer,
    require_equal,
    sample_rows,
)
from neuronwidgets.core.layer_place import titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batches import batches
from neuronwidgets.data.select import selected
from neuronwidgets.models.forward import move, trainable
from neuronwidgets.models.hooks import TruncatedForward, evaluating, hooked
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.left_padding import LeftPadding
from neuronwidgets.models.outputs import replaced, rows_of, tensor_of
from neuronwidgets.models.survey import surveyed


def contributions(
    given: TopSamples,
    model: nn.Module,
    below: str,
    data: Any = None,
    *,
    processor: Any = None,
    transform: Any = None,
    batch_size: int = 64,
    max_length: int | None = None,
    axis: int | None = None,
    call: int | None = None,
) -> np.ndarray:
    """`sum_p h_pu * da / dh_pu` for every neuron `u` of the layer `below`: float64 `n x D_below`.

    `a` is the neuron's activation on a sample (or its projection on the direction), pooled over
    positions as it was captured; `h` is the output of `below`, `p` its positions. Input times
    gradient (Shrikumar et al. 2016) equals LRP-0 in networks of ReLU, max-pooling and linear layers
    without biases: there a sample's contributions add up to `a`. Elsewhere it is a first-order
    approximation.

    The model runs in eval mode, on the top samples only, up to the neuron's layer. Its mode is
    restored; `.grad` and `requires_grad` stay as they are.

    Raises:
        ValueError: see `attribution`.
    """
    acts = given.acts
    model = trainable(model)
    module, lower = find_layer(model, acts.layer), find_layer(model, below)
    if module is lower:
        raise ValueError(f"below={below!r} is the neuron's own layer: choose one below it.")
    data, places = data_of(given, data, "attribution")
    source = batches(
        data, model=model, processor=processor, transform=transform, batch_size=batch_size,
        max_length=max_length,
    )  # fmt: skip
    parts: list[np.ndarray] = []
    answers: list[np.ndarray] = []
    indices: list[np.ndarray] = []
    call = (acts.call or 0) if call is None else call
    with evaluating(model), torch.enable_grad():
        padding = LeftPadding(model, partial(read_layer, model, module, acts, axis, call))
        for batch, index in selected(source, places[:, 0], batch_size):
            batch = padding(batch)
            inputs = move(model, batch.inputs)
            with (
                surveyed({below: lower}, inputs, batch.size) as below_survey,
                surveyed({acts.layer: module}, inputs, batch.size, axis, at=acts.at) as survey,
            ):
                leaf, output = _outputs(model, inputs, below, lower, acts, module, call)
            with own_modes():
                values = rows_of(
                    tensor_of(output, acts.layer, acts.at),
                    acts.layer,
                    survey[acts.layer].layout(call),
                    batch,
                    acts.at,
                )
                rows = sample_rows(model, acts, values, batch, places[index, 1])
                direction = torch.as_tensor(given.direction, dtype=rows.dtype, device=rows.device)
                if rows.shape[1] != len(direction):
                    raise ValueError(
                        f"layer {acts.layer!r} of this model has {rows.shape[1]:,} neurons, and "
                        f"the activations have {len(direction):,}: they are from another model."
                    )
                gradient = gradient_of((rows @ direction).sum(), leaf, acts, below)
                # Padding may hold NaN, and NaN times zero is NaN.
                product = torch.where(gradient == 0, 0, gradient * leaf.detach())
                part = rows_of(product, below, below_survey[below].layout(0), batch).double()
                parts.append((part.sum(1) if part.ndim == 3 else part).cpu().numpy())
                answers.append(rows.detach().cpu().numpy())
                indices.append(index)
    order = np.argsort(np.concatenate(indices))
    require_equal(np.concatenate(answers)[order], given, model)
    out: np.ndarray = np.concatenate(parts)[order]
    if not np.isfinite(out).all():
        sample = int(given.index[int(np.argmin(np.isfinite(out).all(axis=1)))])
        raise ValueError(
            f"the contribution of layer {below!r} to sample {sample} is NaN or infinite: the "
            "gradient overflows or is not defined there."
        )
    return out


def _outputs(
    model: nn.Module, inputs: Any, below: str, lower: nn.Module, acts: Activations,
    module: nn.Module, call: int,
) -> tuple[torch.Tensor, Any]:  # fmt: skip
    """The output of the layer below, as a leaf of the graph, and the output (or input) of the
    neuron's layer."""
    leaves: list[torch.Tensor] = []
    outputs: list[Any] = []

    def replace_by_leaf(output: Any) -> Any:
        if leaves:  # Only the first call counts.
            return None
        tensor = tensor_of(output, below)
        if not tensor.is_floating_point():
            raise ValueError(f"layer {below!r} returns {tensor.dtype}: it has no gradient.")
        leaves.append(tensor.detach().requires_grad_())
        # A copy, because the next module may work in place.
        return replaced(output, leaves[0].clone())

    with hooked(lower, replace_by_leaf):
        read = TruncatedForward(model, {acts.layer: module}, call, acts.at)
        read(inputs, lambda _name, output: outputs.append(output))
    if not leaves:
        raise ValueError(
            f"below={below!r} gave no output before {titled(acts.layer, acts.at)} did: choose a "
            "layer below it."
        )
    return leaves[0], outputs[0]
