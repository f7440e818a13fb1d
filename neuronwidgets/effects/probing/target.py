"""What a probe predicts: a label of samples, its training and test part, and its permutations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.arrays import require_unmasked
from neuronwidgets.effects.sets import Sets, label_of

TRIES = 200
"""Random divisions of the groups that are tried until both parts have samples of both sets."""


@dataclass(frozen=True, eq=False)
class Target:
    """Two sets of samples that a probe tells apart, divided for training and test.

    Attributes:
        rows: int64 `n`, the samples (rows of the activations), ascending.
        positive: bool `n`, which of them have the label.
        group: int64 `n`, 0 to `G - 1`: samples of one group are never divided.
        test: bool `n`, the test part.
        name: the label's name; "" for a mask.
    """

    rows: np.ndarray
    positive: np.ndarray
    group: np.ndarray
    test: np.ndarray
    name: str

    @classmethod
    def of(
        cls, acts: Activations, labels: Any, those: Any, groups: Any, test: float, seed: int
    ) -> Target:
        """From what `neuronwidgets.probe` takes.

        Raises:
            ValueError, IndexError, TypeError: see there.
        """
        sets = Sets.of(acts, labels, those)
        rows = np.union1d(sets.these, sets.those)
        positive = np.isin(rows, sets.these)
        group = np.unique(groups_of(acts, groups)[rows], return_inverse=True)[1].ravel()
        held_out = divided(positive, group, test, seed)
        name = labels if isinstance(labels, str) else ""
        if not name and np.ndim(labels) == 0 and acts.labels is not None:
            name = acts.label_names[label_of(acts, labels, "labels")]
        return cls(rows, positive, group, held_out, name)

    def permuted(self, draws: int, seed: int) -> np.ndarray:
        """Labels that the activations cannot predict: bool `draws x n`.

        Without groups the samples swap their labels. Where a label belongs to a whole group, groups
        swap theirs. Else groups of one size swap their labels, and then the samples of each group.
        """
        rng = np.random.default_rng([seed, 1])
        order = np.argsort(self.group, kind="stable")
        size = np.bincount(self.group)
        start = np.concatenate([[0], np.cumsum(size)])[:-1]
        first = self.positive[order][start]
        whole = bool((first[self.group] == self.positive).all())
        permuted = np.empty((draws, len(self.rows)), bool)
        for labels in permuted:
            if whole:
                labels[:] = rng.permutation(first)[self.group]
                continue
            of_group = [self.positive[order[s : s + n]] for s, n in zip(start, size, strict=True)]
            source = np.arange(len(size))
            for count in np.unique(size):
                same = np.flatnonzero(size == count)
                source[same] = rng.permutation(same)
            for group, giver in enumerate(source):
                mine = order[start[group] : start[group] + size[group]]
                labels[mine] = rng.permutation(of_group[giver])
        return permuted

    def resampled(self, resamples: int, seed: int) -> np.ndarray:
        """How often each test sample is drawn in each bootstrap resample: float64
        `1 + resamples x T`. The first row is the sample itself. Whole groups are drawn."""
        from neuronwidgets.interventions.bootstrap import resampled

        group = np.unique(self.group[self.test], return_inverse=True)[1].ravel()
        draws = resampled(int(group.max()) + 1, resamples, seed)[:, group]
        return np.concatenate([np.ones((1, len(group))), draws])


def groups_of(acts: Activations, groups: Any) -> np.ndarray:
    """The group of each sample: int64 `S`. Not given: tokens and windows of one text are a group.

    Raises:
        ValueError: not one group for each sample.
    """
    if groups is None:
        return acts.samples.source
    require_unmasked(groups, "groups")
    array = np.asarray(groups)
    if array.shape != (len(acts),):
        raise ValueError(
            f"groups must have one entry for each of the {len(acts):,} samples, got shape "
            f"{array.shape}."
        )
    return np.asarray(np.unique(array, return_inverse=True)[1].ravel(), np.int64)


def divided(positive: np.ndarray, group: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which samples are for test: bool `n`. Groups stay whole; both parts have both sets.

    Without groups each set is divided in the same proportion.

    Raises:
        ValueError: no such division was found.
    """
    rng = np.random.default_rng([seed, 0])
    size = np.bincount(group)
    if size.max() == 1:
        test = np.zeros(len(positive), bool)
        for side in (positive, ~positive):
            members = rng.permutation(np.flatnonzero(side))
            if len(members) < 2:
                raise _too_few(positive, "samples", len(members))
            test[members[: min(len(members) - 1, max(1, round(share * len(members))))]] = True
        return test
    for _ in range(TRIES):
        order = rng.permutation(len(size))
        before = np.cumsum(size[order]) - size[order]
        chosen = np.zeros(len(size), bool)
        chosen[order[before < share * len(group)]] = True
        test = chosen[group]
        if all(0 < positive[part].mean() < 1 for part in (test, ~test) if part.any()) and (
            0 < test.sum() < len(test)
        ):
            return test
    fewest = min(len(np.unique(group[side])) for side in (positive, ~positive))
    raise _too_few(positive, "groups", fewest)


def _too_few(positive: np.ndarray, what: str, count: int) -> ValueError:
    return ValueError(
        f"both sets must have samples for training and for test, got {positive.sum():,} and "
        f"{(~positive).sum():,} samples, the smaller set in {count:,} {what}: give more {what}."
    )
