"""What each unit of a lower layer contributed to a neuron: input times gradient."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.methods.method import TopSamples
from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batch import Batch
from neuronwidgets.data.batches import batches
from neuronwidgets.data.select import selected
from neuronwidgets.models.content import content_of
from neuronwidgets.models.forward import move, trainable
from neuronwidgets.models.hooks import Reader, evaluating, hooked
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.left_padding import LeftPadding
from neuronwidgets.models.outputs import replaced, rows_of, tensor_of
from neuronwidgets.models.pooling import reduce
from neuronwidgets.models.survey import surveyed

CLOSE = 1e-3
"""How far activations may be from the captured ones, as a share of the largest; `COARSE` where
the model or what is on disk has less than float32."""
COARSE = 5e-2


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
    """`sum_p h_pu * da / dh_pu` for every unit `u` of the layer `below`: float64 `n x D_below`.

    `a` is the neuron's activation on a sample (or its projection on the direction), reduced over
    positions as it was captured; `h` the output of `below`, `p` its positions. Input times gradient
    (Shrikumar et al. 2016) is LRP-0 in networks of ReLU, max-pooling and linear layers without
    biases: there a sample's contributions add up to `a`. Elsewhere it is the first-order share.

    The model runs on the top samples only, from the bottom up to the neuron's layer, in eval mode.
    Its mode is restored; no `.grad` and no `requires_grad` is touched.

    Raises:
        ValueError: see `attribution`.
    """
    acts = given.acts
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got a {type(model).__name__}.")
    model = trainable(model)
    module, lower = find_layer(model, acts.layer), find_layer(model, below)
    if module is lower:
        raise ValueError(f"below={below!r} is the neuron's own layer: choose one below it.")
    data, places = _wanted(given, data)
    source = batches(
        data, model=model, processor=processor, transform=transform, batch_size=batch_size,
        max_length=max_length,
    )  # fmt: skip
    found: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    at: list[np.ndarray] = []
    call = (acts.call or 0) if call is None else call
    with evaluating(model), torch.enable_grad():
        padding = LeftPadding(model, partial(_read, model, module, acts.layer, axis, call))
        for batch, which in selected(source, places[:, 0], batch_size):
            batch = padding(batch)
            inputs = move(model, batch.inputs)
            with (
                surveyed({below: lower}, inputs, batch.size) as first,
                surveyed({acts.layer: module}, inputs, batch.size, axis) as second,
            ):
                leaf, output = _ran(model, inputs, below, lower, acts.layer, module, call)
            with own_modes():
                values = rows_of(
                    tensor_of(output, acts.layer),
                    acts.layer,
                    second[acts.layer].layout(call),
                    batch,
                )
                answers = _answers(model, acts, values, batch, places[which, 1])
                along = torch.as_tensor(given.direction, dtype=answers.dtype, device=answers.device)
                if answers.shape[1] != len(along):
                    raise ValueError(
                        f"layer {acts.layer!r} of this model has {answers.shape[1]:,} neurons, and "
                        f"the activations have {len(along):,}: they are from another model."
                    )
                gradient = _gradient((answers @ along).sum(), leaf, acts.layer, below)
                # Padding may hold NaN, which zero does not take away.
                product = torch.where(gradient == 0, 0, gradient * leaf.detach())
                part = rows_of(product, below, first[below].layout(0), batch).double()
                found.append((part.sum(1) if part.ndim == 3 else part).cpu().numpy())
                rows.append(answers.detach().cpu().numpy())
                at.append(which)
    order = np.argsort(np.concatenate(at))
    _compare(np.concatenate(rows)[order], given, model)
    out: np.ndarray = np.concatenate(found)[order]
    if not np.isfinite(out).all():
        wrong = int(given.index[int(np.argmin(np.isfinite(out).all(axis=1)))])
        raise ValueError(
            f"what layer {below!r} contributed to sample {wrong} is NaN or infinite: the gradient "
            "overflows or is not defined there."
        )
    return out


def _wanted(given: TopSamples, data: Any) -> tuple[Any, np.ndarray]:
    """The data, and for each top sample its place in it and its position (or -1): int64 `n x 2`."""
    samples = given.acts.samples
    if data is not None and samples.origin is not None:
        raise ValueError(
            "the activations are of windows of texts, which they hold themselves: leave data out."
        )
    places = samples.places(given.index)
    if data is not None:
        return data, places
    faces = samples.texts if samples.kind == "text" else samples.images
    if not len(faces):
        raise ValueError(
            "method='attribution' runs the model again: pass data=, what the activations were "
            "captured from."
        )
    own = [faces[samples.item_of(int(row))] for row in given.index]
    return own, np.stack([np.arange(len(own)), places[:, 1]], axis=1)


def _read(
    model: nn.Module, module: nn.Module, layer: str, axis: int | None, call: int, batch: Batch
) -> list[torch.Tensor]:
    """What the neuron's layer answers."""
    found: list[torch.Tensor] = []
    inputs = move(model, batch.inputs)
    with surveyed({layer: module}, inputs, batch.size, axis) as answers:

        def answer(_name: str, output: Any) -> None:
            layout = answers[layer].layout(call)
            rows = rows_of(tensor_of(output, layer), layer, layout, batch)
            found.append(rows.detach().clone())

        Reader(model, {layer: module}, call)(inputs, answer)
    return found


