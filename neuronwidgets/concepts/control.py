"""How well concepts retrieve their own kind, and how well chance does.

Samples that share a neuron share labels, so vectors of groups dealt out at random retrieve pure
samples too. Every measure here has its control: the same for random groups of the same samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.naming.majority import agreed_label
from neuronwidgets.concepts.retrieval import directions, retrieve
from neuronwidgets.concepts.scores import majority

RETRIEVED = 20
HELD = 0.1
"""A label is one of a neuron's if at least this share of its top samples carry it."""
DRAWS = 20


@dataclass(frozen=True)
class Measures:
    """How well `K` groups of a neuron's top samples retrieve, each a number from 0 to 1.

    Attributes:
        purity: mean over groups of the share of the most frequent label among what they retrieve.
        precision: mean over groups of which more than half agree on a label of the share of that
            label among what they retrieve; NaN if there are none.
        recall: of the labels that a tenth or more of the top samples carry, the share of which some
            group retrieves mostly that; NaN if there are none.
        overlap: mean over pairs of groups of the Jaccard index of what the two retrieve; NaN for
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
        groups: places in `index`, one array for each group.
        by, k: see `Concepts.retrieve`.
        mean: the layer's, if not that of `acts`.
    """
    assert acts.labels is not None
    mean = acts.mean if mean is None else mean
    vectors = directions([acts.rows(index[group]) for group in groups], mean, by)
    rows = retrieve(acts, vectors, mean, k=k, by=by)[0]
    own = acts.labels[index]
    labels = [agreed_label(own[group]) for group in groups]
    found = acts.labels[rows]
    shares = [float((row == label).mean()) for row, label in zip(found, labels, strict=True)]
    precision = [share for share, label in zip(shares, labels, strict=True) if label >= 0]
    held = np.bincount(own[own >= 0], minlength=1)
    wanted = np.flatnonzero(held >= HELD * len(index))
    reached = {agreed_label(row) for row in found}
    overlaps = jaccard(rows)[np.triu_indices(len(rows), 1)]
    return Measures(
        _mean([majority(row)[1] for row in found]),
        _mean(precision),
        _mean([float(label in reached) for label in wanted.tolist()]),
        _mean(overlaps),
    )


def jaccard(rows: np.ndarray) -> np.ndarray:
    """float64 `K x K`: the Jaccard index of each two of `K x k` retrieved sets."""
    if not rows.size:
        return np.zeros((len(rows), len(rows)))
    both = np.array([[len(np.intersect1d(a, b)) for b in rows] for a in rows], float)
    found: np.ndarray = both / (2 * rows.shape[1] - both)
    return found


def random_groups(groups: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """The same samples dealt out at random to groups of the same sizes."""
    if not groups:
        return []
    dealt = rng.permutation(np.concatenate(list(groups)))
    return np.split(dealt, np.cumsum([len(group) for group in groups])[:-1])


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
    """What random groups of a neuron's top samples retrieve: float64 `draws x L`.

    For each of `draws` groups of `size` samples, drawn without replacement, the share of each of
    `labels` among the `k` samples that the group retrieves.
    """
    assert acts.labels is not None
    mean = acts.mean if mean is None else mean
    groups = [acts.rows(index[draw]) for draw in draws_of(len(index), size, draws, seed)]
    rows = retrieve(acts, directions(groups, mean, by), mean, k=k, by=by)[0]
    found = acts.labels[rows]
    return np.stack([(found == label).mean(axis=1) for label in labels], axis=1)


def draws_of(samples: int, size: int, draws: int = DRAWS, seed: int = 0) -> list[np.ndarray]:
    """Random groups of some of `samples`, drawn without replacement: int64 `size` each."""
    rng = np.random.default_rng([seed, size])
    return [rng.choice(samples, size, replace=False) for _ in range(draws)]


def _mean(values: Sequence[float] | np.ndarray) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
