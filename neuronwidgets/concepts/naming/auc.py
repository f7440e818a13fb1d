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


def p_value(ranks: np.ndarray, inside: np.ndarray, source: np.ndarray | None = None) -> float:
    """The chance that a random set of this size has the AUC of this one or a larger one.

    The normal approximation of Mann and Whitney's U, with the correction for ties and for
    continuity: `scipy.stats.mannwhitneyu(x, y, alternative="greater", method="asymptotic")`.
    One-sided, because a set and its NOT are two formulas.

    Samples of one source, such as the tokens of a text, are alike. If each source is inside or
    outside as a whole, the random sets are of sources: the same with the sums of their samples'
    ranks about the mean rank (Rosner, Glynn and Lee 2003, *Incorporation of Clustering Effects for
    the Wilcoxon Rank Sum Test*). p is then at least one in the number of such sets.

    Args:
        ranks: `S`, the ranks of all scores. If all are equal, p is 1.
        inside: bool `S`, the set.
        source: int `S`, what each sample is of; `None` for samples of their own.
    """
    from scipy.special import comb
    from scipy.stats import norm

    chosen, sums, least = np.asarray(inside, np.float64), ranks - ranks.mean(), 0.0
    if source is not None:
        code = np.unique(source, return_inverse=True)[1].ravel()
        share = np.bincount(code, chosen) / np.bincount(code)
        if np.isin(share, (0, 1)).all():
            chosen, sums, least = share, np.bincount(code, sums), 1 / comb(len(share), share.sum())
    count, size = len(chosen), chosen.sum()
    spread = math.sqrt(size * (count - size) / (count * max(1, count - 1)) * (sums @ sums))
    if spread == 0:
        return 1.0
    return max(least, float(norm.sf((chosen @ sums - 0.5) / spread)))


def corrected(p: float, tried: int, rule: str = "bonferroni") -> float:
    """`p` corrected for `m = tried` tests: "bonferroni" `min(1, m p)`, "sidak" `1 - (1 - p)^m`."""
    if rule == "bonferroni":
        return min(1.0, p * tried)
    one_of("correction", rule, ("bonferroni", "sidak"))
    return -math.expm1(tried * math.log1p(-p)) if p < 1 else 1.0
