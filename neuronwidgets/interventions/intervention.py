"""What every edit of a layer's output shares: where, on which positions, and its life."""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import nn

from neuronwidgets.core.compat import dropout_rate, has_batch_statistics
from neuronwidgets.core.modes import own_modes
from neuronwidgets.interventions.positions import Positions, first_tokens, places
from neuronwidgets.models.axes import Layout, Tracker, layout_of
from neuronwidgets.models.axes.layout import own_axis
from neuronwidgets.models.axes.tracker import tensors_of
from neuronwidgets.models.hooks import hooked
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.outputs import check_axes, checked, replaced, tensor_of, unclear
from neuronwidgets.models.visits import Visits


class Intervention(Protocol):
    """An edit of one layer's output: a frozen dataclass that `save`s and loads.

    `prepared(like)` gives a function of `... x D` values, and of whether it may overwrite them,
    that returns the same shape and dtype. `positions` are the tokens that are edited, `None`: all.
    `call` is which of the layer's answers in a pass is edited, from 0; `None`: every one.
    """

    @property
    def layer(self) -> str: ...
    @property
    def positions(self) -> Positions: ...
    @property
    def call(self) -> int | None: ...
    def width(self) -> int | None: ...
    def prepared(self, like: torch.Tensor) -> Callable[..., torch.Tensor]: ...


@contextmanager
def applied(
    model: nn.Module, edit: Intervention, axis: int | None = None
) -> Iterator[Intervention]:
    """Apply `edit` to every forward pass of `model`, `generate` included, until the `with` ends.

    Nestable: of two edits of one layer the outer one comes first. Gone after an exception too.

    Args:
        axis: which axis of the layer's output holds the neurons, if that cannot be told.

    Warns if the model's dropout or batch statistics are in training mode; at its end, if the model
    ran and the layer was not called, or answered several times and every answer was edited.
    """
    module = find_layer(model, edit.layer)
    if any(part.training and _unsteady(part) for part in model.modules()):
        warnings.warn(
            f"{type(model).__name__} is in training mode while its layer {edit.layer!r} is edited: "
            "dropout and batch statistics blur what the edit does. Call model.eval() first, unless "
            "you train it.",
            stacklevel=4,
        )
    with editing(model, module, edit, axis, every_thread=True) as editor:
        yield edit
    if problem := _unused(model, module, edit, editor):
        warnings.warn(problem, stacklevel=4)


@contextmanager
def editing(
    model: nn.Module,
    module: nn.Module,
    edit: Intervention,
    axis: int | None = None,
    every_thread: bool = False,
) -> Iterator[Editor]:
    """`applied`, without its warnings, and for this thread's passes alone if not `every_thread`."""
    editor = Editor(module, edit, axis)
    visits = Visits(editor.begin, editor.end)
    editor.visits = visits
    with (
        visits.counted(model, module, every_thread),
        hooked(module, editor, every_thread),
    ):
        yield editor


def _unsteady(part: nn.Module) -> bool:
    """Whether a module computes something else while it trains."""
    return dropout_rate(part) > 0 or has_batch_statistics(part)


def _unused(model: nn.Module, module: nn.Module, edit: Intervention, editor: Editor) -> str | None:
    """What is odd about an edit that has ended, in a sentence."""
    passes = editor.visits.passes
    name = type(model).__name__
    if passes and not editor.edited:
        ran = "a pass" if passes == 1 else f"{passes} passes"
        if editor.most_calls:
            return (
                f"the edit of layer {edit.layer!r} never ran: it is of call {edit.call}, and the "
                f"layer answered {editor.most_calls} times in {ran} of {name} (calls count from 0)."
            )
        inside = [p for p in model.modules() if module in list(p.children())]
        why = "the forward pass does not call this module"
        if any(isinstance(part, nn.MultiheadAttention) for part in inside):
            why = (
                "torch's MultiheadAttention uses this part's weights without calling it; edit the "
            )
            why += "attention itself"
        return f"the edit of layer {edit.layer!r} never ran in {ran} of {name}: {why}."
    if edit.call is None and editor.most_calls > 1:
        return (
            f"layer {edit.layer!r} answers {editor.most_calls} times in one pass of {name}, and "
            f"every answer was edited: pass call=0 to {editor.most_calls - 1} to edit one."
        )
    return None


