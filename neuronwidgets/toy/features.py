"""Sparse features and their fixed embedding: the data of arXiv 2211.09169."""

from __future__ import annotations

import numpy as np
import torch

COMMON = 0.25
"""Probability from which a feature is drawn cell by cell; below it, drawing points is cheaper."""


def probabilities(features: int, eps: float, distribution: str) -> np.ndarray:
    """`eps_i`, the probability that feature `i` is present: float64 `N` of mean `eps`.

    "power_law" is proportional to `i ** -1.1` and capped at 1. The cap lowers the mean below `eps`
    in the paper's code; here the features below the cap are scaled up, so that the mean is `eps`.
    """
    if distribution == "equal":
        return np.full(features, float(eps))
    shape = np.arange(1, features + 1, dtype=np.float64) ** -1.1
    capped = np.zeros(features, bool)
    while True:
        remaining = features * eps - capped.sum()
        scaled = np.where(capped, 1.0, shape * (remaining / max(shape[~capped].sum(), 1e-300)))
        over = (scaled > 1) & ~capped
        if not over.any():
            return np.minimum(scaled, 1.0)
        capped |= over


def embedding(features: int, dims: int, rng: np.random.Generator) -> np.ndarray:
    """A random embedding with unit columns, `W_e`: float32 `m x N`.

    Its columns are the rows of `U` in the singular value decomposition of an `N x m` Gaussian
    matrix, normalized to unit length, as in the paper's code.
    """
    u, _, _ = np.linalg.svd(rng.standard_normal((features, dims)), full_matrices=False)
    return (u / np.linalg.norm(u, axis=1, keepdims=True)).T.astype(np.float32)


class FeatureStream:
    """An endless stream of feature vectors `v` of one run.

    On the CPU only present features are drawn: with `-log(1 - eps_i)` points of a Poisson process
    per cell, a cell is hit with probability `eps_i`. On an accelerator every cell is drawn, which
    is faster there. The distribution is the same; the numbers depend on the device.
    """

    def __init__(
        self, probability: np.ndarray, signed: bool, seed: tuple[int, ...], device: torch.device
    ) -> None:
        """Args:
        probability: `eps_i` of the features, `N`; where `signed`, those of the difference.
        signed: whether a sample is the difference of two, each with half the probabilities.
        """
        self._signed = signed
        self._probability = probability / 2 if signed else probability
        self._dense = device.type != "cpu"
        if self._dense:
            entropy = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
            self._generator = torch.Generator(device).manual_seed(int(entropy >> 1))
            self._low = torch.as_tensor(1 - 1 / self._probability, device=device).float()
            self._high = torch.ones_like(self._low)
            return
        self._rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed)))
        self._common = np.flatnonzero(self._probability >= COMMON)
        self._rare = np.flatnonzero(self._probability < COMMON)
        self._edges = np.cumsum(-np.log1p(-self._probability[self._rare]))

    def fill(self, out: torch.Tensor) -> None:
        """Write the next samples to `out`, float32 `n x N`."""
        draw = self._cells if self._dense else self._points
        draw(out)
        if self._signed:
            other = torch.empty_like(out)
            draw(other)
            out -= other

    def _cells(self, out: torch.Tensor) -> None:
        # One uniform decides whether a feature is present and, rescaled, how strongly.
        out.uniform_(generator=self._generator)
        torch.lerp(self._low, self._high, out, out=out).clamp_(min=0)

    def _points(self, out: torch.Tensor) -> None:
        out.zero_()
        cells, rng = out.numpy(), self._rng
        if len(self._common):
            shape = (len(out), len(self._common))
            present = rng.random(shape) < self._probability[self._common]
            cells[:, self._common] = rng.random(shape, np.float32) * present
        if len(self._rare):
            total = self._edges[-1]
            point = rng.random(rng.poisson(len(out) * total)) * len(out)
            row = point.astype(np.intp)
            within_row = (point - row) * total
            feature = np.searchsorted(self._edges, within_row, side="right")
            column = self._rare[np.minimum(feature, len(self._rare) - 1)]
            # A cell that is hit twice keeps its last value, which is uniform too.
            cells[row, column] = rng.random(len(row), np.float32)
