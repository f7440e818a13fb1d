"""Measures of a cut's concepts: distances, purity, precision, overlap and stability.

`Concepts` takes these functions as its methods and properties.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.activations.retrieval import DEFAULT, directions
from neuronwidgets.clustering.linkage.engine import at_unit_length
from neuronwidgets.clustering.stability import recurring
from neuronwidgets.concepts.control import (
    DRAWS,
    TRIED,
    draws_of,
    groups_with,
    jaccard,
    mean_known,
    own_shares,
    retrieved_outside,
    several_of_a_source,
    shares_at_random,
)
from neuronwidgets.concepts.naming.majority import agreed_label
from neuronwidgets.concepts.scores.labels import majority
from neuronwidgets.concepts.suggest import MOST_SAMPLES
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.steps import drained

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts


@own_modes()
def cosines(concepts: Concepts) -> np.ndarray:
    """float64 `K x K`: cosine between concept vectors."""
    vectors = concepts.vectors.astype(np.float64)
    return np.clip(vectors @ vectors.T, -1, 1)


def quantiles(concepts: Concepts) -> np.ndarray:
    """float64 `K x 2`: where each concept lies on the neuron's axis, from its weakest to its
    strongest sample: the shares of all samples that activate the neuron less than these.

    Raises:
        ValueError: an earlier version saved these concepts without it.
    """
    shares = concepts.origin.quantiles
    if shares is None:
        raise ValueError(
            "these concepts were saved without their places on the neuron's axis, by an earlier "
            "version: split again and save."
        )
    ends = [(shares[group].min(), shares[group].max()) for group in concepts.groups]
    return np.array(ends, np.float64).reshape(-1, 2)


@own_modes()
def cosines_to_neuron(concepts: Concepts) -> np.ndarray:
    """float64 `K`: cosine of each concept vector with the neuron's axis (or the direction)."""
    return np.clip(concepts.vectors.astype(np.float64) @ concepts.direction, -1, 1)


@own_modes()
def distances(concepts: Concepts) -> np.ndarray:
    """float64 `K x K`: mean distance of two concepts' samples, in the tree's metric.

    The diagonal is the mean distance of two different samples of one concept (NaN for a
    concept of one sample).
    """
    points = concepts.top_vectors if concepts.origin.points is None else concepts.origin.points
    points = at_unit_length(points) if concepts.metric == "cosine" else points
    # Ward's linkage measures Euclidean distances, also those of unit vectors.
    metric = "euclidean" if concepts.origin.linkage == "ward" else concepts.metric
    return mean_distances(points, concepts.groups, metric)


def within(concepts: Concepts) -> np.ndarray:
    """float64 `K`: mean distance of two samples of one concept."""
    return np.diagonal(concepts.distances).copy()


def between(concepts: Concepts) -> np.ndarray:
    """float64 `K x K`: mean distance between the samples of two concepts; diagonal NaN."""
    out = concepts.distances.copy()
    np.fill_diagonal(out, np.nan)
    return out


def purity(concepts: Concepts) -> np.ndarray:
    """float64 `K`: the share of the most frequent label among a concept's labelled samples; NaN
    without any."""
    return _purity_of(concepts, [concepts.index[group] for group in concepts.groups])


def retrieved_purity(concepts: Concepts, k: int = 20, by: str = DEFAULT) -> np.ndarray:
    """float64 `K`: the share of the most frequent label among the samples that each concept
    retrieves. Compare with random groups of the same samples (`control`): theirs may be as high."""
    return _purity_of(concepts, list(concepts.retrieve(k=k, by=by)))


def precision(concepts: Concepts, k: int = 20, by: str = DEFAULT) -> np.ndarray:
    """float64 `K`: of the `k` labelled samples outside of a concept that it retrieves first, the
    share with its label, which more than half of its own samples carry.

    Samples without a label do not count, as in `purity`. If fewer than `k` samples outside carry
    the label, as many are counted (R-precision). NaN without such a label, and if all that carry it
    are the concept's own. Where texts have several samples (tokens, windows), one of each text
    counts, and none of the concept's own texts. Compare with `chance`.
    """
    acts = concepts.require_split("precision").acts
    if acts.labels is None:
        return np.full(len(concepts), np.nan)
    members = [concepts.index[group] for group in concepts.groups]
    mean = acts.mean if concepts.mean is None else concepts.mean
    vectors = directions([concepts.top_vectors[group] for group in concepts.groups], mean, by)
    outside = retrieved_outside(acts, vectors, mean, members, k, by)
    source = several_of_a_source(acts)
    return own_shares(acts.labels, outside, members, own_labels(concepts), source)[0]


