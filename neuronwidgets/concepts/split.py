"""A split: the top samples of a neuron or direction, and the tree that clusters them.

O'Mahony, Andrearczyk, Müller, Graziani, *Disentangling Neuron Representations with Concept
Vectors* (arXiv 2304.09707), steps 1 and 2.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.band_samples import Band, band_samples, check_band, quantiles_of
from neuronwidgets.activations.tokens import Tokens, tokens_of
from neuronwidgets.activations.top_samples import check_distinct, top_samples
from neuronwidgets.clustering.gram_matrix import gram_and_squares
from neuronwidgets.clustering.linkage.engine import at_unit_length, distances_of
from neuronwidgets.clustering.tree import Tree
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.defaults import check_min_size, default_min_size, top_count
from neuronwidgets.concepts.doubts import doubt
from neuronwidgets.concepts.methods.method import Clustering, TopSamples
from neuronwidgets.concepts.methods.registry import check_settings, clustered
from neuronwidgets.concepts.principal_map import principal_map
from neuronwidgets.concepts.suggest import Suggestion, default_threshold, suggest
from neuronwidgets.core.layer_place import At
from neuronwidgets.core.modes import own_modes
from neuronwidgets.display.html import table


@dataclass(frozen=True, repr=False, eq=False)
class Split:
    """A neuron's top samples and the tree that clusters them. Cuts need no further clustering.

    Attributes:
        top_samples: the samples, and their neuron or direction.
        clustering: the tree, and the points that it clusters.
        method: the method's name in `neuronwidgets.METHODS`.
        settings: the method's keyword arguments.
        min_size: clusters of fewer samples are no concept (by default 5 of 100, as in the paper).
        slots: int16, the palette slot that replaces each slot of the tree's own colouring; `None`:
            the tree's own.
        at_rest: whether the neuron is active on fewer than two samples. It then has no top samples
            and no concepts; `index` holds two samples because a tree needs two.
        band: the quantiles of the activation between which the samples lie; `None`: the top.
        distinct: which samples count once, see `split`.
    """

    top_samples: TopSamples
    clustering: Clustering
    method: str = "ward"
    settings: Mapping[str, Any] = field(default_factory=dict)
    min_size: int = 5
    slots: np.ndarray | None = None
    at_rest: bool = False
    band: Band | None = None
    distinct: str | None = "vector"

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
        """`n x P`, the points that were clustered; `None`: `vectors`."""
        return self.clustering.points

    @property
    def metric(self) -> str:
        """The metric of the distances between the clustered points."""
        return self.clustering.metric

    @property
    def linkage(self) -> str:
        """The linkage whose heights `Z` has: "ward", "average", "complete" or "single"."""
        return self.clustering.linkage

    @property
    def chosen(self) -> float | None:
        """The threshold that the method chose; `None` if the data suggests one."""
        return self.clustering.chosen

    @property
    def mean(self) -> np.ndarray:
        """float64 `D`, the layer's mean over all captured samples."""
        return self.acts.mean

    @property
    def first(self) -> bool:
        """Whether the first tokens of texts are kept, see `Activations`."""
        return self.acts.first

    @property
    def at(self) -> At:
        """Whether the vectors are the layer's "output" or its "input"."""
        return self.acts.at

    @property
    def name(self) -> str:
        return "a direction" if self.neuron is None else f"neuron {self.neuron}"

    @cached_property
    def tree(self) -> Tree:
        return Tree.of(self.Z)

    @cached_property
    def colors(self) -> np.ndarray:
        """int16 `2n - 1`: the palette slot of each node of the tree; -1 for nodes of fewer than
        `min_size` samples."""
        slots = self.tree.colors(self.min_size)
        return slots if self.slots is None else np.where(slots < 0, slots, self.slots[slots])

    @cached_property
    def labels(self) -> np.ndarray | None:
        """int64 `n`: the top samples' labels, -1 for none; `None` if the data has no labels."""
        return None if self.acts.labels is None else self.acts.labels[self.index]

    @cached_property
    def places(self) -> np.ndarray:
        """int64 `n x 2`: the top samples in the data set (see `Samples.dataset_indices`)."""
        return self.acts.samples.dataset_indices(self.index)

    @cached_property
    def quantiles(self) -> np.ndarray:
        """float64 `n`: the share of all samples that activate the neuron less than each of these;
        equal ones count half."""
        target = self.direction if self.neuron is None else self.neuron
        return quantiles_of(self.acts.along(target), self.activations)

    @cached_property
    def clustered(self) -> np.ndarray:
        """`n x P`: the clustered points, `points` or `vectors`; of unit length if the metric is
        "cosine"."""
        points = self.vectors if self.points is None else self.points
        return at_unit_length(points) if self.metric == "cosine" else points

    @cached_property
    def distances(self) -> np.ndarray:
        """float64 `n x n`: the distances that the linkage starts from."""
        if self.clustering.distances is not None:
            return self.clustering.distances
        squares = gram_and_squares(self.clustered.astype(np.float64))[1]
        distances: np.ndarray = distances_of(squares, self.linkage, self.metric)
        return distances

    @cached_property
    @own_modes()
    def map(self) -> np.ndarray:
        """float32 `n x 2`: the clustered points, projected on their first two principal
        components."""
        return principal_map(self.clustered)

    @own_modes()
    def suggest(self, kinds: Sequence[str] | None = None) -> list[Suggestion]:
        """Thresholds that the data suggests, each with its reasons; fewest concepts first.

        - "method": the cut that the method chose, if it fixes the number of concepts.
        - "compact": the cut that `cut()` takes. It has the largest mean silhouette (Rousseeuw
          1987; samples in no concept count 0) times the fourth root of the number of concepts.
        - "gap": for each number of concepts up to ten, the widest interval of heights over which
          the number of concepts does not change.
        - "stable": of the cuts whose concepts recur most when half of the samples are clustered
          (Hennig 2007), the one with most concepts.
        - "rest": no cut, because the neuron is at rest on all samples.
        - "chance": one concept, because samples with the same covariance and no clusters separate
          as well (p of the geometric part of `polysemanticity` above 0.05).

        A cut that several reasons suggest is listed once, with all of them.

        Args:
            kinds: which of these. Not given: all; with more than 500 samples all but "chance", with
                more than 2,000 neither "compact" nor "stable".

        Raises:
            ValueError: an unknown kind, or one that takes too long for this number of samples.
        """
        return suggest(self, kinds)

    @cached_property
    @own_modes()
    def suggested(self) -> float:
        """The default threshold of `cut()`: the one that the method chose, or the most compact cut
        into at least two concepts (see `suggest`); with more than 2,000 samples the middle of the
        widest gap, weighted by the number of concepts."""
        if self.chosen is not None:
            return self.chosen
        return default_threshold(self)

    @own_modes()
    def cut(self, threshold: float | None = None) -> Concepts:
        """The tree's clusters at or below `threshold`; those under `min_size` are no concepts.

        Args:
            threshold: a height of the tree (the paper's `distance_threshold`, 15 for its layer);
                lower is finer. Not given: `suggested`.
        """
        return Concepts.at(self, self.suggested if threshold is None else threshold)

    @own_modes()
    def scores(
        self,
        threshold: float | None = None,
        which: str | Sequence[str] | None = None,
        **settings: Any,
    ) -> dict[str, float]:
        """The neuron's scores (docs/explanation/scores.md): a number for each name in `nw.SCORES`.

        Args:
            threshold: of the cut, for scores that need the concepts; `suggested` if not given.
            which, settings: see `neuronwidgets.scores`.
        """
        from neuronwidgets.concepts.scores import Neurons, scores

        columns = scores(Neurons.of(self.cut(threshold)), which, **settings)
        return {name: float(column[0]) for name, column in columns.items()}

    @cached_property
    def tokens(self) -> Tokens | None:
        """The top samples' tokens, which name the concepts; `None` if the samples are no tokens or
        have labels of their own."""
        return tokens_of(self.acts, self.index)

    @cached_property
    def doubt(self) -> str:
        """Why its concepts should not be trusted: its top samples stand at one position of their
        texts, or are nearly equal; "" if neither."""
        return doubt(self.acts.samples, self.index, self.Z, self.metric)

    def __repr__(self) -> str:
        if self.at_rest:
            return f"Split({self.name} of layer {self.acts.layer!r}, at rest on all samples)"
        which = "top" if self.band is None else "band {:g} to {:g},".format(*self.band)
        return (
            f"Split({self.name} of layer {self.acts.layer!r}, {which} {len(self.index):,}, "
            f"{self.method}/{self.metric}, heights to {self.tree.top:.4g}, "
            f"suggested threshold {self.suggested:.4g})"
        )

    def _repr_html_(self) -> str:
        rows = [(str(s.concepts), f"{s.threshold:.4g}", s.reason) for s in self.suggest()]
        note = f"<p>Note: {html.escape(self.doubt)}.</p>" if self.doubt else ""
        suggestions = table(("concepts", "threshold", "reason"), rows, {2})
        return f"<p>{html.escape(repr(self))}</p>{note}{suggestions}"


