"""How an edit of a layer's output or input is applied: its hook, its axes and its positions."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import nn

from neuronwidgets.core.compat import dropout_rate, has_batch_statistics
from neuronwidgets.core.layer_place import at_of, titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.warning import warn
from neuronwidgets.interventions.positions import Positions, first_tokens, position_indices
from neuronwidgets.models.axes import Layout, Tracker, layout_of
from neuronwidgets.models.axes.layout import own_axis
from neuronwidgets.models.axes.tracker import tensors_of
from neuronwidgets.models.hooks import hooked
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.outputs import check_axes, checked, replaced, tensor_of, unclear
from neuronwidgets.models.visits import Visits


class Intervention(Protocol):
    """An edit of one layer's output or input: a frozen dataclass.

    Its attribute `at` says which; without it, the output is edited.

    Attributes:
        layer: the layer's name.
        positions: the tokens that are edited; `None`: all.
        call: which of the layer's calls in a pass is edited, from 0; `None`: every one.
    """

    @property
    def layer(self) -> str: ...
    @property
    def positions(self) -> Positions: ...
    @property
    def call(self) -> int | None: ...
    def width(self) -> int | None:
        """`D`, the number of neurons in the layer; `None` where any layer will do."""

    def prepared(self, like: torch.Tensor) -> Callable[..., torch.Tensor]:
        """`edit(values, in_place)`, on the device of `like`.

        It takes `... x D` values and returns the same shape and dtype; `in_place` says whether it
        may overwrite the values.
        """
        ...


@contextmanager
def applied(
    model: nn.Module, edit: Intervention, axis: int | None = None
) -> Iterator[Intervention]:
    """Apply `edit` to every forward pass of `model`, `generate` included, until the `with` ends.

    Edits nest: of two edits of one layer the outer one is applied first. An exception removes the
    edit too.

    Args:
        axis: the axis of the layer's output that holds the neurons, where it cannot be inferred.

    Warns:
        UserWarning: the model's dropout or batch statistics are in training mode; at the end: the
            model ran without calling the layer, or called it several times in a pass and every
            call was edited.
    """
    module = find_layer(model, edit.layer)
    if any(part.training and _varies_in_training(part) for part in model.modules()):
        warn(
            f"{type(model).__name__} is in training mode while its layer {edit.layer!r} is edited: "
            "dropout and batch statistics blur the edit's effect. Call model.eval() first, unless "
            "you train it.",
        )
    with editing(model, module, edit, axis, every_thread=True) as editor:
        yield edit
    if problem := _unused(model, module, edit, editor):
        warn(problem)


@contextmanager
def editing(
    model: nn.Module,
    module: nn.Module,
    edit: Intervention,
    axis: int | None = None,
    every_thread: bool = False,
) -> Iterator[Editor]:
    """`applied` without its warnings. Edits only this thread's passes unless `every_thread`."""
    editor = Editor(module, edit, axis)
    visits = Visits(editor.begin, editor.end)
    editor.visits = visits
    with (
        visits.counted(model, module, every_thread),
        hooked(module, editor, every_thread, editor.at),
    ):
        yield editor


def _varies_in_training(part: nn.Module) -> bool:
    """Whether a module computes something else in training mode."""
    return dropout_rate(part) > 0 or has_batch_statistics(part)


def _unused(model: nn.Module, module: nn.Module, edit: Intervention, editor: Editor) -> str | None:
    """The warning about an edit that never ran or ran too often; `None` where there is none."""
    passes = editor.visits.passes
    name, title = type(model).__name__, titled(edit.layer, editor.at)
    if passes and not editor.edited:
        ran = "a pass" if passes == 1 else f"{passes} passes"
        if editor.most_calls:
            return (
                f"the edit of {title} never ran: it is of call {edit.call}, and the "
                f"layer answered {editor.most_calls} times in {ran} of {name} (calls count from 0)."
            )
        inside = [p for p in model.modules() if module in list(p.children())]
        why = "the forward pass does not call this module"
        if any(isinstance(part, nn.MultiheadAttention) for part in inside):
            why = "torch's MultiheadAttention uses this part's weights without calling it; edit "
            why += "the attention itself"
        return f"the edit of {title} never ran in {ran} of {name}: {why}."
    if edit.call is None and editor.most_calls > 1:
        return (
            f"layer {edit.layer!r} answers {editor.most_calls} times in one pass of {name}, and "
            f"every answer was edited: pass call=0 to {editor.most_calls - 1} to edit one."
        )
    return None


