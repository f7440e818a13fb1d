"""SplitExplorer: drag the threshold and see a neuron's concepts split and merge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import traitlets as t

from neuronwidgets.concepts.defaults import TOP
from neuronwidgets.concepts.scores import most_mixed
from neuronwidgets.concepts.split import Split
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.warning import warn
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.live import REFRESHING, Live, LiveWidget
from neuronwidgets.widgets.base.pace import PACE
from neuronwidgets.widgets.base.widget import Whole
from neuronwidgets.widgets.split_explorer.arguments import recipe_of, truth_of, written
from neuronwidgets.widgets.split_explorer.graph.session import GraphSession
from neuronwidgets.widgets.split_explorer.graph.widget import GraphWidget
from neuronwidgets.widgets.split_explorer.job_kinds import KEPT, SPLITTING
from neuronwidgets.widgets.split_explorer.keeping import KeepingConcepts
from neuronwidgets.widgets.split_explorer.known_features import KnownFeatures
from neuronwidgets.widgets.split_explorer.limits import LIMITS
from neuronwidgets.widgets.split_explorer.on_screen import CHOSEN
from neuronwidgets.widgets.split_explorer.quantiles import Quantiles
from neuronwidgets.widgets.split_explorer.retrieved import READINGS
from neuronwidgets.widgets.split_explorer.session import SplitSession

SPLIT_BY = ("neuron", "top", "method", "metric", "band")
"""The traits that say what is split, and how."""


class SplitExplorer(GraphWidget, KnownFeatures, KeepingConcepts, LiveWidget):
    """Split one neuron into concepts at the threshold that the user drags.

    The view cuts the tree itself, at every frame, and Python follows. What needs the kernel
    (another neuron, what a concept vector retrieves from the whole data set, k-means) is a job
    with progress and a cancel button.
    """

    _KIND = "split-explorer"

    neuron = Whole(None, allow_none=True).tag(sync=True)
    """The neuron that is split; `None` for a direction."""
    top = Whole(100).tag(sync=True)
    """How many of its top-activating samples are split."""
    method = t.Unicode("ward").tag(sync=True)
    """How they are clustered: "ward", "average", "kmeans" and others, see `neuronwidgets.split`."""
    metric = t.Unicode("cosine").tag(sync=True)
    """How their distances are measured: "cosine" or "euclidean", see `neuronwidgets.split`."""
    band = Quantiles().tag(sync=True)
    """The quantiles of the activation between which the samples lie, such as (0.5, 0.9); `None`:
    the top."""
    by = t.Enum(READINGS, READINGS[0]).tag(sync=True, echo_update=False)
    """How the concepts on the screen retrieve samples: "cosine" (nearest in direction, about the
    layer's mean) or "dot" (largest dot product, as in the paper); see `Concepts.retrieve`."""
    threshold = t.CFloat(0.0).tag(sync=True, echo_update=False)
    """The height of the cut; a lower one gives more concepts."""
    refined = t.Bool(False).tag(sync=True, echo_update=False)
    """Whether membership is the paper's (k-means, outliers) instead of the tree's."""
    selection = t.List(Whole()).tag(sync=True, echo_update=False)
    """The samples selected in the view: rows of the activations."""
    lit = t.List(Whole()).tag(sync=True, echo_update=False)
    """The samples under the pointer in the view, else those selected: rows of the activations. Set
    it to light samples from elsewhere."""
    names = t.Dict(key_trait=t.Unicode(), value_trait=t.Unicode()).tag(sync=True, echo_update=False)
    """Names given by the user: tree node (as a string) -> name."""

    _VERSIONED = ("threshold", "names", "selection")
    _pace, _limits = PACE, LIMITS
    _methods = t.List(t.Unicode()).tag(sync=True)
    """The methods that can be chosen: those whose settings are all known."""
    _tree = t.Bytes().tag(sync=True)
    _suggestions = t.List().tag(sync=True)
    _scores = t.List().tag(sync=True)
    _evidence = t.Bytes().tag(sync=True)
    _sae = t.Bytes().tag(sync=True)
    _refinement = t.Bytes().tag(sync=True)

    def __init__(
        self,
        acts: Any,
        neuron: Any = None,
        top: int | None = None,
        method: str | None = None,
        metric: str | None = None,
        *,
        layer: str | None = None,
        threshold: float | None = None,
        min_size: int | None = None,
        band: tuple[float, float] | None = None,
        distinct: str | None = "vector",
        refined: bool = False,
        by: str = READINGS[0],
        truth: Any = None,
        truth_names: Sequence[str] | None = None,
        model: Any = None,
        held_out: tuple[Any, Any] | None = None,
        sae: Any = None,
        below: Any = None,
        data: Any = None,
        tokenizer: Any = None,
        transform: Any = None,
        predict: Any = None,
        classes: Sequence[str] | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
        neuron_axis: int | None = None,
        library: Any = None,
        **settings: Any,
    ) -> None:
        """Open the explorer.

        Args:
            acts: `Activations`, a plain `S x D` array, or a `Capturing` that still runs: the
                explorer opens on the first samples and is rebuilt as more arrive; what the user
                chose stays. Or a `Split`: it is shown as it is, and other neurons are split in
                the same way.
            neuron: its number, or a direction (`D` numbers). Not given: the neuron whose top
                samples have the most mixed labels, or neuron 0 without labels.
            top: how many top samples to split. Not given: 100, at most 5% of the samples and at
                least 20.
            method, metric, settings: how they are clustered, see `neuronwidgets.split`; "ward" if
                not given. The settings go with this method, also if another is chosen in the view.
            layer: which one, of a running capture that reads several.
            threshold: where to cut at first; not given: chosen from the data.
            min_size: clusters of fewer samples are no concepts; 5 in 100 if not given.
            band: quantiles between which the samples lie at first, instead of the top; see `split`.
            distinct: which samples count once: those with equal "vector", or all of one "text"
                (tokens, windows), see `split`.
            refined: begin with the paper's k-means membership.
            by: how concepts retrieve samples at first: "cosine" or "dot".
            truth: the true features of the layer, to see live which are recovered: a `toy.Run`, or
                `N x D` numbers. Each row is what the layer holds when one feature is there alone,
                in one unit for all rows (`run.A.T`; `run.directions` has lost it). The features
                that count are those that drive the neuron (or direction): their projection on it
                is at least a tenth of the largest one. See `calibration`.
            truth_names: of the `N` features; "feature 0" and so on if not given.
            model: the model of the activations, with its head. The cards then show which tokens or
                classes each concept promotes and demotes, see `effects_of`.
            held_out: samples that were not captured and their labels, `(data, labels)`, to measure
                what the model loses without each concept, see `causes`.
            sae: an autoencoder, `nw.SAE`, or features (a row for each sample). The cards then show
                which feature tells each concept apart, beside random directions.
            below: the layer below, captured or its name, or several from top to bottom, for what
                feeds a concept, see `concept_graph`. Not given: the model reads it.
            data: what `capture` read. Not needed for texts and plain images.
            tokenizer, transform, batch_size, max_length, neuron_axis: see `capture`.
            predict, classes: of the model, see `effects_of`.
            library: where concepts go that are kept. Not given: a new one, at the first concept.
        """
        shown = acts if isinstance(acts, Split) else None
        about_model = {
            "model": model, "held_out": held_out, "data": data, "tokenizer": tokenizer,
            "transform": transform, "predict": predict, "classes": classes, "below": below,
            "batch_size": batch_size, "max_length": max_length, "neuron_axis": neuron_axis,
        }  # fmt: skip
        recipe = recipe_of(
            shown, about_model, settings, distinct, neuron=neuron, top=top, method=method,
            metric=metric, layer=layer, min_size=min_size, band=band,
        ).beside(sae)  # fmt: skip
        acts = acts if shown is None else shown.acts
        feed, enough = Feed(acts, layer, self._pace), top if isinstance(top, int) else TOP
        acts = feed.opened(lambda read: len(read) >= enough)
        session = self._session = SplitSession(
            feed, acts, recipe, self._screen, truth=truth_of(truth, truth_names, acts.shape[1]),
            pace=self._pace, limits=self._limits,
        )  # fmt: skip
        if shown is None:
            neuron = most_mixed(acts, top) if neuron is None else neuron
            shown = session.make(neuron, top, recipe.method)
            session.top = top
        else:
            session.top = len(shown.index)
        self._live = Live(self, feed, self._pace, session.refreshed, session.work, KEPT)
        code = written(
            recipe, about_model, truth=truth, truth_names=truth_names, library=library, sae=sae
        )
        self._graphs = GraphSession(session, self._put)
        super().__init__(by=by, _given=code, _below=self._graphs.below)
        with self._opening():
            self.library = library
            self._methods = recipe.methods(shown.method, acts.layer)
            if threshold is not None:
                session.user_state.keep(shown, float(threshold), {})
            self._put({**session.show(session.picture(shown)), "refined": bool(refined)})
            self._gather()
            self._live.follow()

    # What the user reads

    def rename(self, concept: int, name: str) -> None:
        """Give concept number `concept` (from 0, in the order of `concepts`) a name.

        An empty name restores the default one. The name stays with the concept when the cut
        changes: of several clusters the one with the largest overlap takes it.

        Raises:
            IndexError: no such concept is on the screen.
            ValueError: the concept belongs to no cluster of the tree.
        """
        with self._jobs.lock:
            self.names = self._now().renamed(concept, name)

    def __repr__(self) -> str:
        session = getattr(self, "_session", None)
        if session is None or not session.version:
            return "SplitExplorer()"
        return (
            f"SplitExplorer({self.split.name} of layer {self.acts.layer!r}, top {self.top}, "
            f"threshold {self.threshold:.4g})"
        )

    # Traits: checked, then passed on

    @t.validate(*SPLIT_BY)
    def _check_split(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        traits = {key: getattr(self, key) for key in SPLIT_BY}
        self._session.propose(name, {**traits, name: value})
        return value

    @t.validate("threshold")
    def _check_threshold(self, proposal: Any) -> float:
        return self._session.check_threshold(float(proposal["value"]))

    @t.validate("selection", "lit")
    def _check_selection(self, proposal: Any) -> list[int]:
        return self._session.check_selection(proposal["value"])

    @t.validate("names")
    def _check_names(self, proposal: Any) -> dict[str, str]:
        return self._session.check_names(proposal["value"])

    @t.observe(*SPLIT_BY)
    def _split_changed(self, _change: Any) -> None:
        if (split := self._session.proposed()) is not None:
            with self._jobs.lock:
                self._jobs.cancel()
                session = self._now()
                self._put(session.show(session.picture(split)))
                self._clear()
            self._gather()

    @t.observe(*CHOSEN)
    def _chosen(self, change: Any) -> None:
        # Its value now: an observer before this one may have changed it again.
        name = change["name"]
        by_user = name not in self._origin.own
        self._session.choose(name, getattr(self, name), by_user)
        if by_user and name in ("threshold", "refined"):
            self._live.touch()
            self._clear()
            self._gather(self._pace.rest)

    def _set_late(self, version: int, late: dict[str, Any]) -> None:
        for name, value in self._session.late(version, late).items():
            setattr(self, name, value)

    # Requests of a view

    def _messages(self) -> dict[str, Any]:
        own = {
            "split.request": self._on_split_request,
            "samples.spread": lambda message: self._on_more(
                lambda: self._session.evidence.want_spread(message.get("node"))
            ),
            "causes.measure": lambda message: self._on_more(
                lambda: self._now().want_causes(bool(message.get("every")))
            ),
            "text.read": lambda message: self._on_more(
                lambda: self._session.evidence.texts.want(int(message["row"]))
            ),
        }
        return {**super()._messages(), **self._graph_messages(), **own}

    def _on_split_request(self, wanted: dict[str, Any]) -> None:
        by = wanted["by"] if wanted.get("by") in READINGS else self.by
        steps = self._session.resplit(
            wanted.get("neuron"), wanted.get("top"), str(wanted.get("method")),
            wanted.get("metric"), by, wanted.get("band", ...),
        )  # fmt: skip
        self._start(steps, kind=SPLITTING)

    def _on_more(self, want: Callable[[], None]) -> None:
        """A view wants more evidence for the picture on the screen."""
        with self._jobs.lock:
            want()
            self._clear()
            self._gather(self._pace.rest)

    def cancel(self) -> None:
        """Stop the widget's job, if one runs, and what it measures. The picture stays."""
        self._session.evidence.causes.drop()
        super().cancel()

    # Evidence

    @own_modes()
    def _gather(self, delay: float = 0.0) -> None:
        """Start gathering evidence; without delay, some of it before this returns."""
        session = self._now()
        if not session.due():
            return
        if delay and self._jobs.kind in (*KEPT, REFRESHING):
            # A drag must not stop such a job. It ends with the evidence for its picture, but may
            # have looked for the last time what that is.
            self._jobs.afterwards(self._go_on)
            return
        steps = session.work()
        if delay == 0:
            try:
                if self._jobs.begin(steps, self._pace.inline):
                    return
            except Exception as error:
                # The tree is on the screen and stays usable without its evidence.
                self._fail(error)
                return
        self._start(steps, delay)

    def _go_on(self) -> None:
        self._gather(self._pace.rest)

    def to_html(self, path: str | Path, *, timeout: float = 60.0) -> Path:
        """Write the widget to one HTML file, with the evidence that is being gathered.

        See `Widget.to_html`. Waits up to `timeout` seconds for the job that runs, and warns if
        it did not end: the page then says what is missing.
        """
        if not self.wait(timeout):
            warn(
                f"The page lacks evidence that was not gathered within {timeout:g} s. Wait for it "
                "with explorer.wait(), or pass a longer timeout=.",
            )
        return super().to_html(path)
