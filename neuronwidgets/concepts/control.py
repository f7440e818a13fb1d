"""Measures of what concepts retrieve, and the same measures for random groups.

A neuron's top samples share labels, so random groups of them retrieve pure samples too. Compare
each measure with its control: the same measure for random groups of the same samples. Precision
leaves out the samples by which a group has its label. Samples of one text (tokens, windows) are
alike and share its label: it counts one of each text, and leaves out the texts of the group.
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
"""The number of random groups of each size and label."""
TRIED = 20
"""Random groups whose labels are looked at, for each that is compared: a label that enough of them
have is one that random groups have in a twentieth of cases or more."""


@dataclass(frozen=True)
class Measures:
    """Measures of what `K` groups of a neuron's top samples retrieve, each from 0 to 1.

    Attributes:
        purity: the share of the most frequent label among the samples that a group retrieves; mean
            over groups.
        precision: the share of the group's own label (which more than half of its samples carry)
            among the samples that it retrieves outside of itself (see `shares_outside`); mean over
            groups that have one, NaN without any.
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
    members = [index[group] for group in groups]
    vectors = directions([acts.rows(rows) for rows in members], mean, by)
    rows = retrieve(acts, vectors, mean, k=k, by=by)[0]
    top_labels = acts.labels[index]
    labels = [agreed_label(top_labels[group]) for group in groups]
    retrieved = acts.labels[rows]
    source = several_of_a_source(acts)
    outside = retrieved_outside(acts, vectors, mean, members, k, by)
    precision = own_shares(acts.labels, outside, members, labels, source)[0]
    counts = np.bincount(top_labels[top_labels >= 0], minlength=1)
    neuron_labels = np.flatnonzero(counts >= HELD * len(index))
    retrieved_labels = {agreed_label(row) for row in retrieved}
    overlaps = jaccard(rows)[np.triu_indices(len(rows), 1)]
    return Measures(
        mean_known([majority(row)[1] for row in retrieved]),
        mean_known(precision),
        mean_known([float(label in retrieved_labels) for label in neuron_labels.tolist()]),
        mean_known(overlaps),
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


def several_of_a_source(acts: Activations) -> np.ndarray | None:
    """int64 `S`: the text or image of each sample; `None` if none has several samples."""
    if acts.samples.item is None and acts.samples.origin is None:
        return None
    source = acts.samples.source
    return source if len(np.unique(source)) < len(source) else None


def labelled(acts: Activations) -> np.ndarray | None:
    """bool `S`: which samples have a label; `None` if all have, or none."""
    has_label = None if acts.labels is None else acts.labels >= 0
    return None if has_label is None or has_label.all() or not has_label.any() else has_label


def retrieved_outside(
    acts: Activations,
    vectors: np.ndarray,
    mean: np.ndarray,
    members: Sequence[np.ndarray],
    k: int,
    by: str,
) -> np.ndarray:
    """int64 `K x k`: the samples that groups retrieve, for `shares_outside`: labelled ones that are
    not their own, one of each text."""
    source = several_of_a_source(acts)
    return retrieve(
        acts, vectors, mean, k=k, by=by, leave_out=members, source=source, among=labelled(acts)
    )[0]


def shares_outside(
    all_labels: np.ndarray,
    outside: np.ndarray,
    members: Sequence[np.ndarray],
    labels: Sequence[int] | np.ndarray,
    source: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The share of labels among what groups retrieve outside of themselves.

    A group retrieves its own samples first, and its label is theirs: they are no evidence. Of a
    label, as many samples are counted as carry it outside of the group, at most `k` (R-precision).

    Args:
        all_labels: int64 `S`, every sample's label, -1 for none.
        outside: int64 `K x k`, the labelled samples that each group retrieves without its own,
            best first.
        members: the samples of each group.
        labels: `L` labels.
        source: as `several_of_a_source` gives it and samples were retrieved by it: texts are then
            counted that have a sample with the label.

    Returns:
        float64 `K x L`, NaN where no sample outside carries the label; int64 `K x L`, how many
        samples were counted.
    """
    wanted = np.asarray(labels, np.int64)
    size = 1 + max(int(all_labels.max(initial=-1)), int(wanted.max(initial=-1)))

    def tally(some: np.ndarray) -> np.ndarray:
        return np.bincount(some[some >= 0], minlength=size)[wanted]

    if source is None:
        every = tally(all_labels)
        left = np.array([every - tally(all_labels[rows]) for rows in members], np.int64)
    else:
        labelled = all_labels >= 0
        of, label = np.divmod(np.unique(source[labelled] * size + all_labels[labelled]), size)
        others = [~np.isin(of, source[rows]) for rows in members]
        left = np.array([tally(label[other]) for other in others], np.int64)
    counted = np.minimum(outside.shape[1], left.reshape(len(members), len(wanted)))
    share = np.full(counted.shape, np.nan)
    found = all_labels[outside]
    for column, label in enumerate(wanted.tolist()):
        rows = np.flatnonzero(counted[:, column])
        count = counted[rows, column]
        hits = np.cumsum(found[rows] == label, axis=1)
        share[rows, column] = hits[np.arange(len(rows)), count - 1] / count
    return share, counted


def own_shares(
    all_labels: np.ndarray,
    outside: np.ndarray,
    members: Sequence[np.ndarray],
    labels: Sequence[int] | np.ndarray,
    source: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """`shares_outside` of each group's own label: float64 `K` and int64 `K`; NaN and 0 where that
    is -1."""
    own = np.asarray(labels, np.int64)
    wanted, column = np.unique(np.maximum(own, 0), return_inverse=True)
    share, counted = (
        part[np.arange(len(members)), column]
        for part in shares_outside(all_labels, outside, members, wanted, source)
    )
    return np.where(own >= 0, share, np.nan), np.where(own >= 0, counted, 0)


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
    groups: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """The labels that random groups of a neuron's top samples retrieve: float64 `draws x L`.

    `shares_outside` of `groups` (indices into `index`); not given: of `draws` groups of `size`
    samples, drawn without replacement.
    """
    assert acts.labels is not None
    mean = acts.mean if mean is None else mean
    groups = draws_of(len(index), size, draws, seed) if groups is None else groups
    members = [index[group] for group in groups]
    vectors = directions([acts.rows(rows) for rows in members], mean, by)
    source = several_of_a_source(acts)
    outside = retrieved_outside(acts, vectors, mean, members, k, by)
    return shares_outside(acts.labels, outside, members, labels, source)[0]


def draws_of(samples: int, size: int, draws: int = DRAWS, seed: int = 0) -> list[np.ndarray]:
    """`draws` random groups of `size` of `samples` indices, without replacement: int64 `size`."""
    rng = np.random.default_rng([seed, size])
    return [rng.choice(samples, size, replace=False) for _ in range(draws)]


def groups_with(
    drawn: Sequence[np.ndarray], labels: np.ndarray, label: int, draws: int = DRAWS
) -> list[np.ndarray]:
    """The first `draws` of some random groups that have a label themselves, as a concept has it.

    A concept has its label from its own samples, and what it retrieves is like these. Groups with
    another label are no control. If fewer than `draws` of the groups have the label, that a concept
    has it is no chance: the first `draws` of all.

    Args:
        drawn: groups of indices into `labels`, `TRIED` for each that is wanted.
        labels: int64 `n`, of the top samples, -1 for none.
        label: a label.
    """
    own = [group for group in drawn if 2 * (labels[group] == label).sum() > len(group)]
    return list(own if len(own) >= draws else drawn)[:draws]


def mean_known(values: Sequence[float] | np.ndarray) -> float:
    """The mean of the values that are not NaN; NaN if there are none."""
    finite = [value for value in values if not np.isnan(value)]
    return float(np.mean(finite)) if finite else float("nan")
