"""Distances of all pairs by products against SciPy's by differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform

from neuronwidgets.clustering.squared_distances import condensed_distances, squared_distance_matrix


@pytest.mark.parametrize("offset", [0, 1e6])
def test_distances_are_scipys(offset: float) -> None:
    rng = np.random.default_rng(14)
    X = rng.normal(size=(83, 6)) + offset * (np.arange(83) % 2)[:, None]
    X[3], X[4], X[5] = X[40], X[40] + 1e-7, X[2] + 1e-12
    for points in (X, X[:2], X[:, :1]):
        distances = condensed_distances(torch.tensor(points), block_pairs=100)
        np.testing.assert_allclose(distances, pdist(points), rtol=1e-11)
        squared = condensed_distances(torch.tensor(points), squared=True, block_pairs=100)
        np.testing.assert_allclose(squared, pdist(points, "sqeuclidean"), rtol=1e-11)


def test_squared_distances_of_tight_clouds_keep_their_digits() -> None:
    rng = np.random.default_rng(20)
    X = rng.normal(size=(70, 4)) * 1e-6
    X[35:] += 1
    squares = squared_distance_matrix(torch.tensor(X), block_rows=16).numpy()
    np.testing.assert_allclose(squares, squareform(pdist(X, "sqeuclidean")), rtol=1e-8)
    np.testing.assert_array_equal(squares, squares.T)
