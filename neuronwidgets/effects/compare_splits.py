"""`compare_splits`: whether trees of one neuron by cause, state and effect agree."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.concepts.split import Split
from neuronwidgets.core.checks import integer
from neuronwidgets.core.modes import own_modes
from neuronwidgets.display.html import table


@dataclass(frozen=True, repr=False, eq=False)
class Agreement:
    """Adjusted Rand indices (Hubert and Arabie 1985) between `A` trees of one neuron: 1 for equal
    clusters, 0 on average for clusters that have nothing to do with each other.

    Attributes:
        names: `A` names of the trees.
        index: int64 `n`, the top samples that all trees have (rows of the activations).
        clusters: int64 `A`, clusters of each tree at its suggested cut.
        suggested: float64 `A x A`, the indices at the suggested cuts.
        suggested_p: float64 `A x A`, the share of permutations of the samples that reach them,
            itself counted.
        k: the number of clusters for `equal`.
        equal: float64 `A x A`, the indices with every tree cut into `k`.
        equal_p: float64 `A x A`.
        chance: float64 `A x A x 2`, the 97.5% quantiles of both indices under permutation.
    """

    names: tuple[str, ...]
    index: np.ndarray
    clusters: np.ndarray
    suggested: np.ndarray
    suggested_p: np.ndarray
    k: int
    equal: np.ndarray
    equal_p: np.ndarray
    chance: np.ndarray

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each pair: `one`, `other`, their `clusters_one` and
        `clusters_other`, the index at the suggested cuts (`suggested`, `suggested_p`,
        `suggested_chance`: the 97.5% quantile of permutations) and at `k` clusters (`equal`,
        `equal_p`, `equal_chance`)."""
        import pandas as pd

        rows = []
        for i, j in zip(*np.triu_indices(len(self.names), 1), strict=True):
            rows.append({
                "one": self.names[i], "other": self.names[j], "clusters_one": self.clusters[i],
                "clusters_other": self.clusters[j], "suggested": self.suggested[i, j],
                "suggested_p": self.suggested_p[i, j], "suggested_chance": self.chance[i, j, 0],
                "k": self.k, "equal": self.equal[i, j], "equal_p": self.equal_p[i, j],
                "equal_chance": self.chance[i, j, 1],
            })  # fmt: skip
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        pairs = ", ".join(
            f"{row['one']}/{row['other']} {row['suggested']:.2f}"
            for row in self.to_frame().to_dict("records")
        )
        return f"Agreement({len(self.index):,} samples; adjusted Rand index: {pairs})"

    def _repr_html_(self) -> str:
        head = ("trees", "at suggested cuts", "p", f"at {self.k} clusters", "p")
        rows = [
            (f"{html.escape(row['one'])} ({row['clusters_one']}), "
             f"{html.escape(row['other'])} ({row['clusters_other']})",
             f"{row['suggested']:.2f}", f"{row['suggested_p']:.2g}", f"{row['equal']:.2f}",
             f"{row['equal_p']:.2g}")
            for row in self.to_frame().to_dict("records")
        ]  # fmt: skip
        return f"<p>{html.escape(repr(self))}</p>{table(head, rows)}"


