"""Which k columns predict a label best: all sets of up to three, forward selection above."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
import torch

EXACT = 3
"""Up to so many columns every set is tried."""
CANDIDATES = 50
"""Columns whose sets are all tried: 19,600 sets of three."""
RIDGE = 1e-6
"""Added to the diagonal of correlations, so that sets with equal columns can be solved."""
COLLINEAR = 1e-5
"""A column with less than this share of its variance outside the chosen ones adds nothing."""
GAIN = 1e-10
"""A swap must raise the explained share of variance by this much, so that swaps end."""
SETS = 1 << 15
"""Sets that are solved in one batch."""


class Correlations:
    """Correlations of columns with each other and with a label, by weight.

    Args:
        columns: float64 `n x m`.
        positive: bool `n`.
        weight: float64 `n`.
    """

    def __init__(self, columns: torch.Tensor, positive: torch.Tensor, weight: torch.Tensor) -> None:
        share = (weight / weight.sum())[:, None]
        y = positive.double() * 2 - 1
        centred = columns - (share * columns).sum(0)
        y = y - (share[:, 0] * y).sum()
        spread = (share * centred * centred).sum(0).sqrt()
        scale = torch.where(spread > 0, spread, 1)
        centred = centred / scale
        self.varies = spread > 0
        self.between = centred.T @ (share * centred)
        self.label = centred.T @ (share[:, 0] * y) / (share[:, 0] * y * y).sum().sqrt()


def best_supports(
    correlations: Correlations, sizes: Sequence[int], candidates: int = CANDIDATES
) -> list[tuple[np.ndarray, str]]:
    """The columns of the best weighted least squares of each size, and how they were found.

    Args:
        correlations: of the columns, the most promising first.
        sizes: numbers of columns, ascending.
        candidates: the first so many columns are tried in all sets of up to three.

    Returns:
        for each size int64 `k`, the columns; and a phrase.
    """
    several = []
    chosen: list[int] = []
    tried = min(candidates, len(correlations.label))
    for size in sizes:
        if size <= EXACT:
            columns = exact(correlations, size, tried)
            several.append((columns, f"exact: best of all {comb(tried, size):,} sets of {tried}"))
            chosen = columns.tolist()
        else:
            chosen = chosen or exact(correlations, min(EXACT, tried), tried).tolist()
            chosen = forward(correlations, chosen, size)
            pool = len(correlations.label)
            several.append((np.array(chosen), f"forward with swaps over {pool:,}"))
    return several


def exact(correlations: Correlations, size: int, tried: int) -> np.ndarray:
    """The set of `size` of the first `tried` columns with the smallest squared error: int64."""
    sets = np.array(list(combinations(range(tried), size)), np.int64)
    best, best_value = sets[0], -1.0
    eye = torch.eye(size, dtype=torch.float64, device=correlations.label.device) * RIDGE
    for start in range(0, len(sets), SETS):
        index = torch.as_tensor(sets[start : start + SETS], device=correlations.label.device)
        gram = correlations.between[index[:, :, None], index[:, None, :]] + eye
        label = correlations.label[index]
        weights = torch.linalg.solve(gram, label[..., None])[..., 0]
        explained = (weights * label).sum(-1)
        top = int(explained.argmax())
        if float(explained[top]) > best_value:
            best, best_value = sets[start + top], float(explained[top])
    return np.asarray(best)


def forward(correlations: Correlations, chosen: Sequence[int], size: int) -> list[int]:
    """Add the column that explains most until there are `size`, then swap while a swap helps.

    A swap takes one chosen column out and another one in; all swaps are compared at once. Fewer
    columns come back where the others add nothing.
    """
    current = list(chosen)
    rest, unexplained, _, (_, shares) = _residuals(correlations, current)
    between = correlations.between - shares @ correlations.between[current]
    while len(current) < size:
        gain = torch.where(unexplained > COLLINEAR, rest**2 / unexplained.clamp(RIDGE), -1)
        best = int(gain.argmax())
        if current and float(gain[best]) < 0:
            break
        current.append(best)
        # What the new column explains is taken out of all the others.
        share = between[best] / (between[best, best] + RIDGE)
        rest = rest - share * rest[best]
        between = between - share[:, None] * between[best]
        unexplained = between.diagonal() + RIDGE
        unexplained[current] = 0
    while len(current) > 1:
        rest, unexplained, weights, parts = _residuals(correlations, current)
        inverse, shares = parts
        diagonal = inverse.diagonal()
        # What each column would add if the chosen one of that row were out.
        rest_without = rest + shares.T * (weights / diagonal)[:, None]
        free = unexplained + shares.T**2 / diagonal[:, None]
        gain = torch.where(free > COLLINEAR, rest_without**2 / free.clamp(COLLINEAR), -1)
        gain[:, current] = -1
        gain = gain - (weights**2 / diagonal)[:, None]
        place = int(gain.argmax())
        out, into = divmod(place, gain.shape[1])
        if float(gain[out, into]) <= GAIN:
            break
        current[out] = into
    return current


def _residuals(
    correlations: Correlations, chosen: list[int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Given chosen columns: each column's covariance with what is left of the label, the variance
    of each that the chosen ones do not explain, the chosen ones' weights, and the inverse of their
    correlations (`k x k`) with each column's weights on them (`m x k`)."""
    between, label = correlations.between, correlations.label
    index = torch.as_tensor(chosen, dtype=torch.int64, device=label.device)
    gram = between[index[:, None], index] + RIDGE * torch.eye(
        len(chosen), dtype=torch.float64, device=label.device
    )
    inverse = torch.linalg.inv(gram)
    shares = between[:, index] @ inverse
    weights = inverse @ label[index]
    rest = label - between[:, index] @ weights
    # With the ridge, so that gains are those of the ridge regression and every swap gains.
    unexplained = correlations.varies.double() - (shares * between[:, index]).sum(-1) + RIDGE
    unexplained[index] = 0
    return rest, unexplained, weights, (inverse, shares)
