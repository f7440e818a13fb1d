"""Explorer: all neurons of a layer, and the chosen one in the other widgets beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import traitlets as t
from ipywidgets import widget_serialization

from neuronwidgets.activations.activations import Activations
from neuronwidgets.capturing.background import Capturing
from neuronwidgets.libraries.library import Library
from neuronwidgets.widgets.base.jobs import JobProgress, Steps
from neuronwidgets.widgets.base.widget import Whole, Widget
from neuronwidgets.widgets.explorer.history import History
from neuronwidgets.widgets.explorer.lower import LowerNeuron
from neuronwidgets.widgets.explorer.place import TABS, Place, Tab
from neuronwidgets.widgets.live_probe.widget import LiveProbe
from neuronwidgets.widgets.neuron_browser.widget import NeuronBrowser
from neuronwidgets.widgets.range_explorer.widget import RangeExplorer
from neuronwidgets.widgets.split_explorer.widget import SplitExplorer

TITLES: Mapping[Tab, str] = {
    "split": "its concepts", "ranges": "its activation ranges", "probe": "the live probe",
}  # fmt: skip
WAIT = 0.1
"""Seconds between two looks at a capture that still uses the model."""
OPENING = "open"
"""The kind of the job that opens a widget inside."""


class Explorer(LowerNeuron):
    """A layer on one screen: every neuron in a browser, the chosen one beside it.

    `neuronwidgets.explore` makes it. Choose a neuron in the browser, and it opens in a
    SplitExplorer, a RangeExplorer (where there are labels) and a LiveProbe (where there is the
    model). Back and forward lead through what was looked at; `state` is its address.
    """

    _KIND = "explorer"

    neuron = Whole(None, allow_none=True).tag(sync=True)
    """The chosen neuron; `None` before one is chosen."""
    tab = t.Enum(TABS, TABS[0]).tag(sync=True)
    """What is shown of it: "split", "ranges" or "probe"."""
    state = t.Unicode().tag(sync=True, echo_update=False)
    """The address of what is shown, such as "layer=relu2&neuron=17&tab=split&cut=0.82".

    Set it, or pass it to `neuronwidgets.explore(..., state=...)`, to return there.
    """
    layer = t.Unicode(read_only=True).tag(sync=True)
    """The layer's name."""

    _VERSIONED = ()
    _reason = t.Unicode().tag(sync=True)
    _missing = t.Dict().tag(sync=True)
    _back = t.Int(0).tag(sync=True)
    _forward = t.Int(0).tag(sync=True)
    _browser = t.Instance(NeuronBrowser, allow_none=True).tag(sync=True, **widget_serialization)
    _split = t.Instance(SplitExplorer, allow_none=True).tag(sync=True, **widget_serialization)
    _ranges = t.Instance(RangeExplorer, allow_none=True).tag(sync=True, **widget_serialization)
    _probe = t.Instance(LiveProbe, allow_none=True).tag(sync=True, **widget_serialization)

    def __init__(
        self,
        browser: NeuronBrowser,
        openers: Mapping[Tab, Callable[[int], Widget]],
        place: Place,
        *,
        missing: Mapping[Tab, str],
        reason: str = "",
        given: str = "acts",
        capturing: Capturing | None = None,
        owned: bool = False,
    ) -> None:
        """Show `browser`, and beside it what `openers` open for a neuron.

        Args:
            browser: the layer's browser.
            openers: for each tab that can be shown, what makes its widget for a neuron.
            place: what to show at first.
            missing: for each other tab the reason why it cannot be shown, a sentence.
            reason: why this layer was proposed.
            given: the arguments of `neuronwidgets.explore`, as code.
            capturing: the capture that still runs.
            owned: whether `close` ends it.
        """
        self._openers, self._capturing, self._owned = dict(openers), capturing, owned
        self._history = History(place)
        self._moving = False
        super().__init__(_reason=reason, _given=given, _missing=dict(missing))
        self.set_trait("layer", place.layer)
        with self._opening():
            self._put({"_browser": browser})
            self._adopt(browser)
            browser.observe(self._on_browser, ["neuron", "threshold"])
            browser.observe(self._on_library, ["_library"])
            self._go(place)

    # What the user reads

    @property
    def acts(self) -> Activations:
        """The activations that are explored; while the capture runs, those on the screen."""
        assert self._browser is not None
        return self._browser.acts

    @property
    def browser(self) -> NeuronBrowser:
        """The browser of the layer's neurons."""
        assert self._browser is not None
        return self._browser

    @property
    def split(self) -> SplitExplorer | None:
        """The split of the chosen neuron; `None` before one is open."""
        return self._split

    @property
    def ranges(self) -> RangeExplorer | None:
        """The ranges of the chosen neuron; `None` before they are open."""
        return self._ranges

    @property
    def probe(self) -> LiveProbe | None:
        """The probe of the chosen neuron; `None` before it is open."""
        return self._probe

    @property
    def library(self) -> Library | None:
        """The library that concepts in the browser and on the cards are added to; `None` before the
        first, if none was given."""
        return self.browser.library

    @library.setter
    def library(self, value: Library | None) -> None:
        for part in (self._browser, self._split):
            if part is not None:
                part.library = value

    def back(self) -> None:
        """Show what was looked at before."""
        self._step(-1)

    def forward(self) -> None:
        """Show what was looked at after this."""
        self._step(1)

    def __repr__(self) -> str:
        history = getattr(self, "_history", None)
        return "Explorer()" if history is None else f"Explorer({str(history.now)!r})"

    # Going to a place

    @t.validate("neuron")
    def _check_neuron(self, proposal: Any) -> int | None:
        value: int | None = proposal["value"]
        if value is None or self._browser is None:
            return value
        try:
            return self.acts.check_neuron(value)
        except (IndexError, TypeError, ValueError) as error:
            raise t.TraitError(str(error)) from None

    @t.validate("tab")
    def _check_tab(self, proposal: Any) -> Tab:
        tab: Tab = proposal["value"]
        if tab in self._missing:
            raise t.TraitError(f"tab={tab!r} cannot be shown: {self._missing[tab]}")
        return tab

    @t.validate("state")
    def _check_state(self, proposal: Any) -> str:
        place = self._place_of(proposal["value"])
        return str(place)

    def _place_of(self, address: str) -> Place:
        try:
            place = Place.of(address)
            if place.layer != self.layer:
                raise ValueError(
                    f"state: layer {place.layer!r} is not the one shown, {self.layer!r}: pass the "
                    "state to neuronwidgets.explore(model, data, state=...)."
                )
            if place.neuron is not None:
                self.acts.check_neuron(place.neuron)
        except (IndexError, TypeError, ValueError) as error:
            raise t.TraitError(str(error)) from None
        return place

    @t.observe("neuron", "tab")
    def _on_choice(self, change: Any) -> None:
        if change["name"] not in self._origin.own:
            self._go(self._history.now.at(**self._leaving(neuron=self.neuron, tab=self.tab)))

    @t.observe("state")
    def _on_state(self, change: Any) -> None:
        if "state" not in self._origin.own:
            self._go(Place.of(change["new"]))

    def _leaving(self, neuron: int | None, tab: Tab) -> dict[str, Any]:
        """The changes to the present place that another neuron or tab brings."""
        other = neuron != self._history.now.neuron
        return {"neuron": neuron, "tab": tab, "lower": None, **({"cut": None} if other else {})}

    def _step(self, steps: int) -> None:
        with self._jobs.lock:
            self._show(self._history.step(steps))

    def _go(self, place: Place) -> None:
        with self._jobs.lock:
            self._history.visit(place)
            self._show(place)

    def _show(self, place: Place) -> None:
        """Show a place: in the browser, in every widget that is open, and in the tab."""
        with self._following():
            self._clear()
            self._write(place)
            height = -1.0 if place.height is None else place.height
            self._set(self._browser, {"neuron": place.neuron, "threshold": height})
            if place.neuron is None:
                return
            for tab in TABS:
                widget = self._widget(tab)
                if widget is not None:
                    self._set(widget, {"neuron": place.neuron})
            self._cut(place)
            if place.tab == "probe":
                self._share_concepts()
            self._leave_lower(place)
            if self._widget(place.tab) is None and place.tab in self._openers:
                self._start(self._opened(place), kind=OPENING)
            elif not self._shows_lower(place):
                self._start(self._lowering(), kind=OPENING)

    def _write(self, place: Place) -> None:
        history = self._history
        self._put(
            {
                "neuron": place.neuron,
                "tab": place.tab,
                "state": str(place),
                "_back": history.back,
                "_forward": history.forward,
                "_lower_of": place.lower_title,
            }
        )

    def _set(self, widget: Any, traits: Mapping[str, Any]) -> None:
        """Set traits of a widget inside. What it refuses is shown; the rest goes on."""
        for name, value in traits.items():
            if getattr(widget, name) == value:
                continue
            try:
                setattr(widget, name, value)
            except Exception as error:
                self._fail(error)

    def _cut(self, place: Place) -> None:
        """Move the split's threshold and the probe's text to a place's."""
        split, probe = self._split, self._probe
        if split is not None and place.cut is not None and split.neuron == place.neuron:
            self._set(split, {"threshold": place.cut})
        if probe is not None and place.text:
            self._set(probe, {"text": place.text})

    def _share_concepts(self) -> None:
        """Let the probe show the concepts of the split, at its cut, if both show one neuron."""
        split, probe = self._split, self._probe
        if split is None or probe is None or split.neuron != probe.neuron:
            return
        try:
            probe.concepts = split.concepts
        except (ValueError, TypeError) as error:
            self._fail(error)

    def _widget(self, tab: Tab) -> Any:
        return getattr(self, f"_{tab}")

    def _opened(self, place: Place) -> Steps:
        """Open the widget of a tab."""
        tab, neuron, capturing = place.tab, place.neuron, self._capturing
        assert neuron is not None
        while tab == "probe" and capturing is not None and not capturing.done:
            read = capturing.reading
            share = read.samples / read.total if read.total else 0.0
            yield JobProgress(share, "waiting for the capture to end: the probe needs the model")
            capturing.wait(timeout=WAIT)
        yield JobProgress(0.2, f"opening {TITLES[tab]}")
        widget = self._openers[tab](neuron)
        kept = False

        def show() -> None:
            nonlocal kept
            kept = True
            with self._following():
                self._put({f"_{tab}": widget})
                self._adopt(widget)
                widget.observe(self._on_inside, ["neuron"])
                if tab == "split":
                    widget.observe(self._on_inside, ["threshold"])
                    widget._open_elsewhere = self._open_lower
                    widget.observe(self._on_library, ["_library"])
                    widget.library = self.library
                if tab == "probe":
                    widget.observe(self._on_inside, ["text"])
                now = self._history.now
                if now.neuron is not None:
                    self._set(widget, {"neuron": now.neuron})
                self._cut(now)
                if tab == "probe":
                    self._share_concepts()

        try:
            yield show
        finally:
            if not kept:
                widget.close()
        yield from self._lowering()

    def _adopt(self, widget: Widget) -> None:
        """Take a widget in: it belongs to no cell, and shares this one's lock."""
        widget._presence.released()
        self._jobs.lock.join(widget._jobs.lock)

    # Following what is done in the widgets inside

    @contextmanager
    def _following(self) -> Iterator[None]:
        """Changes inside are this widget's own: they are not followed."""
        before, self._moving = self._moving, True
        try:
            yield
        finally:
            self._moving = before

    def _on_browser(self, change: Any) -> None:
        if self._moving:
            return
        now = self._history.now
        if change["name"] == "neuron":
            if change["new"] is not None:
                self._go(now.at(**self._leaving(change["new"], now.tab)))
            return
        height = float(change["new"])
        self._remember(now.at(height=None if height < 0 else height))

    def _on_inside(self, change: Any) -> None:
        if self._moving:
            return
        now, name, value = self._history.now, change["name"], change["new"]
        if name == "neuron":
            if value is not None and value != now.neuron:
                self._go(now.at(**self._leaving(value, now.tab)))
        elif name == "threshold":
            split = change["owner"]
            chosen = split._session.chosen and split.neuron == now.neuron
            self._remember(now.at(cut=float(value) if chosen else None))
        else:
            self._remember(now.at(text=value))

    def _on_library(self, change: Any) -> None:
        """The browser and the split add to one library."""
        library = change["owner"].library
        for part in (self._browser, self._split):
            if part is not None and (part.library is not library or part._library != change["new"]):
                part.library = library

    def _remember(self, place: Place) -> None:
        """The present place has moved on, which is no step."""
        with self._jobs.lock:
            self._history.visit(place)
            self._write(place)

    # Requests of a view

    def _messages(self) -> dict[str, Any]:
        own = {
            "history.step": lambda wanted: self._step(int(wanted["steps"])),
            "lower.close": lambda _: self._go(self._history.now.at(lower=None)),
        }
        return {**super()._messages(), **own}

    def _exported(self) -> dict[str, Any]:
        raise ValueError(
            "an Explorer cannot be written to a page of its own: use to_html of its parts, "
            "explorer.browser, explorer.split, explorer.ranges."
        )

    def close(self) -> None:
        """End the widget, those inside, and the capture if it still runs."""
        capturing = getattr(self, "_capturing", None)
        if capturing is not None and self._owned:
            capturing.cancel()
        super().close()
