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
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.gram import gram
from neuronwidgets.clustering.linkage.engine import at_unit_length, distances_of
from neuronwidgets.clustering.tree import Tree
from neuronwidgets.concepts.doubts import doubt
from neuronwidgets.concepts.methods.method import Clustering, TopSamples, whole
from neuronwidgets.concepts.methods.registry import check_settings, clustered
from neuronwidgets.concepts.suggest import Suggestion, default_threshold, suggest
from neuronwidgets.concepts.tokens import Tokens, tokens_of
from neuronwidgets.concepts.top import check_distinct, top_samples
from neuronwidgets.core.modes import own_modes

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

TOP = 100
FEWEST_TOP = 20
SHARE = 0.05
"""Of few samples a hundred are not the top: the strongest, but samples like any."""
SMALLEST = 20
"""A concept has at least one in so many of the top samples."""


@dataclass(frozen=True, repr=False, eq=False)
class Split:
    """A neuron's top samples and the tree that clusters them; every cut of it is cheap.

    Attributes:
        acts: where it came from.
        neuron: the neuron, or `None` for a direction.
        direction: the unit vector `D` that was split: the neuron's axis, or the direction.
        index: int64 `n`, the top samples (rows of `acts`), strongest first.
        activations: `n`, the neuron's activation on them (or the projection on the direction).
        vectors: `n x D`, the whole layer on them.
        Z: float64 `(n - 1) x 4`, the linkage in SciPy's format.
        method: how `Z` was made, a name in `neuronwidgets.concepts.METHODS`.
        metric: how distances between what was clustered are measured.
        min_size: smaller clusters are no concept (5 of 100, as in the paper, unless chosen).
        slots: int16, the palette's slot for each of those that the tree itself would give; `None`:
            as they are.
        points: `n x P`, what was clustered; `None`: `vectors`.
        linkage: whose heights `Z` has; `None`: those that `method` names.
        chosen: the threshold that the method itself chose; `None` where the data has to say.
        settings: what else the method was given.
        at_rest: whether the neuron is active on fewer than two samples: it has no top samples and
            no concepts, and `index` holds two samples only so that there is a tree.
    """

    acts: Activations
    neuron: int | None
    direction: np.ndarray
    index: np.ndarray
    activations: np.ndarray
    vectors: np.ndarray
    Z: np.ndarray
    method: str = "ward"
    metric: str = "euclidean"
    min_size: int = field(default=5)
    slots: np.ndarray | None = None
    points: np.ndarray | None = None
    linkage: str | None = None
    chosen: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    at_rest: bool = False

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
        return self.acts.samples.dataset_indices(self.index)

    @cached_property
    def clustered(self) -> np.ndarray:
        """`n x P`: the points in whose space the tree is: `points`, or the layer's own vectors; at
        unit length where the metric is "cosine"."""
        points = self.vectors if self.points is None else self.points
        return at_unit_length(points) if self.metric == "cosine" else points

    @cached_property
    def distances(self) -> np.ndarray:
        """float64 `n x n`: the distances that the linkage began with."""
        squares = gram(self.clustered.astype(np.float64))[1]
        found: np.ndarray = distances_of(squares, self.linkage or self.method, self.metric)
        return found

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
        from neuronwidgets.concepts.concepts import Concepts

        return Concepts.at(self, self.suggested if threshold is None else threshold)

    @own_modes()
    def scores(
        self,
        threshold: float | None = None,
        which: str | Sequence[str] | None = None,
        **settings: Any,
    ) -> dict[str, float]:
        """What `nw.SCORES` has to say of it (docs/scores.md): a number for each name.

        Args:
            threshold: of the cut, for scores that look at the concepts; `suggested` if not given.
            which, settings: see `neuronwidgets.scores`.
        """
        from neuronwidgets.concepts.scores import Neurons, scores

        found = scores(Neurons.of(self.cut(threshold)), which, **settings)
        return {name: float(column[0]) for name, column in found.items()}

    @cached_property
    def tokens(self) -> Tokens | None:
        """The tokens that the top samples are, which concepts are named by; `None` where they are
        none, or have labels of their own."""
        return tokens_of(self.acts, self.index)

    @cached_property
    def doubt(self) -> str:
        """Why its concepts should not be trusted, "" where nothing speaks so: its top samples all
        stand at one position, or are nearly equal."""
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
    one = np.ndim(neuron) == 0
    along = acts.along(neuron)
    if one:
        direction = np.zeros(acts.shape[1])
        direction[int(neuron)] = 1
    else:
        direction = acts.check_direction(neuron)
    found, counts = top_samples(acts, along[None], count, distinct, projected=not one)
    index = found[0, : counts[0]]
    at_rest = len(index) < 2
    if at_rest:
        index = np.arange(2)
    given = TopSamples(
        acts, int(neuron) if one else None, direction, index, along[index], acts.rows(index)
    )
    made = Clustering(np.array([[0.0, 1, 0, 2]])) if at_rest else clustered(given, method, settings)
    if at_rest:
        min_size = len(index) + 1
    elif min_size is None:
        min_size = smallest(len(index))
        if made.chosen is not None:
            tree = Tree.of(made.Z)
            min_size = min(min_size, int(tree.size[tree.cut(made.chosen)].min()))
    split = Split(
        acts,
        given.neuron,
        direction,
        index,
        given.activations,
        given.vectors,
        made.Z,
        method,
        made.metric,
        min_size,
        points=made.points,
        linkage=made.linkage,
        chosen=made.chosen,
        settings=settings,
        at_rest=at_rest,
    )
    if made.distances is not None:
        # What the cached property would compute again.
        split.__dict__["distances"] = made.distances
    return split


def check_count(acts: Activations, top: Any) -> int:
    """How many top samples are clustered: `top`, or `usual_top`; at least two."""
    if len(acts) < 2:
        raise ValueError(
            f"layer {acts.layer!r} was read on {len(acts)} sample: at least two are "
            "needed to split a neuron."
        )
    count = acts.check_top(usual_top(len(acts)) if top is None else top)
    if count < 2:
        raise ValueError("top=1; at least two samples are needed to split a neuron.")
    return count


def usual_top(samples: int) -> int:
    """How many top samples are clustered unless chosen: 100 (the paper's number), but no more than
    5% of the data, as long as that leaves 20; or all."""
    return min(samples, TOP, max(FEWEST_TOP, math.ceil(SHARE * samples)))


def smallest(count: int) -> int:
    """The least number of samples in a concept of `count` top samples, unless chosen."""
    return max(2, math.ceil(count / SMALLEST))


def check_min_size(min_size: Any) -> int:
    """`min_size` as an int, refused if it is not at least 1."""
    return whole("min_size", min_size, 1)


def _two_largest(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two largest eigenvalues of a symmetric matrix and their vectors, largest first."""
    from scipy.linalg import eigh

    m = len(gram)
    values, vectors = eigh(gram, subset_by_index=[max(0, m - 2), m - 1])
    return values[::-1], vectors[:, ::-1]
