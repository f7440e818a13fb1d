"""The paper's membership rule: k-means, outliers, minimum size (arXiv 2304.09707, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.clustering.gram_matrix import gram_and_squares
from neuronwidgets.clustering.kmeans import kmeans
from neuronwidgets.clustering.tree import Tree
from neuronwidgets.core.checks import integer, number

if TYPE_CHECKING:
    from neuronwidgets.concepts.split import Split

PAPER_THRESHOLD = 15.0
"""The paper's Ward threshold, and its squared distance of an outlier."""
MOST_WORK = 200_000_000
"""Clusters times numbers in the vectors that k-means takes: more would take minutes."""
FEW = 2048
"""Samples up to which k-means works on the matrix of their distances: 34 MB in float64."""


@dataclass(frozen=True, eq=False)
class Refinement:
    """The concepts' samples after k-means.

    Attributes:
        assignment: int64 `n`, the concept of each sample; -1 for outliers and samples of dropped
            clusters.
        nodes: int32 `K`, the tree's node of the concept of the cut that each one continues: the
            one-to-one matching that shares most samples; -1 for a concept without a match.
        reassigned: bool `n`, samples that are in another concept than at the cut.
        outlier: bool `n`, samples that had a concept at the cut and have none after k-means.
    """

    assignment: np.ndarray
    nodes: np.ndarray
    reassigned: np.ndarray
    outlier: np.ndarray


def outlier_distance(threshold: float, method: str, metric: str) -> float:
    """The default squared distance from its centroid at which a sample is an outlier.

    The paper has 15 for both the Ward threshold and this squared distance, on one layer of one
    model. `threshold ** 2 / 15` equals 15 there and follows the scale of other layers. Under
    cosine the vectors have unit length, so a squared distance is twice the cosine distance. For
    other linkages the threshold itself is a distance, or a squared one.
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
    *,
    most_work: int = MOST_WORK,
) -> Refinement:
    """k-means with as many clusters as the tree has at `threshold`, then the two rules.

    Args:
        split: the neuron's top samples; k-means clusters the same points as its tree.
        threshold: the cut whose number of clusters k-means takes.
        outlier: a sample at this squared distance from its centroid, or more, is an outlier.
        min_size: a cluster that keeps fewer samples is dropped (the paper: 5).
        n_init: k-means initialisations (the paper: 5); up to 2,048 samples one more starts from
            the tree's clusters.
        seed: of k-means.
        most_work: see `MOST_WORK`.

    Raises:
        ValueError: an argument out of range, or more work than `most_work`.
    """
    tree = split.tree
    min_size = integer("min_size", split.min_size if min_size is None else min_size, 1)
    if outlier is None:
        outlier = outlier_distance(threshold, split.linkage, split.metric)
    else:
        number("outlier", outlier, least=0, infinite=True)
    points = split.clustered.astype(np.float64)
    cut = tree.cut(threshold)
    if len(cut) * points.size > most_work and len(cut) > 1:
        raise ValueError(
            f"k-means with {len(cut):,} clusters of {len(points):,} samples would take minutes: "
            "choose a coarser threshold before refining."
        )
    run = _by_distances if len(points) <= FEW else _by_scikit_learn
    clusters, squares = run(points, tree.concepts(threshold, 1)[1], len(cut), n_init, seed)
    return settle(tree, threshold, clusters, squares, outlier, min_size, split.min_size)


def _by_distances(
    points: np.ndarray, initial: np.ndarray, count: int, n_init: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The cluster of each sample, and its squared distance to the centroid."""
    import torch

    _, square = gram_and_squares(torch.from_numpy(points))
    clusters, squares = kmeans(square[None], np.array([count]), initial[None], n_init, seed)
    return clusters[0], squares[0]


def _by_scikit_learn(
    points: np.ndarray, initial: np.ndarray, count: int, n_init: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same without a matrix of distances. It does not start from the `initial` clusters."""
    from sklearn.cluster import KMeans

    count = min(count, len(np.unique(points, axis=0)))
    fitted = KMeans(count, n_init=n_init, random_state=seed).fit(points)
    clusters = fitted.labels_.astype(np.int64)
    return clusters, ((points - fitted.cluster_centers_[clusters]) ** 2).sum(axis=1)


def settle(
    tree: Tree,
    threshold: float,
    clusters: np.ndarray,
    squares: np.ndarray,
    outlier: float,
    min_size: int,
    cut_min_size: int,
) -> Refinement:
    """Apply the two rules after k-means, and match each cluster with a concept of the cut.

    Args:
        tree, threshold: the cut.
        clusters: int64 `n`, each sample's cluster.
        squares: float64 `n`, its squared distance to the centroid.
        outlier, min_size: see `refine`.
        cut_min_size: the `min_size` of the cut's concepts.
    """
    from scipy.optimize import linear_sum_assignment

    cut = tree.cut(threshold)
    count = int(clusters.max()) + 1
    clusters = np.where(squares >= outlier, -1, clusters)
    sizes = np.bincount(clusters[clusters >= 0], minlength=count)
    kept = np.flatnonzero((sizes >= min_size) & (sizes > 0))

    # Indices into `cut`: each sample's cluster, and the clusters that are concepts.
    cut_clusters = np.empty(tree.n, np.int64)
    cut_clusters[tree.order] = np.repeat(np.arange(len(cut)), tree.size[cut])
    cut_concepts = np.flatnonzero(tree.size[cut] >= cut_min_size)
    overlap = np.zeros((count, len(cut)), np.int64)
    np.add.at(overlap, (clusters[clusters >= 0], cut_clusters[clusters >= 0]), 1)
    shared = overlap[np.ix_(kept, cut_concepts)]
    rows, columns = linear_sum_assignment(-shared)
    match = np.full(len(kept), -1)
    matched = shared[rows, columns] > 0
    match[rows[matched]] = cut_concepts[columns[matched]]
    # Concepts are numbered from left to right in the dendrogram, those without a match last.
    ranking = np.lexsort((np.arange(len(match)), np.where(match < 0, len(cut), match)))
    number = np.full(count + 1, -1)
    number[kept[ranking]] = np.arange(len(ranking))
    assignment = number[clusters]
    match = match[ranking]
    nodes = np.where(match >= 0, cut[match], -1).astype(np.int32) if len(match) else match
    had_concept = np.isin(cut_clusters, cut_concepts)
    continued = np.where(assignment >= 0, match[assignment] if len(match) else -1, -1)
    return Refinement(
        assignment,
        np.asarray(nodes, np.int32),
        reassigned=(assignment >= 0) & (continued != cut_clusters),
        outlier=had_concept & (assignment < 0),
    )
