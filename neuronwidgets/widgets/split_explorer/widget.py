"""SplitExplorer: drag the threshold and see a neuron's concepts split and merge."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.linkage.engine import METRICS
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.defaults import TOP, default_min_size
from neuronwidgets.concepts.identity import recolored
from neuronwidgets.concepts.methods.registry import METHODS, ready
from neuronwidgets.concepts.refine import Refinement
from neuronwidgets.concepts.scores import most_mixed
from neuronwidgets.concepts.split import Split, split
from neuronwidgets.core.modes import own_modes
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.jobs import Progress, Steps, take
from neuronwidgets.widgets.base.live import REFRESHING, REST, Live, Prepared, silently
from neuronwidgets.widgets.base.widget import IDLE, Whole, front_end
from neuronwidgets.widgets.split_explorer.assessment import later
from neuronwidgets.widgets.split_explorer.evidence import Evidence
from neuronwidgets.widgets.split_explorer.retrieved import READINGS
from neuronwidgets.widgets.split_explorer.user_state import Memory, numbered

if TYPE_CHECKING:
    from neuronwidgets.toy import Calibration
    from neuronwidgets.widgets.split_explorer.truth import Truth

INLINE = 1.0
"""Seconds of evidence gathered before a call returns; the rest is a job."""
SPLITTING = "split"


class SplitExplorer(Live):
    """Split one neuron into concepts at the threshold that a person drags.

    The view re-cuts the tree itself, at every frame; Python follows. What needs the kernel
    (another neuron, what a concept vector finds in the whole dataset, k-means) is a job with
    progress and a cancel button.
    """

    _esm = front_end("split-explorer.js")
    _css = front_end("split-explorer.css")

    neuron = Whole(None, allow_none=True).tag(sync=True)
    """The neuron that is split; `None` for a direction."""
    top = Whole(100).tag(sync=True)
    """How many of the samples that activate it most."""
    method = t.Unicode("ward").tag(sync=True)
    """How they are clustered: "ward", "average", "kmeans" and others, see `neuronwidgets.split`."""
    metric = t.Unicode("cosine").tag(sync=True)
    """How the distances between them are measured: "cosine" or "euclidean", see
    `neuronwidgets.split`."""
    by = t.Enum(READINGS, READINGS[0]).tag(sync=True, echo_update=False)
    """How the concepts on the screen retrieve samples: "cosine" (nearest in direction, about the
    layer's mean) or "dot" (largest dot product, as in the paper); see `Concepts.retrieve`."""
    threshold = t.CFloat(0.0).tag(sync=True, echo_update=False)
    """The height of the cut; lower is finer."""
    refined = t.Bool(False).tag(sync=True, echo_update=False)
    """Whether membership is the paper's (k-means, outliers) instead of the tree's."""
    selection = t.List(Whole()).tag(sync=True, echo_update=False)
    """The samples selected in the view: rows of the activations."""
    names = t.Dict(key_trait=t.Unicode(), value_trait=t.Unicode()).tag(sync=True, echo_update=False)
    """Names given by the user: tree node (as a string) -> name."""

    _LATE = ("threshold", "names", "selection")
    _KEPT = (SPLITTING,)
    _split: Split
    _proof: Evidence
    _members: tuple[float, Refinement] | None
    """The k-means membership on the screen, and its threshold."""
    _moved: bool
    """Whether somebody chose the threshold; else it is the one that the data suggests."""
    _methods = t.List(t.Unicode()).tag(sync=True)
    """The methods that can be chosen: those that need nothing that was not given."""
    _tree = t.Bytes().tag(sync=True)
    _suggestions = t.List().tag(sync=True)
    _scores = t.List().tag(sync=True)
    _evidence = t.Bytes().tag(sync=True)
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
        refined: bool = False,
        by: str = READINGS[0],
        truth: Any = None,
        truth_names: Sequence[str] | None = None,
        **settings: Any,
    ) -> None:
        """Open the explorer.

        Args:
            acts: `Activations`, a plain `S x D` array, or a `Capturing` that still runs: it
                opens on the first samples and is made anew as more arrive; what was chosen stays.
                Or a `Split`: it is shown as it is, and another neuron is split in the same way.
            neuron: its number, or a direction (`D` numbers). Not given: the neuron whose top
                samples have the most mixed labels, or neuron 0 without labels.
            top: how many top samples to split; 100, or all where there are fewer.
            method, metric, settings: how they are clustered, see `neuronwidgets.split`: "ward" if
                not given. The settings go with this method, if others are chosen in the view.
            layer: which, of a capture that reads several.
            threshold: where to cut at first; not given: chosen from the data.
            min_size: clusters of fewer samples are no concept; 5 in 100 if not given.
            refined: begin with the paper's k-means membership.
            by: how concepts retrieve samples at first: "cosine" or "dot".
            truth: what is known of the layer, to see live what is recovered: a `toy.Run`, or
                `N x D` numbers, in each row what the layer holds when one true feature is there
                alone, in one unit for all rows (`run.A.T`; `run.directions` has lost it). The
                features in question are those that drive the neuron (or direction): with a
                projection on it of at least a tenth of the largest one. See `calibration`.
            truth_names: of the `N` features; "feature 0" and so on if not given.
        """
        given = acts if isinstance(acts, Split) else None
        if given is not None:
            said = {"neuron": neuron, "top": top, "method": method, "metric": metric,
                    "layer": layer, "min_size": min_size, **settings}  # fmt: skip
            twice = [name for name, value in said.items() if value is not None]
            if twice:
                raise ValueError(
                    f"{twice[0]}= is given with a split, which has it already: leave it out, or "
                    "pass the activations, split.acts, instead of the split."
                )
            acts, method, min_size, settings = _made_with(given)
        if metric is not None:
            settings["metric"] = metric
        self._settings = (method or "ward"), settings
        self._feed = Feed(acts, layer)
        acts = self._acts = self._feed.opened(top if isinstance(top, int) else TOP)
        self._truth = _known(truth, truth_names, acts.shape[1])
        self._min_size = min_size
        self._pending: Split | None = None
        self._applying: int | None = threading.get_ident()
        self._showing = False
        self._memory = Memory()
        self._moved, self._since = False, 0
        self._cached: tuple[Any, Concepts] | None = None
        if given is None:
            chosen = most_mixed(acts, top) if neuron is None else neuron
            first = self._make(chosen, top, self._settings[0])
        else:
            first = given
        super().__init__(by=by)
        with self._opening():
            able = [name for name in METHODS if name != first.method and ready(name)]
            self._methods = sorted([first.method, *able], key=[*METHODS, first.method].index)
            if threshold is not None:
                self._memory.keep(first, float(threshold), {})
            self._show(*self._ready(first))
            self.refined = bool(refined)
            self._gather()
            self._follow()

    # What a user reads

    @property
    def split(self) -> Split:
        """The neuron on the screen, as `neuronwidgets.split` gives it."""
        return self._split

    @property
    def concepts(self) -> Concepts:
        """The concepts on the screen: always the cut at the threshold, with its names.

        With `refined`, the tree's own clusters until the k-means membership is on the screen.
        """
        with self._jobs.lock:
            members = self._members if self.refined else None
            if members is not None and members[0] != self.threshold:
                members = None
            names = numbered(self.names)
            key = (self._split, self.threshold, members, tuple(names.items()))
            if self._cached is not None and self._cached[0] == key:
                return self._cached[1]
            made = Concepts.at(self._split, self.threshold, names)
            if members is not None:
                made = made.regrouped(members[1], names)
            self._cached = (key, made)
            return made

    @property
    def driving(self) -> np.ndarray | None:
        """The true features that drive the neuron: int64 `F`, rows of `truth`; `None` without.

        For a run of the task "absolute", whose features are signed, `N + i` is the negative of
        feature `i`.
        """
        return None if self._truth is None else self._truth.drivers(self._split)

    @property
    def calibration(self) -> Calibration | None:
        """`concepts` matched with the true features that drive the neuron; `None` without truth.

        As from `toy.calibrate(explorer.concepts.vectors, truth[explorer.driving])`. A concept
        whose samples are all zero has no direction: its cosines are 0.
        """
        return None if self._truth is None else self._truth.calibration(self.concepts)

    def rename(self, concept: int, name: str) -> None:
        """Give concept number `concept` (from 0, in the order of `concepts`) a name.

        An empty name gives the default one back. The name stays with the concept when the cut
        changes: of several clusters the one with the largest overlap takes it.
        """
        now = self.concepts
        if not 0 <= concept < len(now):
            raise IndexError(
                f"concept {concept} is not on the screen, which shows {len(now)}: "
                f"0 to {len(now) - 1}."
            )
        node = int(now.nodes[concept])
        if node < 0:
            raise ValueError(
                f"concept {concept} goes with no cluster of the tree: switch `refined`"
                " off to name it."
            )
        names = numbered(self.names)
        anchors = list(names)
        taken = self._split.tree.inherit([int(n) for n in now.nodes if n >= 0], anchors)
        place = [int(n) for n in now.nodes if n >= 0].index(node)
        if taken[place] >= 0:
            del names[anchors[taken[place]]]
        if name.strip():
            names[node] = name.strip()
        self.names = {str(key): value for key, value in names.items()}

    def __repr__(self) -> str:
        if not hasattr(self, "_split"):
            return "SplitExplorer()"
        return (
            f"SplitExplorer({self._split.name} of layer {self._acts.layer!r}, top {self.top}, "
            f"threshold {self.threshold:.4g})"
        )

    # Setting from Python: refused in words, or shown at once

    @t.validate("neuron", "top", "method", "metric")
    def _check_split(self, proposal: Any) -> Any:
        value, name = proposal["value"], proposal["trait"].name
        if self._applying == threading.get_ident():
            return value
        now = self._split
        shown = {"neuron": now.neuron, "top": len(now.index), "method": now.method,
                 "metric": now.metric}  # fmt: skip
        wanted = {"neuron": self.neuron, "top": self.top, "method": self.method,
                  "metric": self.metric, name: value}  # fmt: skip
        if wanted == shown:
            self._pending = None
            return value
        if name == "method" or (name != "metric" and self.method not in METRICS):
            del wanted["metric"]
        if wanted["neuron"] is None:
            wanted["neuron"] = self._split.direction
        self._pending = self._make(**wanted)
        return value

    @t.observe("neuron", "top", "method", "metric")
    def _split_changed(self, _change: Any) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            with self._jobs.lock:
                self._jobs.cancel()
                self._show(*self._ready(pending))
            self._gather()

    @t.validate("threshold")
    def _check_threshold(self, proposal: Any) -> float:
        value = float(proposal["value"])
        if not 0 <= value < float("inf"):
            raise ValueError(
                f"threshold={value}; a height of the tree is needed: 0 to "
                f"{self._split.tree.top:.4g}."
            )
        return value

    @t.validate("selection")
    def _check_selection(self, proposal: Any) -> list[int]:
        rows = list(proposal["value"])
        for row in rows:
            if not 0 <= row < len(self._acts):
                raise IndexError(
                    f"sample {row} is not in the data, which has {len(self._acts):,} "
                    f"samples: 0 to {len(self._acts) - 1:,}."
                )
        return rows

    @t.validate("names")
    def _check_names(self, proposal: Any) -> dict[str, str]:
        nodes = 2 * self._split.tree.n - 1 if hasattr(self, "_split") else 0
        for node in proposal["value"]:
            if not (node.isdecimal() and int(node) < nodes):
                raise ValueError(
                    f"names has the key {node!r}; tree nodes, '0' to '{nodes - 1}', "
                    "are needed. rename(concept, name) finds the node for you."
                )
        return dict(proposal["value"])

    @t.observe("threshold", "refined")
    def _changed(self, change: Any) -> None:
        if not self._showing:
            self._moved = self._moved or change["name"] == "threshold"
            self._touch()
            if self.status["state"] == "error":
                self.status = IDLE
            self._gather(REST)

    def _go_on(self) -> None:
        self._gather(REST)

    # Asked for by a view

    def _messages(self) -> dict[str, Any]:
        return {**super()._messages(), "split.request": self._on_split_request}

    def _on_split_request(self, wanted: dict[str, Any]) -> None:
        neuron = wanted.get("neuron")
        neuron = self._split.direction if neuron is None else neuron
        request = neuron, wanted.get("top"), str(wanted.get("method")), wanted.get("metric")
        by = wanted.get("by")
        self._start(self._resplit(*request, by if by in READINGS else self.by), kind=SPLITTING)

    def _resplit(self, neuron: Any, top: Any, method: str, metric: str | None, by: str) -> Steps:
        yield Progress(0.0, f"clustering {top} samples")
        try:
            made = self._make(neuron, self._acts.check_top(top), method, metric)
        except Exception as error:
            words = error
            yield lambda: self._fail(words)
            # What is on the screen stays, and so does the work for it, without a word.
            for step in self._afterwards():
                if not isinstance(step, Progress):
                    yield step
            return
        yield Progress(0.9, f"clustering {top} samples")
        ready = self._ready(made)

        def show() -> None:
            self._show(*ready)
            self.by = by

        yield show
        yield from self._afterwards()

    # Made anew while a capture runs

    def _prepare(self, acts: Activations) -> Prepared:
        with self._jobs.lock:
            old, before, moved, refined = self._split, self.concepts, self._moved, self.refined
            names = numbered(self.names)
        who = old.direction if old.neuron is None else old.neuron
        metric = old.metric if old.method in METRICS else None
        made = self._make(who, len(old.index), old.method, metric, acts)
        made = recolored(made, before.threshold if moved else None, before, names)
        threshold = before.threshold if moved else made.suggested
        ready = self._ready(made, read=False)
        # With all that the cards show, so that none of them is blank meanwhile.
        proof = ready[1]
        yield from silently(proof.steps(self._nodes(made, threshold), lambda: None))
        packed = (yield from silently(proof.regroup(threshold))) if refined else None
        found = proof.pack_evidence()

        def show() -> None:
            with self._together(), self._quietly(), self.hold_trait_notifications():
                rows = acts.samples.rows_at(self._acts.samples.places(self.selection))
                status, since = self.status, self._since
                self._memory.replaced(self._serial, old)
                self._acts, proof.reads = acts, not self._feed.running
                self._show(*ready)
                self._since, self._evidence = since, found
                self.selection = rows[rows >= 0].tolist()
                self.status = status
                if packed is not None and self.refined and self.threshold == threshold:
                    self._refinement, self._members = packed[0], (threshold, packed[1])

        return show

    def _came_late(self, seen: int, late: dict[str, Any]) -> None:
        # The heights of a tree that was made anew are the same, its nodes are others.
        if "threshold" in late and seen >= self._since:
            self.threshold = late["threshold"]
        if "names" in late:
            names = self._memory.late(seen, late["names"], self._split)
            self.names = self.names if names is None else names

    # What both share

    def _make(
        self,
        neuron: Any,
        top: Any,
        method: str,
        metric: str | None = None,
        acts: Activations | None = None,
    ) -> Split:
        settings = self._settings[1] if method == self._settings[0] else {}
        if metric is not None:
            settings = {**settings, "metric": metric}
        acts = self._acts if acts is None else acts
        return split(acts, neuron, top, method, min_size=self._min_size, **settings)

    @own_modes()
    def _ready(self, made: Split, read: bool = True) -> tuple[Split, Evidence, bytes]:
        # While a capture runs, the model is its own.
        evidence = Evidence(made, self._truth, read and not self._feed.running)
        return made, evidence, evidence.pack_tree()

    def _show(self, made: Split, evidence: Evidence, tree: bytes) -> None:
        """Put a split on the screen, in one message; observers are called when all of it stands."""
        with self._together(), self._quietly(), self.hold_trait_notifications():
            if hasattr(self, "_split"):
                given = self.threshold if self._moved else None
                self._memory.keep(self._split, given, self.names)
            threshold, names = self._memory.of(made)
            self._applying = threading.get_ident()
            try:
                self._split, self._proof, self._members = made, evidence, None
                self._serial += 1
                self._since = self._serial
                self.neuron, self.top = made.neuron, len(made.index)
                self.method, self.metric = made.method, made.metric
                self.names = names
                self._moved = threshold is not None
                self.threshold = made.suggested if threshold is None else threshold
                self.selection = []
                self._refinement = b""
                self._evidence = evidence.pack_evidence()
                self._suggestions = evidence.assessment.suggestions()
                self._scores = evidence.assessment.scores()
                self._tree = tree
                if self.status["state"] == "error":
                    self.status = IDLE
            finally:
                self._applying = None

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Whoever shows a split gathers its evidence afterwards."""
        before, self._showing = self._showing, True
        try:
            yield
        finally:
            self._showing = before

    def _nodes(self, made: Split, threshold: float) -> list[int]:
        cut = made.tree.cut(threshold)
        return [int(node) for node in cut[made.tree.size[cut] >= made.min_size]]

    @own_modes()
    def _gather(self, delay: float = 0.0) -> None:
        """Start gathering evidence; without delay, some of it before returning."""
        if not (self.refined or self._proof.lacks(self._nodes(self._split, self.threshold))):
            return
        if delay and self._jobs.kind in (SPLITTING, REFRESHING):
            # It ends with the evidence for what it shows: a drag meanwhile must not stop it.
            return
        steps = self._afterwards()
        if delay == 0:
            end = time.perf_counter() + INLINE
            try:
                while time.perf_counter() < end and (step := next(steps)) is not later:
                    take(step)
            except StopIteration:
                return
            except Exception as error:
                # The tree is on the screen and stays usable without its evidence.
                self._fail(error)
                return
        self._start(steps, delay)

    def _afterwards(self) -> Steps:
        made, proof, threshold = self._split, self._proof, self.threshold
        nodes = self._nodes(made, threshold)

        def publish() -> None:
            packed, said = proof.pack_evidence(), proof.assessment
            with self._together():
                if self._split is made:
                    self._evidence = packed
                    self._suggestions, self._scores = said.suggestions(), said.scores()

        if self.refined and (self._members is None or self._members[0] != threshold):
            packed, done = yield from proof.regroup(threshold)

            def regroup() -> None:
                with self._together():
                    if self._split is made:
                        self._refinement, self._evidence = packed, proof.pack_evidence()
                        self._members = threshold, done

            yield regroup
        if proof.lacks(nodes):
            yield from proof.steps(nodes, publish)


def _made_with(made: Split) -> tuple[Activations, str, int | None, dict[str, Any]]:
    """What another neuron is to be split with, to be split like this one: activations, method,
    `min_size` (`None` where it is nothing but the default), settings."""
    settings = dict(made.settings)
    if not settings and made.method in METRICS:
        settings["metric"] = made.metric
    usual = default_min_size(len(made.index))
    plain = made.min_size == usual or (made.chosen is not None and made.min_size < usual)
    return made.acts, made.method, None if plain else made.min_size, settings


def _known(truth: Any, names: Any, neurons: int) -> Truth | None:
    if truth is None:
        if names is not None:
            raise ValueError("truth_names is given without truth: there is nothing to name.")
        return None
    # It needs torch, which an explorer of plain arrays does not.
    from neuronwidgets.widgets.split_explorer.truth import Truth

    return Truth.of(truth, names, neurons)
