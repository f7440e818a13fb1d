"""Whether a neuron's concepts come back from another half of its top samples."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple

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
PERMUTATIONS = 39
"""Permutations of the control: the fewest of which the second largest is a 95% bound."""
SEEN = 3
"""Divisions in which a concept is compared with permutations. Fewer than of its own, so that the
mean varies more: the bound is rather too high than too low."""
LIKELY = 0.95
"""Quantile of the control above which halves agree more than by chance."""


class Agreement(NamedTuple):
    """The agreement of `K` concepts over halves of the top samples.

    Attributes:
        agreement: float64 `K`, means over divisions; NaN where never both halves have the concept,
            or the top samples are more than 2,000.
        chance: float64 `K`, the mean of the same with clusters of permuted samples.
        high: float64 `K`, what 95% of these permutations have at most.
    """

    agreement: np.ndarray
    chance: np.ndarray
    high: np.ndarray


def half_agreement(concepts: Concepts, seed: int = 0, draws: int = DRAWS) -> Agreement:
    """The cosine of a concept's directions from two halves of the top samples without a common one.

    Each half is clustered anew into as many clusters as there are concepts. A concept is in a half
    the cluster with the largest Jaccard index with its samples there. Its direction goes from the
    layer's mean to the cluster's median sample. Agreement over halves is for concepts what
    agreement over seeds is for features (arXiv 2411.01220). Tokens or windows of one text are in
    one half.

    Top samples share the neuron, so that any groups of them agree somewhat. In the control, each
    half's clusters keep their sizes and have other samples of that half, the same permutation in
    all divisions. A concept whose agreement is at most `high` is no more than chance. Of fewer
    than 80 top samples (or texts) many are above it in noise, too: a half holds pairs of them.

    Returns:
        `(agreement, chance, high)`, float64 `K` each: means over `draws` divisions, NaN where never
        both halves have the concept, or the top samples are more than 2,000; the mean of 39
        permutations, and what 95% of them have at most.
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
        return Agreement(*np.full((3, kinds), np.nan))
    rng = np.random.default_rng(seed)
    # One row for the concepts, one for each permutation.
    totals, counted = np.zeros((2, 1 + PERMUTATIONS, kinds))
    keys = rng.random((PERMUTATIONS, count))
    source = split.acts.samples.sources(concepts.index)
    for draw in range(draws):
        parts = halves(source, rng)
        if min(map(len, parts)) < 2:
            continue
        matched = []
        for part in parts:
            distances = squareform(split.distances[np.ix_(part, part)], checks=False)
            clusters = fcluster(linkage(distances, split.linkage), kinds, "maxclust")
            matched.append(_matched(concepts.assignment[part], clusters, kinds))
        known = (matched[0].any(axis=1) & matched[1].any(axis=1)).nonzero()[0]
        fresh = known[counted[1, known] < SEEN]
        orders = [None, *keys] if len(fresh) else [None]
        for row, key in enumerate(orders):
            which = known if key is None else fresh
            one, other = (
                _directions(concepts, _permuted(concepts, part, key), inside[which])
                for part, inside in zip(parts, matched, strict=True)
            )
            totals[row, which] += np.einsum("kd,kd->k", one, other)
            counted[row, which] += 1
            yield (draw + (row + 1) / len(orders)) / draws
    means = np.where(counted > 0, totals / np.maximum(counted, 1), np.nan)
    return Agreement(
        means[0], means[1:].mean(axis=0), np.quantile(means[1:], LIKELY, axis=0, method="higher")
    )


def _matched(own: np.ndarray, clusters: np.ndarray, kinds: int) -> np.ndarray:
    """bool `K x n`: of a half's samples, those of the cluster that is most like each concept; none
    if none of the concept's samples is in the half.

    Args:
        own: int `n`, the concept of each sample of the half.
        clusters: int `n`, its cluster.
        kinds: `K`.
    """
    inside = clusters == np.unique(clusters)[:, None]
    rows = np.zeros((kinds, len(own)), bool)
    for concept in range(kinds):
        members = own == concept
        if members.any():
            shared = (inside & members).sum(axis=1)
            rows[concept] = inside[(shared / (inside | members).sum(axis=1)).argmax()]
    return rows


def _permuted(concepts: Concepts, part: np.ndarray, key: np.ndarray | None) -> np.ndarray:
    """The samples `part` of a half in another order, that of `key`; with `None` in the same.

    The samples of one concept get neighbours by `key`, so that it has about the same samples in all
    divisions, as with its own.
    """
    if key is None:
        return part
    permuted = np.empty_like(part)
    permuted[np.argsort(concepts.assignment[part], kind="stable")] = part[np.argsort(key[part])]
    return permuted


def _directions(concepts: Concepts, part: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """float32 `K x D`, of unit length: directions of clusters (bool `K x n`) of some samples."""
    groups = [concepts.top_vectors[part[each]] for each in inside]
    return directions(groups, concepts.layer_mean, "cosine")
