"""The kernels for many samples against SciPy, and against the definition where there are ties."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist

from neuronwidgets.clustering.block_threads import block_threads
from neuronwidgets.clustering.linkage import engine, rounds
from neuronwidgets.clustering.linkage.centroids import Centroids
from neuronwidgets.clustering.linkage.engine import LINEAR, METRICS
from neuronwidgets.clustering.linkage.tile_bounds import TileBounds
from neuronwidgets.clustering.linkage.tuning import GPU, Tuning

METHODS = sorted(LINEAR)
ALL = [(method, metric) for method in METRICS for metric in METRICS[method]]
TOO_LARGE = np.array([[1e200, 0], [-1e200, 1], [0, 1]])
"""To square."""


SMALL = Tuning(
    scipy_work=0,
    matrix_clusters=1,
    slow_matrix_clusters=1,
    tile=5,
    block_slots=12,
    block_numbers=64,
)
"""Small inputs go to our kernels, and have many tiles and several blocks there."""
DEFAULT = Tuning()


pytestmark = pytest.mark.usefixtures("one_thread")


def linkage(
    X: object, method: str = "ward", metric: str | None = None, tuning: Tuning = SMALL
) -> np.ndarray:
    return engine.linkage(X, method, metric, tuning=tuning)


def clustered(X: np.ndarray, method: str, metric: str) -> tuple[np.ndarray, str]:
    """Float64 points and the metric that SciPy clusters them by: Ward by direction is Ward of
    vectors of unit length, zeros as they are."""
    X = X.astype(np.float64)
    if (method, metric) != ("ward", "cosine"):
        return X, metric
    length = np.sqrt((X**2).sum(axis=1, keepdims=True))
    return X / np.where(length > 0, length, 1), "euclidean"


def assert_same_tree(X: np.ndarray, method: str, metric: str, tuning: Tuning = SMALL) -> None:
    """The same nodes at the same heights: for input without ties."""
    theirs = hierarchy.linkage(pdist(*clustered(X, method, metric)), method)
    ours = linkage(X, method, metric, tuning)
    np.testing.assert_array_equal(ours[:, [0, 1, 3]], theirs[:, [0, 1, 3]])
    np.testing.assert_allclose(ours[:, 2], theirs[:, 2], rtol=1e-5)


def assert_greedy(X: np.ndarray, method: str, metric: str, tuning: Tuning = SMALL) -> None:
    """Every merge is of a nearest pair, to rounding, and its height is its distance: with ties
    there are many such trees, and SciPy's is one of them."""
    Z = linkage(X, method, metric, tuning)
    by_direction = metric == "cosine"
    X, metric = clustered(X, method, metric)
    n = len(X)
    assert Z.shape == (n - 1, 4)
    assert (np.diff(Z[:, 2]) >= 0).all()
    squared = method == "ward"
    D = ((X[:, None] - X[None]) ** 2).sum(-1) if squared else None
    if D is None:
        from scipy.spatial.distance import cdist

        D = cdist(X, X, metric)
    D = np.pad(D, (0, n - 1))
    size = np.ones(2 * n - 1)
    alive = list(range(n))
    # Cosine distances of equal vectors are rounding errors, and so is what Lance-Williams leaves.
    least = 1e-12 * max(D.max(), float(by_direction))
    for step, (a, b, height, count) in enumerate(Z):
        a, b, new = int(a), int(b), n + step
        assert a in alive
        assert b in alive
        assert a < b
        block = D[np.ix_(alive, alive)] + np.diag(np.full(len(alive), np.inf))
        got = D[a, b]
        assert got <= block.min() * (1 + 1e-9) + least
        np.testing.assert_allclose(height**2 if squared else height, got, rtol=1e-9, atol=least)
        alive = [c for c in alive if c not in (a, b)]
        na, nb, nc = size[a], size[b], size[alive]
        assert count == na + nb
        if squared:
            value = (na + nc) * D[a, alive] + (nb + nc) * D[b, alive] - nc * got
            value /= na + nb + nc
        else:
            value = (na * D[a, alive] + nb * D[b, alive]) / (na + nb)
        D[new, alive] = D[alive, new] = value
        size[new] = na + nb
        alive.append(new)


@pytest.mark.parametrize(("method", "metric"), ALL)
def test_random_input_gives_scipys_tree(method: str, metric: str) -> None:
    rng = np.random.default_rng(0)
    for count in (2, 3, 4, 7, 30, 110):
        for width in (2, 5, 40):
            centres = rng.normal(size=(4, width)) * 3
            X = centres[rng.integers(0, 4, count)] + rng.normal(size=(count, width))
            assert_same_tree(X, method, metric)


