"""The `k` largest of many values."""

from __future__ import annotations

import numpy as np

MAX_CANDIDATES = 8
"""Candidates per `k`. A row with more is sorted alone, since it would widen the table in which rows
are sorted together."""


def largest(values: np.ndarray, k: int) -> np.ndarray:
    """Indices of the `k` largest of `S` values, largest first. Ties go to the smaller index.

    Args:
        values: float `S`, or `N x S` for `N` rows of values; no NaN.
        k: at least 0. Fewer than `k` values are all returned.

    Returns:
        int64 `k`, or `N x k`.
    """
    if values.ndim == 1:
        return largest(values[None], k)[0]
    # A subsample of every `step`-th value gives a guess that a few more than `k` values exceed.
    step = max(1, k // 8)
    rank = -(-2 * k // step)
    rows, size = values.shape
    if k < 1 or rank * step >= size:
        return np.argsort(-values, axis=1, kind="stable")[:, :k]
    guess = np.sort(values[:, ::step], axis=1)[:, -rank]
    # NumPy finds indices faster in one long row.
    row, column = np.divmod(np.flatnonzero(values > guess[:, None]), size)
    count = np.bincount(row, minlength=rows)
    usual = (count >= k) & (count <= MAX_CANDIDATES * k)
    top = np.empty((rows, k), np.int64)
    if usual.any():
        slot = np.arange(len(row)) - (np.cumsum(count) - count)[row]
        width = int(count[usual].max())
        table, index = np.full((rows, width), np.inf), np.zeros((rows, width), np.int64)
        in_usual = usual[row]
        row, column, slot = row[in_usual], column[in_usual], slot[in_usual]
        table[row, slot], index[row, slot] = -values[row, column], column
        order = np.argsort(table[usual], axis=1, kind="stable")[:, :k]
        top[usual] = np.take_along_axis(index[usual], order, 1)
    for i in np.flatnonzero(~usual):
        top[i] = _largest_of_row(values[i], k, guess[i])
    return top


def _largest_of_row(values: np.ndarray, k: int, guess: float) -> np.ndarray:
    """`largest` for one row, by a partition if the guess leaves too few or too many values."""
    index = np.flatnonzero(values > guess)
    if len(index) >= k:
        return index[_by_partition(values[index], k)]
    ties = np.flatnonzero(values == guess)[: k - len(index)]
    if len(index) + len(ties) < k:
        return _by_partition(values, k)
    index = np.concatenate([index, ties])
    return index[np.lexsort((index, -values[index]))]


def _by_partition(values: np.ndarray, k: int) -> np.ndarray:
    bound = np.partition(values, len(values) - k)[len(values) - k]
    above = np.flatnonzero(values > bound)
    ties = np.flatnonzero(values == bound)[: k - len(above)]
    index = np.concatenate([above, ties])
    return index[np.lexsort((index, -values[index]))]