class Editor:
    """An edit as a function of the raw output of its layer, call by call.

    Args:
        module: the layer.
        edit: the edit.
        axis: which axis holds the neurons, if the user says so.
        layout: what a survey found out about the layer's output, if there was one.
        in_place: whether it may overwrite the output.

    Attributes:
        edited: how many outputs it has edited.
        most_calls: how often the layer was called in one pass, at most.
    """

    def __init__(
        self,
        module: nn.Module,
        edit: Intervention,
        axis: int | None = None,
        layout: Layout | None = None,
        in_place: bool = False,
    ) -> None:
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
        """A forward pass begins; the first one is followed, to find the neurons' axis."""
        here = threading.get_ident()
        self._calls[here] = 0
        self.locate(args, kwargs)
        if self._axis is None and self._layout is None and not self.edited:
            tracker = Tracker()
            samples = next((t.shape[0] for t in tensors_of([args, kwargs]) if t.ndim), 0)
            tracker.label_inputs([args, kwargs], samples)
            tracker.start()
            self._trackers[here] = tracker

    def locate(self, args: Any, kwargs: Any) -> None:
        """Find the first tokens of a pass that begins, for edits that spare them."""
        if self._spares_first:
            self._first[threading.get_ident()] = first_tokens(args, kwargs)

    def end(self) -> None:
        """A forward pass ends."""
        tracker = self._trackers.pop(threading.get_ident(), None)
        if tracker is not None:
            tracker.stop()

    @own_modes()
    def __call__(self, output: Any) -> Any:
        """The edited output; `None` where this call's output stays as it is."""
        here = threading.get_ident()
        call = self._calls[here]
        self._calls[here] += 1
        self.most_calls = max(self.most_calls, call + 1)
        edit = self._edit
        if edit.call not in (None, call):
            return None
        tensor = checked(tensor_of(output, edit.layer), edit.layer)
        place = self._neuron_axis(tensor, self._trackers.get(here))
        values = tensor.movedim(place, -1)
        width = edit.width()
        if width is not None and values.shape[-1] != width:
            raise ValueError(
                f"the edit was made for {width:,} neurons and layer {edit.layer!r} has "
                f"{values.shape[-1]:,}: use the layer (and call=, if it answers several times in a "
                "pass) that the edit was made for."
            )
        key = (values.device, values.dtype, values.shape[-1])
        if key not in self._ready:
            self._ready[key] = edit.prepared(values)
        made = self._at(values, self._position_axis(place, tensor.ndim), self._ready[key])
        self.edited += 1
        return replaced(output, made.movedim(-1, place))

    def _neuron_axis(self, tensor: torch.Tensor, tracker: Tracker | None) -> int:
        """The axis of the neurons: as the user says, as the layer's class defines it, as only one
        axis has the edit's width, or as the pass was followed."""
        layer, shape = self._edit.layer, tensor.shape
        check_axes(shape, layer, self._axis, None)
        if self._axis is not None:
            return self._axis % tensor.ndim
        if tracker is not None and self._layout is None:
            labels = tracker.labels(tensor)
            self._layout = layout_of(self._module, labels, shape, tracker.samples)
        if self._layout is not None and len(self._layout.kinds) == tensor.ndim:
            found = self._layout.neuron_axis
            if found is not None:
                return found
        own = own_axis(self._module, tensor.ndim)
        if own is not None:
            return own
        fits = [i for i, size in enumerate(shape) if size == self._edit.width()]
        if len(fits) == 1:
            return fits[0]
        raise ValueError(unclear(layer, tuple(shape)))

    def _position_axis(self, neurons: int, dimensions: int) -> int:
        """The axis of the tokens among those that are left when the neurons' is the last."""
        kinds = list(self._layout.kinds) if self._layout is not None else []
        if len(kinds) == dimensions and kinds.count("p") == 1:
            place = kinds.index("p")
            return place - (place > neurons)
        return 1

    def _at(
        self, values: torch.Tensor, axis: int, change: Callable[..., torch.Tensor]
    ) -> torch.Tensor:
        spared = self._spared(values, axis) if self._spares_first else None
        made = self._changed(values, axis, change)
        if spared is None:
            return made
        where, kept = spared
        made = made.clone() if made is values and not self._in_place else made
        made.movedim((1 - axis, axis), (0, 1))[where] = kept
        return made

    def _spared(
        self, values: torch.Tensor, axis: int
    ) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor] | None:
        """Where the texts' first tokens are in this pass, if there are any, and what is there."""
        if values.ndim < 3:
            return None
        by_text = values.movedim((1 - axis, axis), (0, 1))
        first = self._first.get(threading.get_ident())
        if first is None:
            first = torch.zeros(len(by_text), dtype=torch.int64)
        texts = ((first >= 0) & (first < by_text.shape[1])).nonzero().flatten()
        where = texts.to(values.device), first[texts].to(values.device)
        return (where, by_text[where].clone()) if len(texts) else None

    def _changed(
        self, values: torch.Tensor, axis: int, change: Callable[..., torch.Tensor]
    ) -> torch.Tensor:
        positions = self._edit.positions
        if positions is None:
            return change(values, self._in_place)
        if values.ndim < 3:
            raise ValueError(
                f"positions={positions}: the output of layer {self._edit.layer!r} has no axis of "
                "tokens, so leave positions out."
            )
        index = places(positions, values.shape[axis], values.device)
        if not len(index):
            return values
        return values.index_copy(axis, index, change(values.index_select(axis, index)))
