"""The concepts of a neuron at one cut of its tree: arXiv 2304.09707, steps 3 to 5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.retrieval import DEFAULT, directions, retrieve, scored_rows
from neuronwidgets.concepts import display, io, measures
from neuronwidgets.concepts.half_agreement import half_agreement
from neuronwidgets.concepts.io import SavedSplit
from neuronwidgets.concepts.membership import (
    check_threshold,
    concept_vectors,
    default_names,
    slots_and_names,
)
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.renamed import former_names, renamed
from neuronwidgets.display.palette import COLORS

if TYPE_CHECKING:
    from neuronwidgets.concepts.naming.naming import Naming
    from neuronwidgets.concepts.naming.plan import CallPlan
    from neuronwidgets.concepts.refine import Refinement
    from neuronwidgets.concepts.split import Split


@dataclass(frozen=True, repr=False, eq=False)
class Concepts:
    """`K` concepts of one neuron's `n` top samples.

    Attributes:
        origin: the `Split` that was cut, or the part of it that was saved.
        threshold: the height of the cut.
        assignment: int64 `n`, the concept of each top sample, -1 for none.
        vectors: float32 `K x D`, the concept vectors: each the mean of its samples' vectors,
            divided by its L2 norm.
        nodes: int32 `K`, the tree's node of each concept; after `refine` the nearest one, or -1.
        names: `K` names.
        slots: int16 `K`, the palette slot of each concept's colour.
        user_named: the concepts that the user named; `named` and `ask` keep these names.
        naming: the names and evidence that `named` or `ask` found last; not saved.
        reassigned, outlier: bool `n` after `refine`: samples that it moved to another concept, and
            samples that it left without one.
    """

    origin: Split | SavedSplit
    threshold: float
    assignment: np.ndarray
    vectors: np.ndarray
    nodes: np.ndarray
    names: tuple[str, ...]
    slots: np.ndarray
    user_named: tuple[int, ...] = ()
    naming: Naming | None = None
    reassigned: np.ndarray | None = None
    outlier: np.ndarray | None = None

    @classmethod
    def at(cls, split: Split, threshold: float, names: Mapping[int, str] | None = None) -> Concepts:
        """The tree's own clusters at or below `threshold`; `names` maps tree nodes to names."""
        threshold = check_threshold(threshold, split.tree.top)
        nodes, assignment = split.tree.concepts(threshold, split.min_size)
        return cls.grouped(split, threshold, assignment, nodes, names)

    @classmethod
    def grouped(
        cls,
        split: Split,
        threshold: float,
        assignment: np.ndarray,
        nodes: np.ndarray,
        names: Mapping[int, str] | None = None,
    ) -> Concepts:
        """Concepts of a given assignment; `names` maps tree nodes to the user's names."""
        slots, user_names = slots_and_names(split, nodes, names or {})
        groups = [np.flatnonzero(assignment == k) for k in range(len(nodes))]
        return cls(
            split,
            threshold,
            assignment,
            concept_vectors(split.vectors, assignment, len(nodes)),
            np.asarray(nodes, np.int32),
            tuple(
                given or name
                for given, name in zip(user_names, default_names(split, groups), strict=True)
            ),
            np.asarray(slots, np.int16),
            tuple(k for k, name in enumerate(user_names) if name),
        )

    @property
    def split(self) -> Split | None:
        """The `Split` that was cut; `None` if the concepts were loaded from disk."""
        return None if isinstance(self.origin, SavedSplit) else self.origin

    def require_split(self, purpose: str) -> Split:
        """The `Split` that was cut.

        Raises:
            ValueError: the concepts were loaded from disk; the error names `purpose`.
        """
        if self.split is None:
            raise ValueError(
                f"{purpose} needs the activations, and these concepts were loaded from "
                "disk: use project(values), or split again."
            )
        return self.split

    @property
    def layer(self) -> str:
        """The layer's name."""
        return self.origin.layer

    @property
    def neuron(self) -> int | None:
        """The neuron; `None` for a direction."""
        return self.origin.neuron

    @property
    def direction(self) -> np.ndarray:
        """`D`, of unit length: the neuron's axis, or the direction that was split."""
        return self.origin.direction

    @property
    def index(self) -> np.ndarray:
        """int64 `n`, the top samples (rows of the activations), strongest first."""
        return self.origin.index

    @property
    def activations(self) -> np.ndarray:
        """`n`, the neuron's activation on the top samples."""
        return self.origin.activations

    @property
    def top_vectors(self) -> np.ndarray:
        """`n x D`, the whole layer on the top samples."""
        return self.origin.vectors

    @property
    def metric(self) -> str:
        """The metric of the linkage."""
        return self.origin.metric

    @property
    def first(self) -> bool:
        """Whether the first tokens of texts are kept, see `Activations`."""
        return self.origin.first

    @own_modes()
    def refine(
        self,
        outlier: float | None = None,
        min_size: int | None = None,
        n_init: int = 5,
        seed: int = 0,
        names: Mapping[int, str] | None = None,
    ) -> Concepts:
        """The paper's exact rule: k-means membership, outliers and minimum size.

        k-means (`n_init` initialisations) clusters the same vectors into as many clusters as the
        tree has at the threshold, small ones included. A sample at a *squared* distance of
        `outlier` or more from its centroid is an outlier; a cluster that keeps fewer than
        `min_size` samples is dropped. `reassigned` and `outlier` mark the changes.

        Args:
            outlier: the paper has 15, at a threshold of 15. Not given: `threshold**2 / 15` for
                Ward, which equals 15 there and follows the scale of other layers (other linkages:
                `neuronwidgets.concepts.refine.outlier_distance`).
            min_size: not given: that of the split (5 of 100).
            n_init, seed: of k-means.
            names: tree nodes -> the user's names.
        """
        from neuronwidgets.concepts.refine import refine

        split = self.require_split("refine")
        if self.refined:
            raise ValueError("these concepts are refined already; refine a cut: split.cut(t).")
        return self.regrouped(refine(split, self.threshold, outlier, min_size, n_init, seed), names)

    def regrouped(self, refined: Refinement, names: Mapping[int, str] | None = None) -> Concepts:
        """These concepts with the assignment of `neuronwidgets.concepts.refine.refine`."""
        split = self.require_split("regrouped")
        concepts = Concepts.grouped(split, self.threshold, refined.assignment, refined.nodes, names)
        return replace(concepts, reassigned=refined.reassigned, outlier=refined.outlier)

    @own_modes()
    def named(self, how: str = "labels", **options: Any) -> Concepts:
        """These concepts with new names; `naming` of the result has the evidence.

        A concept keeps its name if the user gave it, or if no new one is found.

        Args:
            how: "labels": the AND/OR/NOT formula of labels with the best AUC (options: see
                `neuronwidgets.concepts.naming.labels.by_labels`); "text": the words that set the
                concept's texts apart (`neuronwidgets.concepts.naming.text.by_text`).

        Raises:
            ValueError, TypeError: no labels, no texts, an unknown option, loaded from disk.
        """
        from neuronwidgets.concepts.naming.registry import named

        return named(self, how, options)

    def ask(self, call: Callable[[list[Any]], str], samples: int = 8, **options: Any) -> CallPlan:
        """A plan, with its cost, to name each concept by `call(samples)`; `plan.run()` carries it
        out. Samples and options: see `neuronwidgets.concepts.naming.plan.plan`."""
        from neuronwidgets.concepts.naming.plan import plan

        return plan(self, call, samples, **options)

    def labelled(self) -> Activations:
        """The top samples as `Activations` whose labels are these concepts, for `nw.ranges`."""
        samples = self.split.acts.samples.take(self.index) if self.split is not None else None
        names = [f"{k + 1}. {name}" for k, name in enumerate(self.names)]
        acts = Activations.from_arrays(
            self.top_vectors, samples, self.assignment, self.layer, names or None
        )
        return replace(acts, at=self.origin.at)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def refined(self) -> bool:
        return self.reassigned is not None

    @cached_property
    def sizes(self) -> np.ndarray:
        """int64 `K`: samples per concept."""
        return np.bincount(self.assignment[self.assignment >= 0], minlength=len(self))

    @property
    def unassigned(self) -> int:
        """The number of top samples that belong to no concept."""
        return int((self.assignment < 0).sum())

    def exemplars(self, k: int = 8) -> list[np.ndarray]:
        """For each concept the rows of its `k` samples that activate the neuron most."""
        return [self.index[group][:k] for group in self.groups]

    @own_modes()
    def project(self, values: Any) -> np.ndarray:
        """Dot products of samples with the concept vectors.

        Args:
            values: `S x D`, an array or `Activations`.

        Returns:
            float32 or wider, `S x K`.
        """
        return self._same_layer(values).project(self.vectors)

    @cached_property
    @own_modes()
    def projections(self) -> np.ndarray:
        """Dot products of all captured samples with the concept vectors: `S x K`."""
        return self.project(self.require_split("projections").acts)

    @cached_property
    def groups(self) -> list[np.ndarray]:
        """For each concept its samples: int64 indices into the top samples, strongest first."""
        return [np.flatnonzero(self.assignment == k) for k in range(len(self))]

    def retrieve(self, acts: Any = None, k: int = 20, by: str = DEFAULT) -> np.ndarray:
        """The samples that each concept retrieves: int64 `K x k`, rows of `acts`, best first.

        Args:
            acts: `Activations` or an `S x D` array of the same layer; not given: those that were
                split.
            k: samples for each concept; all if there are fewer.
            by: "cosine": the cosine of the differences of the sample and of the concept's median
                sample from the layer's mean; "cosine-origin": the cosine of the sample and the
                concept vector; "dot": the dot product of the two (arXiv 2304.09707, step 5), which
                ranks samples with long vectors first. Ties go to the smaller row.

        Raises:
            ValueError: an unknown `by`, `k` below 1, activations of another width.
        """
        acts = self.require_split("retrieve").acts if acts is None else self._same_layer(acts)
        return retrieve(acts, *self._directions(acts, by), k=k, by=by)[0]

    def scores_of(
        self, acts: Any = None, by: str = DEFAULT, rows: np.ndarray | None = None
    ) -> np.ndarray:
        """The scores by which `retrieve` ranks all samples, or those in `rows`: `S x K`, float32;
        by "dot" of float64 activations float64."""
        acts = self.require_split("scores_of").acts if acts is None else self._same_layer(acts)
        rows = np.arange(len(acts)) if rows is None else rows
        return scored_rows(acts, rows, *self._directions(acts, by), by)

    @property
    def mean(self) -> np.ndarray | None:
        """float64 `D`: the layer's mean; `None` in concepts that an earlier version saved."""
        return self.origin.mean

    @property
    def layer_mean(self) -> np.ndarray:
        """`mean`.

        Raises:
            ValueError: an earlier version saved these concepts without it.
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
        Retrieval by "cosine" compares samples with these; `nw.ablate` and `nw.steer` edit them."""
        return directions([self.top_vectors[g] for g in self.groups], self.layer_mean, "cosine")

    def _directions(self, acts: Activations, by: str) -> tuple[np.ndarray, np.ndarray]:
        """The directions that samples are compared with (see `directions`), and the mean."""
        mean = acts.mean if self.mean is None else self.mean
        return directions([self.top_vectors[g] for g in self.groups], mean, by), mean

    if not TYPE_CHECKING:
        __getattr__ = former_names(
            "Concepts", labels="assignment", moved="reassigned", left="outlier",
            by_hand="user_named",
        )  # fmt: skip

    def found(self, k: int = 20) -> np.ndarray:
        """The former name of `retrieve(k=k, by="dot")`."""
        renamed("Concepts.found(k)", "Concepts.retrieve(k=k, by='dot')")
        return self.retrieve(k=k, by="dot")

    cosines = cached_property(measures.cosines)
    cosines_to_neuron = cached_property(measures.cosines_to_neuron)
    distances = cached_property(measures.distances)
    within = property(measures.within)
    between = property(measures.between)
    purity = cached_property(measures.purity)
    quantiles = cached_property(measures.quantiles)
    retrieved_purity = measures.retrieved_purity
    precision = measures.precision
    chance = measures.chance
    overlap = measures.overlap
    stability = measures.stability
    half_agreement = half_agreement

    def found_purity(self, k: int = 20) -> np.ndarray:
        """The former name of `retrieved_purity(k, by="dot")`."""
        renamed("Concepts.found_purity(k)", "Concepts.retrieved_purity(k, by='dot')")
        return self.retrieved_purity(k, by="dot")

    def _same_layer(self, values: Any) -> Activations:
        acts = Activations.of(values)
        if acts.shape[1] != self.vectors.shape[1]:
            raise ValueError(
                f"values has {acts.shape[1]:,} neurons and the concept vectors "
                f"{self.vectors.shape[1]:,}: pass activations of the same layer."
            )
        return acts

    def save(self, path: str | Path) -> Path:
        """Write `PATH.safetensors` and `PATH.json`. Returns the first."""
        return io.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Concepts:
        """Read what `save` wrote. `project(values)` projects new samples."""
        return cls(**io.load(path))

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row per top sample.

        Columns: `sample` (row of the activations), `concept` (-1: none), `name`, `activation`,
        `projection` (on its own concept vector), `score` (as `retrieve` compares), `label`, and
        after `refine` `reassigned`, `outlier`.
        """
        return display.frame(self)

    @property
    def colors(self) -> tuple[str, ...]:
        """`K` colours, the same as in the widget."""
        return tuple(COLORS[slot % len(COLORS)] for slot in self.slots)

    def to_altair(self) -> Any:
        """An Altair chart: the samples' map by concept, beside each concept's activation range."""
        return display.chart(self)

    def __repr__(self) -> str:
        return display.summary(self)

    def _repr_html_(self) -> str:
        return display.table(self)
