"""The evidence on the cards of a split, gathered while the drag rests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.retrieval import normalized
from neuronwidgets.clustering.stability import recurring
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.refine import refine
from neuronwidgets.concepts.split import Split
from neuronwidgets.concepts.suggest import resamples_of
from neuronwidgets.core.steps import mapped
from neuronwidgets.display.palette import COLORS
from neuronwidgets.widgets.base.jobs import JobProgress, Steps, later
from neuronwidgets.widgets.base.pace import PACE, Pace
from neuronwidgets.widgets.base.previews import pack_previews
from neuronwidgets.widgets.protocol.buffers import pack
from neuronwidgets.widgets.split_explorer.activation_band import InBand, histogram
from neuronwidgets.widgets.split_explorer.assessment import Assessment
from neuronwidgets.widgets.split_explorer.causes import Causes
from neuronwidgets.widgets.split_explorer.halves import Halves
from neuronwidgets.widgets.split_explorer.keywords import Keywords
from neuronwidgets.widgets.split_explorer.limits import LIMITS, Limits
from neuronwidgets.widgets.split_explorer.model_use import ModelUse
from neuronwidgets.widgets.split_explorer.other_trees import DefaultAgreement
from neuronwidgets.widgets.split_explorer.promoted import Promoted
from neuronwidgets.widgets.split_explorer.retrieved import Retrieval, Retrieved, shown
from neuronwidgets.widgets.split_explorer.sae import SAEFeatures, SAEMatch
from neuronwidgets.widgets.split_explorer.spread import NEURON, Spread, pack_spread, spreading
from neuronwidgets.widgets.split_explorer.texts import Texts

if TYPE_CHECKING:
    from neuronwidgets.widgets.split_explorer.truth import Truth

SHOWN, LINES = 16, 8
"""Samples on a strip of a card, at most, and texts that are read token by token for it."""
ALL_PREVIEWS = 1000
"""Top samples. Up to this number, all are sent with previews; above it, only each concept's
exemplars."""
PREFETCH = 256
"""Possible concepts of a tree. Up to this number, the evidence for all is gathered ahead."""


class Evidence:
    """The evidence for one split: grows as the user drags, and is packed for the views.

    Args:
        split: what it is about.
        truth: the true features of the layer, if known.
        reads: whether the model may run, as to read texts token by token.
        use: the model, if it was given.
        sae: an autoencoder or its features, if given.
    """

    def __init__(
        self,
        split: Split,
        truth: Truth | None = None,
        reads: bool = True,
        pace: Pace = PACE,
        limits: Limits = LIMITS,
        use: ModelUse | None = None,
        sae: SAEFeatures | None = None,
    ) -> None:
        self.split, self.reads, self.truth = split, reads, truth
        self._limits = limits
        self._shown = LINES if split.acts.samples.kind == "text" else SHOWN
        self.retrieval = Retrieval(split, pace)
        self._retrieved: dict[int, Retrieved] = {}
        self._recurs: dict[int, float] = {}
        self._spreads: dict[int, Spread] = {}
        self._spread_wanted: list[int] = []
        self.texts = Texts(split)
        self._sent = self._tree_previews()
        self._extra: set[int] = set()
        self._refined: set[int] = set()
        tree = split.tree
        self._possible = np.flatnonzero(tree.size >= split.min_size)[::-1]
        self.assessment = Assessment(split, pace, limits)
        self.keywords = Keywords(split, pace)
        self.promoted = Promoted(split, use)
        self.in_band = InBand(split)
        self.causes = Causes(split, use)
        self.sae = SAEMatch(split, sae, pace)
        self.agreement = DefaultAgreement(split)
        self.halves = Halves(split, limits)

    # Messages to the views

    def pack_tree(self) -> bytes:
        """The `tree` message."""
        split, acts, tree = self.split, self.split.acts, self.split.tree
        along = self.retrieval.along
        previews, about = pack_previews(
            acts.samples, sorted(self._sent - self._later), self.texts.read
        )
        tensors = {
            "merge": tree.children,
            "height": tree.merge_heights,
            "row": split.index.astype(np.int32),
            "activation": split.activations.astype(np.float32),
            "map": split.map,
            "color": split.colors,
            **histogram(along),
            **previews,
        }
        if split.points is not None:
            about["elsewhere"] = True
        if split.labels is not None:
            tensors["label"] = split.labels.astype(np.int32)
        if acts.samples.item is not None or acts.samples.origin is not None:
            source = np.unique(acts.samples.sources(split.index), return_inverse=True)[1]
            tensors["source"] = source.ravel().astype(np.int32)
        if split.doubt:
            about["doubt"] = split.doubt
        if split.tokens is not None:
            tensors["token"] = split.tokens.codes
            about["tokens"] = list(split.tokens.names)
        if self.truth is not None:
            nodes = np.sort(self._possible)
            tensors["truth_node"] = nodes.astype(np.int32)
            tensors["truth"] = self.truth.cosines(split, self._vectors(nodes.tolist()))
            names = [self.truth.names[i] for i in self.truth.drivers(split)]
            about["truth"] = {"names": names, "recovered": self.truth.recovered}
        return pack(
            tensors,
            {
                "layer": acts.layer,
                "name": split.name,
                "neurons": acts.shape[1],
                "samples": len(acts),
                "method": split.method,
                "metric": split.metric,
                "minSize": split.min_size,
                "labels": list(acts.label_titles),
                "range": [float(along.min()), float(along.max())],
                "suggested": split.suggested,
                "palette": list(COLORS),
                "words": self.keywords.able,
                **about,
            },
        )

    def pack_evidence(self) -> bytes:
        """The `evidence` message."""
        nodes = list(self._retrieved)
        retrieved = [self._retrieved[n] for n in nodes]
        rows = shown(retrieved, self._shown) | self._refined | self._extra | set(self.texts.read)
        rows |= {row for one in self._spreads.values() for row in one.rows.tolist()}
        fresh = sorted((rows - self._sent) | self._later)
        previews, about = pack_previews(self.split.acts.samples, fresh, self.texts.read)
        keywords = [self.keywords.of(n) for n in nodes]
        strips, about_strips = self.promoted.pack()
        band, about_band = self.in_band.pack()
        causes, about_causes = self.causes.pack()
        return pack(
            {
                "node": np.asarray(nodes, np.int32),
                **self.retrieval.pack(retrieved),
                "recurs": np.array([self._recurs.get(n, np.nan) for n in nodes], np.float32),
                **self.retrieval.pack_chance(),
                **pack_spread(self.retrieval, self._spreads, self._shown),
                **strips,
                **band,
                **causes,
                **previews,
            },
            {
                "words": keywords,
                **about_strips,
                **about_band,
                **about_causes,
                **self.agreement.pack(),
                **self.halves.pack(),
                **about,
            },
        )

    def pack_refinement(
        self,
        assignment: np.ndarray,
        marks: np.ndarray,
        nodes: np.ndarray,
        retrieved: list[Retrieved],
        threshold: float,
        vectors: np.ndarray,
    ) -> bytes:
        """The `refinement` message; the previews that it needs are in the next `evidence`."""
        self._refined = shown(retrieved, self._shown)
        tensors = self.retrieval.pack(retrieved)
        if self.truth is not None:
            tensors["truth"] = self.truth.cosines(self.split, vectors)
        return pack(
            {
                "concept": assignment.astype(np.int32),
                "mark": marks.astype(np.int8),
                "node": nodes.astype(np.int32),
                **tensors,
            },
            {"threshold": threshold},
        )

    @property
    def _later(self) -> set[int]:
        """Rows whose previews come with the evidence: texts, which are still being read."""
        return self._sent if self.split.acts.samples.kind == "text" else set()

    # Gathering

    def want_spread(self, node: int | None) -> None:
        """Have the samples of a tree node, or of the neuron (`None`), spread over their range.

        Raises:
            ValueError: the node is too small to be a concept, or not in the tree.
        """
        if node is not None and node not in self._possible:
            raise ValueError(f"node {node} is no concept of the tree on the screen.")
        wanted = NEURON if node is None else node
        if wanted not in self._spread_wanted:
            self._spread_wanted.append(wanted)

    def lacks(self, nodes: Sequence[int]) -> bool:
        """Whether anything is left to gather for `nodes`."""
        return (
            any(n not in self._retrieved for n in nodes)
            or self.retrieval.lacks_chance()
            or self._lacks_recurring()
            or not self.assessment.done
            or self.in_band.lacks(nodes)
            or self.agreement.lacks()
            or self.halves.lacks(nodes)
            or (self.reads and self.keywords.lacks(nodes))
            or (self.reads and self.promoted.lacks(nodes))
            or (self.reads and self.sae.lacks(nodes))
            or bool(self._unread(nodes))
            or any(n not in self._spreads for n in self._spread_wanted)
            or bool(self.texts.cut())
            or (self.reads and self.causes.lacks())
        )

    def steps(self, nodes: Sequence[int], publish: Callable[[], None]) -> Steps:
        """Gather the evidence for `nodes`, then for all other possible concepts, and publish it."""
        yield from self._asked(publish)
        for step in self._gathering(nodes, publish):
            yield step
            # A view may ask for more while this job runs.
            yield from self._asked(publish)
        if self.reads:
            yield from self.causes.steps(publish)

    def _gathering(self, nodes: Sequence[int], publish: Callable[[], None]) -> Steps:
        wanted = [n for n in nodes if n not in self._retrieved]
        if len(self._possible) <= PREFETCH:
            others = self._possible.tolist()
            wanted += [n for n in others if n not in self._retrieved and n not in nodes]
        if wanted:
            gathered = yield from self.retrieval.of([self.split.tree.samples_of(n) for n in wanted])

            # Kept when published: a job that was replaced publishes nothing.
            def show() -> None:
                self._retrieved.update(zip(wanted, gathered, strict=True))
                self._extra |= self._exemplars(nodes) - self._sent
                publish()

            yield show
        yield from self.retrieval.chance_steps(publish)
        yield from self._recurring(publish)
        yield from self.texts.steps(self._unread(nodes), publish)
        yield from self.assessment.steps(publish)
        yield from self.agreement.steps(publish)
        yield from self.halves.steps(nodes, publish)
        yield from self.in_band.steps(nodes, publish)
        if self.reads:
            yield from self.keywords.steps(nodes, publish)
            possible = self._possible.tolist() if len(self._possible) <= PREFETCH else []
            yield from self.promoted.steps(nodes, possible, publish)
            yield from self.sae.steps(nodes, publish)
        if len(self._possible) <= PREFETCH:
            possible = self._possible.tolist()
            if self.reads:
                yield from self.keywords.steps(possible, publish)
            yield from self.texts.steps(self._unread(possible), publish)

    def regroup(self, threshold: float) -> Any:
        """Steps that return the `refinement` message and the membership."""
        yield JobProgress(0.1, "k-means")
        refinement = refine(self.split, threshold)
        refined = Concepts.at(self.split, threshold).regrouped(refinement)
        retrieved = yield from self.retrieval.of(refined.groups)
        marks = np.where(refinement.reassigned, 1, np.where(refinement.outlier, 2, 0))
        packed = self.pack_refinement(
            refined.assignment,
            marks.astype(np.int8),
            refined.nodes,
            retrieved,
            threshold,
            refined.vectors,
        )
        return packed, refinement

    def _lacks_recurring(self) -> bool:
        few = len(self.split.index) <= self._limits.pairs
        return few and len(self._possible) > 0 and not self._recurs

    def _recurring(self, publish: Callable[[], None]) -> Steps:
        """Find how often each possible concept recurs in halves of the samples."""
        if not self._lacks_recurring():
            return
        split, nodes = self.split, self._possible.tolist()
        groups = np.zeros((len(nodes), split.tree.n), bool)
        for group, node in zip(groups, nodes, strict=True):
            group[split.tree.samples_of(node)] = True
        yield later
        source = split.acts.samples.sources(split.index)
        draws = resamples_of(split.tree.n)
        steps = recurring(split.distances, split.linkage, groups, draws, source=source)
        share = (yield from mapped(steps, lambda _: later)).tolist()

        def show() -> None:
            self._recurs.update(zip(nodes, share, strict=True))
            publish()

        yield show

    def _vectors(self, nodes: Sequence[int]) -> np.ndarray:
        tree, vectors = self.split.tree, self.split.vectors
        if not nodes:
            return np.zeros((0, vectors.shape[1]), np.float32)
        return normalized(
            np.stack([vectors[tree.samples_of(n)].mean(0, dtype=np.float64) for n in nodes])
        )

    def _asked(self, publish: Callable[[], None]) -> Steps:
        """Gather what a view has asked for."""
        for node in [n for n in self._spread_wanted if n not in self._spreads]:
            spread = yield from spreading(self.retrieval, node, self._shown)

            # Kept when published: a job that was replaced publishes nothing.
            def show(node: int = node, spread: Spread = spread) -> None:
                self._spreads[node] = spread
                publish()

            yield show
            unread = self.texts.unread(spread.rows.tolist(), self.reads)
            yield from self.texts.steps(unread, publish)
        yield from self.texts.whole_steps(self.reads, publish)

    def _unread(self, nodes: Sequence[int]) -> list[int]:
        """Rows of the texts on the cards of `nodes` that are not yet read token by token."""
        rows = self.split.index[: self._shown].tolist() + sorted(self._exemplars(nodes))
        rows += shown([self._retrieved[n] for n in nodes if n in self._retrieved], self._shown)
        for spread in self._spreads.values():
            rows += spread.rows.tolist()
        return self.texts.unread(rows, self.reads)

    def _exemplars(self, nodes: Iterable[int]) -> set[int]:
        """Rows of the strongest samples of some nodes."""
        index, tree = self.split.index, self.split.tree
        best = (np.sort(tree.samples_of(n))[: self._shown] for n in nodes)
        return {int(row) for members in best for row in index[members]}

    def _tree_previews(self) -> set[int]:
        """Rows whose previews are sent with the tree."""
        split, tree = self.split, self.split.tree
        if tree.n <= ALL_PREVIEWS:
            return set(split.index.tolist())
        big = np.flatnonzero(tree.size >= split.min_size)
        biggest = big[np.argsort(-tree.size[big], kind="stable")]
        rows = set(split.index[: self._shown].tolist())
        for node in biggest:
            rows |= self._exemplars([int(node)])
            if len(rows) >= ALL_PREVIEWS:
                break
        return rows
