"""Interval rules against brute force and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import erf

import neuronwidgets as nw
from neuronwidgets.intervals import rules

TAUS = [0.0, 0.25, 0.6, 1.0, 2.0, 3.0, 3.7, 4.0, 9.0]


def two_classes(seed: int = 0, count: int = 3000) -> nw.Activations:
    """Normal, skewed, two-humped, overlapping and constant neurons."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(count, 5))
    b = rng.normal(size=(count, 5)) + np.array([2, 0, 0, 0.3, 0])
    a[:, 1] = rng.exponential(size=count)
    a[:, 2] = rng.choice([-3, 3], count) + 0.5 * rng.normal(size=count)
    a[:, 4] = b[:, 4] = 7
    return nw.Activations.from_arrays(np.concatenate([a, b]), labels=["a"] * count + ["b"] * count)


def inside(pieces: np.ndarray, values: np.ndarray) -> np.ndarray:
    found = np.zeros(values.shape, bool)
    for low, high in pieces:
        found |= (values >= low) & (values <= high)
    return found


def test_quantile_ranges_are_numpys() -> None:
    acts = two_classes()
    made = nw.ranges(acts)
    for tau in (0.0, 0.5, 1.25, 3.0):
        levels = [stats.norm.cdf(-tau), stats.norm.cdf(tau)]
        found = made.intervals("a", tau, "quantile")
        assert found.shape == (5, 1, 2)
        expected = np.quantile(acts.values[:3000], levels, axis=0).T
        np.testing.assert_allclose(found[:, 0], expected)
    ends = made.intervals("a", 4.0, "quantile")[:, 0]
    np.testing.assert_allclose(ends[:, 0], acts.values[:3000].min(0))
    np.testing.assert_allclose(made.intervals("a", 50.0, "quantile")[:, 0], ends)


@pytest.mark.parametrize("tau", TAUS)
def test_discriminative_ranges_are_where_the_class_outweighs_the_others(tau: float) -> None:
    made = nw.ranges(two_classes())
    for c, label in enumerate("ab"):
        own, others = made.densities[c].astype("f8"), made.densities[1 - c].astype("f8")
        pieces = made.intervals(label, tau, "discriminative")
        for j in range(5):
            centres = (made.edges[j, 1:] + made.edges[j, :-1]) / 2
            share = own[j] / np.maximum(own[j] + others[j], 1e-30)
            bar, dense = made.least[c, min(400, round(tau * 100))]
            expected = (own[j] > 1e-9) & (
                (share > bar + 1e-9) | ((share > bar - 1e-9) & (own[j] >= dense))
            )
            np.testing.assert_array_equal(inside(pieces[j], centres), expected)


@pytest.mark.parametrize("tau", TAUS)
def test_over_all_neurons_they_hold_the_mass_and_no_more_than_needed(tau: float) -> None:
    made = nw.ranges(two_classes())
    own = made.densities[0].astype("f8")
    centres = (made.edges[:, 1:] + made.edges[:, :-1]) / 2
    pieces = made.intervals("a", tau, "discriminative")
    taken = np.stack([inside(p, row) for p, row in zip(pieces, centres, strict=True)])
    wanted = erf(min(tau, 4) / np.sqrt(2)) * own.sum()
    assert own[taken].sum() >= wanted - 1e-6
    share = own / np.maximum(own + made.others("a"), 1e-30)
    least = share[taken].min()
    # Without the bins that just reach the share it would hold less.
    assert own[taken & (share > least + 1e-9)].sum() < wanted + 1e-6


def test_no_other_region_holds_as_much_of_the_class_and_less_of_the_others() -> None:
    made = nw.ranges(two_classes())
    rng = np.random.default_rng(0)
    own, others = made.densities[0].astype("f8"), made.others("a")
    for tau in (0.5, 1.0, 1.8):
        pieces = made.intervals("a", tau, "discriminative")
        centres = (made.edges[:, 1:] + made.edges[:, :-1]) / 2
        best = np.stack([inside(p, row) for p, row in zip(pieces, centres, strict=True)])
        for _ in range(200):
            other = best ^ (rng.random(best.shape) < rng.choice([0.01, 0.1, 0.5]))
            if own[other].sum() >= own[best].sum():
                assert others[other].sum() >= others[best].sum() - 1e-9


def test_several_pieces_and_open_ends() -> None:
    made = nw.ranges(two_classes())
    humps = made.pieces(2, "a", 1.5, "discriminative")
    assert len(humps) == 2
    assert humps[0, 0] == -np.inf
    assert humps[1, 1] == np.inf
    assert humps[0, 1] < -1 < 1 < humps[1, 0]
    middle = made.pieces(2, "b", 1.0, "discriminative")
    assert len(middle) == 1
    assert np.isfinite(middle).all()
    # The other class lies above: what is taken is the lower end.
    lower = made.pieces(0, "a", 1.0, "discriminative")
    assert lower[0, 0] == -np.inf
    assert lower[-1, 1] < 2
    # Where both are the same number neither outweighs the other, and there is no range.
    assert made.pieces(4, "a", 0.5, "discriminative").shape == (0, 2)
    assert inside(made.pieces(4, "a", 3.0, "discriminative"), np.array([7.0])).all()
    alone = made.of_neuron(2)
    np.testing.assert_array_equal(alone.pieces(0, "a", 1.5, "discriminative"), humps)
    np.testing.assert_array_equal(alone.pieces(0, "a", 1.5), made.pieces(2, "a", 1.5))


