"""NeuronBrowser: every neuron of a layer on one screen, in a table and on a map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import traitlets as t

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.steps import drained
from neuronwidgets.effects.contrast import Contrast
from neuronwidgets.layer_splits.layer_split import RANK, LayerSplit
from neuronwidgets.libraries.library import Library
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.given import given as as_code
from neuronwidgets.widgets.base.keeping import Keeping
from neuronwidgets.widgets.base.live import REFRESHING, Live, LiveWidget
from neuronwidgets.widgets.base.pace import PACE
from neuronwidgets.widgets.base.previews import pack_previews
from neuronwidgets.widgets.base.widget import Whole, as_trait_error
from neuronwidgets.widgets.neuron_browser import choices
from neuronwidgets.widgets.neuron_browser.batches import BATCHES
from neuronwidgets.widgets.neuron_browser.frame import frame
from neuronwidgets.widgets.neuron_browser.opening import (
    acts_of,
    planned,
    score_names,
)
from neuronwidgets.widgets.neuron_browser.pinning import Pin, pinning
from neuronwidgets.widgets.neuron_browser.session import PLAIN_SORTING, BrowserSession
from neuronwidgets.widgets.protocol.buffers import pack

SEARCHING, PINNING = "search", "pin"
"""The kinds of jobs that a user asks for."""


class NeuronBrowser(Keeping, LiveWidget):
    """Every neuron of a layer: a table to sort, filter and search, and a map.

    The table is there at once. Then a job places the neurons on the map and splits them all, with
    progress and a stop button. The view cuts all trees at one threshold itself, at every frame.
    """

    _KIND = "neuron-browser"

    neuron = Whole(None, allow_none=True).tag(sync=True)
    """The chosen neuron; `None` for none."""
    neurons = t.List(Whole()).tag(sync=True, echo_update=False)
    """The selected neurons."""
    selection = t.List(Whole()).tag(sync=True, echo_update=False)
    """The selected samples: rows of the activations."""
    lit = t.List(Whole()).tag(sync=True, echo_update=False)
    """The samples under the pointer, else those selected. Set it to light samples from elsewhere:
    the map shows which neurons have them on top."""
    pinned = t.List(Whole()).tag(sync=True, echo_update=False)
    """The pinned neurons, in the order of pinning."""
    notes = t.Dict(key_trait=t.Unicode(), value_trait=t.Unicode()).tag(sync=True, echo_update=False)
    """Notes: neuron (as a string) -> text."""
    threshold = t.CFloat(choices.OWN).tag(sync=True, echo_update=False)
    """The height of every cut, on the trees' common scale; -1: each tree's own cut.

    The scale is that of cosine distances where the metric is "cosine"; else heights are shares of
    each tree's own.
    """
    sorting = t.Dict(PLAIN_SORTING).tag(sync=True, echo_update=False)
    """`{"column": name, "descending": bool}`: a score, or one of "neuron", "concepts", "match" and
    "promotes"."""
    filters = t.Dict().tag(sync=True, echo_update=False)
    """Column -> `[low, high]`, the limits of the neurons in the table; `None`: no limit."""
    searched = t.Dict().tag(sync=True)
    """The search whose result is the column "match": `{"kind", "text", "these", "those"}`; `{}`
    without one. To set it is to search."""

    _VERSIONED = ("selection", "lit")
    _pace, _batches = PACE, BATCHES
    _table = t.Bytes().tag(sync=True)
    _trees = t.Bytes().tag(sync=True)
    _map = t.Bytes().tag(sync=True)
    _match = t.Bytes().tag(sync=True)
    _promoted = t.Bytes().tag(sync=True)
    _previews = t.Bytes().tag(sync=True)
    _peaks = t.Bytes().tag(sync=True)

    def __init__(
        self,
        acts: Any,
        neuron: int | None = None,
        top: int | None = None,
        method: str | None = None,
        metric: str | None = None,
        *,
        layer: str | None = None,
        model: Any = None,
        tokenizer: Any = None,
        data: Any = None,
        transform: Callable[[Any], Any] | None = None,
        classes: Sequence[str] | None = None,
        neuron_axis: int | None = None,
        threshold: float | None = None,
        min_size: int | None = None,
        scores: Sequence[str] | None = None,
        draws: int | None = None,
        library: Library | None = None,
    ) -> None:
        """Open the browser.

        Args:
            acts: `Activations`, a plain `S x D` array, or a `Capturing` that still runs: the
                browser opens on the first samples, is renewed as more arrive, and splits the layer
                when the capture has ended. Or a `LayerSplit` with its activations: it is shown as
                it is.
            neuron: the chosen neuron.
            top, method, metric, min_size: how neurons are split, see `split_layer`.
            layer: which one, of a running capture that reads several.
            model, tokenizer: the model that the activations are from, to search by typed text, and
                for what neurons promote: a column, by the logit lens where a linear way leads to
                the output, else by the mean gradients of a classifier of at most 200 classes.
            data, transform, classes, neuron_axis: for that column, see `effects_of`. Texts and
                plain images need no `data`: the activations hold them.
            threshold: the height of every cut at first; not given: each tree's own.
            scores: the scores to compute, see `split_layer`. Not given: "active",
                "label_entropy", "wasserstein", "kurtosis", "sparsity", "monosemantic_scale", and in
                the background "polysemanticity", which takes longer than all of these: of the
                neurons in view first.
            draws: of the null of polysemanticity.
            library: where concepts go that are added on the screen. Not given: a new one, at the
                first concept.

        Raises:
            ValueError, TypeError: no such neuron, score or method; a `LayerSplit` without its
                activations, of directions, or before its first block.
        """
        given = acts if isinstance(acts, LayerSplit) else None
        if given is not None:
            acts = acts_of(given)
        feed = Feed(acts, layer, self._pace)
        acts = feed.opened(lambda read: len(read) >= 2)
        splitting, late = planned(
            acts, given, feed.running, top=top, method=method, metric=metric, min_size=min_size,
            scores=scores, draws=draws,
        )  # fmt: skip
        running = {"tokenizer": tokenizer, "data": data, "transform": transform,
                   "classes": classes, "neuron_axis": neuron_axis}  # fmt: skip
        self._columns = score_names(acts, given, (*splitting["scores"], *late))
        self._session = session = BrowserSession(
            feed, acts, self._screen, given=given, splitting=splitting, late=late, model=model,
            batches=self._batches, **running,
        )  # fmt: skip
        self._live = Live(
            self, feed, self._pace, session.refreshed, session.work, (SEARCHING, PINNING)
        )
        if RANK in self._columns and given is not None:
            session.sorting = {"column": RANK, "descending": True}
        named = {"top": top, "method": method, "metric": metric, "min_size": min_size,
                 "scores": scores, "draws": draws, "model": model, **running,
                 "library": library}  # fmt: skip
        super().__init__(_given=as_code("acts" if given is None else "layer_split", **named))
        with self._opening():
            self._put({**session.begin(), "sorting": dict(session.sorting)})
            self.library = library
            self.neuron = neuron
            self.threshold = choices.OWN if threshold is None else threshold
            self._gather(self._pace.inline)
            self._live.follow()

    # What the user reads

    @property
    def acts(self) -> Activations:
        """The activations that are browsed; while a capture runs, those on the screen."""
        return self._session.acts

    @property
    def layer_split(self) -> LayerSplit | None:
        """The split that the browser was opened with; `None` without one."""
        return self._session.given

    @property
    def first(self) -> int | None:
        """The neuron of the table's first row that is not constant, as it opens; `None` where none
        is known."""
        return self._session.first()

    @property
    def contrast(self) -> Contrast | None:
        """The comparison of the last search by name or contrast; `None` without one."""
        match = self._session.match
        return None if match is None else match.contrast

    def to_frame(self) -> Any:
        """All neurons as a `pandas.DataFrame`, in the table's order before sorting.

        Columns: `neuron`, `concepts` (missing: not split yet), `names`, the scores so far, `least`
        and `largest` activation, `top` (up to five rows of the activations), `promotes` and
        `demotes` (outputs) and the strongest `effect` where they are known, `match` and `q` of a
        search, `pinned`, `note`.
        """
        with self._jobs.lock:
            return frame(self._session, self.pinned, self.notes)

    @property
    def selected(self) -> Any:
        """The rows of `to_frame()` of the selected neurons; without a selection, of the pinned."""
        wanted = self.neurons or self.pinned
        return self.to_frame().set_index("neuron", drop=False).loc[wanted].reset_index(drop=True)

    def search(
        self, kind: str, text: str = "", *, these: Sequence[int] = (), those: Sequence[int] = ()
    ) -> Any:
        """Search, show the result, and return `to_frame()` with the best neurons first.

        Args:
            kind: "name": a label or a word of the texts. "text": a text that goes through the
                model. "samples": neurons that fire for these. "contrast": neurons that tell `these`
                from `those`. "promoted": neurons that promote a token or class.
            text: what to search for.
            these, those: rows of the activations; no `those`: all others.

        Raises:
            ValueError, IndexError, TypeError: nothing can be searched for in this way.
        """
        session = self._session
        query = choices.query_of(kind, text, these, those, acts=session.acts)
        match = drained(session.matched(query))
        self._put(session.show_match(query, match))
        self._clear()
        return self.to_frame().sort_values("match", ascending=False, ignore_index=True)

    def clear_search(self) -> None:
        """Drop the search and its column."""
        self._put(self._session.clear_search())
        self._clear()

    def pin(self, *neurons: int) -> None:
        """Pin neurons."""
        self.pinned = [*self.pinned, *neurons]

    def unpin(self, *neurons: int) -> None:
        """Unpin neurons. Those that are not pinned make no difference."""
        self.pinned = [neuron for neuron in self.pinned if neuron not in neurons]

    def resume(self) -> None:
        """Go on splitting after it was stopped."""
        self._session.stopped = False
        self._gather()

    def cancel(self) -> None:
        """Stop the widget's job. What is known stays; `resume` goes on."""
        self._session.stopped = True
        super().cancel()

    def __repr__(self) -> str:
        session = getattr(self, "_session", None)
        if session is None:
            return "NeuronBrowser()"
        return (
            f"NeuronBrowser({len(session.neurons):,} neurons of layer {self.acts.layer!r}, "
            f"{len(session.forest):,} split)"
        )

    # Traits: checked, then passed on

    @t.validate("neuron", "neurons", "pinned")
    def _check_neurons(self, proposal: Any) -> Any:
        name, value, session = proposal["trait"].name, proposal["value"], self._session
        if value is None:
            return None
        alone = name == "neuron"
        given = [value] if alone else value
        with as_trait_error(ValueError):
            found = choices.check_neurons(name, given, session.neurons, session.acts.layer)
        return found[0] if alone else found

    @t.validate("selection", "lit", "notes", "threshold", "sorting", "filters", "searched")
    def _check(self, proposal: Any) -> Any:
        name, value, session = proposal["trait"].name, proposal["value"], self._session
        with as_trait_error(ValueError):
            return choices.checked(name, value, session.acts, session.neurons, self._columns)

    @t.observe("selection", "neurons", "pinned")
    def _selected(self, _change: Any) -> None:
        self._session.selection = list(self.selection)
        self._session.wanted = [*self.neurons, *self.pinned]

    @t.observe("sorting")
    def _sorted(self, _change: Any) -> None:
        # A search sorts by its result; without it, the order before comes back.
        if self.sorting["column"] != "match":
            self._session.sorting = dict(self.sorting)

    @t.observe("searched")
    def _search_set(self, _change: Any) -> None:
        if "searched" in self._origin.own:
            return
        if self.searched:
            self._on_search({**self.searched})
        else:
            self.clear_search()

    # Requests of a view

    def _messages(self) -> dict[str, Any]:
        return {
            **super()._messages(),
            "search.request": self._on_search,
            "search.clear": lambda _: self.clear_search(),
            "previews.request": self._on_previews,
            "rows.request": self._on_rows,
            "library.pin": self._on_pin,
        }

    def _on_search(self, wanted: dict[str, Any]) -> None:
        query = choices.query_of(
            wanted.get("kind"), wanted.get("text", ""), wanted.get("these", ()),
            wanted.get("those", ()), acts=self.acts,
        )  # fmt: skip
        self._clear()
        self._start(self._session.search(query), kind=SEARCHING)

    def _on_previews(self, wanted: dict[str, Any]) -> None:
        rows = choices.check_samples("samples", list(wanted.get("samples", ())), self.acts)
        if len(rows) > choices.PREVIEWED:
            raise ValueError(
                f"samples must be at most {choices.PREVIEWED}, got {len(rows):,}: ask for those "
                "that are on the screen."
            )
        self._put({"_previews": pack(*pack_previews(self.acts.samples, rows, {}))})

    def _on_pin(self, wanted: dict[str, Any]) -> None:
        pin = Pin.of(wanted, self._session)
        self._clear()
        library = self._opened_library()
        steps = pinning(self._session, pin, self.threshold, library, self._screen)
        self._start(steps, kind=PINNING)

    def _on_rows(self, wanted: dict[str, Any]) -> None:
        session = self._session
        given = list(wanted.get("neurons", ()))[: choices.PREVIEWED]
        with self._jobs.lock:
            session.look(
                choices.check_neurons("neurons", given, session.neurons, session.acts.layer)
            )
            # Work that goes on comes to them by itself.
            if session.idle or not self._jobs.running:
                self._gather()

    # The work

    def _gather(self, seconds: float = 0.0) -> None:
        """Start what is due, the first seconds of it before this returns."""
        if not self._session.due():
            return
        if self._jobs.kind in (SEARCHING, PINNING, REFRESHING):
            # Such a job ends with what is due, but may have looked for the last time what that is.
            self._jobs.afterwards(self._gather)
            return
        steps = self._session.work()
        if seconds:
            try:
                if self._jobs.begin(steps, seconds):
                    return
            except Exception as error:
                self._fail(error)
                return
        self._start(steps)

    def _leave(self) -> None:
        stopped = self._session.stopped
        super()._leave()
        self._session.stopped = stopped

    def _go_on(self) -> None:
        self._gather()