@pytest.mark.parametrize(("method", "metric"), METHODS)
def test_float32_data_gives_scipys_tree(method: str, metric: str) -> None:
    X = np.random.default_rng(1).normal(size=(150, 24)).astype(np.float32)
    assert_same_tree(X, method, metric)
    Z = linkage(X, method, metric)
    np.testing.assert_array_equal(Z, linkage(torch.from_numpy(X), method, metric))


@pytest.mark.parametrize("metric", METRICS["ward"])
def test_tiles_of_the_real_size_give_scipys_tree(metric: str) -> None:
    rng = np.random.default_rng(2)
    X = rng.gamma(1, size=(2100, 400))
    if metric == "cosine":
        # Lengths that would be all there is to say of them.
        X *= np.exp(3 * rng.normal(size=(2100, 1)))
    assert len(X) ** 2 * (400 + 64) >= DEFAULT.scipy_work
    assert_same_tree(X, "ward", metric, DEFAULT)


@pytest.mark.parametrize("offset", [1e3, 1e6, 1e9])
def test_far_from_the_origin_nothing_is_lost(offset: float) -> None:
    rng = np.random.default_rng(3)
    # Multiples of 2**-10: the offset does not round the points themselves.
    X = np.round(rng.normal(size=(90, 6)) * 1024) / 1024
    near = linkage(X)
    far = linkage(X + offset)
    np.testing.assert_array_equal(near[:, [0, 1, 3]], far[:, [0, 1, 3]])
    np.testing.assert_allclose(near[:, 2], far[:, 2], rtol=1e-6)
    assert_same_tree(X + offset, "ward", "euclidean")
    assert_same_tree(X + offset, "average", "sqeuclidean")


@pytest.mark.parametrize("method", [("ward", "euclidean"), ("average", "sqeuclidean")])
def test_differences_below_float32_are_told_apart(method: tuple[str, str]) -> None:
    # Two clouds far apart, in which all distances are rounding errors of float32.
    rng = np.random.default_rng(4)
    X = rng.normal(size=(120, 5)) * 1e-3
    X[::2] += 1e4
    assert_same_tree(X, *method)
    # Nearly equal distances: each point has two neighbours, one 1e-9 nearer.
    gaps = 1 + 1e-9 * rng.permutation(90)
    line = np.cumsum(gaps)[:, None] * np.ones(3)
    assert_same_tree(line, *method)


