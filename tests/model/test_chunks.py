"""Templates: the neurons that hold still over some samples, and where else they do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.activations.samples import Samples

KEPT, HELD = 12, 60


@pytest.fixture(scope="module")
def planted() -> nw.Activations:
    """400 samples of 40 neurons: the first 60 samples hold the first 12 neurons near fixed values;
    the last neuron is constant."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (400, 40))
    values[:HELD, :KEPT] = np.linspace(-2, 2, KEPT) + rng.normal(0, 0.02, (HELD, KEPT))
    values[:, -1] = 3
    kinds = np.where(np.arange(400) < HELD, "held", "free")
    return nw.Activations.from_arrays(values.astype(np.float32), labels=kinds)


@pytest.fixture(scope="module")
def found(planted: nw.Activations) -> nw.Template:
    return nw.template(planted, np.arange(30), 0.3)


def by_hand(values: np.ndarray, given: np.ndarray, tolerance: float) -> tuple[Any, float, Any]:
    """Kept neurons, threshold and hits as METHODS of the paper say them, tolerance by tolerance."""
    values = values.astype(np.float64)
    scale = values.std(axis=0)
    values, scale = values[:, scale > 1e-9], scale[scale > 1e-9]
    state = values[given].mean(axis=0)
    kept = (np.abs(values[given] - state) / scale < tolerance).all(axis=0)
    deviation = (((values - state) / scale)[:, kept] ** 2).mean(axis=1)
    threshold = deviation[given].max()
    return np.flatnonzero(kept), threshold, np.flatnonzero(deviation <= threshold + 1e-12)


def test_the_planted_neurons_are_kept_exactly(found: nw.Template) -> None:
    assert sorted(found.neurons()) == list(range(KEPT))


def test_the_planted_samples_are_the_hits(found: nw.Template) -> None:
    hits = found.hits()
    assert set(range(30)) <= set(hits.tolist()) <= set(range(HELD))
    assert len(hits) >= 0.9 * HELD
    assert set(found.nearest(5).tolist()) <= set(range(30, HELD))


@pytest.mark.parametrize("tolerance", [0.05, 0.3, 1.0, 1.9, 2.5, 9.0])
def test_every_tolerance_is_that_by_hand(
    planted: nw.Activations, found: nw.Template, tolerance: float
) -> None:
    neurons, threshold, hits = by_hand(np.asarray(planted.values), found.samples, tolerance)
    assert sorted(found.neurons(tolerance)) == neurons.tolist()
    assert found.threshold(tolerance) == pytest.approx(threshold, rel=1e-9)
    assert found.hits(tolerance).tolist() == hits.tolist()
    size = found.size(tolerance)
    assert found.counts[size - 1] == len(hits) - len(found.samples)
    inside = found.deviations(np.arange(len(planted)), tolerance) <= found.threshold(tolerance)
    assert np.flatnonzero(inside).tolist() == hits.tolist()


def test_a_wider_tolerance_keeps_more_and_bounds_the_threshold(found: nw.Template) -> None:
    grid = found.tolerances
    sizes = [found.size(t) for t in grid]
    assert sizes == sorted(sizes)
    assert sizes[0] >= 1
    assert sizes[-1] == 39, "the constant neuron tells nothing"
    assert all(found.threshold(t) < t**2 for t in grid)


def test_no_neuron_no_hit(found: nw.Template) -> None:
    tiny = float(found.steady.spread[0]) / 2
    assert found.size(tiny) == 0
    assert len(found.hits(tiny)) == 0
    assert np.isnan(found.threshold(tiny))
    assert np.isnan(found.deviations([0, 1], tiny)).all()


def test_the_controls_find_nothing_of_a_planted_state(found: nw.Template) -> None:
    row = found.to_frame().query("tolerance == 0.3").iloc[0]
    assert row["hits"] >= 24
    assert row["neurons"] == KEPT
    assert row["chance"] < 1
    assert row["random"] < 5
    assert row["neurons_random"] < 1


def test_of_random_samples_the_controls_are_as_large(planted: nw.Activations) -> None:
    free = np.arange(HELD, 400, 40)
    frame = nw.template(planted, free, draws=40).to_frame()
    np.testing.assert_allclose(frame["neurons"], frame["neurons_random"], atol=4)


def test_of_independent_neurons_chance_predicts_the_hits() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(3000, 6)).astype(np.float32)
    found = nw.template(values, rng.choice(3000, 5, replace=False), draws=20)
    large = found.counts > 100
    assert large.any()
    np.testing.assert_allclose(found.counts[large], found.chance[large], rtol=0.15)


def test_precision_and_recall_leave_the_given_samples_out(found: nw.Template) -> None:
    frame = found.to_frame("held")
    row = frame[frame["tolerance"] == 0.3].iloc[0]
    others = np.setdiff1d(found.hits(), found.samples)
    assert row["hits"] == len(others)
    assert row["precision"] == (others < HELD).mean() == 1
    assert row["recall"] == len(others) / (HELD - 30)
    assert row["base"] == pytest.approx((HELD - 30) / 370)
    assert found.size(found.best("held")) >= KEPT // 2


def test_given_as_rows_mask_or_label_it_is_the_same(planted: nw.Activations) -> None:
    mask = np.arange(400) < HELD
    rows, masked, named = (
        nw.template(planted, g, draws=1) for g in (np.arange(HELD), mask, "held")
    )
    assert rows.hits().tolist() == masked.hits().tolist() == named.hits().tolist()