class Editor:
    """An edit as a function of its layer's raw output (or input), one call after the other.

    Args:
        module: the layer.
        edit: the edit.
        axis: the axis of the neurons, where the user gives it.
        layout: the axes of the layer's output, where a survey has read them.
        in_place: whether it may overwrite the output.

    Attributes:
        at: whether the layer's "output" or its "input" is edited.
        edited: the number of outputs (or inputs) that it has edited.
        most_calls: the largest number of calls of the layer in one pass.
    """

    def __init__(
        self,
        module: nn.Module,
        edit: Intervention,
        axis: int | None = None,
        layout: Layout | None = None,
        in_place: bool = False,
    ) -> None:
        self.at = at_of(edit)
        self.edited = self.most_calls = 0
        self.visits = Visits()
        self._module, self._edit, self._axis, self._in_place = module, edit, axis, in_place
        self._layout = layout
        self._calls: Counter[int] = Counter()
        self._ready: dict[tuple[Any, ...], Callable[..., torch.Tensor]] = {}
        self._spares_first = not getattr(edit, "first", True)
        self._first: dict[int, torch.Tensor | None] = {}
        self._trackers: dict[int, Tracker] = {}

    def begin(self, args: Any, kwargs: Any) -> None:
        """Begin a forward pass; follow the first one, to find the axis of the neurons."""
        thread = threading.get_ident()
        self._calls[thread] = 0
        self.locate(args, kwargs)
        if self._axis is None and self._layout is None and not self.edited:
            tracker = Tracker()
            samples = next((t.shape[0] for t in tensors_of([args, kwargs]) if t.ndim), 0)
            tracker.label_inputs([args, kwargs], samples)
            tracker.start()
            self._trackers[thread] = tracker

    def locate(self, args: Any, kwargs: Any) -> None:
        """Find the first tokens of the pass, for edits that leave them as they are."""
        if self._spares_first:
            self._first[threading.get_ident()] = first_tokens(args, kwargs)

    def end(self) -> None:
        """End a forward pass."""
        tracker = self._trackers.pop(threading.get_ident(), None)
        if tracker is not None:
            tracker.stop()

    @own_modes()
    def __call__(self, output: Any) -> Any:
        """The edited output; `None` where this call is not edited."""
        thread = threading.get_ident()
        call = self._calls[thread]
        self._calls[thread] += 1
        self.most_calls = max(self.most_calls, call + 1)
        edit = self._edit
        if edit.call not in (None, call):
            return None
        tensor = checked(tensor_of(output, edit.layer, self.at), edit.layer, self.at)
        neurons = self._neuron_axes(tensor, self._trackers.get(thread))
        rest = [i for i in range(tensor.ndim) if i not in neurons]
        order = [*rest, *neurons]
        values = tensor.permute(order).flatten(len(rest))
        width = edit.width()
        if width is not None and values.shape[-1] != width:
            raise ValueError(
                f"the edit was made for {width:,} neurons and {titled(edit.layer, self.at)} has "
                f"{values.shape[-1]:,}: use the layer (and call=, if it answers several times in a "
                "pass) that the edit was made for."
            )
        key = (values.device, values.dtype, values.shape[-1])
        if key not in self._ready:
            self._ready[key] = edit.prepared(values)
        edited = self._at(values, self._position_axis(rest, tensor.ndim), self._ready[key])
        self.edited += 1
        edited = edited.reshape([tensor.shape[i] for i in order])
        back = sorted(range(tensor.ndim), key=order.__getitem__)
        return replaced(output, edited.permute(back))

    def _neuron_axes(self, tensor: torch.Tensor, tracker: Tracker | None) -> tuple[int, ...]:
        """The axis of the neurons, or the axes that they are spread over, as heads and their
        dimensions.

        The first of these that knows it: the user, the pass that was followed, the layer's class,
        the edit's width where one axis has it.
        """
        layer, shape = self._edit.layer, tensor.shape
        check_axes(shape, layer, self._axis, None, self.at)
        if self._axis is not None:
            return (self._axis % tensor.ndim,)
        if tracker is not None and self._layout is None:
            labels = tracker.labels(tensor)
            self._layout = layout_of(self._module, labels, shape, tracker.samples)
        if self._layout is not None and len(self._layout.kinds) == tensor.ndim:
            return self._layout.neuron_axes
        of_class = own_axis(self._module, tensor.ndim)
        if of_class is not None:
            return (of_class,)
        fits = tuple(i for i, size in enumerate(shape) if size == self._edit.width())
        if len(fits) == 1:
            return fits
        raise ValueError(unclear(layer, tuple(shape), at=self.at))

    def _position_axis(self, rest: list[int], dimensions: int) -> int:
        """The axis of the tokens among those that hold no neurons."""
        kinds = list(self._layout.kinds) if self._layout is not None else []
        if len(kinds) == dimensions and kinds.count("p") == 1:
            return rest.index(kinds.index("p"))
        return 1

    def _at(
        self, values: torch.Tensor, axis: int, change: Callable[..., torch.Tensor]
    ) -> torch.Tensor:
        spared = self._spared(values, axis) if self._spares_first else None
        edited = self._changed(values, axis, change)
        if spared is None:
            return edited
        index, first_values = spared
        edited = edited.clone() if edited is values and not self._in_place else edited
        edited.movedim((1 - axis, axis), (0, 1))[index] = first_values
        return edited

    def _spared(
        self, values: torch.Tensor, axis: int
    ) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor] | None:
        """Index (text, position) and values of the first tokens in this pass; `None`: none."""
        if values.ndim < 3:
            return None
        by_text = values.movedim((1 - axis, axis), (0, 1))
        first = self._first.get(threading.get_ident())
        if first is None:
            first = torch.zeros(len(by_text), dtype=torch.int64)
        texts = ((first >= 0) & (first < by_text.shape[1])).nonzero().flatten()
        index = texts.to(values.device), first[texts].to(values.device)
        return (index, by_text[index].clone()) if len(texts) else None

    def _changed(
        self, values: torch.Tensor, axis: int, change: Callable[..., torch.Tensor]
    ) -> torch.Tensor:
        positions = self._edit.positions
        if positions is None:
            return change(values, self._in_place)
        if values.ndim < 3:
            raise ValueError(
                f"positions={positions}: the {self.at} of layer {self._edit.layer!r} has no axis "
                "of tokens, so leave positions out."
            )
        index = position_indices(positions, values.shape[axis], values.device)
        if not len(index):
            return values
        return values.index_copy(axis, index, change(values.index_select(axis, index)))
