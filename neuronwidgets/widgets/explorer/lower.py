"""A neuron of a layer below, whose concepts feed those of the chosen one: a place of Explorer."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import traitlets as t
from ipywidgets import widget_serialization

from neuronwidgets.widgets.base.jobs import JobProgress, Steps
from neuronwidgets.widgets.base.widget import Widget
from neuronwidgets.widgets.explorer.history import History
from neuronwidgets.widgets.explorer.place import Place
from neuronwidgets.widgets.split_explorer.widget import SplitExplorer


class LowerNeuron(Widget):
    """The part of Explorer that shows a lower neuron in place of the chosen one's own split."""

    _history: History
    _split: Any
    _lower = t.Instance(SplitExplorer, allow_none=True).tag(sync=True, **widget_serialization)
    _lower_of = t.Unicode().tag(sync=True)

    @property
    def lower(self) -> SplitExplorer | None:
        """The split of the lower neuron that is shown; `None`: the chosen neuron's own is."""
        return self._lower

    def _following(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def _adopt(self, widget: Widget) -> None:
        raise NotImplementedError

    def _go(self, place: Place) -> None:
        raise NotImplementedError

    def _open_lower(self, layer: str, neuron: int) -> None:
        """A node of a concept graph was chosen: its neuron is the next place."""
        self._go(self._history.now.at(tab="split", lower=(layer, neuron)))

    def _shows_lower(self, place: Place) -> bool:
        """Whether the lower neuron of a place, if it has one, is on the screen."""
        shown = self._lower
        now = None if shown is None else (shown.acts.layer, shown.neuron)
        return now == place.lower

    def _leave_lower(self, place: Place) -> None:
        """Close the lower neuron that is on the screen, unless it is the place's."""
        if (before := self._lower) is not None and not self._shows_lower(place):
            self._put({"_lower": None})
            before.close()

    def _lowering(self) -> Steps:
        """Open the lower neuron of the present place."""
        place = self._history.now
        if place.lower is None or self._shows_lower(place):
            return
        layer, neuron = place.lower
        yield JobProgress(0.2, f"opening neuron {neuron} of {layer}")
        explorer = yield from self._split._opening_lower(layer, neuron)
        kept = False

        def show() -> None:
            nonlocal kept
            if self._history.now.lower != place.lower:
                return
            kept = True
            with self._following():
                self._put({"_lower": explorer})
                self._adopt(explorer)
                explorer._open_elsewhere = self._open_lower
                explorer.observe(self._on_lower, ["neuron"])

        try:
            yield show
        finally:
            if not kept:
                explorer.close()

    def _on_lower(self, change: Any) -> None:
        """Another neuron was chosen in the split of the lower one."""
        now, neuron = self._history.now, change["new"]
        if now.lower is not None and neuron is not None and now.lower[1] != neuron:
            self._go(now.at(lower=(now.lower[0], neuron)))
