"""One neuron (or direction), its top samples and their tree.

O'Mahony, Andrearczyk, Müller, Graziani, *Disentangling Neuron Representations with Concept
Vectors* (arXiv 2304.09707), steps 1 and 2.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.gram import gram
from neuronwidgets.clustering.linkage.engine import at_unit_length, distances_of
from neuronwidgets.clustering.tree import Tree
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.doubts import doubt
from neuronwidgets.concepts.methods.method import Clustering, TopSamples, whole
from neuronwidgets.concepts.methods.registry import check_settings, clustered
from neuronwidgets.concepts.suggest import Suggestion, default_threshold, suggest
from neuronwidgets.concepts.tokens import Tokens, tokens_of
from neuronwidgets.concepts.top import check_distinct, top_samples
from neuronwidgets.core.modes import own_modes

TOP = 100
"""Top samples of a neuron, at most, by default (the paper's number)."""
FEWEST_TOP = 20
"""Top samples of a neuron, at least, by default."""
SHARE = 0.05
"""Share of the data set that is a neuron's top by default: in a small data set 100 samples are
not the top."""
SMALLEST = 20
"""A concept holds at least one in 20 of the top samples by default (the paper: 5 of 100)."""


@dataclass(frozen=True, repr=False, eq=False)
class Split:
    """A neuron's top samples and the tree that clusters them; every cut of it is cheap.

    Attributes:
        top_samples: the samples, and the neuron or direction whose top samples they are.
        clustering: the tree, and what it clusters.
        method: how the tree was made, a name in `neuronwidgets.METHODS`.
        settings: the method's keyword arguments.
        min_size: clusters of fewer samples are no concept (5 of 100, as in the paper, by default).
        slots: int16, a palette slot for each slot that the tree itself would give; `None`: the
            tree's own.
        at_rest: whether the neuron is active on fewer than two samples. It then has no top samples
            and no concepts, and `index` holds two samples only so that there is a tree.
    """

    top_samples: TopSamples
    clustering: Clustering
    method: str = "ward"
    settings: Mapping[str, Any] = field(default_factory=dict)
    min_size: int = 5
    slots: np.ndarray | None = None
    at_rest: bool = False

    @property
    def acts(self) -> Activations:
        """The activations that were split."""
        return self.top_samples.acts

    @property
    def layer(self) -> str:
        """The layer's name."""
        return self.acts.layer

    @property
    def neuron(self) -> int | None:
        """The neuron; `None` for a direction."""
        return self.top_samples.neuron

    @property
    def direction(self) -> np.ndarray:
        """float64 `D`, of unit length: the neuron's axis, or the direction that was split."""
        return self.top_samples.direction

    @property
    def index(self) -> np.ndarray:
        """int64 `n`, the top samples (rows of `acts`), strongest first."""
        return self.top_samples.index

    @property
    def activations(self) -> np.ndarray:
        """`n`, the neuron's activation on the top samples (or the projection on the direction)."""
        return self.top_samples.activations

    @property
    def vectors(self) -> np.ndarray:
        """`n x D`, the whole layer on the top samples."""
        return self.top_samples.vectors

    @property
    def Z(self) -> np.ndarray:
        """float64 `(n - 1) x 4`, the linkage in SciPy's format."""
        return self.clustering.Z

    @property
    def points(self) -> np.ndarray | None:
        """`n x P`, what was clustered; `None`: `vectors`."""
        return self.clustering.points

    @property
    def metric(self) -> str:
        """How distances between what was clustered are measured."""
        return self.clustering.metric

    @property
    def linkage(self) -> str:
        """The linkage whose heights `Z` has: "ward", "average", "complete" or "single"."""
        return self.clustering.linkage

    @property
    def chosen(self) -> float | None:
        """The threshold that the method itself chose; `None` where the data decides."""
        return self.clustering.chosen

    @property
    def mean(self) -> np.ndarray:
        """float64 `D`, the layer's mean over the data that was captured."""
        return self.acts.mean

    @property
    def first(self) -> bool:
        """Whether texts' first tokens are kept, see `Activations`."""
        return self.acts.first

    @property
    def name(self) -> str:
        return "a direction" if self.neuron is None else f"neuron {self.neuron}"

    @cached_property
    def tree(self) -> Tree:
        return Tree.of(self.Z)

    @cached_property
    def colors(self) -> np.ndarray:
        """int16 `2n - 1`: the palette's slot of each node of the tree, -1 for small ones."""
        own = self.tree.colors(self.min_size)
        return own if self.slots is None else np.where(own < 0, own, self.slots[own])

    @cached_property
    def labels(self) -> np.ndarray | None:
        """int64 `n`: the top samples' labels, or `None`."""
        return None if self.acts.labels is None else self.acts.labels[self.index]

    @cached_property
    def places(self) -> np.ndarray:
        """int64 `n x 2`: which of the data the top samples are (see `Samples.places`)."""
        return self.acts.samples.places(self.index)

    @cached_property
    def clustered(self) -> np.ndarray:
        """`n x P`: the points in whose space the tree is: `points`, or the layer's own vectors; at
        unit length where the metric is "cosine"."""
        points = self.vectors if self.points is None else self.points
        return at_unit_length(points) if self.metric == "cosine" else points

    @cached_property
    def distances(self) -> np.ndarray:
        """float64 `n x n`: the distances that the linkage began with."""
        if self.clustering.distances is not None:
            return self.clustering.distances
        squares = gram(self.clustered.astype(np.float64))[1]
        distances: np.ndarray = distances_of(squares, self.linkage, self.metric)
        return distances

    @cached_property
    @own_modes()
    def map(self) -> np.ndarray:
        """float32 `n x 2`: what was clustered, in the plane of its two largest principal
        components."""
        points = self.clustered
        centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
        n, d = centred.shape
        if d <= n:
            _, axes = _two_largest(centred.T @ centred)
            plane = centred @ axes
        else:
            values, left = _two_largest(centred @ centred.T)
            plane = left * np.sqrt(np.maximum(values, 0))
        if plane.shape[1] < 2:
            plane = np.concatenate([plane, np.zeros((n, 2 - plane.shape[1]))], axis=1)
        # The sign of a component is arbitrary: fix it, so that the map does not flip.
        peak = plane[np.abs(plane).argmax(axis=0), np.arange(2)]
        return (plane * np.where(peak < 0, -1, 1)).astype(np.float32)

    @own_modes()
    def suggest(self, kinds: Sequence[str] | None = None) -> list[Suggestion]:
        """Thresholds that the data suggests, each with its reasons; fewest concepts first.

        - "method": the cut that the method itself chose, where it says how many concepts.
        - "compact": the cut that `cut()` takes: the largest mean silhouette (Rousseeuw 1987),
          samples in no concept counting 0, times the fourth root of the number of concepts.
        - "gap": for each number of concepts up to ten, its widest gap between merge heights: the
          widest stretch of heights over which the concepts stay as many.
        - "stable": of the cuts whose concepts recur most when half of the samples are clustered
          (Hennig 2007), the one with most concepts.
        - "rest": the neuron is at rest on all samples: there is nothing to cut.
        - "chance": one concept, where samples of the same shape without clusters are parted as
          well (p of the geometric part of `polysemanticity` above 0.05).

        A cut that is suggested for several reasons is there once, with all of them.

        Args:
            kinds: which of these; all if not given; of more than 500 samples all but "chance", of
                more than 2,000 neither "compact" nor "stable".

        Raises:
            ValueError: an unknown kind, or one that takes too long for so many samples.
        """
        return suggest(self, kinds)

    @cached_property
    @own_modes()
    def suggested(self) -> float:
        """The threshold that `cut()` takes when none is given: of the middles of all stretches with
        at least two concepts the most compact one (see `suggest`), of more than 2,000 samples the
        one in the widest gap for its number of concepts; or the threshold that the method chose.
        """
        if self.chosen is not None:
            return self.chosen
        return default_threshold(self)

    @own_modes()
    def cut(self, threshold: float | None = None) -> Concepts:
        """The tree's clusters at or below `threshold`; those under `min_size` are set aside.

        Args:
            threshold: a height of the tree (the paper's `distance_threshold`, 15 for its layer);
                lower is finer. Not given: `suggested`, from the data or the method.
        """
        return Concepts.at(self, self.suggested if threshold is None else threshold)

    @own_modes()
    def scores(
        self,
        threshold: float | None = None,
        which: str | Sequence[str] | None = None,
        **settings: Any,
    ) -> dict[str, float]:
        """The neuron's scores (docs/scores.md): a number for each name in `nw.SCORES`.

        Args:
            threshold: of the cut, for scores that look at the concepts; `suggested` if not given.
            which, settings: see `neuronwidgets.scores`.
        """
        from neuronwidgets.concepts.scores import Neurons, scores

        found = scores(Neurons.of(self.cut(threshold)), which, **settings)
        return {name: float(column[0]) for name, column in found.items()}

    @cached_property
    def tokens(self) -> Tokens | None:
        """The top samples' tokens, which name the concepts; `None` if samples are no tokens or have
        labels of their own."""
        return tokens_of(self.acts, self.index)

    @cached_property
    def doubt(self) -> str:
        """Why its concepts should not be trusted: its top samples stand at one position of their
        texts, or are nearly equal; "" if neither."""
        return doubt(self.acts.samples, self.index, self.Z, self.metric)

    def __repr__(self) -> str:
        if self.at_rest:
            return f"Split({self.name} of layer {self.acts.layer!r}, at rest on all samples)"
        return (
            f"Split({self.name} of layer {self.acts.layer!r}, top {len(self.index):,}, "
            f"{self.method}/{self.metric}, heights to {self.tree.top:.4g}, "
            f"suggested threshold {self.suggested:.4g})"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{s.concepts}</td><td>{s.threshold:.4g}</td><td>{s.reason}</td></tr>"
            for s in self.suggest()
        )
        said = f"<p>Note: {html.escape(self.doubt)}.</p>" if self.doubt else ""
        return (
            f"<p>{html.escape(repr(self))}</p>{said}<table><thead><tr><th>concepts</th>"
            f"<th>threshold</th><th>reason</th></tr></thead><tbody>{rows}</tbody></table>"
        )


def split(
    acts: Activations,
    neuron: Any,
    top: int | None = None,
    method: str = "ward",
    metric: str | None = None,
    *,
    min_size: int | None = None,
    distinct: str | None = "vector",
    **settings: Any,
) -> Split:
    """Cluster the top samples of a neuron, or of any direction.

    Args:
        acts: the layer's activations, or a plain `S x D` array.
        neuron: the neuron's number, or a vector of `D` numbers (a direction).
        top: how many of the samples that activate it most. Not given: 100 (the paper's number), of
            fewer than 2,000 samples 5% and at least 20. Fewer where it is active on fewer: samples
            on which it is at rest do not count.
        method: how they are clustered (docs/methods.md compares): by the layer's own vectors with
            "ward", "average", "complete" or "single" (see `linkage`) or "kmeans"; or
            with "attribution" by what a lower layer contributed.
        metric: of the linkage, see there; for "ward" "cosine" if not given (by direction: Ward's
            linkage of the vectors at unit length), or "euclidean", the paper's, whose heights are
            those of SciPy and scikit-learn.
        min_size: clusters of fewer samples are no concept; 5 in 100 if not given, at least 2, or
            the smallest cluster of a method that says how many there are.
        distinct: "vector": of samples with equal vectors the first counts; "text": also at most one
            sample of each text or image; `None`: all count (see `concepts.top.top_samples`).
        settings: of the method: `k=5, n_init=10, seed=0` of "kmeans"; `model=`, `below=`, `data=`
            and more of "attribution" (`neuronwidgets.concepts.methods.attribution`).

    Raises:
        ValueError, IndexError, TypeError: no such neuron, `top` larger than the data, fewer than
            two samples, an unknown method, settings that it does not take.
    """
    acts = Activations.of(acts)
    if metric is not None:
        settings["metric"] = metric
    check_settings(method, settings)
    distinct = check_distinct(distinct)
    count = check_count(acts, top)
    if min_size is not None:
        min_size = check_min_size(min_size)
    is_neuron = np.ndim(neuron) == 0
    along = acts.along(neuron)
    rows, counts = top_samples(acts, along[None], count, distinct, projected=not is_neuron)
    index = rows[0, : counts[0]]
    if len(index) < 2:
        return resting(acts, neuron, along, method, settings)
    top_rows = TopSamples(
        acts, int(neuron) if is_neuron else None, axis_of(acts, neuron), index, along[index],
        acts.rows(index),
    )  # fmt: skip
    clustering = clustered(top_rows, method, settings)
    if min_size is None:
        min_size = smallest(len(index))
        if clustering.chosen is not None:
            tree = Tree.of(clustering.Z)
            min_size = min(min_size, int(tree.size[tree.cut(clustering.chosen)].min()))
    return Split(top_rows, clustering, method, settings, min_size)


def resting(
    acts: Activations,
    neuron: Any,
    along: np.ndarray,
    method: str,
    settings: Mapping[str, Any],
    metric: str = "euclidean",
) -> Split:
    """The split of a neuron that is active on fewer than two samples: a tree of two samples that
    are too few for a concept."""
    index = np.arange(2)
    top_rows = TopSamples(
        acts, int(neuron) if np.ndim(neuron) == 0 else None, axis_of(acts, neuron), index,
        along[index], acts.rows(index),
    )  # fmt: skip
    clustering = Clustering(np.array([[0.0, 1, 0, 2]]), metric=metric)
    return Split(top_rows, clustering, method, settings, len(index) + 1, at_rest=True)


def axis_of(acts: Activations, neuron: Any) -> np.ndarray:
    """float64 `D`, of unit length: a neuron's axis, or a direction."""
    if np.ndim(neuron) == 0:
        axis = np.zeros(acts.shape[1])
        axis[int(neuron)] = 1
        return axis
    return acts.check_direction(neuron)


def check_count(acts: Activations, top: Any) -> int:
    """The number of top samples: `top`, or `usual_top` if it is `None`.

    Raises:
        ValueError, TypeError: fewer than two samples, or more than there are.
    """
    if len(acts) < 2:
        raise ValueError(
            f"layer {acts.layer!r} holds {len(acts)} sample: a neuron is split by at least two."
        )
    count = acts.check_top(usual_top(len(acts)) if top is None else top)
    if count < 2:
        raise ValueError("top must be at least 2 to split a neuron, got 1.")
    return count


def usual_top(samples: int) -> int:
    """The default number of top samples: 100 (the paper's), at most 5% of the data but at least
    20; or all."""
    return min(samples, TOP, max(FEWEST_TOP, math.ceil(SHARE * samples)))


def smallest(count: int) -> int:
    """The default `min_size` of a split with `count` top samples."""
    return max(2, math.ceil(count / SMALLEST))


def check_min_size(min_size: Any) -> int:
    """`min_size` as an int of at least 1."""
    return whole("min_size", min_size, 1)


def _two_largest(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two largest eigenvalues of a symmetric matrix and their vectors, largest first."""
    from scipy.linalg import eigh

    m = len(gram)
    values, vectors = eigh(gram, subset_by_index=[max(0, m - 2), m - 1])
    return values[::-1], vectors[:, ::-1]