def chance(
    concepts: Concepts, k: int = 20, by: str = DEFAULT, draws: int = DRAWS, seed: int = 0
) -> np.ndarray:
    """float64 `K`: the mean `precision`, for each concept's label, of `draws` random groups of
    top samples that are as large as the concept and have its label themselves.

    If fewer than one in twenty random groups have it, that a concept has it is no chance, and any
    random groups are compared.
    """
    split = concepts.require_split("chance")
    out = np.full(len(concepts), np.nan)
    if split.acts.labels is None or split.labels is None:
        return out
    for i, (label, size) in enumerate(
        zip(own_labels(concepts), concepts.sizes.tolist(), strict=True)
    ):
        if label >= 0:
            drawn = draws_of(len(concepts.index), size, TRIED * draws, seed)
            shares = shares_at_random(
                split.acts, concepts.index, size, by, [label], k, mean=concepts.mean,
                groups=groups_with(drawn, split.labels, label, draws),
            )  # fmt: skip
            out[i] = mean_known(shares.ravel())
    return out


def overlap(concepts: Concepts, k: int = 20, by: str = DEFAULT) -> np.ndarray:
    """float64 `K x K`: the Jaccard index of the samples that two concepts retrieve."""
    return jaccard(concepts.retrieve(k=k, by=by))


def own_labels(concepts: Concepts) -> np.ndarray:
    """int64 `K`: the label that more than half of a concept's samples carry, -1 for none."""
    labels = concepts.require_split("labels").labels
    if labels is None:
        return np.full(len(concepts), -1)
    return np.array([agreed_label(labels[group]) for group in concepts.groups], np.int64)


def stability(concepts: Concepts, resamples: int = 50, seed: int = 0) -> np.ndarray:
    """float64 `K`: how often each concept recurs when half of the top samples are clustered
    (Hennig 2007; `clustering.stability`): 0 to 1; NaN if no resample tests it.

    Raises:
        ValueError: more than 2,000 top samples.
    """
    split = concepts.require_split("stability")
    if len(concepts.index) > MOST_SAMPLES:
        raise ValueError(
            f"stability clusters half of the samples {resamples} times, which takes too long for "
            f"{len(concepts.index):,}: split with top={MOST_SAMPLES:,} or less."
        )
    groups = np.zeros((len(concepts), len(concepts.index)), bool)
    for row, group in zip(groups, concepts.groups, strict=True):
        row[group] = True
    source = split.acts.samples.sources(split.index)
    return drained(recurring(split.distances, split.linkage, groups, resamples, seed, source))


def _purity_of(concepts: Concepts, rows: Sequence[np.ndarray]) -> np.ndarray:
    """float64 `K`: the share of the most frequent label in each set of rows; NaN without labels."""
    acts = concepts.split.acts if concepts.split is not None else None
    if acts is None or acts.labels is None:
        return np.full(len(rows), np.nan)
    return np.array([majority(acts.labels[row])[1] for row in rows])


def mean_distances(points: np.ndarray, groups: Sequence[np.ndarray], metric: str) -> np.ndarray:
    """float64 `K x K`: the mean distance of the samples of two groups.

    The diagonal is the mean distance of two different samples of one group (NaN for a group of
    one sample).

    Args:
        points: `n x P`.
        groups: indices into `points`.
        metric: a name that `scipy.spatial.distance.cdist` knows.
    """
    from scipy.spatial.distance import cdist

    out = np.full((len(groups), len(groups)), np.nan)
    for i, first in enumerate(groups):
        for j, second in enumerate(groups[: i + 1]):
            total = sum(
                float(cdist(points[first[start : start + 1024]], points[second], metric).sum())
                for start in range(0, len(first), 1024)
            )
            pairs = len(first) * (len(first) - 1) if i == j else len(first) * len(second)
            out[i, j] = out[j, i] = total / pairs if pairs else np.nan
    return out