@own_modes()
def compare_splits(
    *splits: Split, names: Any = None, k: int | None = None, draws: int = 1000, seed: int = 0
) -> Agreement:
    """Compare trees of one neuron: by cause ("attribution"), state ("ward") and effect ("effect").

    Args:
        splits: two or more splits of one neuron on the same activations. The samples that are
            among the top samples of all are compared.
        names: a name for each. Not given: the methods.
        k: clusters of each tree for the second comparison. Not given: the rounded mean of the
            numbers at the suggested cuts, at least 2.
        draws: permutations of the samples, the control.
        seed: of the permutations.

    Returns:
        an `Agreement`: `to_frame()` has a row for each pair.

    Raises:
        TypeError: something else than splits.
        ValueError: fewer than two splits, of other neurons or activations, or with fewer than three
            samples in common; `k` larger than the number of samples.
    """
    for split in splits:
        if not isinstance(split, Split):
            raise TypeError(f"splits must be what nw.split gives, got a {type(split).__name__}.")
    if len(splits) < 2:
        raise ValueError(f"splits must be at least two, got {len(splits)}.")
    first = splits[0]
    for split in splits[1:]:
        same = len(split.acts) == len(first.acts) and split.layer == first.layer
        if not same or not np.array_equal(split.direction, first.direction):
            raise ValueError(
                f"splits must be of one neuron of one layer, got {first.name} of layer "
                f"{first.layer!r} and {split.name} of layer {split.layer!r}."
            )
    titles = tuple(split.method for split in splits) if names is None else tuple(names)
    if len(titles) != len(splits) or not all(isinstance(title, str) for title in titles):
        raise ValueError(f"names must have a name for each of {len(splits)} splits, got {names!r}.")
    draws, seed = integer("draws", draws, 1), integer("seed", seed, 0)
    index = first.index
    for split in splits[1:]:
        index = index[np.isin(index, split.index)]
    if len(index) < 3:
        raise ValueError(f"splits must have at least three samples in common, got {len(index)}.")
    suggested = [_of(_cut(split.Z, split.suggested, "distance"), split, index) for split in splits]
    counts = np.array([len(np.unique(cut)) for cut in suggested])
    if k is None:
        k = min(len(index), max(2, round(float(counts.mean()))))
    if integer("k", k, 1) > min(len(split.index) for split in splits):
        raise ValueError(f"k must be at most the {len(index):,} samples, got {k:,}.")
    equal = [_of(_cut(split.Z, k, "maxclust"), split, index) for split in splits]
    many = len(splits)
    values, p = np.ones((2, many, many)), np.ones((2, many, many))
    chance = np.ones((many, many, 2))
    for which, cuts in enumerate((suggested, equal)):
        for i, j in zip(*np.triu_indices(many, 1), strict=True):
            index_ij, null = rand_indices(cuts[i], cuts[j], draws, seed)
            values[which, i, j] = values[which, j, i] = index_ij
            reached = (1 + (null >= index_ij - 1e-12).sum()) / (1 + draws)
            p[which, i, j] = p[which, j, i] = reached
            chance[i, j, which] = chance[j, i, which] = np.quantile(null, 0.975)
    return Agreement(titles, index, counts, values[0], p[0], k, values[1], p[1], chance)


def rand_indices(
    one: np.ndarray, other: np.ndarray, draws: int = 0, seed: int = 0
) -> tuple[float, np.ndarray]:
    """The adjusted Rand index of two clusterings of `n` samples, and with the samples of one
    permuted: float64 `draws`. Equal to `sklearn.metrics.adjusted_rand_score`."""
    one, other = (np.unique(each, return_inverse=True)[1].ravel() for each in (one, other))
    n, width = len(one), int(other.max()) + 1
    size = (int(one.max()) + 1) * width
    rng = np.random.default_rng(seed)
    together = np.empty(1 + draws)
    for draw in range(1 + draws):
        shuffled = other if draw == 0 else rng.permutation(other)
        together[draw] = _pairs(np.bincount(one * width + shuffled, minlength=size))
    first, second = _pairs(np.bincount(one)), _pairs(np.bincount(other))
    expected = first * second / _pairs(np.array([n]))
    span = (first + second) / 2 - expected
    # Both are one cluster, or both all singles.
    found = (together - expected) / span if span else np.ones(1 + draws)
    return float(found[0]), found[1:]


def _pairs(counts: np.ndarray) -> float:
    return float((counts * (counts - 1) / 2).sum())


def _cut(Z: np.ndarray, at: float, criterion: str) -> np.ndarray:
    from scipy.cluster.hierarchy import fcluster

    return np.asarray(fcluster(np.asarray(Z, np.float64), at, criterion))


def _of(assignment: np.ndarray, split: Split, index: np.ndarray) -> np.ndarray:
    """The clusters of the samples at `index`, which are rows of the activations."""
    order = np.argsort(split.index, kind="stable")
    place = order[np.searchsorted(split.index, index, sorter=order)]
    return np.asarray(assignment[place])
