"""Changes of a model's outputs that a neuron makes on its top samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.methods.method import TopSamples
from neuronwidgets.concepts.methods.rerun import data_of, read_layer, require_equal, sample_rows
from neuronwidgets.core.layer_place import titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batch import Batch
from neuronwidgets.data.batches import batches
from neuronwidgets.data.select import selected
from neuronwidgets.models.classes import named_logits
from neuronwidgets.models.forward import call as run_model
from neuronwidgets.models.forward import move, trainable
from neuronwidgets.models.hooks import at_call, evaluating, hooked
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.left_padding import LeftPadding
from neuronwidgets.models.outputs import replaced, rows_of, tensor_of
from neuronwidgets.models.resume import Resume
from neuronwidgets.models.survey import surveyed

MOST = 1024
"""Outputs of a first-order effect at most: each takes a backward pass."""


def output_changes(
    given: TopSamples,
    model: nn.Module,
    data: Any = None,
    *,
    order: str = "first",
    outputs: Callable[[Any], Any] | None = None,
    processor: Any = None,
    transform: Any = None,
    batch_size: int = 64,
    max_length: int | None = None,
    axis: int | None = None,
    call: int | None = None,
) -> np.ndarray:
    """What the neuron's activation changes in the outputs, against its mean: float64 `n x O`.

    With `h` the layer's values, `f` the outputs and `m` the neuron's mean over all captured
    samples: "exact" is `f(h) - f(h with the neuron at m)`, by resuming the model at the layer;
    "first" is `sum_p (h_pj - m) df/dh_pj`. The sum and the edit are over the positions `p` that the
    sample's activation was read from: all that count for means, the largest for maxima, the token
    itself for tokens. Of a direction, the component along it changes.

    Raises:
        TypeError, ValueError: see `effect`.
    """
    acts = given.acts
    model = trainable(model)
    module = find_layer(model, acts.layer)
    data, places = data_of(given, data, "effect")
    source = batches(
        data, model=model, processor=processor, transform=transform, batch_size=batch_size,
        max_length=max_length,
    )  # fmt: skip
    call = (acts.call or 0) if call is None else call
    change = _Change(model, module, given, axis, call, order, outputs)
    parts: list[np.ndarray] = []
    answers: list[np.ndarray] = []
    indices: list[np.ndarray] = []
    with evaluating(model):
        padding = LeftPadding(model, partial(read_layer, model, module, acts, axis, call))
        for batch, index in selected(source, places[:, 0], batch_size):
            part, rows = change(padding(batch), places[index, 1])
            parts.append(part.double().cpu().numpy())
            answers.append(rows.detach().cpu().numpy())
            indices.append(index)
    order_of = np.argsort(np.concatenate(indices))
    require_equal(np.concatenate(answers)[order_of], given, model)
    out: np.ndarray = np.concatenate(parts)[order_of]
    if not np.isfinite(out).all():
        sample = int(given.index[int(np.argmin(np.isfinite(out).all(axis=1)))])
        raise ValueError(f"the effect on the outputs of sample {sample} is NaN or infinite.")
    return out


class _Change:
    """The changes of one batch after the other."""

    def __init__(
        self, model: nn.Module, module: nn.Module, given: TopSamples, axis: int | None, call: int,
        order: str, outputs: Callable[[Any], Any] | None,
    ) -> None:  # fmt: skip
        self._model, self._module, self._given = model, module, given
        self._acts: Activations = given.acts
        self._axis, self._call, self._order, self._outputs = axis, call, order, outputs
        self._mean = float(self._acts.mean @ given.direction)
        self._resumes = order == "exact" and Resume.obstacle(model, module) is None
        self._compared = False

    def __call__(self, batch: Batch, position: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """The changes, `B x O`, and the layer's rows, `B x D`."""
        acts = self._acts
        inputs = move(self._model, batch.inputs)
        run = partial(run_model, self._model, inputs)
        leaves: list[torch.Tensor] = []

        def read(output: Any) -> Any:
            tensor = tensor_of(output, acts.layer, acts.at).detach()
            if not tensor.is_floating_point():
                raise ValueError(f"layer {acts.layer!r} returns {tensor.dtype}: no effect.")
            if self._order == "exact":
                leaves.append(tensor.clone())
                return None
            leaves.append(tensor.requires_grad_())
            # A copy, because the next module may work in place.
            return replaced(output, leaves[0].clone())

        resume = Resume(self._model, self._module, at=acts.at) if self._resumes else None
        with (
            torch.set_grad_enabled(self._order == "first"),
            surveyed({acts.layer: self._module}, inputs, batch.size, self._axis, at=acts.at) as of,
            hooked(self._module, at_call(read, self._call), at=acts.at),
        ):
            output = run() if resume is None else resume.record(run)
        if not leaves:
            raise ValueError(f"layer {acts.layer!r} was not called so often in a forward pass.")
        layout = of[acts.layer].layout(self._call)
        with own_modes(), torch.enable_grad():
            rows, shift = self._shift(leaves[0].detach(), layout, batch, position)
        with torch.set_grad_enabled(self._order == "first"):
            before = self._read(output, batch, position)
        if self._order == "first":
            with own_modes(), torch.enable_grad():
                return self._slopes(before, leaves[0], shift, layout, batch), rows

        def edit(value: Any) -> Any:
            return replaced(value, tensor_of(value, acts.layer, acts.at) - shift)

        if resume is not None and not self._compared:
            self._compared = True
            again = self._read(resume.replay(run, lambda value: value), batch, position)
            if not torch.equal(again, before):
                self._resumes, resume = False, None
        if resume is not None:
            after = resume.replay(run, at_call(edit, self._call))
        else:
            with hooked(self._module, at_call(edit, self._call), at=acts.at):
                after = run()
        return before - self._read(after, batch, position), rows

    def _shift(
        self, tensor: torch.Tensor, layout: Any, batch: Batch, position: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The samples' rows, `B x D`, and in the layer's own shape what the neuron's values exceed
        its mean by, at the positions that the rows were read from; 0 elsewhere."""
        acts = self._acts
        leaf = tensor.requires_grad_()
        values = rows_of(leaf, acts.layer, layout, batch, acts.at)
        rows = sample_rows(self._model, acts, values, batch, position)
        direction = torch.as_tensor(self._given.direction, dtype=rows.dtype, device=rows.device)
        if rows.shape[1] != len(direction):
            raise ValueError(
                f"layer {acts.layer!r} of this model has {rows.shape[1]:,} neurons, and the "
                f"activations have {len(direction):,}: they are from another model."
            )
        along = values @ direction
        (of_rows,) = torch.autograd.grad((rows @ direction).sum(), values, retain_graph=True)
        excess = torch.where((of_rows != 0).any(-1), along.detach() - self._mean, 0)
        # The gradient puts the direction where the layer has its neurons, whatever its axes.
        (shift,) = torch.autograd.grad((along * excess).sum(), leaf)
        return rows.detach(), shift

    def _slopes(
        self, outputs: torch.Tensor, leaf: torch.Tensor, shift: torch.Tensor, layout: Any,
        batch: Batch,
    ) -> torch.Tensor:  # fmt: skip
        acts = self._acts
        if outputs.shape[1] > MOST:
            raise ValueError(
                f"order='first' takes a backward pass for each of {outputs.shape[1]:,} outputs: "
                "pass order='exact', or outputs= for some of them."
            )
        if not outputs.requires_grad:
            raise ValueError(
                f"the outputs have no gradient with respect to {titled(acts.layer, acts.at)}: pass "
                "order='exact'."
            )
        columns = []
        for number in range(outputs.shape[1]):
            (gradient,) = torch.autograd.grad(
                outputs[:, number].sum(), [leaf], retain_graph=True, allow_unused=True
            )
            if gradient is None:
                raise ValueError(
                    f"the outputs do not depend on {titled(acts.layer, acts.at)}, so that its "
                    "neurons have no effect on them."
                )
            # Padding may hold NaN, and NaN times zero is NaN.
            product = torch.where(shift == 0, 0, gradient * shift)
            part = rows_of(product, acts.layer, layout, batch, acts.at).double()
            columns.append(part.flatten(1).sum(1))
        return torch.stack(columns, dim=1).detach()

    def _read(self, output: Any, batch: Batch, position: np.ndarray) -> torch.Tensor:
        """The outputs of each sample: `B x O`, see `effect`."""
        if self._outputs is not None:
            given = self._outputs(output)
            if not isinstance(given, torch.Tensor) or len(given) != batch.size or given.ndim > 2:
                raise ValueError(
                    f"outputs must return a tensor, {batch.size} samples x outputs, got "
                    f"{getattr(given, 'shape', type(given).__name__)}."
                )
            return given.float().reshape(batch.size, -1)
        logits = output if isinstance(output, torch.Tensor) else named_logits(output)
        tensor = tensor_of(output, "the model") if logits is None else logits
        if tensor.ndim == 3:
            tensor = _of_samples(tensor, batch, position, logits is None)
        if tensor.ndim != 2 or len(tensor) != batch.size:
            raise ValueError(
                f"the model returns shape {tuple(tensor.shape)} for {batch.size} samples: pass "
                "outputs=, a function of its output that returns samples x outputs."
            )
        tensor = tensor.float()
        # A number that is added to all logits changes no probability.
        centred = logits is not None and tensor.shape[1] > 1
        return tensor - tensor.mean(dim=1, keepdim=True) if centred else tensor


def _of_samples(
    tensor: torch.Tensor, batch: Batch, position: np.ndarray, states: bool
) -> torch.Tensor:
    """Outputs `B x T x O` of each token -> `B x O`: of the sample's token; of a whole text the mean
    of hidden states, or the last token's logits."""
    index = torch.arange(len(tensor), device=tensor.device)
    if (position >= 0).all():
        return tensor[index, torch.as_tensor(position, device=tensor.device)]
    mask = torch.ones(tensor.shape[:2], dtype=torch.bool) if batch.mask is None else batch.mask
    mask = mask.to(tensor.device)
    if states:
        total = tensor.masked_fill(~mask[..., None], 0).sum(1)
        return total / mask.sum(1, keepdim=True)
    places = torch.arange(tensor.shape[1], device=tensor.device)
    return tensor[index, torch.where(mask, places, -1).argmax(1)]