def _ran(
    model: nn.Module, inputs: Any, below: str, lower: nn.Module, layer: str, module: nn.Module,
    call: int,
) -> tuple[torch.Tensor, Any]:  # fmt: skip
    """The output of the layer below, as the start of a graph, and what the neuron's layer made."""
    leaves: list[torch.Tensor] = []
    answers: list[Any] = []

    def begin(output: Any) -> Any:
        if leaves:  # its first call counts
            return None
        tensor = tensor_of(output, below)
        if not tensor.is_floating_point():
            raise ValueError(f"layer {below!r} returns {tensor.dtype}: it has no gradient.")
        leaves.append(tensor.detach().requires_grad_())
        # A copy: what comes next may work in place.
        return replaced(output, leaves[0].clone())

    with hooked(lower, begin):
        read = Reader(model, {layer: module}, call)
        read(inputs, lambda _name, output: answers.append(output))
    if not leaves:
        raise ValueError(
            f"below={below!r} did not answer before layer {layer!r} did: choose a layer below it."
        )
    return leaves[0], answers[0]


def _answers(
    model: nn.Module, acts: Activations, values: torch.Tensor, batch: Batch, position: np.ndarray
) -> torch.Tensor:
    """The layer's row for each sample of a batch: `B x D`."""
    content = content_of(model, batch, values, acts.first)
    # Plain arrays do not say; whether it is the mean shows in the comparison.
    rows, where = reduce(values, acts.unit or "mean", batch.mask, content, acts.layer)
    if where is None:
        return rows
    length = values.shape[1]
    there = where[:, 0].cpu().numpy() * length + where[:, 1].cpu().numpy()
    wanted = np.arange(batch.size) * length + position
    found = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
    if (position >= length).any() or (there[found] != wanted).any():
        raise ValueError(
            f"layer {acts.layer!r} has no activation for some of the top tokens: the data or the "
            "tokenizer is not the one that the activations were captured with."
        )
    return rows[torch.as_tensor(found, device=rows.device)]


def _gradient(total: torch.Tensor, leaf: torch.Tensor, layer: str, below: str) -> torch.Tensor:
    found = None
    if total.requires_grad:
        (found,) = torch.autograd.grad(total, [leaf], allow_unused=True)
    if found is None:
        raise ValueError(
            f"no gradient comes from layer {layer!r} to below={below!r}: either the one does not "
            "depend on the other, or the model computes in between without gradients "
            "(torch.no_grad, detach, a compiled or quantized part)."
        )
    return found


def _compare(rows: np.ndarray, given: TopSamples, model: nn.Module) -> None:
    """Refuse a model or data that gives other activations than those that were captured."""
    stored = getattr(given.acts.values, "stored_dtype", "float32")
    kinds = {p.dtype for p in model.parameters() if p.is_floating_point()}
    half = kinds & {torch.float16, torch.bfloat16} or any(
        torch.is_autocast_enabled(p.device.type) for p in model.parameters()
    )
    fine = stored == "float32" and not half
    apart = np.abs(rows - given.vectors)
    largest = float(np.abs(given.vectors).max())
    # Not `>`: NaN is no match.
    if not apart.max() <= (CLOSE if fine else COARSE) * largest:
        row, neuron = np.unravel_index(np.argmax(apart), apart.shape)
        raise ValueError(
            "the model does not answer as it did when the activations were captured: sample "
            f"{given.index[row]}, neuron {neuron} of layer {given.acts.layer!r} is "
            f"{rows[row, neuron]:.4g} now and was {given.vectors[row, neuron]:.4g}, the largest "
            "difference. Pass the model and the data that they are from, in the same order, with "
            "the same tokenizer, transform, max_length, neuron_axis and call."
        )
