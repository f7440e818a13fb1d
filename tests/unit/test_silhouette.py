"""Silhouettes along trees, against scikit-learn's on every cut."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import silhouette_score

from neuronwidgets.clustering.silhouette import silhouettes

Trees = tuple[np.ndarray, np.ndarray]


def grown(points: list[np.ndarray], method: str) -> Trees:
    """Distances `B x n x n` and linkages `B x (n - 1) x 4`."""
    far = [pdist(x) for x in points]
    return np.stack([squareform(d) for d in far]), np.stack([linkage(d, method) for d in far])


def clusters(Z: np.ndarray, merges: int) -> np.ndarray:
    found = np.arange(len(Z) + 1)
    for m, (left, right) in enumerate(Z[:merges, :2]):
        found[(found == left) | (found == right)] = len(Z) + 1 + m
    return found


def reference(distances: np.ndarray, Z: np.ndarray, min_size: int, most: int) -> np.ndarray:
    out = np.full(len(Z), np.nan)
    for m in range(len(Z)):
        found = clusters(Z, m)
        _, where, counts = np.unique(found, return_inverse=True, return_counts=True)
        keep = counts[where] >= min_size
        concepts = (counts >= min_size).sum()
        if not 2 <= concepts <= most or 2 * keep.sum() < len(found):
            continue
        # scikit-learn refuses as many clusters as samples: all are alone.
        out[m] = 0.0
        if concepts < keep.sum():
            apart = distances[np.ix_(keep, keep)]
            out[m] = silhouette_score(apart, found[keep], metric="precomputed")
    return out


@pytest.mark.parametrize("n", [2, 3, 8, 40])
@pytest.mark.parametrize("method", ["ward", "average", "single"])
def test_every_cut_as_scikit_learn_has_it(n: int, method: str) -> None:
    rng = np.random.default_rng(n)
    kinds = [
        *rng.normal(size=(3, n, 4)),
        rng.normal(size=(n, 3)) + 9 * rng.integers(0, 3, (n, 1)),
        rng.integers(0, 2, (n, 3)).astype(float),
        np.ones((n, 2)),
        np.arange(n)[:, None] ** 2.0,
    ]
    distances, Z = grown(kinds, method)
    for min_size, most in [(1, 20), (2, 3), (2, 20), (4, 2), (4, 20), (n, 20)]:
        found = silhouettes(distances, Z, min_size, most)
        expected = [reference(d, z, min_size, most) for d, z in zip(distances, Z, strict=True)]
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_two_pairs_by_hand() -> None:
    distances, Z = grown([np.array([[0.0], [1.0], [10.0], [11.0]])], "ward")
    # a = 1; b = 10.5 for the outer two and 9.5 for the inner two.
    by_hand = 1 - (1 / 10.5 + 1 / 9.5) / 2
    np.testing.assert_allclose(silhouettes(distances, Z, 2), [[np.nan, np.nan, by_hand]])


def test_many_trees_are_as_each_alone() -> None:
    points = list(np.random.default_rng(0).normal(size=(300, 50, 5)))
    distances, Z = grown(points, "ward")
    together = silhouettes(distances, Z, 3, 10)
    alone = [silhouettes(distances[b : b + 1], Z[b : b + 1], 3, 10)[0] for b in range(300)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    assert silhouettes(distances[:0], Z[:0], 3).shape == (0, 49)


def test_the_peak_is_at_what_was_planted() -> None:
    rng = np.random.default_rng(3)
    for planted in (2, 3, 5):
        centres = 20 * np.eye(5)[rng.permutation(np.arange(60) % planted)]
        distances, Z = grown([centres + rng.normal(size=(60, 5))], "ward")
        assert 60 - np.nanargmax(silhouettes(distances, Z, 3)) == planted
