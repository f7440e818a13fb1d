"""Counts the calls of layers in a pass and finds the axes of their outputs or inputs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from neuronwidgets.core.layer_place import At
from neuronwidgets.core.warning import warn
from neuronwidgets.models.axes import Layout, Tracker, layout_of
from neuronwidgets.models.axes.tracker import tensors_of
from neuronwidgets.models.hooks import acts_here, register, watching
from neuronwidgets.models.outputs import inside_experts, tensor_of


@dataclass
class LayerCalls:
    """The calls of one layer in one pass: the layout of each output (or input), `None` where
    unclear."""

    layouts: list[Layout | None] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return len(self.layouts)

    def layout(self, call: int) -> Layout | None:
        """The layout of one call's output, or of its input."""
        return self.layouts[call] if call < self.calls else None


@contextmanager
def surveyed(
    modules: Mapping[str, nn.Module],
    inputs: Any,
    samples: int | None = None,
    neuron_axis: int | None = None,
    batch_axis: int | None = None,
    at: At = "output",
) -> Iterator[dict[str, LayerCalls]]:
    """Follow the axes of `inputs` through this thread's pass inside the `with`.

    An output (or input) is recorded before hooks that are added inside the `with` can change it.

    Args:
        modules: the layers, by name.
        inputs: the model's inputs, as for `forward.call`.
        samples: the batch size; `None` takes the number of rows of the first tensor.
        neuron_axis, batch_axis: the axes of the layers' outputs, if the user gave them.
        at: whether the layers are read at their outputs or at their inputs.

    Yields:
        the calls of each layer, by name.
    """
    calls = {name: LayerCalls() for name in modules}
    if samples is None:
        samples = next((t.shape[0] for t in tensors_of(inputs) if t.ndim), 0)
    size = samples
    tracker = Tracker()
    tracker.label_inputs(inputs, size)
    owner = threading.get_ident()

    def recorder(name: str) -> Any:
        def hook(module: nn.Module, args: Any, value: Any) -> None:
            if not acts_here(owner, False):
                return
            layout = None
            with suppress(ValueError):
                tensor = tensor_of(value, name, at)
                given = next((t for t in tensors_of(args) if t.shape == tensor.shape), None)
                layout = layout_of(
                    module, tracker.labels(tensor), tensor.shape, size, tracker.labels(given),
                    neuron_axis, batch_axis, guess=not inside_experts(name),
                )  # fmt: skip
            calls[name].layouts.append(layout)

        return hook

    with ExitStack() as stack:
        for name, module in modules.items():
            stack.callback(register(module, recorder(name), at, watching).remove)
        stack.enter_context(tracker)
        yield calls
    if tracker.mixing:
        warn(
            f"the model's {tracker.mixing} takes the first axis of the batch for time, so that "
            "each sample is a step of one series and changes with the others: batch_first=True is "
            "missing, or the batches are steps x samples (then read the model inside a module "
            "that turns them, x.transpose(0, 1)).",
        )
