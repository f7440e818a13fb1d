"""Samples as vectors of unit length about the data set's mean: the layer's own, or an encoder's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.linkage.engine import at_unit_length
from neuronwidgets.concepts.naming.calls import CHARACTERS, check_sent, sent_sample
from neuronwidgets.core.subsample import evenly_spaced

Encoder = Callable[[list[Any]], Any]
"""Texts (`str`) or images (uint8 arrays) -> an array with a row of numbers for each."""

BATCH = 64
"""Samples in one call of an encoder."""
POOL = 1_000
"""Samples that stand for the data set, at least: for an encoder's mean, and in the null."""


class Embedding:
    """The vectors of a data set's samples.

    Args:
        acts: the layer's activations.
        encoder: gives the vectors; called with at most 64 samples. `None`: the layer's own vectors.
        pool: samples that stand for the data set, at most.

    Attributes:
        pool: int64, evenly spaced samples that stand for the data set.

    Raises:
        TypeError: the encoder is not callable.
        ValueError: there is an encoder, and the samples are neither texts nor images.
    """

    def __init__(self, acts: Activations, encoder: Encoder | None, pool: int = POOL) -> None:
        if encoder is not None:
            if not callable(encoder):
                raise TypeError(
                    f"encoder must be a callable from samples to vectors, got {encoder!r:.60}."
                )
            check_sent(acts)
        self._acts, self._encoder = acts, encoder
        self._encoded: dict[int, np.ndarray] = {}
        self.pool: np.ndarray = evenly_spaced(np.arange(len(acts)), pool)
        self._mean = acts.mean if encoder is None else self._vectors(self.pool).mean(axis=0)

    def unit(self, rows: np.ndarray) -> np.ndarray:
        """float64 `len(rows) x E`: the samples minus the mean, divided by their L2 norm."""
        return np.asarray(at_unit_length(self._vectors(rows) - self._mean), np.float64)

    def means(self, groups: np.ndarray) -> np.ndarray:
        """float64 `N x E`, of unit length: the mean direction of each group of samples.

        Args:
            groups: int64 `N x n`, the samples of each.
        """
        from scipy.sparse import csr_array

        rows, place = np.unique(groups, return_inverse=True)
        count, n = groups.shape
        ends = np.arange(count + 1) * n
        chosen = csr_array((np.ones(count * n), place.ravel(), ends), (count, len(rows)))
        total = np.zeros((count, len(self._mean)))
        # In parts: the samples of a whole layer's neurons may be the whole data set.
        for start in range(0, len(rows), POOL):
            part = chosen[:, start : start + POOL]
            total += part @ self.unit(rows[start : start + POOL])
        return np.asarray(at_unit_length(total), np.float64)

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        if self._encoder is None:
            return np.asarray(self._acts.rows(rows), np.float64)
        new = [row for row in dict.fromkeys(rows.tolist()) if row not in self._encoded]
        for start in range(0, len(new), BATCH):
            part = new[start : start + BATCH]
            vectors = self._encode([sent_sample(self._acts, row, CHARACTERS)[0] for row in part])
            self._encoded.update(zip(part, vectors, strict=True))
        return np.stack([self._encoded[row] for row in rows.tolist()])

    def _encode(self, samples: list[Any]) -> np.ndarray:
        assert self._encoder is not None
        import torch

        with torch.no_grad():
            given = self._encoder(samples)
        try:
            moved = given.detach().cpu() if hasattr(given, "detach") else given
            vectors = np.asarray(moved, np.float64)
        except (TypeError, ValueError):
            vectors = np.zeros(0)
        width = len(next(iter(self._encoded.values()))) if self._encoded else None
        if (
            vectors.ndim != 2
            or len(vectors) != len(samples)
            or vectors.shape[1] != (width or vectors.shape[1])
        ):
            raise ValueError(
                f"encoder must return {len(samples)} rows of {width or 'equally many'} numbers for "
                f"{len(samples)} samples, got {_described(given)}."
            )
        if not np.isfinite(vectors).all():
            raise ValueError("encoder must return finite numbers, got NaN or infinity.")
        return vectors


def _described(given: Any) -> str:
    shape = getattr(given, "shape", None)
    if shape is not None:
        return f"shape {tuple(shape)}"
    return f"{len(given)} of {type(given[0]).__name__}" if _is_list(given) else repr(given)[:60]


def _is_list(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str | bytes) and len(given) > 0