def split(
    acts: Activations,
    neuron: Any,
    top: int | None = None,
    method: str = "ward",
    metric: str | None = None,
    *,
    min_size: int | None = None,
    distinct: str | None = "vector",
    band: Band | None = None,
    **settings: Any,
) -> Split:
    """Cluster the top samples of a neuron, or of any direction.

    Args:
        acts: the layer's activations, or a plain `S x D` array.
        neuron: the neuron's number, or a vector of `D` numbers (a direction).
        top: the number of top-activating samples. Not given: 100 (the paper's number); with fewer
            than 2,000 samples 5% of them, at least 20. A neuron that is active on fewer samples has
            fewer top samples: those on which it is at rest do not count.
        method: the clustering (docs/guide/methods.md compares them). "ward", "average", "complete",
            "single" (see `linkage`) and "kmeans" cluster the layer's own vectors, "attribution"
            the contributions of a lower layer, "effect" what the neuron changes in the outputs.
        metric: the linkage's metric, see `linkage`. "ward" takes "cosine" (the default: Ward's
            linkage of the vectors at unit length) or "euclidean" (the paper's; heights equal those
            of SciPy and scikit-learn).
        min_size: clusters of fewer samples are no concept. Not given: 5 in 100, at least 2; or the
            smallest cluster, if the method fixes the number of clusters.
        distinct: "vector": of samples with equal vectors only the first counts; "text": also at
            most one sample of each text or image; `None`: all count (see
            `activations.top_samples`).
        band: two quantiles of the activation, as `(0.5, 0.9)`: cluster samples from everywhere
            between them, evenly spaced by rank, instead of the top ones (see
            `activations.band_samples`). `top` is then their number.
        settings: the method's settings: `k=5, n_init=10, seed=0` for "kmeans"; `model=`, `below=`,
            `data=` and more for "attribution" (`neuronwidgets.concepts.methods.attribution`);
            `model=`, `order=`, `data=` and more for "effect"
            (`neuronwidgets.concepts.methods.effect`).

    Raises:
        ValueError, IndexError, TypeError: no such neuron or band, `top` larger than the data, fewer
            than two samples, an unknown method, settings that the method does not take.
    """
    acts = Activations.of(acts)
    if metric is not None:
        settings["metric"] = metric
    check_settings(method, settings)
    distinct = check_distinct(distinct)
    count = top_count(acts, top)
    if min_size is not None:
        min_size = check_min_size(min_size)
    is_neuron = np.ndim(neuron) == 0
    activations = acts.along(neuron)
    if band is None:
        rows, counts = top_samples(acts, activations[None], count, distinct, not is_neuron)
        index = rows[0, : counts[0]]
    else:
        band = check_band(band)
        index = band_samples(acts, activations, band, count, distinct, not is_neuron)
    if len(index) < 2:
        return resting(acts, neuron, activations, method, settings)
    top_rows = TopSamples(
        acts, int(neuron) if is_neuron else None, axis_of(acts, neuron), index, activations[index],
        acts.rows(index),
    )  # fmt: skip
    clustering = clustered(top_rows, method, settings)
    if min_size is None:
        min_size = default_min_size(len(index))
        if clustering.chosen is not None:
            tree = Tree.of(clustering.Z)
            min_size = min(min_size, int(tree.size[tree.cut(clustering.chosen)].min()))
    return Split(top_rows, clustering, method, settings, min_size, band=band, distinct=distinct)


def resting(
    acts: Activations,
    neuron: Any,
    activations: np.ndarray,
    method: str,
    settings: Mapping[str, Any],
    metric: str = "euclidean",
) -> Split:
    """The split of a neuron that is active on fewer than two samples.

    Its tree has two samples, and `min_size` is three: no cut has a concept.
    """
    index = np.arange(2)
    top_rows = TopSamples(
        acts, int(neuron) if np.ndim(neuron) == 0 else None, axis_of(acts, neuron), index,
        activations[index], acts.rows(index),
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
