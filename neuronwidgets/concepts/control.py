"""Measures of what concepts retrieve, and the same measures for random groups.

A neuron's top samples share labels, so random groups of them retrieve pure samples too. Compare
each measure with its control: the same measure for random groups of the same samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.retrieval import directions, retrieve
from neuronwidgets.concepts.naming.majority import agreed_label
from neuronwidgets.concepts.scores import majority

RETRIEVED = 20
"""The number of samples that each group retrieves."""
HELD = 0.1
"""The least share of a neuron's top samples that carry a label, for the label to count as the
neuron's."""
DRAWS = 20
"""The number of random groups of each size."""


@dataclass(frozen=True)
class Measures:
    """Measures of what `K` groups of a neuron's top samples retrieve, each from 0 to 1.

    Attributes:
        purity: the share of the most frequent label among the samples that a group retrieves; mean
            over groups.
        precision: the share of the group's own label (which more than half of its samples carry)
            among the samples that it retrieves; mean over groups that have one, NaN without any.
        recall: of the labels that a tenth or more of the top samples carry, the share that is the
            majority of what some group retrieves; NaN without such labels.
        overlap: the Jaccard index of the samples that two groups retrieve; mean over pairs, NaN for
            one group.
    """

    purity: float
    precision: float
    recall: float
    overlap: float


def measures(
    acts: Activations,
    index: np.ndarray,
    groups: Sequence[np.ndarray],
    by: str,
    k: int = RETRIEVED,
    mean: np.ndarray | None = None,
) -> Measures:
    """Measure groups of a neuron's top samples by the labels of what they retrieve.

    Args:
        acts: labelled activations.
        index: int64 `n`, the top samples.
        groups: indices into `index`, one array for each group.
        by, k: see `Concepts.retrieve`.
        mean: the layer's mean; not given: that of `acts`.
    """
    assert acts.labels is not None
    mean = acts.mean if mean is None else mean
    vectors = directions([acts.rows(index[group]) for group in groups], mean, by)
    rows = retrieve(acts, vectors, mean, k=k, by=by)[0]
    top_labels = acts.labels[index]
    labels = [agreed_label(top_labels[group]) for group in groups]
    retrieved = acts.labels[rows]
    shares = [float((row == label).mean()) for row, label in zip(retrieved, labels, strict=True)]
    precision = [share for share, label in zip(shares, labels, strict=True) if label >= 0]
    counts = np.bincount(top_labels[top_labels >= 0], minlength=1)
    neuron_labels = np.flatnonzero(counts >= HELD * len(index))
    retrieved_labels = {agreed_label(row) for row in retrieved}
    overlaps = jaccard(rows)[np.triu_indices(len(rows), 1)]
    return Measures(
        _mean([majority(row)[1] for row in retrieved]),
        _mean(precision),
        _mean([float(label in retrieved_labels) for label in neuron_labels.tolist()]),
        _mean(overlaps),
    )


def jaccard(rows: np.ndarray) -> np.ndarray:
    """float64 `K x K`: the Jaccard index of every two of `K` retrieved sets (`K x k` rows)."""
    if not rows.size:
        return np.zeros((len(rows), len(rows)))
    shared = np.array([[len(np.intersect1d(a, b)) for b in rows] for a in rows], float)
    index: np.ndarray = shared / (2 * rows.shape[1] - shared)
    return index


def random_groups(groups: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """A random partition of the same samples into groups of the same sizes."""
    if not groups:
        return []
    shuffled = rng.permutation(np.concatenate(list(groups)))
    return np.split(shuffled, np.cumsum([len(group) for group in groups])[:-1])


def shares_at_random(
    acts: Activations,
    index: np.ndarray,
    size: int,
    by: str,
    labels: Sequence[int] | np.ndarray,
    k: int = RETRIEVED,
    draws: int = DRAWS,
    seed: int = 0,
    mean: np.ndarray | None = None,
) -> np.ndarray:
    """The labels that random groups of a neuron's top samples retrieve: float64 `draws x L`.

    For each of `draws` groups of `size` samples, drawn without replacement, the share of each of
    `labels` among the `k` samples that the group retrieves.
    """
    assert acts.labels is not None
    mean = acts.mean if mean is None else mean
    groups = [acts.rows(index[draw]) for draw in draws_of(len(index), size, draws, seed)]
    rows = retrieve(acts, directions(groups, mean, by), mean, k=k, by=by)[0]
    retrieved = acts.labels[rows]
    return np.stack([(retrieved == label).mean(axis=1) for label in labels], axis=1)


def draws_of(samples: int, size: int, draws: int = DRAWS, seed: int = 0) -> list[np.ndarray]:
    """`draws` random groups of `size` of `samples` indices, without replacement: int64 `size`."""
    rng = np.random.default_rng([seed, size])
    return [rng.choice(samples, size, replace=False) for _ in range(draws)]


def _mean(values: Sequence[float] | np.ndarray) -> float:
    finite = [value for value in values if not np.isnan(value)]
    return float(np.mean(finite)) if finite else float("nan")
