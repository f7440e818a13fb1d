"""Terms that set some texts apart from others: log-odds with an informative Dirichlet prior."""

from __future__ import annotations

import numpy as np


def log_odds(
    counts: np.ndarray,
    texts: int,
    other_counts: np.ndarray,
    other_texts: int,
    prior: np.ndarray,
    strength: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The log-odds ratio of each of `V` terms in one group of texts against another.

    Monroe, Colaresi, Quinn 2008, *Fightin' Words: Lexical Feature Selection and Evaluation for
    Identifying the Content of Political Conflict*, section 3.5 (log-odds-ratio, informative
    Dirichlet prior). It counts texts that have a term instead of the term's occurrences: with
    `a = y + strength * prior` and `b = n + strength - a` of each group,
    `delta = log(a / b) - log(a' / b')` and `z = delta / sqrt(1/a + 1/b + 1/a' + 1/b')`.

    Args:
        counts, other_counts: `V`, the number of texts of each group that have the term (`y`, `y'`).
        texts, other_texts: the number of texts of each group (`n`, `n'`).
        prior: `V`, in (0, 1): the share of all texts that have the term.
        strength: the weight of the prior, in texts.

    Returns:
        `(delta, z)`, float64 `V`.
    """
    prior = np.asarray(prior, np.float64)
    a, c = counts + strength * prior, other_counts + strength * prior
    b, d = texts + strength - a, other_texts + strength - c
    delta = np.log(a / b) - np.log(c / d)
    return delta, delta / np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
