"""The concepts of a neuron at one cut of its tree: arXiv 2304.09707, steps 3 to 5."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.linkage.engine import at_unit_length
from neuronwidgets.clustering.stability import recurring
from neuronwidgets.clustering.tree import identities
from neuronwidgets.concepts import display as show
from neuronwidgets.concepts import io as files
from neuronwidgets.concepts.control import DRAWS, jaccard, shares_at_random
from neuronwidgets.concepts.naming.majority import agreed_label, majority_name
from neuronwidgets.concepts.retrieval import CHUNK, DEFAULT, directions, retrieve, scored, unit
from neuronwidgets.concepts.scores import majority
from neuronwidgets.concepts.split import Split
from neuronwidgets.concepts.suggest import MOST_SAMPLES
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.renamed import renamed
from neuronwidgets.core.steps import drained
from neuronwidgets.display.palette import COLORS

if TYPE_CHECKING:
    from neuronwidgets.concepts.naming.naming import Naming
    from neuronwidgets.concepts.naming.plan import Plan
    from neuronwidgets.concepts.refine import Refinement


@dataclass(frozen=True, repr=False, eq=False)
class Concepts:
    """`K` concepts of one neuron's `n` top samples.

    Attributes:
        layer, neuron: where they are from; `neuron` is `None` for a direction.
        threshold: the height of the cut.
        index: int64 `n`, the top samples (rows of the activations), strongest first.
        activations: `n`, the neuron's activation on them.
        top_vectors: `n x D`, the whole layer on them.
        labels: int64 `n`, the concept of each, -1 for none.
        vectors: float32 `K x D`, the concept vectors: each the mean of its samples' vectors,
            divided by its L2 norm.
        nodes: int32 `K`, the tree's node of each concept; after `refine`, the nearest one or -1.
        names: one for each concept.
        slots: int16 `K`, the palette's slot of each concept's colour.
        direction: `D`, the neuron's axis (or the direction that was split), of unit length.
        metric: the metric of the linkage.
        moved, left: bool `n` after `refine`: samples that changed their concept, and lost it.
        points: `n x P`, what the tree clusters; `None`: `top_vectors`.
        split: the `Split` they are from; `None` when loaded from disk.
        by_hand: the concepts whose name a person gave; `named` and `ask` leave these alone.
        naming: what `named` or `ask` found last, and why; not saved.
        mean: float64 `D`, the mean of the whole layer over the data that was captured, about which
            cosines are taken; `None` in files of earlier versions.
        first: whether texts' first tokens are as others, see `Activations`.
        linkage: whose distances the tree has; `None` in files of earlier versions.
    """

    layer: str
    neuron: int | None
    threshold: float
    index: np.ndarray
    activations: np.ndarray
    top_vectors: np.ndarray
    labels: np.ndarray
    vectors: np.ndarray
    nodes: np.ndarray
    names: tuple[str, ...]
    slots: np.ndarray
    direction: np.ndarray
    metric: str = "euclidean"
    moved: np.ndarray | None = None
    left: np.ndarray | None = None
    points: np.ndarray | None = None
    split: Split | None = None
    by_hand: tuple[int, ...] = ()
    naming: Naming | None = None
    mean: np.ndarray | None = None
    first: bool = True
    linkage: str | None = None

    @classmethod
    def at(cls, split: Split, threshold: float, names: Mapping[int, str] | None = None) -> Concepts:
        """The tree's own clusters at or below `threshold`; `names` maps tree nodes to names."""
        threshold = check_threshold(threshold, split.tree.top)
        nodes, labels = split.tree.concepts(threshold, split.min_size)
        return cls._of(split, threshold, labels, nodes, names or {})

    @classmethod
    def _of(
        cls,
        split: Split,
        threshold: float,
        labels: np.ndarray,
        nodes: np.ndarray,
        names: Mapping[int, str],
    ) -> Concepts:
        members = [np.flatnonzero(labels == k) for k in range(len(nodes))]
        vectors = concept_vectors(split.vectors, labels, len(nodes))
        # k-means concepts without a cluster of the tree come last and take what colours are left.
        known = [int(n) for n in nodes if n >= 0]
        slots, given = identities(split.tree, split.colors, known, names)
        spare = (slot for slot in itertools.count() if slot not in slots[: len(known)])
        for _ in range(len(nodes) - len(known)):
            slots.append(next(spare))
            given.append(None)
        label_titles = split.acts.label_titles
        titles = tuple(
            given[k]
            or majority_name(m, split.labels, label_titles, split.tokens)
            or f"Concept {k + 1}"
            for k, m in enumerate(members)
        )
        return cls(
            split.acts.layer,
            split.neuron,
            threshold,
            split.index,
            split.activations,
            split.vectors,
            labels,
            vectors,
            np.asarray(nodes, np.int32),
            titles,
            np.asarray(slots, np.int16),
            split.direction,
            split.metric,
            points=split.points,
            split=split,
            by_hand=tuple(k for k, name in enumerate(given) if name),
            mean=split.acts.mean,
            first=split.acts.first,
            linkage=split.linkage or split.method,
        )

    @own_modes()
    def refine(
        self,
        outlier: float | None = None,
        min_size: int | None = None,
        n_init: int = 5,
        seed: int = 0,
        names: Mapping[int, str] | None = None,
    ) -> Concepts:
        """The paper to the letter: k-means membership, the outlier and the minimum-size rule.

        k-means (`n_init` initialisations) on the same vectors, with as many clusters as the tree
        has at the threshold, small ones included. A sample at a *squared* distance of `outlier`
        or more from its centroid is left out; a cluster that keeps fewer than `min_size` samples
        is dropped. `moved` and `left` mark what changed against the tree.

        Args:
            outlier: the paper has 15 where its threshold is 15; not given: `threshold**2 / 15`
                for Ward, which is the same there and follows the layer's scale elsewhere (see
                `neuronwidgets.concepts.refine.outlier_distance` for other linkages).
            min_size: not given: the split's own (5 of 100).
            n_init, seed: of k-means.
        """
        from neuronwidgets.concepts.refine import refine

        split = self._require_split("refine")
        if self.moved is not None:
            raise ValueError("these concepts are refined already; refine a cut: split.cut(t).")
        return self.regrouped(refine(split, self.threshold, outlier, min_size, n_init, seed), names)

    def regrouped(self, members: Refinement, names: Mapping[int, str] | None = None) -> Concepts:
        """These concepts with the membership that `neuronwidgets.concepts.refine.refine` found."""
        split = self._require_split("regrouped")
        made = Concepts._of(split, self.threshold, members.labels, members.nodes, names or {})
        return replace(made, moved=members.moved, left=members.left)

    @own_modes()
    def named(self, how: str = "labels", **options: Any) -> Concepts:
        """These concepts with other names; `naming` on the result has the evidence.

        Names given by hand stay, and so does a name where nothing better is found.

        Args:
            how: "labels": the AND/OR/NOT formula of labels with the best AUC (options: see
                `neuronwidgets.concepts.naming.labels.by_labels`); "text": the words that set the
                concept's texts apart (`neuronwidgets.concepts.naming.text.by_text`).

        Raises:
            ValueError, TypeError: no labels, no texts, an unknown option, loaded from disk.
        """
        from neuronwidgets.concepts.naming.naming import named

        return named(self, how, options)

    def ask(self, call: Callable[[list[Any]], str], samples: int = 8, **options: Any) -> Plan:
        """A plan to have each concept named by `call(samples)`, with what it would cost.

        Nothing is called before `plan.run()`. What is passed: see
        `neuronwidgets.concepts.naming.plan.plan`.
        """
        from neuronwidgets.concepts.naming.plan import plan

        return plan(self, call, samples, **options)

    def labelled(self) -> Activations:
        """The top samples as activations whose labels are these concepts, for `nw.ranges`."""
        samples = self.split.acts.samples.take(self.index) if self.split is not None else None
        names = [f"{k + 1}. {name}" for k, name in enumerate(self.names)]
        return Activations.from_arrays(
            self.top_vectors, samples, self.labels, self.layer, names or None
        )

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def refined(self) -> bool:
        return self.moved is not None

    @cached_property
    def sizes(self) -> np.ndarray:
        """int64 `K`: samples per concept."""
        return np.bincount(self.labels[self.labels >= 0], minlength=len(self))

    @property
    def unassigned(self) -> int:
        """How many of the top samples belong to no concept."""
        return int((self.labels < 0).sum())

    def exemplars(self, k: int = 8) -> list[np.ndarray]:
        """For each concept the rows of its `k` samples that activate the neuron most."""
        # `index` is sorted by activation.
        return [self.index[self.labels == concept][:k] for concept in range(len(self))]

    @own_modes()
    def project(self, values: Any) -> np.ndarray:
        """Dot products of samples with the concept vectors.

        Args:
            values: `S x D`, an array or `Activations`.

        Returns:
            float32 or wider, `S x K`.
        """
        return self._same_layer(values).project(self.vectors)

    def _same_layer(self, values: Any) -> Activations:
        acts = Activations.of(values)
        if acts.shape[1] != self.vectors.shape[1]:
            raise ValueError(
                f"values has {acts.shape[1]:,} neurons and the concept vectors "
                f"{self.vectors.shape[1]:,}: pass activations of the same layer."
            )
        return acts

    @cached_property
    @own_modes()
    def projections(self) -> np.ndarray:
        """Every sample of the dataset on every concept vector: `S x K`."""
        return self.project(self._require_split("projections").acts)

    @cached_property
    def groups(self) -> list[np.ndarray]:
        """For each concept its samples: int64, places among the top samples, strongest first."""
        return [np.flatnonzero(self.labels == k) for k in range(len(self))]

    def retrieve(self, acts: Any = None, k: int = 20, by: str = DEFAULT) -> np.ndarray:
        """The samples that each concept retrieves: int64 `K x k`, rows of `acts`, best first.

        Args:
            acts: `Activations` or an `S x D` array of the same layer; not given: those that were
                split.
            k: how many; all samples if there are fewer.
            by: "cosine": of the sample's difference from the layer's mean with that of the
                concept's median sample; "cosine-origin": of the sample with the concept vector;
                "dot": the dot product of the two (arXiv 2304.09707, step 5), under which samples
                with long vectors come first whatever the concept. Ties go to the smaller row.

        Raises:
            ValueError: an unknown `by`, `k` below 1, activations of another width.
        """
        acts = self._require_split("retrieve").acts if acts is None else self._same_layer(acts)
        return retrieve(acts, *self._read_by(acts, by), k=k, by=by)[0]

    def scores_of(
        self, acts: Any = None, by: str = DEFAULT, rows: np.ndarray | None = None
    ) -> np.ndarray:
        """How well every sample, or those in `rows`, fits every concept: float32 `S x K`, as
        `retrieve` compares them."""
        acts = self._require_split("scores_of").acts if acts is None else self._same_layer(acts)
        vectors, mean = self._read_by(acts, by)
        rows = np.arange(len(acts)) if rows is None else rows
        step = max(1, CHUNK // max(1, acts.shape[1]))
        parts = [
            scored(acts.rows(rows[i : i + step]), vectors, mean, by)
            for i in range(0, len(rows), step)
        ]
        return np.concatenate([np.zeros((0, len(vectors)), np.float32), *parts])

    @property
    def layer_mean(self) -> np.ndarray:
        """float64 `D`: the layer's mean over the data that was captured.

        Raises:
            ValueError: concepts that an earlier version saved do not have it.
        """
        if self.mean is None:
            raise ValueError(
                "these concepts were saved without the layer's mean, by an earlier version: split "
                "again and save."
            )
        return self.mean

    @cached_property
    @own_modes()
    def differences(self) -> np.ndarray:
        """float32 `K x D`, of unit length: from the layer's mean to each concept's median sample.
        What samples are compared with by "cosine", and what `nw.ablate` and `nw.steer` edit."""
        return directions([self.top_vectors[g] for g in self.groups], self.layer_mean, "cosine")

    def _read_by(self, acts: Activations, by: str) -> tuple[np.ndarray, np.ndarray]:
        mean = acts.mean if self.mean is None else self.mean
        return directions([self.top_vectors[g] for g in self.groups], mean, by), mean

    def found(self, k: int = 20) -> np.ndarray:
        """`retrieve(k=k, by="dot")`, by its former name."""
        renamed("Concepts.found(k)", "Concepts.retrieve(k=k, by='dot')")
        return self.retrieve(k=k, by="dot")

    @cached_property
    @own_modes()
    def cosines(self) -> np.ndarray:
        """float64 `K x K`: cosine between concept vectors."""
        wide = self.vectors.astype(np.float64)
        return np.clip(wide @ wide.T, -1, 1)

    @cached_property
    @own_modes()
    def cosines_to_neuron(self) -> np.ndarray:
        """float64 `K`: cosine of each concept vector with the neuron's axis (or the direction)."""
        return np.clip(self.vectors.astype(np.float64) @ self.direction, -1, 1)

    @cached_property
    @own_modes()
    def distances(self) -> np.ndarray:
        """float64 `K x K`: mean distance of two concepts' samples, as the tree measures it.

        The diagonal is the mean distance of two different samples of one concept (NaN for a
        concept of one sample).
        """
        from scipy.spatial.distance import cdist

        points = self.top_vectors if self.points is None else self.points
        points = at_unit_length(points) if self.metric == "cosine" else points
        # Ward's distances are Euclidean, of unit vectors too.
        metric = "euclidean" if self.linkage == "ward" else self.metric
        members = [points[self.labels == k] for k in range(len(self))]
        out = np.full((len(self), len(self)), np.nan)
        for a, one in enumerate(members):
            for b, other in enumerate(members[: a + 1]):
                total = sum(
                    float(cdist(one[i : i + 1024], other, metric).sum())
                    for i in range(0, len(one), 1024)
                )
                pairs = len(one) * (len(one) - 1) if a == b else len(one) * len(other)
                out[a, b] = out[b, a] = total / pairs if pairs else np.nan
        return out

    @property
    def within(self) -> np.ndarray:
        """float64 `K`: mean distance of two samples of one concept."""
        return np.diagonal(self.distances).copy()

    @property
    def between(self) -> np.ndarray:
        """float64 `K x K`: mean distance between the samples of two concepts; diagonal NaN."""
        out = self.distances.copy()
        np.fill_diagonal(out, np.nan)
        return out

    @cached_property
    def purity(self) -> np.ndarray:
        """float64 `K`: the share of a concept's most frequent label; NaN without labels."""
        return self._purity([self.index[group] for group in self.groups])

    def retrieved_purity(self, k: int = 20, by: str = DEFAULT) -> np.ndarray:
        """float64 `K`: the share of the most frequent label among the samples that each concept
        retrieves. Say beside it what random groups of the same samples have: it may be as much."""
        return self._purity(list(self.retrieve(k=k, by=by)))

    def precision(self, k: int = 20, by: str = DEFAULT) -> np.ndarray:
        """float64 `K`: of what each concept retrieves, the share with the label that more than half
        of its own samples carry; NaN where no label is carried by so many. Compare with
        `chance`."""
        acts = self._require_split("precision").acts
        rows = self.retrieve(k=k, by=by)
        own = self._own_labels
        if acts.labels is None:
            return np.full(len(self), np.nan)
        share = (acts.labels[rows] == own[:, None]).mean(axis=1)
        return np.where(own < 0, np.nan, share)

    def chance(
        self, k: int = 20, by: str = DEFAULT, draws: int = DRAWS, seed: int = 0
    ) -> np.ndarray:
        """float64 `K`: the `precision` that random groups of the top samples, of each concept's
        size, have for its label: the mean of `draws` groups."""
        split = self._require_split("chance")
        own = self._own_labels
        if split.acts.labels is None or not len(self):
            return np.full(len(self), np.nan)
        out = np.full(len(self), np.nan)
        for i, (label, size) in enumerate(zip(own, self.sizes.tolist(), strict=True)):
            if label >= 0:
                shares = shares_at_random(
                    split.acts, self.index, size, by, [label], k, draws, seed, self.mean
                )
                out[i] = shares.mean()
        return out

    def overlap(self, k: int = 20, by: str = DEFAULT) -> np.ndarray:
        """float64 `K x K`: the Jaccard index of what two concepts retrieve."""
        return jaccard(self.retrieve(k=k, by=by))

    @property
    def _own_labels(self) -> np.ndarray:
        """int64 `K`: the label that more than half of a concept's samples carry, -1 for none."""
        labels = self._require_split("labels").labels
        if labels is None:
            return np.full(len(self), -1)
        return np.array([agreed_label(labels[group]) for group in self.groups], np.int64)

    def stability(self, resamples: int = 50, seed: int = 0) -> np.ndarray:
        """float64 `K`: how often each concept comes back when half of the top samples are clustered
        again (Hennig 2007; `concepts.stability`): 0 to 1; NaN where no draw says anything.

        Raises:
            ValueError: more than 2,000 top samples.
        """
        split = self._require_split("stability")
        if len(self.index) > MOST_SAMPLES:
            raise ValueError(
                f"stability links half of the samples {resamples} times, which takes too long for "
                f"{len(self.index):,}: split with top={MOST_SAMPLES:,} or less."
            )
        groups = np.zeros((len(self), len(self.index)), bool)
        for row, group in zip(groups, self.groups, strict=True):
            row[group] = True
        method = split.linkage or split.method
        return drained(recurring(split.distances, method, groups, resamples, seed))

    def found_purity(self, k: int = 20) -> np.ndarray:
        """`retrieved_purity(k, by="dot")`, by its former name."""
        renamed("Concepts.found_purity(k)", "Concepts.retrieved_purity(k, by='dot')")
        return self.retrieved_purity(k, by="dot")

    def _purity(self, rows: list[np.ndarray]) -> np.ndarray:
        acts = self.split.acts if self.split is not None else None
        if acts is None or acts.labels is None:
            return np.full(len(rows), np.nan)
        return np.array([majority(acts.labels[row])[1] for row in rows])

    def _require_split(self, what: str) -> Split:
        if self.split is None:
            raise ValueError(
                f"{what} needs the activations, and these concepts were loaded from "
                "disk: use project(values), or split again."
            )
        return self.split

    # What leaves the notebook

    def save(self, path: str | Path) -> Path:
        """Write `PATH.safetensors` (arrays) and `PATH.json` (what they are). Returns the first."""
        return files.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Concepts:
        """Read what `save` wrote. Projections of new samples: `project(values)`."""
        return cls(**files.load(path))

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row per top sample.

        Columns: `sample` (row of the activations), `concept` (-1: none), `name`, `activation`,
        `projection` (on its own concept vector), `label`, and after `refine` `moved`, `left`.
        """
        return show.frame(self)

    @property
    def colors(self) -> tuple[str, ...]:
        """One colour for each concept, the same as in the widget."""
        return tuple(COLORS[slot % len(COLORS)] for slot in self.slots)

    def to_altair(self) -> Any:
        """An Altair chart: the samples' map by concept, beside each concept's activation range."""
        return show.chart(self)

    def __repr__(self) -> str:
        who = "a direction" if self.neuron is None else f"neuron {self.neuron}"
        parts = ", ".join(f"{n} ({s})" for n, s in zip(self.names, self.sizes, strict=True))
        rest = f"; {self.unassigned} unassigned" if self.unassigned else ""
        kind = "refined, " if self.refined else ""
        return (
            f"Concepts({len(self)} of {who} in layer {self.layer!r} at {self.threshold:.4g}, "
            f"{kind}{parts or 'none'}{rest})"
        )

    def _repr_html_(self) -> str:
        return show.table(self)


def check_threshold(threshold: Any, top: float = np.inf) -> float:
    """`threshold` as a float, refused if it is no height of a tree (of at most `top`)."""
    try:
        if isinstance(threshold, str):
            raise TypeError
        threshold = float(threshold)
    except (TypeError, ValueError):
        raise TypeError(f"threshold={threshold!r}; a number is needed.") from None
    if not threshold >= 0:
        upto = f": 0 to {top:.4g}" if np.isfinite(top) else ", 0 or more"
        raise ValueError(f"threshold={threshold}; a height of the tree is needed{upto}.")
    return float(threshold)


def concept_vectors(vectors: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Each concept's mean vector, divided by its L2 norm (arXiv 2304.09707, step 4).

    Args:
        vectors: `n x D`, the samples' vectors.
        labels: int `n`, the concept of each, -1 for none.
        count: `K`, how many concepts.

    Returns:
        float32 `K x D`.
    """
    member = (labels == np.arange(count)[:, None]).astype(vectors.dtype)
    member /= np.maximum(member.sum(axis=1, keepdims=True), 1)
    return unit(member @ vectors)