def test_equal_samples_are_found_at_any_tolerance() -> None:
    rng = np.random.default_rng(2)
    values = np.repeat(rng.normal(size=(40, 5)), 5, axis=0).astype(np.float32)
    found = nw.template(values, [0, 1])
    assert found.hits(1e-6).tolist() == found.hits(50.0).tolist() == [0, 1, 2, 3, 4]


def test_at_changes_the_tolerance_only(found: nw.Template) -> None:
    wider = found.at(2.0)
    assert wider.hits().tolist() == found.hits(2.0).tolist()
    assert found.tolerance == 0.3


def test_how_it_is_shown(found: nw.Template, planted: nw.Activations) -> None:
    assert "12 of 40 neurons" in repr(found)
    assert "12 of 40 neurons" in found._repr_html_()
    charts = found.to_altair("held").to_dict()["hconcat"]
    assert len(charts) == 2
    texts = nw.Activations.from_arrays(planted.values, [f"<b>{i}" for i in range(400)])
    page = nw.template(texts, np.arange(30), 0.3)._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("samples", "settings", "error", "words"),
    [
        ([3], {}, ValueError, "samples must be at least two"),
        (np.ones(400, bool), {}, ValueError, "not all 400"),
        ([], {}, ValueError, "samples must hold at least one"),
        ([0, 400], {}, IndexError, "sample 400"),
        ("helt", {}, ValueError, "Nearest: 'held'"),
        ([0, 1], {"tolerance": 0}, ValueError, "tolerance must be a positive number, got 0"),
        ([0, 1], {"draws": 0}, ValueError, "draws must be a positive integer, got 0"),
    ],
)
def test_wrong_arguments(
    planted: nw.Activations, samples: Any, settings: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        nw.template(planted, samples, **settings)


def test_a_constant_layer_has_no_states() -> None:
    with pytest.raises(ValueError, match="is constant"):
        nw.template(np.ones((9, 3), np.float32), [0, 1])


def test_any_number_of_samples_fits_the_bits() -> None:
    rng = np.random.default_rng(3)
    for count in (3, 8, 9, 17):
        values = rng.normal(size=(count, 4)).astype(np.float32)
        found = nw.template(values, [0, 1], draws=2)
        _, _, hits = by_hand(values, np.array([0, 1]), 5.0)
        assert found.hits(5.0).tolist() == hits.tolist()


def test_it_reads_a_store_as_it_reads_memory(planted: nw.Activations, tmp_path: Any) -> None:
    stored = nw.Activations.load(planted.save(tmp_path / "acts"))
    one, other = (nw.template(acts, np.arange(30), 0.3) for acts in (planted, stored))
    assert one.hits().tolist() == other.hits().tolist()
    np.testing.assert_array_equal(one.chance, other.chance)


def test_around_says_at_which_steps_the_state_is() -> None:
    # Four texts of five tokens, the rows in no order; in each, token 2 and the next hold a state.
    rng = np.random.default_rng(0)
    item, token = np.repeat(np.arange(4), 5), np.tile(np.arange(5, dtype=np.int32), 4)
    values = rng.normal(0, 1, (20, 6))
    values[(token == 2) | (token == 3)] = 2
    order = rng.permutation(20)
    samples = Samples(20, texts=["a b c d e"] * 4, item=item[order], token=token[order])
    acts = nw.Activations("layer", values[order].astype(np.float32), samples)
    given = np.flatnonzero((samples.token == 2) & (samples.item < 3))
    frame = nw.template(acts, given, 0.1).around(3)
    assert frame["step"].tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert frame["tokens"].tolist() == [0, 3, 3, 3, 3, 3, 0]
    np.testing.assert_array_equal(frame["hits"], [np.nan, 0, 0, 1, 1, 0, np.nan])
    assert frame["deviation"][[3, 4]].max() < 1e-9 < 0.1 < frame["deviation"][[1, 2, 5]].min()
    # One step on from the 13 others that have a next token: token 2 of all, 3 of the fourth text.
    assert frame["random"][4] == pytest.approx(5 / 13)
    with pytest.raises(ValueError, match="samples must be tokens"):
        nw.template(values, [0, 1]).around()


def test_a_graft_puts_the_state_into_the_model() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8))
    inputs = torch.randn(50, 3)
    acts = nw.capture(model, inputs, "0", progress=False)
    assert isinstance(acts, nw.Activations)
    found = nw.template(acts, np.arange(6), 1.0)
    kept = found.neurons()
    assert 0 < len(kept) < 8
    with torch.no_grad():
        plain = model(inputs).numpy()
        with found.graft(model) as edit:
            grafted = model(inputs).numpy()
        np.testing.assert_array_equal(model(inputs), plain)
    rest = np.setdiff1d(np.arange(8), kept)
    state = np.broadcast_to(plain[:6, kept].mean(axis=0), (50, len(kept)))
    np.testing.assert_allclose(grafted[:, kept], state, atol=1e-6)
    np.testing.assert_array_equal(grafted[:, rest], plain[:, rest])
    np.testing.assert_array_equal(edit.neurons, kept)
    with pytest.raises(ValueError, match="keeps no neuron"), found.graft(model, 1e-9):
        pass
