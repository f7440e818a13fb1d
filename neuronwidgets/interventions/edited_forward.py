"""Forward passes of one batch under many edits: layers below the edited one run once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from neuronwidgets.core.compiled import hooks_seen
from neuronwidgets.core.layer_place import At, at_of
from neuronwidgets.interventions.intervention import Editor, Intervention, editing
from neuronwidgets.models.axes import Layout
from neuronwidgets.models.classes import logits_of
from neuronwidgets.models.forward import call
from neuronwidgets.models.hooks import hooked
from neuronwidgets.models.resume import Resume
from neuronwidgets.models.survey import LayerCalls, surveyed


class EditedForward:
    """Forward passes of one model: the base pass, and one under each edit of one layer.

    A pass under an edit begins at the layer where the model allows it. The first batch decides: a
    resumed pass without edit must equal the base pass. The model must be in eval mode, under
    `torch.no_grad()`.

    Args:
        model: the model.
        module: the layer.
        axis: the axis of the neurons, where the user gives it.
        resume: whether passes under edits may begin at the layer.
        at: whether edits change the layer's output or its input. An edit at the other place is
            applied in a full pass.
    """

    def __init__(
        self,
        model: nn.Module,
        module: nn.Module,
        axis: int | None = None,
        resume: bool = True,
        at: At = "output",
    ) -> None:
        self._model, self._module, self._axis, self._at = model, module, axis, at
        self.note = Resume.obstacle(model, module) if resume else "resume=False"
        """Why every pass is a full one; `None` where passes resume at the layer."""
        self._answers: LayerCalls | None = None
        self._compared = False
        self._copying = False

    def on(self, inputs: Any) -> EditedBatch:
        """Run the base pass on one batch and keep what passes under edits need."""
        resumed = None
        if self.note is None:
            resumed = Resume(self._model, self._module, self._copying, self._at)

        def run() -> Any:
            return call(self._model, inputs)

        # Edits run uncompiled: so must what they are compared with.
        with hooks_seen(), self._followed(inputs):
            base = run() if resumed is None else resumed.record(run)
        if resumed is not None and not self._compared:
            self.note = _difference(base, resumed, run)
            self._compared = True
            self._copying = resumed.copying
            resumed = resumed if self.note is None else None
        return EditedBatch(self, base, inputs, run, resumed)

    def under(self, edit: Intervention, inputs: Any, run: Any, resumed: Resume | None) -> Any:
        """The model's output on one batch, with the layer edited."""
        if at_of(edit) != self._at:
            with editing(self._model, self._module, edit, self._axis):
                return run()
        editor = Editor(
            self._module, edit, self._axis, self._layout(edit.call), in_place=resumed is not None
        )
        named = hasattr(inputs, "keys")
        editor.locate(() if named else (inputs,), inputs if named else {})
        if resumed is not None:
            return resumed.replay(run, editor)
        # The hook is this thread's: passes of other threads are the user's.
        with hooked(self._module, editor, at=self._at):
            return run()

    @contextmanager
    def _followed(self, inputs: Any) -> Iterator[None]:
        """Follow the first pass, which shows the axes of the layer's output or input."""
        if self._answers is not None:
            yield
            return
        layer = {"": self._module}
        with surveyed(layer, inputs, neuron_axis=self._axis, at=self._at) as answers:
            yield
        self._answers = answers[""]

    def _layout(self, call: int | None) -> Layout | None:
        return None if self._answers is None else self._answers.layout(call or 0)


def _difference(base: Any, resumed: Resume, run: Any) -> str | None:
    """Why a resumed pass cannot replace a full one; `None` where it can."""
    try:
        again = resumed.replay(run, lambda output: output)
        same = torch.equal(logits_of(base), logits_of(again))
    except Exception as error:
        return f"a resumed pass of this model fails ({type(error).__name__}: {error})"
    return None if same else "a resumed pass of this model differs from a full one"


class EditedBatch:
    """One batch's base output, and its outputs under edits."""

    def __init__(
        self, forward: EditedForward, base: Any, inputs: Any, run: Any, resumed: Resume | None
    ) -> None:
        self.base = base
        self._forward, self._inputs, self._run, self._resumed = forward, inputs, run, resumed

    @property
    def size(self) -> int:
        """Bytes that are kept for passes under edits."""
        return 0 if self._resumed is None else self._resumed.size

    def under(self, edit: Intervention) -> Any:
        """The model's output with the layer edited."""
        return self._forward.under(edit, self._inputs, self._run, self._resumed)

    def all(self, edits: list[Any]) -> Iterator[Any]:
        """The base output, then one under each edit."""
        yield self.base
        for edit in edits:
            yield self.under(edit)
