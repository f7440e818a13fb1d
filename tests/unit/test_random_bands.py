"""Random bands hold as many samples as the range that they are a control of."""

from __future__ import annotations

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.interventions.findings import difference, no_better_than_random
from neuronwidgets.interventions.masks import range_edit
from neuronwidgets.interventions.random_bands import random_edit
from neuronwidgets.interventions.report import MaskReport
from neuronwidgets.interventions.setting import Setting


@pytest.fixture(scope="module")
def acts() -> nw.Activations:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(4000, 5)) * [1, 4, 0.1, 1, 1] + [0, 7, -3, 1, 2]
    values[:, 3] = np.exp(values[:, 3])
    values[:, 4] = np.maximum(0, values[:, 4] - 2)  # half of all at 0
    values[::2] += 0.5
    return nw.Activations.from_arrays(values, labels=["a", "b"] * 2000, layer="l")


def held(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The share of the samples in the pieces of each neuron's band."""
    values = values[..., None]
    return np.asarray(((values >= low) & (values <= high)).any(-1).mean(axis=0))


@pytest.mark.parametrize("rule", ["gaussian", "quantile", "discriminative"])
@pytest.mark.parametrize("tau", [0.3, 1.0, 2.5])
def test_they_hold_the_same_share(acts: nw.Activations, rule: str, tau: float) -> None:
    found = nw.ranges(acts)
    edit = range_edit(found, "b", tau, top=1.0, rule=rule)
    wanted = held(acts.values[:, edit.neurons], edit.low, edit.high)
    shares, lows = [], []
    for draw in range(40):
        band = random_edit(found, edit, draw)
        shares.append(held(acts.values[:, edit.neurons], band.low, band.high))
        lows.append(band.low[:, 0])
        assert band.replacement == edit.replacement
        assert band.neurons.tolist() == edit.neurons.tolist()
    dense = np.flatnonzero(edit.neurons != 4)
    # Within about two bins of the histogram.
    np.testing.assert_allclose(np.array(shares)[:, dense], np.tile(wanted[dense], (40, 1)),
                               atol=0.04)  # fmt: skip
    # By the discriminative rule, a neuron may have no range: then it has no band either.
    none = np.isnan(edit.low).all(axis=1)
    assert np.isnan(np.array(lows)[:, none]).all()
    assert (np.std(lows, axis=0)[~none] > 0).all()


def test_every_sample_is_as_likely_inside(acts: nw.Activations) -> None:
    found = nw.ranges(acts)
    edit = range_edit(found, "b", 1.0, neurons=[0, 3])
    wanted = held(acts.values[:, [0, 3]], edit.low, edit.high)
    count = np.zeros((len(acts), 2))
    draws = 600
    for draw in range(draws):
        band = random_edit(found, edit, draw)
        values = acts.values[:, band.neurons][..., None]
        count += ((values >= band.low) & (values <= band.high)).any(-1)
    # Five standard errors, at both ends of the axis as in its middle.
    for j, share in enumerate(wanted):
        wide = 5 * np.sqrt(share * (1 - share) / draws)
        assert np.abs(count[:, j] / draws - share).max() < wide


def test_a_place_does_not_depend_on_the_other_neurons(acts: nw.Activations) -> None:
    found = nw.ranges(acts)
    low, high = np.array([[0.2], [0.1]]), np.array([[0.9], [0.4]])
    both = found.random_bands([1, 3], low, high, seed=2)
    alone = found.random_bands([3], low[1:], high[1:], seed=2)
    np.testing.assert_allclose(alone, both[1:], rtol=1e-12)
    assert not np.array_equal(found.random_bands([1, 3], low, high, seed=3), both, equal_nan=True)


def test_all_and_nothing(acts: nw.Activations) -> None:
    found = nw.ranges(acts)
    whole = found.random_bands([1], np.array([[-np.inf]]), np.array([[np.inf]]))
    assert held(acts.values[:, [1]], whole[..., 0], whole[..., 1]) == [1]
    nothing = found.random_bands([1], np.array([[np.nan]]), np.array([[np.nan]]))
    assert np.isnan(nothing).all()


def test_a_difference_has_the_spread_of_samples_and_of_places() -> None:
    rng = np.random.default_rng(0)
    places = np.array([0.2, -0.2, 0.0])[:, None]
    draws = rng.normal(0, 1, (3, 500)) + places
    value, low, high = difference(np.ones(500), draws)
    assert value == pytest.approx(1 - draws.mean())
    # One more place lies within 4.3 deviations (Student's t, 3 places).
    reach = 4.303 * np.sqrt(4 / 3) * draws.mean(axis=1).std(ddof=1)
    assert high - low == pytest.approx(2 * np.hypot(reach, 1.96 * np.sqrt(1 / 1500)), rel=0.01)
    assert low < value < high
    assert np.isnan(difference(np.ones(500), draws[:1])[1:]).all()


@pytest.mark.parametrize("draws", [3, 5])
def test_one_more_random_band_is_told_from_others_in_five_of_a_hundred(draws: int) -> None:
    rng = np.random.default_rng(0)
    said = 0
    for _ in range(400):
        right = rng.random((1 + draws, 500)) < rng.normal(0.6, 0.05, 1 + draws)[:, None]
        _, low, high = difference(right[0], right[1:])
        said += not low <= 0 <= high
    assert said < 0.08 * 400


def test_what_costs_as_much_is_said() -> None:
    rng = np.random.default_rng(1)
    mine = np.arange(400) < 200
    same = rng.random((7, 400)) < np.array([0.9, *[0.6] * 6])[:, None]
    said = no_better_than_random("the range mask", "cat", same, mine)
    assert said.startswith("Accuracy does not tell the range mask from random bands of the same")
    assert said.endswith("wherever they are.")
    nats = np.log(np.where(np.arange(7) == 1, 0.3, 0.5))[:, None] * np.ones(400)
    assert "The log-probability of the right label does: −0.51 nats" in no_better_than_random(
        "the range mask", "cat", same, mine, nats
    )
    # The range costs the label more; or costs all others less.
    for side in (mine, ~mine):
        apart = same.copy()
        apart[2:, side] = rng.random((5, 200)) < 0.9
        assert no_better_than_random("the range mask", "cat", apart, mine) == ""


def test_a_range_that_costs_no_more_than_random_bands_is_named() -> None:
    of_range, of_band = [[1, 0, 1, 1], [0, 0, 1, 0]], [[0, 1, 1, 1], [0, 0, 1, 1]]

    def report_of(draws: int) -> MaskReport:
        bands = [Setting("max", "gaussian", 2.0, draw) for draw in range(draws)]
        ways = (Setting("max", "gaussian", 2.0), *bands, Setting("max", "neuron", np.inf))
        passes = [[0, 0, 1, 1], *of_range, *of_band * draws, *[[0] * 4] * 2]
        zeros = np.zeros((len(passes), 200), np.float32)
        return MaskReport("l", ("a", "b"), ways, np.repeat([0, 0, 1, 1], 50), np.array([0, 1]),
                          np.repeat(passes, 50, axis=1), zeros, class_names=("a", "b"))  # fmt: skip

    report = report_of(2)
    same = [said for said in report.findings if said.startswith("Accuracy does not tell")]
    # The range of "a" costs half of "a", as its random band does; that of "b" costs more.
    assert len(same) == 1
    assert "the gaussian range mask (tau 2) of 'a' from random bands of the same share" in same[0]
    assert "changes by −50.0 points under the range and by −50.0 under the bands" in same[0]
    assert not any("One random band" in said for said in report.findings)
    alone = report_of(1).findings
    assert alone[-1].startswith("One random band does not tell whether ranges cost more")
    assert not any(said.startswith("Accuracy does not tell") for said in alone)
