"""k-means of many sets at once, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from neuronwidgets.clustering.kmeans import kmeans


def squares(points: np.ndarray) -> np.ndarray:
    return np.stack([cdist(p, p, "sqeuclidean") for p in points])


def planted(sets: int, n: int, clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    kind = rng.permuted(np.tile(np.arange(n) % clusters, (sets, 1)), axis=1)
    centres = rng.normal(size=(sets, clusters, 8)) * 5
    return np.take_along_axis(centres, kind[:, :, None], 1) + rng.normal(size=(sets, n, 8)), kind


def inertia(points: np.ndarray, label: np.ndarray) -> float:
    return sum(
        float(((points[label == k] - points[label == k].mean(0)) ** 2).sum())
        for k in np.unique(label)
    )


@pytest.mark.parametrize("clusters", [1, 2, 4, 7])
def test_as_good_as_scikit_learn(clusters: int) -> None:
    points, kind = planted(12, 60, clusters, seed=clusters)
    label, far = kmeans(squares(points), np.full(12, clusters), np.zeros((12, 60), int))
    for p, own, gaps, truth in zip(points, label, far, kind, strict=True):
        theirs = KMeans(clusters, n_init=5, random_state=0).fit(p)
        assert inertia(p, own) <= theirs.inertia_ * 1.02
        assert gaps.sum() == pytest.approx(inertia(p, own))
        means = np.stack([p[own == k].mean(0) for k in range(clusters)])
        np.testing.assert_allclose(gaps, ((p - means[own]) ** 2).sum(1), atol=1e-9)
        # Nobody is nearer to another centroid.
        assert (cdist(p, means, "sqeuclidean").min(1) >= gaps - 1e-9).all()
        assert adjusted_rand_score(truth, own) > 0.95


def test_noise_without_clusters() -> None:
    points = np.random.default_rng(0).normal(size=(20, 50, 6))
    label, _ = kmeans(squares(points), np.full(20, 5), np.zeros((20, 50), int))
    ours = [inertia(p, own) for p, own in zip(points, label, strict=True)]
    theirs = [KMeans(5, n_init=5, random_state=0).fit(p).inertia_ for p in points]
    assert np.mean(ours) <= 1.02 * np.mean(theirs)


def test_each_set_for_itself() -> None:
    points, _ = planted(6, 40, 3, seed=1)
    clusters = np.array([1, 2, 3, 4, 5, 40])
    begun = np.arange(40) % clusters[:, None]
    label, far = kmeans(squares(points), clusters, begun)
    assert (label.max(axis=1) + 1 == clusters).all()
    assert (far[-1] == 0).all()
    for i in range(6):
        alone, _ = kmeans(squares(points[i : i + 1]), clusters[i : i + 1], begun[i : i + 1])
        np.testing.assert_array_equal(alone[0], label[i])


def test_a_good_beginning_is_never_made_worse() -> None:
    points, kind = planted(4, 60, 4, seed=2)
    label, _ = kmeans(squares(points), np.full(4, 4), kind, n_init=0)
    for own, truth in zip(label, kind, strict=True):
        assert adjusted_rand_score(truth, own) > 0.95


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=12),
    st.integers(1, 6),
    st.integers(0, 3),
)
def test_duplicates_and_ties(points: list[tuple[int, int]], wanted: int, seed: int) -> None:
    array = np.array(points, np.float64)
    clusters = min(wanted, len(np.unique(array, axis=0)))
    begun = np.zeros((1, len(array)), int)
    label, far = kmeans(squares(array[None]), np.array([clusters]), begun, seed=seed)
    assert sorted(set(label[0].tolist())) == list(range(clusters))
    assert list(dict.fromkeys(label[0].tolist())) == list(range(clusters))
    assert far.sum() == pytest.approx(inertia(array, label[0]), abs=1e-9)
