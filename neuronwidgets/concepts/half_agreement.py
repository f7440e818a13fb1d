"""Whether a neuron's concepts come back from another half of its top samples."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.activations.retrieval import directions
from neuronwidgets.clustering.halves import halves
from neuronwidgets.core.steps import drained

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

DRAWS = 20
"""Divisions into halves."""
MOST_SAMPLES = 2000
"""Top samples, at most: above, clustering halves takes too long."""
Agreement = tuple[np.ndarray, np.ndarray]


def half_agreement(concepts: Concepts, seed: int = 0, draws: int = DRAWS) -> Agreement:
    """The cosine of a concept's directions from two halves of the top samples without a common one.

    Each half is clustered anew into as many clusters as there are concepts. A concept is in a half
    the cluster with the largest Jaccard index with its samples there. Its direction goes from the
    layer's mean to the cluster's median sample. Agreement over halves is for concepts what
    agreement over seeds is for features (arXiv 2411.01220). Tokens or windows of one text are in
    one half.

    Returns:
        float64 `K`, means over `draws` divisions, NaN where never both halves have the concept, or
        the top samples are more than 2,000; and the same where the samples of all clusters are
        permuted.
    """
    return drained(agreeing(concepts, seed, draws))


def agreeing(
    concepts: Concepts, seed: int = 0, draws: int = DRAWS
) -> Generator[float, None, Agreement]:
    """`half_agreement` in steps: yields the share done."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    split = concepts.require_split("agreement of halves")
    count, kinds = len(concepts.index), len(concepts)
    if count > MOST_SAMPLES or count < 4 or not kinds:
        return np.full(kinds, np.nan), np.full(kinds, np.nan)
    rng = np.random.default_rng(seed)
    totals, counted = np.zeros((2, kinds)), np.zeros((2, kinds))
    source = split.acts.samples.sources(concepts.index)
    for draw in range(draws):
        parts = halves(source, rng)
        if min(map(len, parts)) < 2:
            continue
        made: list[list[np.ndarray]] = [[], []]
        for part in parts:
            distances = squareform(split.distances[np.ix_(part, part)], checks=False)
            clusters = fcluster(linkage(distances, split.linkage), kinds, "maxclust")
            for which, labels in enumerate((clusters, rng.permutation(clusters))):
                made[which].append(_directions(concepts, part, labels))
        for which, (one, other) in enumerate(made):
            cosines = np.einsum("kd,kd->k", one, other)
            known = one.any(axis=1) & other.any(axis=1)
            totals[which] += np.where(known, cosines, 0)
            counted[which] += known
        yield (draw + 1) / draws
    means = np.where(counted > 0, totals / np.maximum(counted, 1), np.nan)
    return means[0], means[1]


def _directions(concepts: Concepts, part: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """float32 `K x D`, of unit length: of each concept the direction of the cluster that is most
    like it; 0 if none of its samples is in the half."""
    own = concepts.assignment[part]
    numbers = np.unique(clusters)
    inside = clusters == numbers[:, None]
    vectors = directions(
        [concepts.top_vectors[part[each]] for each in inside], concepts.layer_mean, "cosine"
    )
    rows = np.zeros((len(concepts), vectors.shape[1]), np.float32)
    for concept in range(len(concepts)):
        members = own == concept
        if members.any():
            shared = (inside & members).sum(axis=1)
            rows[concept] = vectors[(shared / (inside | members).sum(axis=1)).argmax()]
    return rows
