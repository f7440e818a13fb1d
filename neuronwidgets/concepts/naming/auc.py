"""The area under the ROC curve of a set of samples, and its Mann-Whitney p-value."""

from __future__ import annotations

import math

import numpy as np

from neuronwidgets.core.checks import one_of


def ranked(scores: np.ndarray) -> np.ndarray:
    """float64 `S x K`: the rank of each score in its column, from 1; ties share their mean."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(scores, axis=0), np.float64)


def auc(rank_sum: np.ndarray, inside: np.ndarray, total: float) -> np.ndarray:
    """The chance that a sample inside a set scores above one outside (a tie counts half).

    Args:
        rank_sum, inside: for each set the sum of its ranks (see `ranked`) and its number of
            samples.
        total: `S`, the number of all samples.
    """
    pairs = inside * (total - inside)
    return np.asarray((rank_sum - inside * (inside + 1) / 2) / pairs)


def p_value(value: float, inside: int, ranks: np.ndarray) -> float:
    """The chance that a random set of this size has this AUC or a larger one.

    The normal approximation of Mann and Whitney's U (`U = auc * inside * outside`), with the
    correction for ties and for continuity: `scipy.stats.mannwhitneyu(x, y, alternative="greater",
    method="asymptotic")`. One-sided, because a set and its NOT are two formulas.

    Args:
        value, inside: the set's AUC and its number of samples.
        ranks: `S`, the ranks of all scores. If all are equal, p is 1.
    """
    from scipy.stats import norm

    total = len(ranks)
    outside = total - inside
    ties = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    tied = float((ties**3 - ties).sum()) / (total * (total - 1))
    spread = math.sqrt(max(0.0, inside * outside / 12 * (total + 1 - tied)))
    if spread == 0:
        return 1.0
    distance = (value - 0.5) * inside * outside - 0.5
    return float(norm.sf(distance / spread))


def corrected(p: float, tried: int, rule: str = "bonferroni") -> float:
    """`p` corrected for `m = tried` tests: "bonferroni" `min(1, m p)`, "sidak" `1 - (1 - p)^m`."""
    if rule == "bonferroni":
        return min(1.0, p * tried)
    one_of("correction", rule, ("bonferroni", "sidak"))
    return -math.expm1(tried * math.log1p(-p)) if p < 1 else 1.0
