"""Draws of the rotation null on a GPU: rotations, distances, trees and cuts of many at once."""

from __future__ import annotations

import threading

import numpy as np
import torch

from neuronwidgets.clustering.linkage.engine import distances_of
from neuronwidgets.clustering.linkage.small_trees import linked
from neuronwidgets.clustering.silhouette import silhouettes

NUMBERS = 1 << 24
"""Numbers in one array of draws: 128 MB. About ten such arrays are in use."""
_TURN = threading.Lock()
"""A GPU does one thing at a time: several threads at once would only take more of its memory."""


class DeviceDraws:
    """Draws of the null of some neurons; see `rotation_null.null_separations`.

    All numbers are in float64: GPUs that link trees have it at full speed, and it needs no care
    where directions are close.

    Args:
        grams: float64 `N x n x n`, dot products of each neuron's samples about their mean.
        tails: bool `N`, `rotation_null.heavy_tailed` of each.
        method, metric: of the trees.
        device: where they are made.
    """

    def __init__(
        self, grams: np.ndarray, tails: np.ndarray, method: str, metric: str, device: torch.device
    ) -> None:
        squares = np.diagonal(grams, axis1=1, axis2=2)
        # The scale does not matter, unless lengths are 1.
        peak = np.where(tails | (metric != "cosine"), squares.max(axis=1), 1)
        self._grams = torch.from_numpy(grams / np.where(peak > 0, peak, 1)[:, None, None])
        self._grams = self._grams.to(device)
        self._tails, self._method, self._metric = tails, method, metric
        n = grams.shape[1]
        row, column = np.triu_indices(n, 1)
        self._pairs = torch.from_numpy(row * n + column).to(device)
        self._step = max(1, NUMBERS // n**2)

    def silhouettes(
        self, turns: np.ndarray, owner: np.ndarray, turn: np.ndarray, min_size: int, most: int
    ) -> np.ndarray:
        """The silhouettes of all cuts: float64 `B x (n - 1)`.

        Args:
            turns: float64 `T x n x n`, rotations.
            owner, turn: int64 `B`, the neuron of each draw and its rotation.
            min_size, most: see `clustering.silhouette.silhouettes`.
        """
        out = np.empty((len(owner), turns.shape[1] - 1))
        device = self._grams.device
        with _TURN:
            # Read-only arrays make no tensors.
            by = torch.from_numpy(turns.copy()).to(device)
            for tails in (False, True):
                draws = np.flatnonzero(self._tails[owner] == tails)
                for begin in range(0, len(draws), self._step):
                    some = draws[begin : begin + self._step]
                    of_some, by_some = (
                        torch.from_numpy(index[some]).to(device) for index in (owner, turn)
                    )
                    apart = self._distances(self._grams[of_some], by[by_some], tails)
                    condensed = apart.flatten(1).index_select(1, self._pairs)
                    Z = linked(condensed, self._method)
                    out[some] = silhouettes(apart, Z, min_size, most)
        return out

    def _distances(self, grams: torch.Tensor, turns: torch.Tensor, tails: bool) -> torch.Tensor:
        """`B x n x n`: the distances of `B` sets of samples after one rotation each."""
        products = rotated(grams, turns, self._metric, tails)
        norms = products.diagonal(0, 1, 2)
        squares = norms[:, :, None] + norms[:, None, :] - 2 * products
        # Not quite symmetric, which products of matrices do not promise.
        squares = torch.maximum(squares, squares.mT).clamp_(min=0)
        squares.diagonal(0, 1, 2).zero_()
        return distances_of(squares, self._method, self._metric)


def rotated(grams: torch.Tensor, turns: torch.Tensor, metric: str, tails: bool) -> torch.Tensor:
    """`rotation_null.rotated` of `B` Gram matrices, by one rotation each: `B x n x n`."""
    products = turns @ grams @ turns.mT
    squares = grams.diagonal(0, 1, 2)
    mean = squares.mean(1, keepdim=True)
    if tails:
        lengths = squares.clamp(min=0).sort(1).values.sqrt()
    elif metric == "cosine":
        along_mean = (turns @ ((mean - squares) / 2)[:, :, None])[:, :, 0]
        products += along_mean[:, :, None] + along_mean[:, None, :]
        products += (1 - mean[:, :, None]).clamp(min=0)
        lengths = torch.ones_like(squares)
    else:
        return products
    norms = products.diagonal(0, 1, 2).clamp(min=0).sqrt()
    rank = norms.argsort(dim=1, stable=True).argsort(dim=1, stable=True)
    scale = torch.where(norms > 0, lengths.gather(1, rank) / norms, 0)
    return products.mul_(scale[:, :, None]).mul_(scale[:, None, :])
