"""The map of a split: its points on their first two principal components."""

from __future__ import annotations

import numpy as np


def principal_map(points: np.ndarray) -> np.ndarray:
    """float32 `n x 2`: `n` points, projected on their first two principal components.

    The sign of a component is arbitrary. It is fixed so that the map does not flip.
    """
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    n, width = centred.shape
    if width <= n:
        _, axes = _two_largest(centred.T @ centred)
        projected = centred @ axes
    else:
        eigenvalues, left_vectors = _two_largest(centred @ centred.T)
        projected = left_vectors * np.sqrt(np.maximum(eigenvalues, 0))
    if projected.shape[1] < 2:
        padding = np.zeros((n, 2 - projected.shape[1]))
        projected = np.concatenate([projected, padding], axis=1)
    peak = projected[np.abs(projected).argmax(axis=0), np.arange(2)]
    return (projected * np.where(peak < 0, -1, 1)).astype(np.float32)


def _two_largest(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two largest eigenvalues of a symmetric matrix and their vectors, largest first."""
    from scipy.linalg import eigh

    m = len(matrix)
    values, vectors = eigh(matrix, subset_by_index=[max(0, m - 2), m - 1])
    return values[::-1], vectors[:, ::-1]
