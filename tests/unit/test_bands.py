"""A band drawn on one neuron, on all the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

import neuronwidgets as nw
from neuronwidgets.intervals.bands import carried

INF = np.inf


@pytest.fixture(scope="module")
def acts() -> nw.Activations:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(400, 5)) * [1, 4, 0.1, 2, 1] + [0, 7, -3, 1, 2]
    values[:, 3] = np.exp(values[:, 3])  # monotone in what it was: the same quantiles
    values[:, 4] = 2.5  # never changes
    return nw.Activations.from_arrays(values, labels=["a", "b"] * 200)


def inside(values: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    values = values[..., None]
    return np.asarray(((values >= pieces[..., 0]) & (values <= pieces[..., 1])).any(-1))


@pytest.mark.parametrize("rule", ["gaussian", "discriminative"])
def test_edges_are_z_scores_of_the_label(acts: Any, rule: str) -> None:
    found, own = nw.ranges(acts), acts.values[acts.labels == 1]
    mean, std = own.mean(axis=0, dtype="f8"), own.std(axis=0, dtype="f8")
    band = np.array([[-0.4, 0.3], [0.9, 1.7]])
    on = carried(found, "b", 0, band, rule)
    assert on.shape == (5, 2, 2)
    np.testing.assert_array_equal(on[0], band)
    z = (band - mean[0]) / std[0]
    for j in (1, 2, 3, 4):
        np.testing.assert_allclose(on[j], mean[j] + z * std[j], rtol=1e-9)


def test_the_rules_own_range_is_carried_to_the_rules_own_ranges(acts: Any) -> None:
    found = nw.ranges(acts)
    for rule in ("gaussian", "quantile"):
        for tau in (0.0, 0.6, 1.0, 2.3, 4.0):
            every = found.intervals("a", tau, rule)
            on = carried(found, "a", 1, every[1], rule)
            np.testing.assert_allclose(on, every, rtol=1e-9, atol=1e-9)


def test_quantiles_hold_the_same_samples_on_a_monotone_copy() -> None:
    rng = np.random.default_rng(0)
    one = rng.permutation(np.arange(401.0))
    # Straight between its quantiles, so that interpolation adds nothing.
    values = np.stack([one, 3 * one - 70], axis=1)
    acts = nw.Activations.from_arrays(values, labels=["a"] * 401)
    found = nw.ranges(acts)
    for band in ([[3.5, 120.25]], [[0.25, 17.5], [200.0, 390.5]]):
        on = carried(found, "a", 0, np.array(band), "quantile")
        np.testing.assert_allclose(on[1], 3 * np.array(band) - 70, rtol=1e-9)
        np.testing.assert_array_equal(inside(values[:, 0], on[0]), inside(values[:, 1], on[1]))


@pytest.mark.parametrize("rule", ["gaussian", "quantile", "discriminative"])
def test_an_open_end_stays_open(acts: Any, rule: str) -> None:
    found = nw.ranges(acts)
    on = carried(found, "a", 2, np.array([[-INF, -3.0], [-2.9, INF]]), rule)
    assert np.isneginf(on[:, 0, 0]).all()
    assert np.isposinf(on[:, 1, 1]).all()
    assert np.isfinite(on[:, 0, 1]).all()
    whole = carried(found, "a", 2, np.array([[-INF, INF]]), rule)
    np.testing.assert_array_equal(whole, np.tile([-INF, INF], (5, 1, 1)))


def test_quantiles_of_equal_values_hold_them_all() -> None:
    values = np.stack([np.repeat([0.0, 1.0, 2.0], 100), np.arange(300.0)], axis=1)
    found = nw.ranges(nw.Activations.from_arrays(values, labels=["a"] * 300))
    ((low, high),) = carried(found, "a", 0, np.array([[1.0, 1.0]]), "quantile")[1]
    # The outermost of the kept quantiles, a quarter of a deviation apart, that are 1.
    np.testing.assert_allclose([low, high], 299 * ndtr([-0.25, 0.25]), rtol=1e-9)


def test_beyond_the_labels_samples(acts: Any) -> None:
    found, own = nw.ranges(acts), acts.values[acts.labels == 0]
    on = carried(found, "a", 1, np.array([[-1e3, 0.0], [1e3, 1e4]]), "quantile")
    np.testing.assert_allclose(on[[0, 2, 3], 0, 0], own.min(axis=0)[[0, 2, 3]])
    assert np.isnan(on[[0, 2, 3, 4], 1]).all()


def test_a_neuron_that_never_changes(acts: Any) -> None:
    found = nw.ranges(acts)
    # On it, every finite z-score is its value; from it, only its own value has one.
    np.testing.assert_array_equal(carried(found, "a", 0, np.array([[-9.0, 1.0]]))[4], [[2.5, 2.5]])
    on = carried(found, "a", 4, np.array([[2.0, 2.5]]))
    assert np.isneginf(on[0, 0, 0])
    assert on[0, 0, 1] == pytest.approx(found.mean[0, 0])


def test_what_does_not_fit_is_refused() -> None:
    acts = nw.Activations.from_arrays(np.eye(3), labels=["a", "a", "one"])
    band = np.array([[0.0, 1.0]])
    with pytest.raises(ValueError, match="single sample"):
        carried(nw.ranges(acts), "one", 0, band)
    with pytest.raises(ValueError, match="rule must be"):
        carried(nw.ranges(acts), "a", 0, band, "best")
