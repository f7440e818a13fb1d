"""Ranges against SciPy, closed forms and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import neuronwidgets as nw


def activations(dtype: str = "f8") -> nw.Activations:
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "b", "c"], 400, p=[0.5, 0.3, 0.2])
    values = rng.normal(size=(400, 6)) + (labels == "b")[:, None] * np.arange(6)
    values[:, 5] = 7.0
    values[:, 4] = np.exp(values[:, 4] / 3)
    return nw.Activations.from_arrays(values.astype(dtype), labels=labels, layer="mlp")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_statistics_are_scipys(dtype: str) -> None:
    acts = activations(dtype)
    made = nw.ranges(acts)
    assert made.label_names == ("a", "b", "c")
    for c in range(3):
        values = acts.values[acts.labels == c].astype("f8")
        assert made.count[c] == len(values)
        np.testing.assert_allclose(made.mean[c], values.mean(0))
        np.testing.assert_allclose(made.std[c], values.std(0), atol=1e-12)
        np.testing.assert_allclose(made.magnitude[c], np.abs(values).mean(0))
        np.testing.assert_allclose(made.quantiles[c], np.quantile(values, made.levels, axis=0).T)
        for j in range(5):
            column = values[:, j]
            assert made.skewness[c, j] == pytest.approx(stats.skew(column))
            assert made.kurtosis[c, j] == pytest.approx(stats.kurtosis(column, fisher=False))
            normal = stats.norm(column.mean(), column.std())
            expected = stats.kstest(column, normal.cdf).statistic
            assert made.ks[c, j] == pytest.approx(expected)
        # The constant neuron has no shape.
        assert made.std[c, 5] == 0
        assert np.isnan([made.skewness[c, 5], made.kurtosis[c, 5], made.ks[c, 5]]).all()


def test_histograms_are_numpys_and_cover_every_sample() -> None:
    acts = activations()
    made = nw.ranges(acts, bins=10)
    assert (made.histogram.sum(axis=2) == made.count[:, None]).all()
    for c in range(3):
        for j in range(5):
            column = acts.values[acts.labels == c][:, j]
            expected = np.histogram(column, made.edges[j])[0]
            # A value on an inner edge may fall on either side of it.
            assert np.abs(made.histogram[c, j] - expected).sum() <= 2


def test_intervals_and_overlap() -> None:
    made = nw.ranges(activations())
    low, high = made.interval(2, "b", tau=2)
    assert low == pytest.approx(made.mean[1, 2] - 2 * made.std[1, 2])
    assert high == pytest.approx(made.mean[1, 2] + 2 * made.std[1, 2])
    assert made.interval(5, "a") == (7, 7)
    assert made.interval(0, 0, np.inf) == (-np.inf, np.inf)
    for j in range(6):
        overlap = made.overlap(j)
        np.testing.assert_allclose(np.diagonal(overlap), 1)
        np.testing.assert_allclose(overlap, overlap.T)
        assert ((overlap >= 0) & (overlap <= 1 + 1e-12)).all()
    # Label b moves by j: the further, the smaller its overlap with a.
    assert made.overlap(0)[0, 1] > made.overlap(2)[0, 1] > made.overlap(3)[0, 1]


def test_chunks_do_not_matter() -> None:
    acts = activations()
    whole = nw.ranges(acts)
    parts = nw.ranges(acts, chunk=800)
    np.testing.assert_array_equal(whole.histogram, parts.histogram)
    np.testing.assert_array_equal(whole.ks, parts.ks)
    np.testing.assert_array_equal(whole.densities, whole._densities(800))


def test_concepts_have_ranges_too() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 0.2, (100, 4))
    values[:50, 1] += 5
    values[50:, 2] += 5
    values[:, 0] = np.where(np.arange(100) < 50, 9, 6) + rng.normal(0, 0.1, 100)
    concepts = nw.split(nw.Activations.from_arrays(values), 0, top=100).cut()
    made = nw.ranges(concepts.labelled())
    assert len(made.label_names) == len(concepts) == 2
    means = sorted(made.mean[:, 0])
    assert means == pytest.approx([6, 9], abs=0.1)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (lambda: nw.ranges(nw.Activations.from_arrays(np.ones((3, 2)))), "no labels"),
        (lambda: nw.ranges(activations(), bins=0), "bins must be .* got 0"),
        (lambda: nw.ranges(activations()).interval(0, "z"), "'a', 'b', 'c'"),
        (lambda: nw.ranges(activations()).interval(0, 3), "0 to 2"),
        (lambda: nw.ranges(activations()).interval(0, True), "label True"),
        (lambda: nw.ranges(activations()).interval(6, "a"), "0 to 5"),
        (lambda: nw.ranges(activations()).interval(0, "a", -1), "tau must be .* got -1"),
        (lambda: nw.ranges(activations()).interval(0, "a", float("nan")), "tau must be .* got nan"),
        (lambda: nw.salient(activations(), "a", "magic"), "'probeless'"),
        (lambda: nw.salient(activations(), "z"), "'z'"),
        (lambda: nw.salient(activations(), "a", top=0), "top must be a share .* got 0"),
        (lambda: nw.salient(activations(), "a", top=7), "top must be a share .* got 7"),
        (lambda: nw.salient(nw.Activations.from_arrays(np.ones((3, 2))), 0), "no labels"),
    ],
)
def test_bad_input(what: object, words: str) -> None:
    with pytest.raises((ValueError, IndexError), match=words):
        what()  # type: ignore[operator]


@pytest.mark.parametrize("values", [np.ones((1, 3)), np.zeros((4, 2))])
def test_one_sample_and_constants(values: np.ndarray) -> None:
    made = nw.ranges(nw.Activations.from_arrays(values, labels=["x"] * len(values)))
    assert (made.std == 0).all()
    assert (made.histogram.sum(axis=2) == len(values)).all()
    assert "x" in made._repr_html_()
    assert len(made.to_frame()) == values.shape[1]


def test_equal_values_have_no_deviation_whatever_their_mean_rounds_to() -> None:
    for count in range(2, 40):
        values = np.full((count, 1), 0.1)  # the mean of 13 of them is not 0.1
        made = nw.ranges(nw.Activations.from_arrays(values, labels=["x"] * count))
        assert made.std[0, 0] == 0
        assert np.isnan([made.skewness, made.kurtosis, made.ks]).all()
        assert made.interval(0, "x") == (0.1, 0.1)


def test_names_are_shown_as_text() -> None:
    made = nw.ranges(nw.Activations.from_arrays(np.eye(2), labels=["<b>", "ü"]))
    assert "<b>" not in made._repr_html_()


def test_saliency_by_hand() -> None:
    values = np.array([[1, -4, 0], [1, -4, 0], [1, 2, 3], [1, 2, 3]], float)
    acts = nw.Activations.from_arrays(values, labels=["p", "p", "q", "q"])
    found = nw.salient(acts, "p", top=2)
    assert found.neurons.tolist() == [1, 0]
    assert found.scores.tolist() == [1, 4, 0]
    assert nw.salient(acts, "p", "probeless", top=3).scores.tolist() == [0, 6, 3]
    assert nw.salient(acts, "q", top=0.3).neurons.tolist() == [2]
    np.testing.assert_allclose(nw.salient_overlap(acts, top=2), [[1, 0.5], [0.5, 1]])


def test_labels_without_samples_share_nothing() -> None:
    values = np.array([[1, -4, 0], [1, -4, 0], [1, 2, 3], [1, 2, 3]], float)
    names = ["none", "p", "q"]
    acts = nw.Activations.from_arrays(values, labels=[1, 1, 2, 2], label_names=names)
    shared = nw.salient_overlap(acts, top=2)
    np.testing.assert_array_equal(
        shared, [[np.nan, np.nan, np.nan], [np.nan, 1, 0.5], [np.nan, 0.5, 1]]
    )
    with pytest.raises(ValueError, match="'none' has no samples; the labels are p, q"):
        nw.salient(acts, "none")
    with pytest.raises(ValueError, match="no labels"):
        nw.salient_overlap(nw.Activations.from_arrays(values))


def test_labels_at_random_share_most_of_their_salient_neurons() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 50)) * np.geomspace(1, 100, 50)  # neurons of many sizes
    acts = nw.Activations.from_arrays(values, labels=rng.integers(0, 4, 200))
    assert nw.salient_overlap(acts, top=0.3).min() > 0.8


def test_the_probe_finds_the_neuron_that_tells() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 20))
    labels = np.array(["no", "yes"])[(values[:, 13] > 0).astype(int)]
    acts = nw.Activations.from_arrays(values, labels=labels)
    found = nw.salient(acts, "yes", "probe", top=1)
    assert found.neurons.tolist() == [13]
    again = nw.salient(acts, "yes", "probe", top=1)
    np.testing.assert_array_equal(found.scores, again.scores)
    alone = nw.Activations.from_arrays(values, labels=["same"] * 300)
    with pytest.raises(ValueError, match="another one"):
        nw.salient(alone, "same", "probe")


def test_labels_that_are_numbers_are_meant_by_their_value() -> None:
    values = np.random.default_rng(0).normal(size=(90, 4))
    acts = nw.Activations.from_arrays(values, labels=np.repeat([0, 2, 5], 30))
    made = nw.ranges(acts)
    assert made.label(2) == made.label("2") == 1
    assert made.label(5) == 2
    for given in (2, "2", 2.0, np.int64(2)):
        assert nw.salient(acts, given).label == "2"
    np.testing.assert_array_equal(made.intervals(5), made.intervals("5"))
    for ask in (lambda: made.label(1), lambda: nw.salient(acts, 1)):
        with pytest.raises(ValueError, match="label 1 "):
            ask()
    explorer = nw.RangeExplorer(acts, 0, 5)
    assert explorer.label == 2
    assert explorer.edit.neurons.tolist() == nw.salient(acts, 5, top=0.3).neurons.tolist()
    np.testing.assert_array_equal(explorer.interval, made.pieces(0, 5))


def test_other_things_than_activations_are_refused_in_words() -> None:
    with pytest.raises(TypeError, match="got a ndarray"):
        nw.ranges(np.zeros((3, 3)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got a ndarray"):
        nw.salient(np.zeros((3, 3)), 0)  # type: ignore[arg-type]
