"""Runs beside each other."""

from __future__ import annotations

import json

import numpy as np
import pytest

from neuronwidgets import toy

SMALL = {"features": 12, "dims": 4, "neurons": 16, "batch": 16, "steps": 40}


@pytest.fixture(scope="module")
def runs() -> list[toy.Run]:
    rates = (0.003, 0.01)
    return toy.train(
        [toy.Config(**SMALL, learning_rate=rate, seed=seed) for rate in rates for seed in (0, 1)]
    )


def test_what_differs_is_named_and_measured(runs: list[toy.Run]) -> None:
    found = toy.compare(runs)
    assert found.knobs == ("learning_rate",)
    frame = found.to_frame()
    assert frame["learning_rate"].tolist() == [0.003, 0.003, 0.01, 0.01]
    assert frame["seed"].tolist() == [0, 1, 0, 1]
    for row, run in zip(frame.itertuples(), runs, strict=True):
        assert row.loss == run.relative_loss
        assert row.monosemantic == run.monosemantic.sum()
        assert row.faint == (run.monosemantic & run.faint).sum()
        assert row.covered == run.covered.sum()
        assert row.selectivity == run.selectivity
        assert row.mean_bias == run.mean_bias
    summary = found.summary()
    assert summary.loc[0.01, ("loss", "mean")] == pytest.approx(
        np.mean([run.relative_loss for run in runs[2:]])
    )
    shown = found._repr_html_()
    assert "mean ± deviation over seeds" in shown
    assert f"{np.mean([run.selectivity for run in runs[2:]]):.3g} ±" in shown
    assert repr(found) == "Comparison(4 runs that differ in learning_rate)"


def test_the_chart_is_json(runs: list[toy.Run]) -> None:
    spec = toy.compare(runs).to_altair().to_dict()
    values = next(iter(spec["datasets"].values()))
    assert len(values) == 4
    assert {row["learning rate"] for row in values} == {"0.003", "0.01"}
    json.dumps(spec, allow_nan=False)


def test_one_run_and_seeds_alone(runs: list[toy.Run]) -> None:
    assert toy.compare(runs[:1]).knobs == ()
    assert len(toy.compare(runs[:2]).summary()) == 1
    assert toy.compare(runs[:1]).to_altair().to_dict()
    assert "±" not in toy.compare(runs[::2])._repr_html_()
    assert toy.compare(runs[0]).runs == (runs[0],)
    assert toy.compare(toy.compare(runs)).runs == tuple(runs)
    assert "differ in seed" in repr(toy.compare(runs[:2]))


def test_wrong_runs() -> None:
    with pytest.raises(ValueError, match="at least one"):
        toy.compare([])
    with pytest.raises(TypeError, match=r"runs\[0\] must be .* got a Config"):
        toy.compare([toy.Config(**SMALL)])


def test_neurons_of_a_run(runs: list[toy.Run]) -> None:
    run = runs[0]
    frame = run.to_frame()
    assert len(frame) == 16
    np.testing.assert_array_equal(frame["bias"], run.biases)
    np.testing.assert_array_equal(frame["monosemantic"], run.monosemantic)
    j = int(frame["response"].argmax())
    assert run.A[j, frame["feature"][j]] == run.A.max()
