"""What SplitExplorer shows, what its user chose, and what is due. It knows no traits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.linkage.engine import METRICS
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.identity import recolored
from neuronwidgets.concepts.refine import Refinement
from neuronwidgets.concepts.split import Split
from neuronwidgets.concepts.suggest import stretches
from neuronwidgets.core.modes import own_modes
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.jobs import JobProgress, Prepared, Steps, silently
from neuronwidgets.widgets.base.pace import PACE, Pace
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.split_explorer.evidence import Evidence
from neuronwidgets.widgets.split_explorer.limits import LIMITS, Limits
from neuronwidgets.widgets.split_explorer.recipe import Recipe
from neuronwidgets.widgets.split_explorer.user_state import Names, UserState, numbered

if TYPE_CHECKING:
    from neuronwidgets.widgets.split_explorer.truth import Truth


class Picture(NamedTuple):
    """A split, its evidence so far, and the packed `tree` message."""

    split: Split
    evidence: Evidence
    tree: bytes


class SplitSession:
    """The state of one SplitExplorer, without a kernel.

    Attributes:
        recipe: how the split on the screen was made, and the next ones are.
        acts: the activations on the screen.
        split, evidence: the split on the screen, and the evidence for it.
        threshold, names, refined, selection: what the user chose.
        chosen: whether the user chose the threshold; else the data suggests it.
        top: the number of top samples that the user asked for; `None`: the default.
        version: counts the pictures on the screen.
    """

    split: Split
    evidence: Evidence

    def __init__(
        self,
        feed: Feed,
        acts: Activations,
        recipe: Recipe,
        screen: Screen,
        *,
        truth: Truth | None = None,
        pace: Pace = PACE,
        limits: Limits = LIMITS,
    ) -> None:
        self.feed, self.acts, self.recipe, self.truth = feed, acts, recipe, truth
        if recipe.sae is not None:
            recipe.sae.check(acts)
        self.user_state = UserState()
        self.threshold, self.chosen, self.refined = 0.0, False, False
        self.top: int | None = None
        self.names: Names = {}
        self.selection: list[int] = []
        self.version = self._heights_version = 0
        self._screen, self._pace, self._limits = screen, pace, limits
        self._refinement: tuple[float, Refinement] | None = None
        self._pending: Split | None = None
        self._cached: tuple[Any, Concepts] | None = None

    # Making a split

    def make(
        self,
        neuron: Any,
        top: Any,
        method: str,
        metric: str | None = None,
        acts: Activations | None = None,
        recipe: Recipe | None = None,
    ) -> Split:
        """Split a neuron, or a direction, by the session's recipe or another one."""
        acts = self.acts if acts is None else acts
        return (recipe or self.recipe).make(acts, neuron, top, method, metric)

    @own_modes()
    def picture(self, split: Split, reads: bool = True) -> Picture:
        """The picture of a split. While a capture runs, the model is in use."""
        reads = reads and not self.feed.running
        use, sae = self.recipe.use, self.recipe.sae
        evidence = Evidence(split, self.truth, reads, self._pace, self._limits, use, sae)
        return Picture(split, evidence, evidence.pack_tree())

    def show(self, picture: Picture) -> dict[str, Any]:
        """Take a picture as the one on the screen. Returns the traits that show it."""
        if self.version:
            self._keep()
        split, evidence, tree = picture
        self.recipe = self.recipe.banded(split.band)
        threshold, names = self.user_state.of(split)
        self.split, self.evidence, self._refinement = split, evidence, None
        self.version += 1
        self._heights_version = self.version
        self.chosen = threshold is not None
        self.threshold = split.suggested if threshold is None else threshold
        self.names, self.selection = names, []
        return {
            "_version": self.version,
            "neuron": split.neuron,
            "top": len(split.index),
            "method": split.method,
            "metric": split.metric,
            "band": split.band,
            "names": names,
            "threshold": self.threshold,
            "selection": [],
            "_refinement": b"",
            "_tree": tree,
            **self._evidence_traits(evidence.pack_evidence()),
        }

    def _keep(self) -> None:
        self.user_state.keep(self.split, self.threshold if self.chosen else None, self.names)

    def _evidence_traits(self, packed: bytes) -> dict[str, Any]:
        assessment = self.evidence.assessment
        return {
            "_evidence": packed,
            "_sae": self.evidence.sae.pack(),
            "_suggestions": assessment.suggestions(),
            "_scores": assessment.scores(),
        }

    # What the user chooses

    def choose(self, name: str, value: Any, by_user: bool = True) -> None:
        """`threshold`, `names`, `refined` or `selection` has a new value."""
        setattr(self, name, value)
        if name == "threshold" and by_user:
            self.chosen = True

    def propose(self, name: str, wanted: Mapping[str, Any]) -> None:
        """Make the split that `wanted` asks for: neuron, top, method, metric, band; `name` is new.

        Raises:
            ValueError, TypeError, IndexError: there is no such split.
        """
        shown = {
            "neuron": self.split.neuron,
            "top": len(self.split.index),
            "method": self.split.method,
            "metric": self.split.metric,
            "band": self.split.band,
        }
        self._pending = None
        wanted = {**shown, **wanted}
        if wanted == shown:
            return
        neuron, metric = wanted["neuron"], wanted["metric"]
        if name == "method" or (name != "metric" and wanted["method"] not in METRICS):
            metric = None
        if neuron is None:
            neuron = self.split.direction
        top = wanted["top"] if name == "top" else self.top
        recipe = self.recipe.banded(wanted["band"])
        self._pending = self.make(neuron, top, wanted["method"], metric, None, recipe)
        self.top = top

    def proposed(self) -> Split | None:
        """The split that `propose` made, once."""
        pending, self._pending = self._pending, None
        return pending

    def late(self, version: int, late: Mapping[str, Any]) -> dict[str, Any]:
        """What a view chose on the picture `version`, carried over to the present one."""
        carried = {}
        # A rebuilt tree has the heights of the one before, and other nodes.
        if "threshold" in late and version >= self._heights_version:
            carried["threshold"] = late["threshold"]
        if "names" in late:
            names = self.user_state.late(version, late["names"], self.split)
            carried |= {} if names is None else {"names": names}
        return carried

    def renamed(self, concept: int, name: str) -> Names:
        """The names, once concept number `concept` is called `name`."""
        concepts = self.concepts
        if not 0 <= concept < len(concepts):
            raise IndexError(
                f"concept {concept} is not on the screen, which shows {len(concepts)}: "
                f"0 to {len(concepts) - 1}."
            )
        node = int(concepts.nodes[concept])
        if node < 0:
            raise ValueError(
                f"concept {concept} belongs to no cluster of the tree: switch `refined` "
                "off to name it."
            )
        names = numbered(self.names)
        anchors, nodes = list(names), [int(n) for n in concepts.nodes if n >= 0]
        anchor = self.split.tree.inherit(nodes, anchors)[nodes.index(node)]
        if anchor >= 0:
            del names[anchors[anchor]]
        if name.strip():
            names[node] = name.strip()
        return {str(key): value for key, value in names.items()}

    @property
    def concepts(self) -> Concepts:
        """The cut at the threshold with its names; refined, once that membership is known."""
        refinement = self._refinement if self.refined else None
        if refinement is not None and refinement[0] != self.threshold:
            refinement = None
        names = numbered(self.names)
        key = (self.split, self.threshold, refinement, tuple(names.items()))
        if self._cached is None or self._cached[0] != key:
            concepts = Concepts.at(self.split, self.threshold, names)
            if refinement is not None:
                concepts = concepts.regrouped(refinement[1], names)
            self._cached = key, concepts
        return self._cached[1]

    def want_causes(self, every: bool = False) -> None:
        """Have the concepts on the screen taken out of the model, or those of every cut.

        Raises:
            ValueError: they cannot be measured.
        """
        causes, shown = self.evidence.causes, self.split
        causes.want(self.concepts)
        if every:
            for stretch in stretches(shown.tree, shown.min_size):
                causes.want(shown.cut(stretch.threshold))

    # Checks of what is chosen

    def check_threshold(self, value: float) -> float:
        """A height of the tree."""
        if not 0 <= value < float("inf"):
            raise ValueError(
                f"threshold must be a height of the tree, 0 to {self.split.tree.top:.4g}, "
                f"got {value}."
            )
        return value

    def check_selection(self, rows: Sequence[int]) -> list[int]:
        """Rows of the activations."""
        for row in rows:
            if not 0 <= row < len(self.acts):
                raise IndexError(
                    f"sample {row} is not in the data, which has {len(self.acts):,} "
                    f"samples: 0 to {len(self.acts) - 1:,}."
                )
        return list(rows)

    def check_names(self, names: Mapping[str, str]) -> Names:
        """Names of tree nodes."""
        nodes = 2 * self.split.tree.n - 1 if self.version else 0
        for node in names:
            if not (node.isdecimal() and int(node) < nodes):
                raise ValueError(
                    f"names must have tree nodes as keys, '0' to '{nodes - 1}', got {node!r}. "
                    "rename(concept, name) finds the node for you."
                )
        return dict(names)

    # Work that takes long

    def due(self) -> bool:
        """Whether evidence for the picture on the screen is missing."""
        return self.refined or self.evidence.lacks(_nodes(self.split, self.threshold))

    def work(self) -> Steps:
        """Gather and publish the evidence for the picture on the screen."""
        shown, evidence, threshold = self.split, self.evidence, self.threshold

        def publish() -> None:
            if self.split is shown:
                self._screen.put(self._evidence_traits(evidence.pack_evidence()))

        if self.refined and (self._refinement is None or self._refinement[0] != threshold):
            packed, refinement = yield from evidence.regroup(threshold)

            def regroup() -> None:
                if self.split is shown:
                    self._regrouped(threshold, refinement)
                    traits = {"_refinement": packed, "_evidence": evidence.pack_evidence()}
                    self._screen.put(traits)

            yield regroup
        nodes = _nodes(shown, threshold)
        if evidence.lacks(nodes):
            yield from evidence.steps(nodes, publish)

    def _regrouped(self, threshold: float, refinement: Refinement) -> None:
        """The k-means membership at a threshold is on the screen."""
        self._refinement = threshold, refinement
        concepts = Concepts.at(self.split, threshold).regrouped(refinement)
        self.evidence.promoted.refine(concepts)

    def resplit(
        self, neuron: Any, top: Any, method: str, metric: str | None, by: str, band: Any = ...
    ) -> Steps:
        """Split what a view asked for, show it, and gather its evidence. `band=...`: the one shown.

        If that fails, show the error. The picture stays, and so does the work for it.
        """
        yield JobProgress(0.0, f"clustering {top} samples")
        neuron = self.split.direction if neuron is None else neuron
        try:
            asked = self.top if top == len(self.split.index) else self.acts.check_top(top)
            recipe = self.recipe if band is ... else self.recipe.banded(band)
            split = self.make(neuron, asked, method, metric, None, recipe)
        except Exception as error:
            failure = error
            yield lambda: self._screen.fail(failure)
            yield from silently(self.work())
            return
        yield JobProgress(0.9, f"clustering {top} samples")
        picture = self.picture(split)

        def show() -> None:
            self.top = asked
            self._screen.put({**self.show(picture), "by": by})
            self._screen.clear()

        yield show
        yield from self.work()

    def refreshed(self, acts: Activations) -> Prepared:
        """Split newer activations in the same way. Returns what shows them.

        What the user chose stays: threshold, names, selection, and the colours of the concepts.
        """
        before, concepts = self.split, self.concepts
        threshold = concepts.threshold if self.chosen else None
        target = before.direction if before.neuron is None else before.neuron
        metric = before.metric if before.method in METRICS else None
        refined, names = self.refined, numbered(self.names)
        split = self.make(target, self.top, before.method, metric, acts)
        split = recolored(split, threshold, concepts, names)
        threshold = split.suggested if threshold is None else threshold
        picture = self.picture(split, reads=False)
        # All that the cards show is gathered before, so that none of them is blank.
        evidence = picture.evidence
        yield from silently(evidence.steps(_nodes(split, threshold), lambda: None))
        regrouped = (yield from silently(evidence.regroup(threshold))) if refined else None
        packed = evidence.pack_evidence()

        def show() -> None:
            rows = acts.samples.rows_of(self.acts.samples.dataset_indices(self.selection))
            self._keep()
            self.user_state.replaced(self.version, before, split)
            heights_version = self._heights_version
            self.acts, evidence.reads = acts, not self.feed.running
            traits = {**self.show(picture), "_evidence": packed}
            self._heights_version = heights_version
            self.selection = traits["selection"] = rows[rows >= 0].tolist()
            if regrouped is not None and self.refined and self.threshold == threshold:
                traits["_refinement"] = regrouped[0]
                self._regrouped(threshold, regrouped[1])
            self._screen.put(traits)

        return show


def _nodes(split: Split, threshold: float) -> list[int]:
    """The nodes of the concepts at a threshold."""
    cut = split.tree.cut(threshold)
    return [int(node) for node in cut[split.tree.size[cut] >= split.min_size]]
