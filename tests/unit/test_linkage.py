"""Linkages against SciPy and scikit-learn, on random, degenerate and refused input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.cluster import hierarchy
from sklearn.cluster import AgglomerativeClustering

from neuronwidgets.clustering.linkage.engine import LINEAR, METRICS, linkage
from neuronwidgets.clustering.linkage.tuning import Tuning
from neuronwidgets.clustering.tree import Tree

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
        labels[tree.samples_of(int(node))] = number
    assert (labels >= 0).all()
    return labels


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = {(int(x), int(y)) for x, y in zip(a, b, strict=True)}
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))


def at_unit_length(points: np.ndarray) -> np.ndarray:
    """Rows divided by their L2 norm, rows of zeros as they are."""
    length = [np.hypot.reduce(row) for row in points]
    return np.array([row / n if n else row for row, n in zip(points, length, strict=True)])


def scipys(points: np.ndarray, method: str, metric: str) -> np.ndarray:
    """SciPy has no Ward by direction: there it is Ward of vectors of unit length."""
    if (method, metric) == ("ward", "cosine"):
        points, metric = at_unit_length(points), "euclidean"
    return hierarchy.linkage(points, method, metric)


def assert_like_scipy(points: np.ndarray, method: str, metric: str) -> None:
    ours = linkage(points, method, metric)
    theirs = scipys(points, method, metric)
    # Cosine distances of equal vectors are rounding errors around zero.
    np.testing.assert_allclose(ours[:, 2], theirs[:, 2], rtol=1e-5, atol=1e-12)
    assert (np.diff(ours[:, 2]) >= 0).all()
    tree = Tree.of(ours)
    for threshold in np.linspace(0.001, 1.05, 20) * max(float(ours[-1, 2]), 1e-9):
        expected = hierarchy.fcluster(theirs, threshold, "distance")
        assert same_partition(flat(tree, float(threshold)), expected)


@pytest.mark.parametrize(("method", "metric"), METHODS)
def test_random_input_gives_scipys_heights_and_clusters(method: str, metric: str) -> None:
    for points in random_cases(60):
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


def test_ward_by_direction_knows_no_length() -> None:
    rng = np.random.default_rng(6)
    points = rng.normal(size=(40, 6))
    lengths = 2.0 ** rng.integers(-40, 40, (40, 1))
    np.testing.assert_array_equal(
        linkage(points, "ward", "cosine"), linkage(points * lengths, "ward", "cosine")
    )
    # Two pairs at right angles, whose centres are sqrt(2) apart: sqrt(2 * 2 * 2 / 4) times that.
    four = [[3.0, 0], [0, 5], [-7, 0], [0, -0.1]]
    np.testing.assert_allclose(linkage(four, "ward", "cosine")[:, 2], np.sqrt([2, 2, 4]))


def test_ward_by_direction_leaves_a_zero_vector_at_the_origin() -> None:
    rng = np.random.default_rng(7)
    points = rng.normal(size=(30, 5))
    points[[4, 9, 23]] = 0
    points[9] = -0.0
    assert_like_scipy(points, "ward", "cosine")
    # The three are one point, and 1 from any other.
    Z = linkage(points, "ward", "cosine")
    assert (Z[:2, 2] == 0).all()
    assert linkage([[0.0, 0], [0, 9]], "ward", "cosine")[0, 2] == 1
    assert (linkage(np.zeros((4, 2)), "ward", "cosine")[:, 2] == 0).all()


@pytest.mark.parametrize("clusters", [2, 9, 40])
def test_ward_by_direction_has_scikit_learns_clusters(clusters: int) -> None:
    rng = np.random.default_rng(8)
    points = rng.gamma(1, size=(120, 12)) * rng.gamma(1, size=(120, 1))
    Z = linkage(points, "ward", "cosine")
    expected = AgglomerativeClustering(clusters, linkage="ward").fit_predict(at_unit_length(points))
    assert same_partition(hierarchy.fcluster(Z, clusters, "maxclust"), expected)


def test_thresholds_mean_what_they_mean_in_scikit_learn() -> None:
    for points in random_cases(8):
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
        (np.zeros((0, 3)), "ward", None, r"samples x neurons.*got shape \(0, 3\)"),
        (np.zeros((3, 0)), "ward", None, r"samples x neurons.*got shape \(3, 0\)"),
        ([1.0, 2.0], "ward", None, r"samples x neurons.*got shape \(2,\)"),
        (np.zeros((2, 2, 2)), "ward", None, "samples x neurons"),
        ([["a", "b"], ["c", "d"]], "ward", None, "not a matrix of numbers"),
        ([[1, 2], [3]], "ward", None, "not a matrix of numbers"),
        ("text", "ward", None, "not a matrix of numbers"),
        ([[1, 2], [0, 0]], "average", "cosine", "sample 1 is all zeros.*no direction"),
        (
            [[1, 2], [0, 1]],
            "median",
            None,
            "one of 'ward', 'average', 'complete', 'single'; got 'median'",
        ),
        ([[1, 2], [0, 1]], "ward", "sqeuclidean", "takes 'euclidean' or 'cosine'"),
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


TOO_LARGE = np.array([[1e200, 0], [-1e200, 1], [0, 1]])


@pytest.mark.parametrize(("method", "metric"), [m for m in METHODS if m != ("ward", "cosine")])
def test_numbers_too_large_to_square_are_refused(method: str, metric: str) -> None:
    with pytest.raises(ValueError, match=r"-1e\+200 to 1e\+200.*smaller scale"):
        linkage(TOO_LARGE, method, metric)


def test_at_unit_length_no_number_is_too_large() -> None:
    assert_like_scipy(TOO_LARGE, "ward", "cosine")


@pytest.mark.parametrize(("method", "metric"), METHODS)
def test_only_what_needs_all_distances_has_a_limit(method: str, metric: str) -> None:
    tuning = Tuning(scipy_work=0, most_samples=9)
    X = np.random.default_rng(15).normal(size=(10, 3))
    if (method, metric) in LINEAR:
        assert len(linkage(X, method, metric, tuning=tuning)) == 9
    else:
        with pytest.raises(ValueError, match=r"10 samples take 0 GB.*top=9 or less"):
            linkage(X, method, metric, tuning=tuning)