def test_a_discriminative_range_beats_the_gaussian_on_new_data() -> None:
    made, fresh = nw.ranges(two_classes()), two_classes(seed=1)

    def shares(j: int, tau: float, rule: str) -> tuple[float, float]:
        held = inside(made.pieces(j, "a", tau, rule), fresh.values[:, j])
        return held[:3000].mean(), held[3000:].mean()

    for j in (0, 1, 2):
        frontier = [shares(j, tau, "discriminative") for tau in np.arange(0, 4, 0.05)]
        for tau in (0.5, 1.0, 1.5, 2.0):
            own, others = shares(j, tau, "gaussian")
            # Half-way between two widths one may draw lots, as Neyman and Pearson do.
            best = np.interp(others, *np.array(frontier).T[::-1])
            assert best >= own - 0.02


@given(st.integers(0, 10_000), st.integers(1, 4), st.floats(0, 5), st.sampled_from(rules.RULES))
def test_ranges_are_whole_whatever_the_data(seed: int, classes: int, tau: float, rule: str) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-12, 12)
    values = rng.choice([rng.normal(size=(40, 3)), rng.integers(0, 2, (40, 3))]) * scale
    labels = np.arange(40) % classes
    made = nw.ranges(nw.Activations.from_arrays(values, labels=labels))
    for label in range(classes):
        found = made.intervals(label, tau, rule)
        assert found.shape[0] == 3
        for pieces in found:
            kept = pieces[~np.isnan(pieces[:, 0])]
            assert len(kept) or rule == "discriminative"
            assert not np.isnan(kept).any()
            assert (kept[:, 0] <= kept[:, 1]).all()
            assert (kept[1:, 0] > kept[:-1, 1]).all()
    np.testing.assert_allclose(made.densities.sum(axis=2), 1, rtol=1e-5)
    assert (made.histogram.sum(axis=2) == made.count[:, None]).all()


def test_smoothing_is_a_gaussian_kernel() -> None:
    counts = np.zeros((2, 64))
    counts[:, 30] = 5
    made = rules.smoothed(counts, np.array([0.0, 3.0]))
    assert made[0, 30] == pytest.approx(1)
    expected = stats.norm.pdf(np.arange(64), 30, 3)
    np.testing.assert_allclose(made[1], expected / expected.sum(), atol=1e-6)


def test_overlap_of_equal_and_of_distant_classes() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(600, 1)) + 8 * (np.arange(600) % 3 == 2)[:, None]
    overlap = nw.ranges(nw.Activations.from_arrays(values, labels=np.arange(600) % 3)).overlap(0)
    assert overlap[0, 1] > 0.9
    assert overlap[0, 2] < 0.05


def test_outliers_do_not_blur_the_bulk() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2000, 1))
    values[:3] = 1e6
    made = nw.ranges(nw.Activations.from_arrays(values, labels=np.arange(2000) % 2))
    assert made.edges[0, -1] < 10
    assert made.histogram.sum() == 2000


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda r: r.intervals("a", 2, "best"), "rule must be one of .* got 'best'"),
        (lambda r: r.intervals("a", -1), "tau must be .* got -1"),
        (lambda r: r.intervals("a", float("nan")), "tau must be .* got nan"),
        (lambda r: r.intervals("z"), "'z' has no range here"),
        (lambda r: r.intervals("c"), "'c' has a single sample"),
        (lambda r: r.pieces(9, "a"), "neuron 9 is not in layer"),
    ],
)
def test_bad_input(ask: object, words: str) -> None:
    values = np.random.default_rng(0).normal(size=(5, 2))
    made = nw.ranges(nw.Activations.from_arrays(values, labels=["a", "a", "b", "b", "c"]))
    with pytest.raises((ValueError, IndexError), match=words):
        ask(made)  # type: ignore[operator]


def test_classes_that_share_nothing_have_ranges_of_every_width() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(900, 1)) + 50 * np.repeat([0, 1, 2], 300)[:, None]
    made = nw.ranges(nw.Activations.from_arrays(values, labels=np.repeat([0, 1, 2], 300)))
    held = [inside(made.pieces(0, 0, tau, "discriminative"), values[:300, 0]).mean()
            for tau in (0.25, 0.5, 1.0, 2.0)]  # fmt: skip
    assert (np.diff(held) > 0.05).all()
    np.testing.assert_allclose(held, [0.2, 0.38, 0.68, 0.95], atol=0.25)


def test_widths_are_rounded_as_the_view_does() -> None:
    made = nw.ranges(two_classes())
    for tau in (0.125, 2.125):
        up = made.intervals("a", tau + 0.005, "discriminative")
        np.testing.assert_array_equal(made.intervals("a", tau, "discriminative"), up)
