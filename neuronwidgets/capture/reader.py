"""Layers of a model, read batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.models import Batch, Reader, evaluating, laid, move
from neuronwidgets.modes import own_modes


class LayerReader:
    """Some layers' activations on a batch, each as `B x D` or `B x positions x D` in float32."""

    def __init__(
        self,
        model: nn.Module,
        modules: Mapping[str, nn.Module],
        axis: int | None = None,
        call: int = 0,
    ) -> None:
        self._read = Reader(model, modules, call)
        self.model, self._modules, self.axis, self.call = model, modules, axis, call

    def __call__(self, batch: Batch, take: Callable[[str, torch.Tensor], None]) -> None:
        """Call `take(name, values)` as each layer answers. With several layers, `values` is the
        model's own, which layers above may change: copy what is kept."""

        @own_modes()
        def answer(name: str, output: Any) -> None:
            take(name, laid(self._modules[name], output, name, batch, self.axis))

        self._read(move(self.model, batch.inputs), answer)

    def one(self, name: str) -> LayerReader:
        """One of the layers."""
        return LayerReader(self.model, {name: self._modules[name]}, self.axis, self.call)

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
