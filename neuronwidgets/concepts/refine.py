"""The paper's membership rule: k-means, outliers, minimum size (arXiv 2304.09707, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.clustering.gram import gram
from neuronwidgets.clustering.kmeans import kmeans
from neuronwidgets.clustering.tree import Tree
from neuronwidgets.concepts.methods.method import whole

if TYPE_CHECKING:
    from neuronwidgets.concepts.split import Split

PAPER_THRESHOLD = 15.0
MOST_WORK = 200_000_000
FEW = 2048
"""So many samples are clustered by the matrix of their distances."""


@dataclass(frozen=True, eq=False)
class Refinement:
    """Who belongs to which concept after k-means.

    Attributes:
        assignment: int64 `n`, the concept of each sample; -1 for outliers and samples of dropped
            clusters.
        nodes: int32 `K`, the concept of the cut that each one continues: pairs are made so that
            they share the most samples, one each; -1 for a concept without one.
        reassigned: bool `n`, samples that are in another concept than at the cut.
        outlier: bool `n`, samples that had a concept at the cut and have none now.
    """

    assignment: np.ndarray
    nodes: np.ndarray
    reassigned: np.ndarray
    outlier: np.ndarray


def outlier_distance(threshold: float, method: str, metric: str) -> float:
    """The squared distance from its centroid at which a sample is an outlier, by default.

    The paper has 15 for both the Ward threshold and this squared distance, on one layer of one
    model. `threshold ** 2 / 15` is the same there and follows the scale of other layers. Under
    cosine the vectors have unit length and a squared distance is twice the cosine distance; for
    the other linkages the threshold itself is a distance, or a squared one.
    """
    if method == "ward":
        return threshold**2 / PAPER_THRESHOLD
    if metric == "sqeuclidean":
        return threshold
    return 2 * threshold if metric == "cosine" else threshold**2


def refine(
    split: Split,
    threshold: float,
    outlier: float | None = None,
    min_size: int | None = None,
    n_init: int = 5,
    seed: int = 0,
) -> Refinement:
    """k-means with as many clusters as the tree has at `threshold`, then the two rules.

    Args:
        split: the neuron's top samples; what its tree clusters is what k-means clusters.
        threshold: the cut that gives `K0`, the number of clusters.
        outlier: a sample at this squared distance from its centroid, or more, is left out.
        min_size: a cluster that keeps fewer samples is dropped (the paper: 5).
        n_init: k-means initialisations (the paper: 5); up to 2,048 samples one more begins with
            the tree's clusters.
        seed: of k-means.
    """
    tree = split.tree
    min_size = whole("min_size", split.min_size if min_size is None else min_size, 1)
    if outlier is None:
        outlier = outlier_distance(threshold, split.linkage, split.metric)
    elif isinstance(outlier, str) or not outlier >= 0:
        raise ValueError(f"outlier must be a squared distance of 0 or more, got {outlier!r}.")
    points = split.clustered.astype(np.float64)
    cut = tree.cut(threshold)
    if len(cut) * points.size > MOST_WORK and len(cut) > 1:
        raise ValueError(
            f"k-means with {len(cut):,} clusters of {len(points):,} samples would "
            "take minutes: choose a coarser threshold before refining."
        )
    means = _by_distances if len(points) <= FEW else _by_scikit_learn
    member, far = means(points, tree.concepts(threshold, 1)[1], len(cut), n_init, seed)
    return settle(tree, threshold, member, far, outlier, min_size, split.min_size)


def _by_distances(
    points: np.ndarray, begun: np.ndarray, clusters: int, n_init: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    import torch

    _, square = gram(torch.from_numpy(points))
    member, far = kmeans(square[None], np.array([clusters]), begun[None], n_init, seed)
    return member[0], far[0]


def _by_scikit_learn(
    points: np.ndarray, begun: np.ndarray, clusters: int, n_init: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.cluster import KMeans

    clusters = min(clusters, len(np.unique(points, axis=0)))
    means = KMeans(clusters, n_init=n_init, random_state=seed).fit(points)
    member = means.labels_.astype(np.int64)
    return member, ((points - means.cluster_centers_[member]) ** 2).sum(axis=1)


def settle(
    tree: Tree,
    threshold: float,
    member: np.ndarray,
    far: np.ndarray,
    outlier: float,
    min_size: int,
    smallest: int,
) -> Refinement:
    """The two rules after k-means, and which concept of the cut each cluster continues.

    Args:
        tree, threshold: the cut.
        member: int64 `n`, each sample's cluster.
        far: float64 `n`, its squared distance to the centroid.
        outlier, min_size: see `refine`.
        smallest: the least number of samples in a concept of the cut.
    """
    from scipy.optimize import linear_sum_assignment

    cut = tree.cut(threshold)
    clusters = int(member.max()) + 1
    member = np.where(far >= outlier, -1, member)
    kept = np.bincount(member[member >= 0], minlength=clusters)
    kept_clusters = np.flatnonzero((kept >= min_size) & (kept > 0))

    before = np.empty(tree.n, np.int64)
    before[tree.order] = np.repeat(np.arange(len(cut)), tree.size[cut])
    concept_of_cut = np.flatnonzero(tree.size[cut] >= smallest)
    overlap = np.zeros((clusters, len(cut)), np.int64)
    np.add.at(overlap, (member[member >= 0], before[member >= 0]), 1)
    table = overlap[np.ix_(kept_clusters, concept_of_cut)]
    rows, columns = linear_sum_assignment(-table)
    match = np.full(len(kept_clusters), -1)
    good = table[rows, columns] > 0
    match[rows[good]] = concept_of_cut[columns[good]]
    # From left to right in the dendrogram, those without a match last.
    ranking = np.lexsort((np.arange(len(match)), np.where(match < 0, len(cut), match)))
    number = np.full(clusters + 1, -1)
    number[kept_clusters[ranking]] = np.arange(len(ranking))
    assignment = number[member]
    match = match[ranking]
    nodes = np.where(match >= 0, cut[match], -1).astype(np.int32) if len(match) else match
    was = np.isin(before, concept_of_cut)
    home = np.where(assignment >= 0, match[assignment] if len(match) else -1, -1)
    return Refinement(
        assignment,
        np.asarray(nodes, np.int32),
        reassigned=(assignment >= 0) & (home != before),
        outlier=was & (assignment < 0),
    )
