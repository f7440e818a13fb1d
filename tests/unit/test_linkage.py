"""Linkages against SciPy and scikit-learn, on random, degenerate and refused input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.cluster import hierarchy
from sklearn.cluster import AgglomerativeClustering

from neuronwidgets.concepts import Tree, linkage
from neuronwidgets.concepts.linkage import METRICS

METHODS = [(method, metric) for method in METRICS for metric in METRICS[method]]


def random_cases(count: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for _ in range(count):
        shape = rng.integers(2, 60), rng.integers(1, 20)
        centres = rng.normal(size=(4, shape[1])) * 3
        yield centres[rng.integers(0, 4, shape[0])] + rng.normal(size=shape) * rng.uniform(0.1, 2)


def degenerate_cases() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    line = np.arange(1, 13)[:, None] * np.ones(3)
    return {
        "duplicates": np.repeat(rng.normal(size=(4, 3)), 5, axis=0),
        "constant": np.full((9, 4), 2.5),
        "constant columns": np.concatenate([rng.normal(size=(20, 2)), np.ones((20, 3))], axis=1),
        "collinear": line,
        "two": rng.normal(size=(2, 3)),
        "three": rng.normal(size=(3, 3)),
        "tiny numbers": rng.normal(size=(15, 3)) * 1e-12,
        "large numbers": rng.normal(size=(15, 3)) * 1e12,
        "one neuron": rng.normal(size=(12, 1)) + 10,
    }


def flat(tree: Tree, threshold: float) -> np.ndarray:
    labels = np.full(tree.n, -1)
    for number, node in enumerate(tree.cut(threshold)):
        labels[tree.members(int(node))] = number
    assert (labels >= 0).all()
    return labels


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = {(int(x), int(y)) for x, y in zip(a, b, strict=True)}
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))


def assert_like_scipy(points: np.ndarray, method: str, metric: str) -> None:
    ours = linkage(points, method, metric)
    theirs = hierarchy.linkage(points, method, metric)
    # Cosine distances of equal vectors are rounding errors around zero.
    np.testing.assert_allclose(ours[:, 2], theirs[:, 2], rtol=1e-5, atol=1e-12)
    assert (np.diff(ours[:, 2]) >= 0).all()
    tree = Tree.of(ours)
    for threshold in np.linspace(0.001, 1.05, 20) * max(float(ours[-1, 2]), 1e-9):
        expected = hierarchy.fcluster(theirs, threshold, "distance")
        assert same_partition(flat(tree, float(threshold)), expected)


@pytest.mark.parametrize(("method", "metric"), METHODS)
def test_random_input_gives_scipys_heights_and_clusters(method: str, metric: str) -> None:
    for points in random_cases(200):
        assert_like_scipy(points, method, metric)


@pytest.mark.parametrize(("method", "metric"), METHODS)
@pytest.mark.parametrize("case", list(degenerate_cases()))
def test_degenerate_input_gives_scipys_heights_and_clusters(
    case: str, method: str, metric: str
) -> None:
    assert_like_scipy(degenerate_cases()[case], method, metric)


@pytest.mark.parametrize(("method", "metric"), METHODS)
def test_one_sample_has_an_empty_linkage_and_one_cluster(method: str, metric: str) -> None:
    Z = linkage([[1.0, 2.0]], method, metric)
    assert Z.shape == (0, 4)
    assert Tree.of(Z).cut(1.0).tolist() == [0]


def test_every_kind_of_number_gives_the_linkage_of_its_values() -> None:
    points = np.random.default_rng(2).integers(-8, 8, (20, 5))
    expected = linkage(points.astype(np.float64))
    for same in (
        points,
        points.astype(np.float32),
        points.tolist(),
        torch.tensor(points, dtype=torch.bfloat16),
        torch.tensor(points, dtype=torch.float16),
        torch.tensor(points, dtype=torch.float64, requires_grad=True),
    ):
        Z = linkage(same)
        assert Z.dtype == np.float64
        np.testing.assert_array_equal(Z, expected)


def test_each_method_has_its_own_default_metric() -> None:
    points = np.random.default_rng(3).normal(size=(10, 4))
    np.testing.assert_array_equal(linkage(points), linkage(points, "ward", "euclidean"))
    np.testing.assert_array_equal(linkage(points, "average"), linkage(points, "average", "cosine"))


def test_a_ward_height_is_the_closed_form() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(7, 5)), rng.normal(size=(3, 5)) + 50
    far = np.linalg.norm(a.mean(0) - b.mean(0))
    height = linkage(np.concatenate([a, b]))[-1, 2]
    assert height == pytest.approx(np.sqrt(2 * 7 * 3 / 10) * far)


def test_thresholds_mean_what_they_mean_in_scikit_learn() -> None:
    for points in random_cases(20):
        tree = Tree.of(linkage(points))
        heights = tree.merge_heights
        # Between two heights, away from ties.
        for i in range(0, len(heights) - 1, 3):
            if heights[i + 1] - heights[i] < 1e-6 * tree.top:
                continue
            threshold = float(heights[i] + heights[i + 1]) / 2
            made = AgglomerativeClustering(None, linkage="ward", distance_threshold=threshold)
            assert same_partition(flat(tree, threshold), made.fit_predict(points))


def test_the_input_is_left_alone() -> None:
    points = np.random.default_rng(5).normal(size=(10, 3))
    before = points.copy()
    linkage(points, "average", "cosine")
    np.testing.assert_array_equal(points, before)


@pytest.mark.parametrize(
    ("X", "method", "metric", "message"),
    [
        ([[1, 2], [np.nan, 1]], "ward", None, "sample 1 holds NaN or inf"),
        ([[np.inf, 2], [0, 1]], "ward", None, "sample 0 holds NaN or inf"),
        (np.zeros((0, 3)), "ward", None, r"shape \(0, 3\).*samples x neurons"),
        (np.zeros((3, 0)), "ward", None, r"shape \(3, 0\).*samples x neurons"),
        ([1.0, 2.0], "ward", None, r"shape \(2,\).*samples x neurons"),
        (np.zeros((2, 2, 2)), "ward", None, "samples x neurons"),
        ([["a", "b"], ["c", "d"]], "ward", None, "not a matrix of numbers"),
        ([[1, 2], [3]], "ward", None, "not a matrix of numbers"),
        ("text", "ward", None, "not a matrix of numbers"),
        ([[1, 2], [0, 0]], "average", "cosine", "sample 1 is all zeros.*no direction"),
        (
            [[1, 2], [0, 1]],
            "median",
            None,
            "'median'; one of 'ward', 'average', 'complete'",
        ),
        ([[1, 2], [0, 1]], "ward", "cosine", "'cosine' does not go with method='ward'"),
        ([[1, 2], [0, 1]], "average", "cityblock", "takes 'cosine' or 'euclidean'"),
    ],
)
def test_bad_input_is_refused_with_what_was_wrong(
    X: object, method: str, metric: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        linkage(X, method, metric)


def test_a_matrix_that_looks_like_distances_is_read_as_samples() -> None:
    square = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 1.5], [2.0, 1.5, 0.0]])
    assert linkage(square)[0, 2] == pytest.approx(np.sqrt(1 + 1 + 0.25))
    assert linkage(np.zeros((3, 3)))[:, 2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("method", "metric"), METHODS)
def test_numbers_too_large_to_square_are_refused(method: str, metric: str) -> None:
    with pytest.raises(ValueError, match=r"-1e\+200 to 1e\+200.*smaller scale"):
        linkage([[1e200, 0], [-1e200, 1], [0, 1]], method, metric)