@cache
def unscaled(method: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Points and their tree."""
    X = np.random.default_rng(5).normal(size=(60, 4))
    return X, linkage(X, method, metric)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
@pytest.mark.parametrize(("method", "metric"), ALL)
def test_any_scale_is_the_same_tree(scale: float, method: str, metric: str) -> None:
    X, plain = unscaled(method, metric)
    scaled = linkage(X * scale, method, metric)
    np.testing.assert_array_equal(plain[:, [0, 1, 3]], scaled[:, [0, 1, 3]])
    power = {"euclidean": 1, "sqeuclidean": 2, "cosine": 0}[metric]
    np.testing.assert_allclose(plain[:, 2] * scale**power, scaled[:, 2], rtol=1e-9)


@pytest.mark.parametrize(("method", "metric"), METHODS)
@pytest.mark.parametrize(
    "X",
    [
        np.repeat(np.random.default_rng(6).normal(size=(9, 3)), 7, axis=0),
        np.full((40, 4), 2.5),
        np.stack(np.meshgrid(*[np.arange(1.0, 5)] * 3), -1).reshape(-1, 3),
        np.arange(1, 50)[:, None] * np.ones(3),
        np.array([[1.0], [2.0]] * 12),
        np.eye(24),
        np.random.default_rng(7).integers(0, 2, (60, 8)) + 0.5,
        np.random.default_rng(8).normal(size=(50, 1)) + 10,
        np.random.default_rng(9).normal(size=(2, 3)),
        np.ones((2, 1)),
    ],
    ids=["duplicates", "constant", "grid", "line", "pairs", "all equally far", "binary",
         "one neuron", "two", "two equal"],
)  # fmt: skip
def test_every_merge_is_of_a_nearest_pair(X: np.ndarray, method: str, metric: str) -> None:
    assert_greedy(X, method, metric)


@given(
    X=arrays(
        np.float64,
        st.tuples(st.integers(2, 20), st.integers(1, 4)),
        elements=st.integers(-3, 3) | st.floats(-1e3, 1e3, width=32),
    )
)
def test_whatever_the_points_every_merge_is_of_a_nearest_pair(X: np.ndarray) -> None:
    assert_greedy(X, "ward", "euclidean")
    assert_greedy(X, "average", "sqeuclidean")
    assert_greedy(X, "ward", "cosine")
    X[~X.any(axis=1)] = 1
    assert_greedy(X, "average", "cosine")


def test_ties_are_broken_by_index_and_always_in_the_same_way() -> None:
    rng = np.random.default_rng(10)
    X = rng.integers(0, 3, (150, 4)).astype(np.float64)
    Z = linkage(X)
    np.testing.assert_array_equal(Z, linkage(X.copy()))
    np.testing.assert_array_equal(Z, linkage(torch.tensor(X)))
    # The first two of the smallest distance that is not zero, in the order of i ^ j.
    first = linkage(np.arange(8.0)[:, None])
    assert sorted(first[:4, :2].tolist()) == [[0, 1], [2, 3], [4, 5], [6, 7]]


@pytest.mark.parametrize("asked", ["highest", "high", "medium"])
def test_products_have_all_their_bits_whatever_the_user_asked(asked: str) -> None:
    X = np.random.default_rng(13).normal(size=(90, 8))
    before = torch.get_float32_matmul_precision()
    seen = []
    lower_bounds = Centroids.lower_bounds

    def spy(*arguments: object) -> torch.Tensor:
        seen.append(torch.get_float32_matmul_precision())
        return lower_bounds(*arguments)  # type: ignore[arg-type]

    try:
        torch.set_float32_matmul_precision(asked)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Centroids, "lower_bounds", spy)
            assert_same_tree(X, "ward", "euclidean")
        assert torch.get_float32_matmul_precision() == asked
    finally:
        torch.set_float32_matmul_precision(before)
    assert set(seen) == {"highest"}


@pytest.mark.parametrize(("method", "metric"), METHODS)
def test_threads_and_inference_mode_change_nothing(method: str, metric: str) -> None:
    X = torch.tensor(np.random.default_rng(16).normal(size=(120, 5)))
    alone = linkage(X, method, metric)
    # The end by a matrix, whose blocks are for threads too.
    chain = replace(SMALL, matrix_clusters=100)
    ended = linkage(X, method, metric, chain)
    torch.set_num_threads(3)
    np.testing.assert_array_equal(linkage(X, method, metric), alone)
    np.testing.assert_array_equal(linkage(X, method, metric, chain), ended)
    assert torch.get_num_threads() == 3
    with torch.inference_mode():
        np.testing.assert_array_equal(linkage(X * 1, method, metric), alone)
    with pytest.raises(RuntimeError, match="stop"), block_threads(X.device) as run:
        run(lambda _: (_ for _ in ()).throw(RuntimeError("stop")), [1, 2])
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(("method", "metric"), METHODS)
def test_measuring_every_pair_gives_the_same_tree(method: str, metric: str) -> None:
    tuning = replace(SMALL, crowd=0)
    rng = np.random.default_rng(17)
    assert_same_tree(rng.normal(size=(70, 5)), method, metric, tuning)
    assert_greedy(rng.integers(1, 3, (50, 4)), method, metric, tuning)
    assert_greedy(np.eye(20), method, metric, tuning)


def test_axes_are_asked_where_they_rule_something_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    bound_near = TileBounds._bound_near

    def spy(*arguments: Any) -> torch.Tensor:
        asked.append(arguments)
        return bound_near(*arguments)

    monkeypatch.setattr(TileBounds, "_bound_near", spy)
    rng = np.random.default_rng(21)
    noise = rng.normal(size=(300, 100))
    # So few axes that noise has more directions than they see.
    tuning = replace(SMALL, axes=3, tile=20, block_slots=40)
    assert_same_tree(noise, "ward", "euclidean", tuning)
    assert not asked
    far_apart = noise + 100 * rng.normal(size=(6, 100))[rng.integers(6, size=300)]
    assert_same_tree(far_apart, "ward", "euclidean", tuning)
    assert asked


@pytest.mark.parametrize("method", [("ward", "euclidean"), ("average", "sqeuclidean")])
def test_one_sample_far_out_hides_nothing(method: tuple[str, str]) -> None:
    X = np.random.default_rng(18).normal(size=(80, 6))
    X[33] += 1e7
    assert_same_tree(X, *method)


def test_duplicates_are_found() -> None:
    X = np.random.default_rng(11).normal(size=(200, 30))
    X[150:] = X[:50]
    X[170] = X[3]
    expected = np.arange(200)
    expected[150:] = np.arange(50)
    expected[170] = 3
    assert rounds.first_equal(torch.tensor(X), SMALL.block_numbers).tolist() == expected.tolist()


def test_the_input_is_left_alone() -> None:
    for X in (np.random.default_rng(12).normal(size=(50, 3)), np.ones((5, 2))):
        for method, metric in METHODS:
            before, tensor = X.copy(), torch.tensor(X)
            linkage(X, method, metric)
            linkage(tensor, method, metric)
            np.testing.assert_array_equal(X, before)
            np.testing.assert_array_equal(tensor.numpy(), before)


@pytest.mark.parametrize(("method", "metric"), METHODS)
def test_bad_input_is_refused_as_for_few_samples(method: str, metric: str) -> None:
    bad = torch.ones(4, 3)
    bad[2, 1] = torch.nan
    with pytest.raises(ValueError, match="sample 2 holds NaN or inf"):
        linkage(bad, method, metric)
    if (method, metric) != ("ward", "cosine"):
        with pytest.raises(ValueError, match=r"-1e\+200 to 1e\+200.*smaller scale"):
            linkage(TOO_LARGE, method, metric)
    if (method, metric) == ("average", "cosine"):
        with pytest.raises(ValueError, match="sample 1 is all zeros"):
            linkage(torch.tensor([[1.0, 2], [0, 0]]), method, metric)


def test_ward_by_direction_leaves_zero_vectors_at_the_origin() -> None:
    assert linkage(torch.tensor([[1.0, 2], [0, 0]]), "ward", "cosine")[0, 2] == pytest.approx(1)
    X = np.random.default_rng(21).normal(size=(60, 5))
    X[[3, 20, 41]] = 0
    X[20] = -0.0
    assert_greedy(X, "ward", "cosine")
    assert (linkage(X, "ward", "cosine")[:2, 2] == 0).all()


def test_at_unit_length_no_number_is_too_large() -> None:
    # Two at a right angle, and the opposite of one: Ward's closed form of 2 and 1 samples.
    Z = linkage(TOO_LARGE, "ward", "cosine")
    np.testing.assert_allclose(Z[:, 2], np.sqrt([2, 2 * 2 / 3 * 2.5]))


@pytest.mark.parametrize(("method", "metric"), METHODS)
def test_the_last_clusters_by_a_chain_give_scipys_tree(method: str, metric: str) -> None:
    tuning = replace(SMALL, matrix_clusters=40)
    rng = np.random.default_rng(19)
    assert_same_tree(rng.normal(size=(90, 5)), method, metric, tuning)
    assert_greedy(rng.integers(1, 3, (50, 4)), method, metric, tuning)
    # From the start, with tight clouds.
    tuning = replace(tuning, slow_matrix_clusters=90)
    X = rng.normal(size=(90, 5)) * 1e-3
    X[::2] += 1e3
    if metric == "cosine":
        assert_same_tree(X, "ward", "euclidean", tuning)
    else:
        assert_same_tree(X, method, metric, tuning)
    assert_greedy(np.eye(20), method, metric, tuning)


LARGE_TILES = replace(GPU, scipy_work=0, matrix_clusters=100, tile=32)
"""Those of a GPU, for inputs of a test."""


@pytest.mark.parametrize("method", ["ward", "average"])
def test_the_large_tiles_of_a_gpu_give_the_same_tree(method: str) -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(20, 12))[rng.integers(20, size=900)] + rng.normal(size=(900, 12))
    assert_same_tree(X, method, "euclidean" if method == "ward" else "cosine", LARGE_TILES)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("method", ["ward", "average"])
def test_on_a_gpu_the_tree_is_the_same(method: str) -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(20, 48))[rng.integers(20, size=6000)] + rng.normal(size=(6000, 48))
    ours, expected = (engine.linkage(torch.tensor(X, device=d), method) for d in ("cuda", "cpu"))
    np.testing.assert_array_equal(ours[:, [0, 1, 3]], expected[:, [0, 1, 3]])
    np.testing.assert_allclose(ours[:, 2], expected[:, 2], rtol=1e-9)
