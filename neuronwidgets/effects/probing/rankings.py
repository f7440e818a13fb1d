"""Orders of all neurons of a layer by how well each predicts a label, after Gurnee et al. 2023."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neuronwidgets.activations.activations import CHUNK_VALUES, Activations
from neuronwidgets.effects.probing.lasso import Lasso
from neuronwidgets.effects.probing.logistic import balanced

FIRST = 512
"""Slow rankings order the so many neurons of the largest mean difference, as the paper's code."""
LASSO_C = 0.1
"""Inverse strength of the L1 penalty of "lr", from the paper's code."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Means of `D` neurons over two sets, for each of `B` labels.

    Attributes:
        these, those: float64 `B x D`, means over the samples with the label and without.
        count: int64 `B`, samples with the label, of `total`.
        mean, variance: float64 `D`, over all samples.
    """

    these: np.ndarray
    those: np.ndarray
    count: np.ndarray
    total: int
    mean: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(cls, acts: Activations, rows: np.ndarray, positive: np.ndarray) -> Moments:
        """Of `n` rows and bool `B x n` labels, in one pass."""
        width = acts.shape[1]
        inside = np.zeros((len(positive), width))
        total, squares = np.zeros(width), np.zeros(width)
        shift = np.asarray(acts.values[rows[:1]], np.float64)[0]
        step = max(1, CHUNK_VALUES // max(1, width))
        for start in range(0, len(rows), step):
            chunk = np.asarray(acts.values[rows[start : start + step]], np.float64) - shift
            inside += positive[:, start : start + step].astype(np.float64) @ chunk
            total += chunk.sum(axis=0)
            squares += (chunk * chunk).sum(axis=0)
        n, count = len(rows), positive.sum(axis=1)
        these = inside / count[:, None] + shift
        those = (total - inside) / (n - count)[:, None] + shift
        mean = total / n
        variance = np.maximum(0, squares / n - mean * mean)
        return cls(these, those, count, n, mean + shift, variance)


def mean_dif(moments: Moments) -> np.ndarray:
    """`|mean of these - mean of those|`: float64 `B x D`."""
    return np.abs(moments.these - moments.those)


def f_stat(moments: Moments) -> np.ndarray:
    """The F statistic of a one-way analysis of variance (`sklearn.feature_selection.f_classif`):
    float64 `B x D`, 0 for constant neurons."""
    n, ones = moments.total, moments.count[:, None]
    between = ones * (n - ones) / n * (moments.these - moments.those) ** 2
    within = np.maximum(n * moments.variance - between, 0)
    least = n * np.finfo(np.float64).eps * np.maximum(moments.variance, np.finfo(np.float64).tiny)
    return np.asarray(between / np.maximum(within, least) * max(1, n - 2))


def lr(columns: np.ndarray, positive: np.ndarray, _seed: int) -> np.ndarray:
    """`|w|` of a balanced logistic regression with an L1 penalty, C = 0.1, of standardised
    columns: float64 `m`."""
    spread = columns.std(axis=0)
    standard = torch.as_tensor((columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1))
    label = torch.as_tensor(positive)[None]
    weights, _ = Lasso(standard, label, balanced(label)).fit(LASSO_C)
    return np.abs(weights[0].numpy())


def svm(columns: np.ndarray, positive: np.ndarray, seed: int) -> np.ndarray:
    """`|w|` of a balanced linear support vector machine with the hinge loss: float64 `m`."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    spread = columns.std(axis=0)
    standard = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1)
    machine = LinearSVC(
        loss="hinge", dual=True, class_weight="balanced", random_state=seed, max_iter=2000
    )
    with warnings.catch_warnings():
        # An order of neurons needs no exact optimum.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(standard, positive)
    return np.abs(machine.coef_[0])


def mi(columns: np.ndarray, positive: np.ndarray, seed: int) -> np.ndarray:
    """Mutual information with the label, by nearest neighbours (scikit-learn): float64 `m`."""
    from sklearn.feature_selection import mutual_info_classif

    return np.asarray(mutual_info_classif(columns, positive, random_state=seed))


FAST: dict[str, Callable[[Moments], np.ndarray]] = {"mean_dif": mean_dif, "f_stat": f_stat}
"""Rankings of all neurons at once."""
SLOW: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "lr": lr,
    "svm": svm,
    "mi": mi,
}
"""Rankings of some columns: name -> `f(columns, positive, seed)`."""
RANKS = (*FAST, *SLOW, "random")
"""The names of all rankings; "random" is a control."""


def candidates(
    acts: Activations, rows: np.ndarray, positive: np.ndarray, rank: str, count: int, seed: int
) -> np.ndarray:
    """The `count` best neurons for each of `B` labels, best first: int64 `B x count`.

    Args:
        acts: the activations.
        rows: int64 `n`, training samples.
        positive: bool `B x n`.
        rank: a name in `RANKS`.
        count: neurons for each label, at most `D`.
        seed: for "random", and for the rankings that draw.
    """
    width = acts.shape[1]
    if rank == "random":
        rng = np.random.default_rng([seed, 2])
        return np.array([rng.permutation(width)[:count] for _ in positive])
    moments = Moments.of(acts, rows, positive)
    scores = FAST.get(rank, mean_dif)(moments)
    order = np.argsort(-scores, axis=1, kind="stable")
    if rank in SLOW:
        for each, label in zip(order, positive, strict=True):
            first = each[:FIRST].copy()
            columns = np.asarray(acts.values[:, first][rows], np.float64)
            slow = SLOW[rank](columns, label, seed)
            each[: len(first)] = first[np.argsort(-slow, kind="stable")]
    best: Any = order[:, :count]
    return np.asarray(best, np.int64)
