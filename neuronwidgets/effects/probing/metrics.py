"""How well scores predict a label, in many resamples at once."""

from __future__ import annotations

import numpy as np

METRICS = ("f1", "precision", "recall", "mcc", "balanced_accuracy", "pr_auc", "roc_auc")
"""The names, in the order of tables."""


def measured(scores: np.ndarray, positive: np.ndarray, draws: np.ndarray) -> dict[str, np.ndarray]:
    """Each metric in each resample: float64 `N`. They equal those of scikit-learn.

    Args:
        scores: float64 `n`; a score above 0 predicts the label.
        positive: bool `n`.
        draws: float64 `N x n`, how often each sample counts.

    A resample without one of the two sets has NaN where a metric is not defined.
    """
    predicted = scores > 0
    tp, fp, fn, tn = (
        draws @ part.astype(np.float64)
        for part in (
            predicted & positive, predicted & ~positive, ~predicted & positive,
            ~predicted & ~positive,
        )
    )  # fmt: skip
    none, all_ = tp + fn == 0, tn + fp == 0
    recall, specificity = _share(tp, tp + fn), _share(tn, tn + fp)
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    roc, average = _curves(scores, positive, draws)
    undefined = none | all_
    return {
        "f1": np.where(none, np.nan, _share(2 * tp, 2 * tp + fp + fn)),
        "precision": np.where(none, np.nan, _share(tp, tp + fp)),
        "recall": np.where(none, np.nan, recall),
        "mcc": np.where(undefined, np.nan, _share(tp * tn - fp * fn, np.sqrt(product))),
        "balanced_accuracy": np.where(undefined, np.nan, (recall + specificity) / 2),
        "pr_auc": np.where(none, np.nan, average),
        "roc_auc": np.where(undefined, np.nan, roc),
    }


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part / whole`, 0 where `whole` is 0."""
    return np.asarray(part / np.where(whole == 0, 1, whole))


def _curves(
    scores: np.ndarray, positive: np.ndarray, draws: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Areas under the ROC curve, and average precision: two of float64 `N`."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    # Samples of one score are one step of both curves.
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    hits = np.add.reduceat(draws[:, order] * positive[order], first, axis=1)
    misses = np.add.reduceat(draws[:, order] * ~positive[order], first, axis=1)
    true, false = hits.cumsum(axis=1), misses.cumsum(axis=1)
    positives, negatives = true[:, -1], false[:, -1]
    area = ((true - hits / 2) * misses).sum(axis=1)
    precision = _share(true, true + false)
    return _share(area, positives * negatives), _share((hits * precision).sum(axis=1), positives)
