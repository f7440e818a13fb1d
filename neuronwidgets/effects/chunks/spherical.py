"""Spherical k-means: clusters of directions, each with a unit vector."""

from __future__ import annotations

import numpy as np

MOST_STEPS = 100
"""Steps of Lloyd's algorithm, at most."""
LEAST_GAIN = 1e-5
"""Mean cosine that a step must gain: many steps after it move few rows to vectors as near."""


def spherical_kmeans(
    rows: np.ndarray, clusters: int, n_init: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors that maximize the mean cosine of each row with its nearest vector.

    Lloyd's algorithm of Dhillon and Modha (2001) from `n_init` starts by k-means++ with the
    dissimilarity `1 - cosine` (Hornik et al. 2012); the best result counts.

    Args:
        rows: float32 `n x D`, of unit length.
        clusters: `K`, at least 1; fewer vectors come back if fewer rows differ.
        n_init, seed: the number of starts, and the seed of their draws.

    Returns:
        float32 `K x D`, the vectors with most rows first, and int64 `n`, each row's vector. None is
        without rows.
    """
    rng = np.random.default_rng(seed)
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for _ in range(n_init):
        vectors, assignment, cosine = _settled(rows, _seeded(rows, clusters, rng))
        total = float(cosine.sum(dtype=np.float64))
        if best is None or total > best[0] * (1 + 1e-9):
            best = total, vectors, assignment
    assert best is not None
    _, vectors, assignment = best
    size = np.bincount(assignment, minlength=len(vectors))
    order = np.argsort(-size, kind="stable")
    order = order[size[order] > 0]
    number = np.zeros(len(vectors), np.int64)
    number[order] = np.arange(len(order))
    return vectors[order], number[assignment]


def nearest(rows: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vector with the largest cosine for each row, int64 `n`, and that cosine, float32."""
    cosines = rows @ vectors.T
    assignment = cosines.argmax(axis=1)
    return assignment, np.take_along_axis(cosines, assignment[:, None], 1)[:, 0]


def _seeded(rows: np.ndarray, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++: each further vector is a row, drawn in proportion to its dissimilarity from the
    nearest vector."""
    chosen = [int(rng.integers(len(rows)))]
    apart = np.maximum(0, 1 - rows @ rows[chosen[0]])
    while len(chosen) < clusters:
        # A row that equals a vector may differ from it by rounding.
        apart[apart < 1e-6] = 0
        sums = apart.cumsum(dtype=np.float64)
        if sums[-1] == 0:
            break
        chosen.append(int(np.searchsorted(sums, rng.random() * sums[-1], side="right")))
        apart = np.minimum(apart, 1 - rows @ rows[chosen[-1]])
    return rows[chosen].copy()


def _settled(rows: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors, assignment and cosines after which no step gains more than `LEAST_GAIN`."""
    assignment, cosine = nearest(rows, vectors)
    mean = float(cosine.mean(dtype=np.float64))
    for _ in range(MOST_STEPS):
        sums = np.zeros_like(vectors)
        for cluster in range(len(vectors)):
            sums[cluster] = rows[assignment == cluster].sum(axis=0)
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        # A vector without rows, or whose rows cancel out, moves to the row that fits worst.
        lost = np.flatnonzero(length[:, 0] < 1e-6)
        if len(lost):
            sums[lost] = rows[np.argsort(cosine, kind="stable")[: len(lost)]]
            length[lost] = 1
        vectors = sums / length
        assignment, cosine = nearest(rows, vectors)
        before, mean = mean, float(cosine.mean(dtype=np.float64))
        if mean - before < LEAST_GAIN and not len(lost):
            break
    return vectors, assignment, cosine
