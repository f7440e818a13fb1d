"""The largest of many values."""

from __future__ import annotations

import numpy as np

MANY = 8
"""So many times `k` values are sorted beside those of other rows, at most."""


def largest(values: np.ndarray, k: int) -> np.ndarray:
    """Indices of the `k` largest of `S` values, largest first, ties to the smaller index.

    Args:
        values: float `S`, or `N x S` for those of each row; no NaN.
        k: at least 0; all if there are fewer.

    Returns:
        int64 `k`, or `N x k`.
    """
    if values.ndim == 1:
        return largest(values[None], k)[0]
    # Every so many values say where to look: a few more than `k` reach what is `rank` of these.
    step = max(1, k // 8)
    rank = -(-2 * k // step)
    rows, size = values.shape
    if k < 1 or rank * step >= size:
        return np.argsort(-values, axis=1, kind="stable")[:, :k]
    guess = np.sort(values[:, ::step], axis=1)[:, -rank]
    # One long row: NumPy is quicker with that.
    row, column = np.divmod(np.flatnonzero(values > guess[:, None]), size)
    count = np.bincount(row, minlength=rows)
    usual = (count >= k) & (count <= MANY * k)
    out = np.empty((rows, k), np.int64)
    if usual.any():
        place = np.arange(len(row)) - (np.cumsum(count) - count)[row]
        width = int(count[usual].max())
        table, index = np.full((rows, width), np.inf), np.zeros((rows, width), np.int64)
        some = usual[row]
        row, column, place = row[some], column[some], place[some]
        table[row, place], index[row, place] = -values[row, column], column
        order = np.argsort(table[usual], axis=1, kind="stable")[:, :k]
        out[usual] = np.take_along_axis(index[usual], order, 1)
    for i in np.flatnonzero(~usual):
        out[i] = _one(values[i], k, guess[i])
    return out


def _one(values: np.ndarray, k: int, guess: float) -> np.ndarray:
    index = np.flatnonzero(values > guess)
    if len(index) >= k:
        return index[_sorted(values[index], k)]
    level = np.flatnonzero(values == guess)[: k - len(index)]
    if len(index) + len(level) < k:
        return _sorted(values, k)
    index = np.concatenate([index, level])
    return index[np.lexsort((index, -values[index]))]


def _sorted(values: np.ndarray, k: int) -> np.ndarray:
    bound = np.partition(values, len(values) - k)[len(values) - k]
    above = np.flatnonzero(values > bound)
    level = np.flatnonzero(values == bound)[: k - len(above)]
    index = np.concatenate([above, level])
    return index[np.lexsort((index, -values[index]))]
