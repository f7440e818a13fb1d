"""How often layers answer in a pass, and which axis of what they give is what."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from neuronwidgets.models.axes import Layout, Tracker, layout_of
from neuronwidgets.models.axes.tracker import tensors_of
from neuronwidgets.models.hooks import acts_here, watching
from neuronwidgets.models.outputs import tensor_of


@dataclass
class Answers:
    """What a layer gave in one pass: for each call the layout of its output, `None` where that is
    unclear."""

    layouts: list[Layout | None] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return len(self.layouts)

    def layout(self, call: int) -> Layout | None:
        """The layout of one call's output."""
        return self.layouts[call] if call < self.calls else None


@contextmanager
def surveyed(
    modules: Mapping[str, nn.Module],
    inputs: Any,
    samples: int | None = None,
    neuron_axis: int | None = None,
    batch_axis: int | None = None,
) -> Iterator[dict[str, Answers]]:
    """Follow the axes of `inputs` through the pass that this thread makes inside the `with`.

    What a layer gave is noted before hooks that are put on it inside the `with` see it.

    Args:
        modules: the layers, by name.
        inputs: the model's inputs, as `call` takes them.
        samples: how many samples they hold; `None`: as many as the first tensor has rows.
        neuron_axis, batch_axis: which axes of the layers' outputs these are, if the user says so.
    """
    found = {name: Answers() for name in modules}
    if samples is None:
        samples = next((t.shape[0] for t in tensors_of(inputs) if t.ndim), 0)
    size = samples
    tracker = Tracker()
    tracker.label_inputs(inputs, size)
    owner = threading.get_ident()

    def noted(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if not acts_here(owner, False):
                return
            layout = None
            with suppress(ValueError):
                tensor = tensor_of(output, name)
                given = next((t for t in tensors_of(args) if t.shape == tensor.shape), None)
                layout = layout_of(
                    module, tracker.labels(tensor), tensor.shape, size, tracker.labels(given),
                    neuron_axis, batch_axis,
                )  # fmt: skip
            found[name].layouts.append(layout)

        return watching(hook)

    with ExitStack() as stack:
        for name, module in modules.items():
            stack.callback(module.register_forward_hook(noted(name)).remove)
        stack.enter_context(tracker)
        yield found
