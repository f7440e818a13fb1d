"""Reads layers of a model, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.layer_place import At
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.warning import warn
from neuronwidgets.data.batch import Batch
from neuronwidgets.models.forward import move
from neuronwidgets.models.hooks import TruncatedForward, evaluating
from neuronwidgets.models.left_padding import LeftPadding
from neuronwidgets.models.outputs import check_axes, checked, own_rows_of, tensor_of
from neuronwidgets.models.own_padding import OwnPadding, Undecided
from neuronwidgets.models.right_padding import RightPadding
from neuronwidgets.models.survey import LayerCalls, surveyed


class LayerReader:
    """Gives layers' activations on a batch as `B x D` or `B x P x D` (`P` positions).

    Args:
        model: the model.
        modules: the layers, by name.
        neuron_axis, batch_axis: the axes of the layers' outputs; `None` finds them by following
            the axes of the first batch through the model.
        call: the call to read, from 0, of a layer that a pass calls more than once; `None` reads
            the first, with a warning if there are more.
        at: whether to read the layers' outputs or their inputs.
    """

    def __init__(
        self,
        model: nn.Module,
        modules: Mapping[str, nn.Module],
        neuron_axis: int | None = None,
        batch_axis: int | None = None,
        call: int | None = None,
        at: At = "output",
    ) -> None:
        self.call, self.at = call or 0, at
        self._read = TruncatedForward(model, modules, self.call, at)
        self.model, self._modules = model, modules
        self.axes = neuron_axis, batch_axis
        self._warns = call is None
        self._calls: dict[str, LayerCalls] | None = None
        self._own_padding = OwnPadding(model, self._by_name)
        self._padding = LeftPadding(model, self._all_layers)
        self.right_padding = RightPadding(model, self._all_layers)

    def __call__(self, batch: Batch, take: Callable[[str, torch.Tensor], None]) -> None:
        """Call `take(name, values)` at each layer's output, or at its input: float32 `values`.

        With several layers, `values` may be a view of the model's own tensor, which later layers
        may change in place: copy it to keep it.
        """
        self.own(batch, lambda name, values: take(name, values.float()))

    def own(self, batch: Batch, take: Callable[[str, torch.Tensor], None]) -> None:
        """As a call of the reader, but float16 and bfloat16 `values` stay as they are."""
        batch = self._padding(batch)
        inputs = move(self.model, batch.inputs)
        taken: set[str] = set()

        def take_once(name: str, values: torch.Tensor) -> None:
            if name not in taken:
                take(name, self._own_padding.without(name, values, batch))
                taken.add(name)

        while True:
            try:
                return self._read_batch(inputs, batch, take_once)
            except Undecided as layer:
                self._own_padding.decide(layer.name, batch)

    def _read_batch(
        self, inputs: Any, batch: Batch, take: Callable[[str, torch.Tensor], None]
    ) -> None:
        if self._calls is not None:
            self._pass(inputs, batch, take, self._calls)
            return
        with surveyed(self._modules, inputs, batch.size, *self.axes, self.at) as calls:
            self._pass(inputs, batch, take, calls, go_on=self._warns)
        self._warn_of_calls(calls)
        # With one sample or one token, merged axes cannot be told apart: follow the next batch.
        chosen = any(layout and layout.chosen for one in calls.values() for layout in one.layouts)
        if batch.size > 1 and not chosen and (batch.mask is None or batch.mask.shape[1] > 1):
            self._calls = calls

    def _all_layers(self, batch: Batch) -> list[torch.Tensor]:
        """Copies of all layers' activations on a batch, at its tokens."""
        activations = self._by_name(batch)
        own = self._own_padding
        while True:
            try:
                return [own.without(name, rows, batch) for name, rows in activations.items()]
            except Undecided as layer:
                own.decide(layer.name, batch)

    def _by_name(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Copies of all layers' activations on a batch."""
        activations: dict[str, torch.Tensor] = {}
        inputs = move(self.model, batch.inputs)

        def take(name: str, rows: torch.Tensor) -> None:
            activations[name] = rows.clone()

        with (
            evaluating(self.model),
            surveyed(self._modules, inputs, batch.size, *self.axes, self.at) as calls,
        ):
            self._pass(inputs, batch, take, calls)
        return activations

    def _pass(
        self,
        inputs: Any,
        batch: Batch,
        take: Callable[[str, torch.Tensor], None],
        calls: Mapping[str, LayerCalls],
        go_on: bool = False,
    ) -> None:
        @own_modes()
        def read(name: str, output: Any) -> None:
            tensor = checked(tensor_of(output, name, self.at), name, self.at)
            check_axes(tensor.shape, name, *self.axes, self.at)
            rows = own_rows_of(tensor, name, calls[name].layout(self.call), batch, self.at)
            # Later layers may change the output in place.
            take(name, rows.clone() if go_on else rows)

        self._read(inputs, read, go_on)

    def _warn_of_calls(self, layer_calls: Mapping[str, LayerCalls]) -> None:
        """Warn once of layers that a pass calls more than once."""
        several = {name: one.calls for name, one in layer_calls.items() if one.calls > 1}
        warns, self._warns = self._warns, False
        if several and warns:
            name, calls = next(iter(several.items()))
            warn(
                f"layer {name!r} is called {calls} times in one pass of "
                f"{type(self.model).__name__}: its first call is read. Pass call=0 to {calls - 1} "
                "to choose one.",
            )

    def one(self, name: str) -> LayerReader:
        """A reader of one of the layers."""
        reader = LayerReader(
            self.model, {name: self._modules[name]}, *self.axes, self.call, self.at
        )
        reader._calls, reader.right_padding = self._calls, self.right_padding
        reader._own_padding = self._own_padding
        return reader

    def tokens(self, batch: Batch, direction: np.ndarray) -> list[np.ndarray]:
        """For each text, float32 `T`: each token's activation along `direction` (`D`).

        For readers of one layer. Empty while the model is in training mode: the user is training
        it, and its mode must not change.
        """
        if self.model.training:
            return []
        projections: list[torch.Tensor] = []

        def take(_name: str, values: torch.Tensor) -> None:
            vector = torch.as_tensor(direction, dtype=values.dtype, device=values.device)
            projections.append(values @ vector)

        with evaluating(self.model):
            self(batch, take)
        if projections[0].ndim != 2:
            return []
        return [row.astype(np.float32) for row in projections[0].cpu().numpy()]
