"""Reads how a layer's neurons reach a model's output: one pass, followed by `tracing`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from neuronwidgets.core.compiled import plain
from neuronwidgets.core.layer_place import At, titled
from neuronwidgets.data.accepted_inputs import accepts
from neuronwidgets.data.batch import Batch, BatchSource
from neuronwidgets.effects.route import Path, Route
from neuronwidgets.effects.tracing import RouteTracker
from neuronwidgets.models.axes import Layout
from neuronwidgets.models.classes import logits_of
from neuronwidgets.models.forward import call, move
from neuronwidgets.models.hooks import evaluating, hooked
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.outputs import tensor_of, unclear
from neuronwidgets.models.survey import surveyed

PROBE = (2, 5)
"""Texts and tokens of the pass that finds the way to the output, if no data is given. The numbers
differ, so that no axis is taken for another one."""


@dataclass(frozen=True, eq=False)
class Crossing:
    """One call of a module that the neurons enter or leave: the routes before and after it."""

    name: str
    before: Route | None
    after: Route | None


@dataclass(frozen=True, eq=False)
class Traced:
    """How a layer's neurons reach the model's output.

    Attributes:
        layer, at: the layer.
        layout: the axes of the layer's output or input.
        values: the layer's output or input in this pass.
        logits: the model's logits in this pass.
        route: the linear route from the neurons to the logits; `None` without one.
        crossings: the calls of modules on the way, in the order of their ends.
    """

    layer: str
    at: At
    layout: Layout
    values: torch.Tensor
    logits: torch.Tensor
    route: Route | None
    crossings: tuple[Crossing, ...]

    @property
    def per_position(self) -> bool:
        """Whether the model gives logits for each position, as a language model does."""
        return self.logits.ndim == 3

    @property
    def width(self) -> int:
        """The number of neurons."""
        axis = self.layout.neuron_axis
        assert axis is not None
        return self.values.shape[axis]

    def head(self) -> tuple[str, Path] | None:
        """The module with which the linear way out of the residual stream begins, and the steps of
        that way: the last norm, or the last linear map if no norm is on the way; `None` if no
        module begins there."""
        if self.route is None or len(self.route.paths) != 1:
            return None
        path = self.route.paths[0]
        last = max((i for i, step in enumerate(path) if step.normalises), default=None)
        if last is None:
            last = max((i for i, step in enumerate(path) if step.matrix is not None), default=None)
        if last is None:
            return None
        best: tuple[int, int, str] | None = None
        for crossing in self.crossings:
            if crossing.before is None or crossing.after is None:
                continue
            start = _prefix(crossing.before, path)
            end = _prefix(crossing.after, path)
            if start is None or end is None or not start <= last < end:
                continue
            if best is None or (-start, end) < best[:2]:
                best = (-start, end, crossing.name)
        return None if best is None else (best[2], path[-best[0] :])

    def block_end(self) -> int | None:
        """The number of steps of the path at the end of the layer's block: the innermost module
        around the layer that adds something from elsewhere (the residual stream)."""
        if self.route is None or len(self.route.paths) != 1:
            return None
        path = self.route.paths[0]
        ends = []
        for crossing in self.crossings:
            end = None if crossing.after is None else _prefix(crossing.after, path)
            if crossing.before is None and end and any(s.other is not None for s in path[:end]):
                ends.append(end)
        return min(ends, default=None)


def _prefix(route: Route, path: Path) -> int | None:
    """How many steps of `path` a route has; `None` if it is no beginning of it."""
    for own in route.paths:
        if all(a is b for a, b in zip(own, path, strict=False)) and len(own) <= len(path):
            return len(own)
    return None


@torch.no_grad()
def traced(
    model: nn.Module,
    layer: str,
    at: At,
    inputs: Any,
    size: int,
    neuron_axis: int | None = None,
    predict: Callable[[Any], Any] | None = None,
) -> Traced:
    """Run the model on `size` samples and follow the neurons of a layer, at its first call.

    Raises:
        ValueError: the layer's neurons or the model's logits are unknown, or it is never called.
    """
    module, inner = find_layer(model, layer), plain(model)
    tracker = RouteTracker()
    crossings: list[Crossing] = []
    start: list[tuple[Layout, torch.Tensor]] = []
    stacks: dict[str, list[Route | None]] = {}
    inputs = move(model, inputs)

    def begin(output: Any) -> None:
        if start:
            return
        tensor = tensor_of(output, layer, at)
        layout = survey[layer].layout(0)
        if layout is None or layout.neuron_axis is None:
            raise ValueError(unclear(layer, tuple(tensor.shape), size, at))
        tracker.start(tensor, layout.neuron_axis)
        start.append((layout, tensor))

    def entered(name: str) -> Callable[[Any], None]:
        def enter(value: Any) -> None:
            stacks.setdefault(name, []).append(tracker.route(value))

        return enter

    def left(name: str) -> Callable[[Any], None]:
        def leave(output: Any) -> None:
            routes = [r for t in _tensors(output) if (r := tracker.route(t)) is not None]
            before = stacks[name].pop()
            if before is not None or routes:
                crossings.append(Crossing(name, before, routes[0] if routes else None))

        return leave

    with evaluating(model), ExitStack() as stack:
        survey = stack.enter_context(surveyed({layer: module}, inputs, size, neuron_axis, at=at))
        # At the input, the layer's own call begins after the neurons are known.
        if at == "input":
            stack.enter_context(hooked(module, begin, at="input"))
        for name, part in inner.named_modules():
            stack.enter_context(hooked(part, entered(name), at="input"))
            if part is module and at == "output":
                stack.enter_context(hooked(module, begin))
            stack.enter_context(hooked(part, left(name)))
        tracker.feed(inputs)
        with tracker:
            logits = logits_of(call(model, inputs), predict)
    if not start:
        raise ValueError(
            f"{titled(layer, at)} was never reached while {type(model).__name__} ran on this data: "
            "choose a layer that the forward pass uses."
        )
    layout, values = start[0]
    if logits.ndim not in (2, 3) or not logits.is_floating_point():
        raise ValueError(
            f"the model's output must be logits, samples x classes or texts x tokens x vocabulary, "
            f"got {logits.dtype} of shape {tuple(logits.shape)}: pass a model with a head, or "
            "predict=<a function from the model's output to logits>."
        )
    route = tracker.route(logits)
    if route is not None and route.axis != logits.ndim - 1:
        route = None
    return Traced(layer, at, layout, values, logits, route, tuple(crossings))


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, tuple | list):
        for part in output:
            yield from _tensors(part)
    elif isinstance(output, Mapping):
        yield from (value for value in output.values() if isinstance(value, torch.Tensor))


def taken(source: BatchSource, most: int) -> list[Batch]:
    """The batches of the first `most` samples of the data.

    Raises:
        ValueError: the data is empty.
    """
    kept: list[Batch] = []
    left = most
    for batch in source.batches:
        kept.append(batch.part(range(left)) if batch.size > left else batch)
        left -= kept[-1].size
        if left <= 0:
            break
    if not kept:
        raise ValueError("data is empty: pass at least one sample.")
    return kept


def probe_inputs(model: nn.Module, given: Sequence[Batch] = ()) -> tuple[Any, int]:
    """Inputs of a few samples, and their number: of the data, or made up for a model of texts.

    Raises:
        ValueError: there is no data and the model takes no token ids.
    """
    if given:
        few = given[0].part(range(min(PROBE[0], given[0].size)))
        return few.inputs, few.size
    words = getattr(getattr(model, "config", None), "vocab_size", None)
    if not (isinstance(words, int) and accepts(model)("input_ids")):
        raise ValueError(
            f"{type(model).__name__} must run once to find the way to its output: pass data=, as "
            "to capture."
        )
    ids = torch.arange(PROBE[0] * PROBE[1], device="cpu").reshape(PROBE) % words
    return {"input_ids": ids}, PROBE[0]
