"""Scores of a neuron's activations, against SciPy and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neuronwidgets import Activations
from neuronwidgets.concepts.scores import SCORES, Neurons


def column(name: str, along: np.ndarray) -> np.ndarray:
    """A score of neurons whose top samples do not matter."""
    along = np.asarray(along)
    count, samples = along.shape
    nothing = np.zeros((count, 2, 2)), np.zeros((count, 1, 4)), np.zeros((count, 2), np.int64)
    index = np.tile(np.arange(2), (count, 1))
    acts = Activations.from_arrays(np.zeros((samples, 1)))
    return SCORES[name](Neurons(acts, along, index, *nothing))[name]


NAMES = ("monosemantic_scale", "wasserstein", "kurtosis", "sparsity")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_are_those_of_scipy(dtype: type) -> None:
    rng = np.random.default_rng(0)
    along = np.stack([rng.normal(3, 2, 999), rng.exponential(size=999), rng.standard_t(3, 999)])
    along = along.astype(dtype)
    wide = along.astype(np.float64)
    np.testing.assert_allclose(column("kurtosis", along), stats.kurtosis(wide, axis=1), rtol=1e-9)
    largest = np.square(stats.zscore(wide, axis=1)).max(axis=1)
    np.testing.assert_allclose(column("monosemantic_scale", along), largest, rtol=1e-9)


@pytest.mark.parametrize("count", [2, 3, 50, 1000])
def test_wasserstein_is_that_of_scipy_on_a_fine_grid(count: int) -> None:
    rng = np.random.default_rng(count)
    along = np.stack([rng.normal(5, 3, count), rng.exponential(size=count), np.arange(count) == 0])
    fine = stats.norm.ppf((np.arange(400_000) + 0.5) / 400_000)
    expected = [stats.wasserstein_distance(stats.zscore(x), fine) for x in along.astype(float)]
    np.testing.assert_allclose(column("wasserstein", along.astype(float)), expected, atol=2e-5)


def test_wasserstein_in_closed_form() -> None:
    # Two values in equal shares become -1 and 1: 2 int_0^inf |q - 1| phi dq.
    phi, upper = stats.norm.pdf, stats.norm.sf
    halves = 2 * ((upper(0) - 2 * upper(1)) - phi(0) + 2 * phi(1))
    np.testing.assert_allclose(column("wasserstein", [[0.0, 7, 7, 0]]), halves, rtol=1e-12)
    spike = np.zeros((1, 200_000))
    spike[0, 0] = 1
    np.testing.assert_allclose(column("wasserstein", spike), math.sqrt(2 / math.pi), atol=6e-3)
    quantiles = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)[None]
    assert column("wasserstein", quantiles)[0] < 1e-3


@pytest.mark.parametrize("on", [1, 5, 20])
def test_on_and_off_in_closed_form(on: int) -> None:
    share = on / 20
    along = np.where(np.arange(20) < on, 3.0, 0)[None]
    np.testing.assert_allclose(
        column("sparsity", along), (1 - share) / (1 - 1 / 20) if on < 20 else np.nan, rtol=1e-12
    )
    if on < 20:
        spread = share * (1 - share)
        np.testing.assert_allclose(column("kurtosis", along), 1 / spread - 6, rtol=1e-12)
        scale = max(share, 1 - share) / min(share, 1 - share)
        np.testing.assert_allclose(column("monosemantic_scale", along), scale, rtol=1e-12)


def test_a_gaussian() -> None:
    along = np.random.default_rng(0).normal(size=(4, 50_000)).astype(np.float32)
    assert (column("wasserstein", along) < 0.02).all()
    assert (np.abs(column("kurtosis", along)) < 0.15).all()
    np.testing.assert_allclose(column("sparsity", along), 1 - 2 / math.pi, atol=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_constant_and_dead_neurons_have_none_and_do_no_harm(name: str) -> None:
    along = np.zeros((4, 9), np.float32)
    along[1] = 0.1
    along[2, 3] = 1
    found = column(name, along)
    assert np.isnan(found[[0, 1, 3]]).all()
    np.testing.assert_array_equal(found[2:3], column(name, along[2:3]))
    assert np.isnan(column(name, np.ones((2, 1)))).all()


@pytest.mark.parametrize("name", NAMES)
def test_blocks_do_not_matter(name: str) -> None:
    along = np.random.default_rng(0).exponential(size=(7, 100_000)).astype(np.float32)
    np.testing.assert_allclose(column(name, along)[5:6], column(name, along[5:6]), rtol=1e-12)


numbers = st.floats(-1e300, 1e300, allow_subnormal=False)


@given(st.lists(numbers, min_size=2, max_size=30).filter(lambda x: len(set(x)) > 1))
def test_ranges_at_any_scale(values: list[float]) -> None:
    along = np.array([values])
    slack = 1e-6
    for name in NAMES:
        (found,) = column(name, along)
        known = SCORES[name].columns[name]
        assert known.low - slack <= found <= known.high + slack
        assert name != "monosemantic_scale" or found <= len(values) - 1 + slack
        np.testing.assert_allclose(column(name, -along), found, atol=slack)
