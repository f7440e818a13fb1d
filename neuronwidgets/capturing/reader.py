"""Layers of a model, read batch by batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batch import Batch
from neuronwidgets.models.forward import move
from neuronwidgets.models.hooks import Reader, evaluating
from neuronwidgets.models.left_padding import LeftPadding
from neuronwidgets.models.outputs import check_axes, checked, rows_of, tensor_of
from neuronwidgets.models.survey import Answers, surveyed


class LayerReader:
    """Some layers' activations on a batch, each as `B x D` or `B x positions x D` in float32.

    Args:
        model: the model.
        modules: the layers, by name.
        neuron_axis, batch_axis: which axes of the layers' outputs these are; `None`: found out by
            following the axes of the first batch through the model.
        call: which answer of a layer counts, from 0, of one that answers more than once in a pass;
            `None`: the first, with a warning if there are more.
    """

    def __init__(
        self,
        model: nn.Module,
        modules: Mapping[str, nn.Module],
        neuron_axis: int | None = None,
        batch_axis: int | None = None,
        call: int | None = None,
    ) -> None:
        self.call = call or 0
        self._read = Reader(model, modules, self.call)
        self.model, self._modules = model, modules
        self.axes = neuron_axis, batch_axis
        self._warns = call is None
        self._answers: dict[str, Answers] | None = None
        self._padding = LeftPadding(model, self._all)

    def __call__(self, batch: Batch, take: Callable[[str, torch.Tensor], None]) -> None:
        """Call `take(name, values)` as each layer answers. With several layers, `values` is the
        model's own, which layers above may change: copy what is kept."""
        batch = self._padding(batch)
        inputs = move(self.model, batch.inputs)
        if self._answers is not None:
            self._pass(inputs, batch, take, self._answers)
            return
        with surveyed(self._modules, inputs, batch.size, *self.axes) as answers:
            self._pass(inputs, batch, take, answers, go_on=self._warns)
        self._warn_of_calls(answers)
        # Where there is one of each, axes that are merged do not show.
        if batch.size > 1 and (batch.mask is None or batch.mask.shape[1] > 1):
            self._answers = answers

    def _all(self, batch: Batch) -> list[torch.Tensor]:
        """What all layers give, for a look at it."""
        found: list[torch.Tensor] = []
        inputs = move(self.model, batch.inputs)
        with (
            evaluating(self.model),
            surveyed(self._modules, inputs, batch.size, *self.axes) as answers,
        ):
            self._pass(inputs, batch, lambda _name, rows: found.append(rows.clone()), answers)
        return found

    def _pass(
        self,
        inputs: Any,
        batch: Batch,
        take: Callable[[str, torch.Tensor], None],
        answers: Mapping[str, Answers],
        go_on: bool = False,
    ) -> None:
        @own_modes()
        def answer(name: str, output: Any) -> None:
            tensor = checked(tensor_of(output, name), name)
            check_axes(tensor.shape, name, *self.axes)
            rows = rows_of(tensor, name, answers[name].layout(self.call), batch)
            # What comes after the layer may change in place what it gave.
            take(name, rows.clone() if go_on else rows)

        self._read(inputs, answer, go_on)

    def _warn_of_calls(self, answers: Mapping[str, Answers]) -> None:
        several = {name: found.calls for name, found in answers.items() if found.calls > 1}
        warns, self._warns = self._warns, False
        if several and warns:
            name, calls = next(iter(several.items()))
            warnings.warn(
                f"layer {name!r} answers {calls} times in one pass of {type(self.model).__name__}: "
                f"its first answer is read. Pass call=0 to {calls - 1} to choose one.",
                stacklevel=2,
            )

    def one(self, name: str) -> LayerReader:
        """One of the layers."""
        made = LayerReader(self.model, {name: self._modules[name]}, *self.axes, self.call)
        made._answers = self._answers
        return made

    def tokens(self, batch: Batch, direction: np.ndarray) -> list[np.ndarray]:
        """Each token's activation along `direction` (`D`) of the one layer, for each text.

        None while the model trains: it is the user's then, and its mode is not to be touched.
        """
        if self.model.training:
            return []
        found: list[torch.Tensor] = []

        def take(_name: str, values: torch.Tensor) -> None:
            to = torch.as_tensor(direction, dtype=values.dtype, device=values.device)
            found.append(values @ to)

        with evaluating(self.model):
            self(batch, take)
        if found[0].ndim != 2:
            return []
        return [row.astype(np.float32) for row in found[0].cpu().numpy()]
