"""ToyLab's Python side, without a browser: knobs, configurations, neurons and their splits."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import traitlets as t

import neuronwidgets as nw
from neuronwidgets.toy import Config, measures
from neuronwidgets.widgets.toy_lab import widget as toy_lab

WAIT = 60
"""Seconds."""


def test_a_knob_starts_its_own_run_over_and_leaves_the_other(
    lab: Any, ask: Any, trained: Any, same: Any
) -> None:
    trained(lab)
    before = lab.runs[0]
    ask(lab, type="config.request", run=1, knobs={"bias": -0.5})
    assert [run.step for run in lab.runs] == [300, 0]
    assert lab.configs[1].bias == -0.5
    assert lab._configs[1]["preset"] == ""
    trained(lab)
    same(lab.runs[0], before)
    same(lab.runs[1], nw.toy.train(lab.configs[1]))


def test_a_knob_keeps_what_makes_the_preset(lab: Any, small: Any, ask: Any) -> None:
    ask(lab, type="config.request", run=1, knobs={"learning_rate": 0.02})
    assert lab._configs[1]["preset"] == "negative bias"
    assert lab.configs[1] == Config.negative_bias(**small, learning_rate=0.02)
    ask(lab, type="preset.request", run=1, name="more neurons")
    assert lab.configs[1].neurons == 160
    ask(lab, type="preset.request", run=1, name="negative bias")
    assert lab.configs[1].neurons == 24
    assert [about["preset"] for about in lab._configs] == ["zero bias", "negative bias"]


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"dims": 50}, "at most features=20, got 50"),
        ({"neurons": 0}, "a positive integer"),
        ({"eps": 2}, "at most 1"),
        ({"bias": None}, "a finite number"),
        ({"colour": 3}, "no knob"),
        ({"neurons": 10**9}, "too many to draw"),
        ({"features": 30_000, "dims": 30_000}, "too long"),
    ],
)
def test_a_refused_knob_changes_nothing(
    lab: Any, knobs: dict[str, Any], words: str, ask: Any, trained: Any, same: Any
) -> None:
    trained(lab)
    runs, configs = lab.runs, lab.configs
    ask(lab, type="config.request", run=0, knobs=knobs)
    assert words in lab.status["text"]
    assert lab.configs == configs
    assert [about["preset"] for about in lab._configs] == ["zero bias", "negative bias"]
    same(lab.runs[0], runs[0])
    ask(lab, type="preset.request", run=1, name="zero bias")
    assert lab.status["state"] == "idle"
    assert [about["preset"] for about in lab._configs] == ["zero bias", "zero bias"]
    assert lab.configs[1].neurons == 24
    trained(lab)


def test_a_run_of_another_width_keeps_its_preset_and_the_others(
    lab: Any, small: Any, ask: Any
) -> None:
    ask(lab, type="config.request", run=1, knobs={"neurons": 48})
    assert [about["preset"] for about in lab._configs] == ["zero bias", "negative bias"]
    ask(lab, type="config.request", run=1, knobs={"steps": 100})
    assert lab.configs[1] == Config.negative_bias(**{**small, "neurons": 48, "steps": 100})
    lab.configs = Config.zero_bias(**{**small, "neurons": 40})
    ask(lab, type="compare.request", on=True)
    assert [config.neurons for config in lab.configs] == [40, 40]


def test_what_a_view_set_for_what_was_there_before_is_dropped(lab: Any, ask: Any) -> None:
    seen = lab._version
    lab.set_state({"run_index": 1, "neuron": 23, "_view_version": seen})
    assert (lab.run_index, lab.neuron) == (1, 23)
    ask(lab, type="compare.request", on=False)
    lab.set_state({"run_index": 1, "neuron": 3, "checkpoint": 64, "_view_version": seen})
    assert (lab.run_index, lab.neuron, lab.checkpoint) == (0, None, None)
    lab.neuron = 5
    assert lab.neuron == 5
    wide = replace(lab.configs[0], neurons=100)
    lab.configs = [lab.configs[0], wide]
    lab.run_index, lab.neuron = 1, 90
    lab.run_index = 0
    assert lab.neuron is None


def test_a_cancelled_split_leaves_nothing_behind(
    lab: Any, monkeypatch: pytest.MonkeyPatch, ask: Any, trained: Any
) -> None:
    trained(lab)
    lab.neuron = int(np.argmax(lab.runs[0].A.max(axis=1)))
    made: list[Any] = []
    opened = toy_lab._opened

    def slow(*arguments: Any) -> Any:
        made.append(opened(*arguments))
        lab.cancel()
        return made[-1]

    monkeypatch.setattr(toy_lab, "_opened", slow)
    ask(lab, type="explorer.open")
    assert lab.wait(WAIT)
    for thread in threading.enumerate():
        if thread.name == "neuronwidgets-job":
            thread.join(WAIT)
    assert lab.explorer is None
    assert made[0][0].comm is None


def test_wrong_messages_are_answered_in_words(lab: Any, ask: Any) -> None:
    ask(lab, type="preset.request", run=0, name="magic")
    assert "'magic' is no preset" in lab.status["text"]
    ask(lab, type="explorer.open")
    assert "no neuron is chosen" in lab.status["text"]


def test_one_run_or_two(lab: Any, ask: Any, trained: Any, same: Any) -> None:
    lab.run_index, lab.neuron, lab.feature = 1, 3, 7
    trained(lab)
    before = lab.runs[0]
    ask(lab, type="compare.request", on=False)
    assert len(lab.runs) == len(lab.configs) == len(lab._configs) == 1
    assert (lab.run_index, lab.neuron, lab.feature) == (0, None, 7)
    same(lab.runs[0], before)
    ask(lab, type="compare.request", on=True)
    assert [about["preset"] for about in lab._configs] == ["zero bias", "negative bias"]
    same(lab.runs[0], before)
    ask(lab, type="compare.request", on=True)
    assert len(lab.runs) == 2


def test_setting_configurations(lab: Any, small: Any, trained: Any, same: Any) -> None:
    lab.configs = Config(**small, task="absolute")
    assert len(lab.runs) == 1
    trained(lab)
    same(lab.runs[0], nw.toy.train(lab.configs[0]))
    with pytest.raises(TypeError, match="Config, got a dict"):
        lab.configs = [asdict(lab.configs[0])]
    with pytest.raises(ValueError, match="one or two"):
        lab.configs = []
    with pytest.raises(ValueError, match="one or two"):
        nw.ToyLab([Config(**small)] * 3)
    with pytest.raises(TypeError, match="Config, got a int"):
        nw.ToyLab(3)
    with pytest.raises(ValueError, match="cannot be used here"):
        nw.ToyLab(Config(**small), device="nowhere")


@pytest.mark.parametrize(
    "knobs",
    [
        {"nonlinearity": "solu"},
        {"nonlinearity": "gelu", "task": "reprojector"},
        {"learning_rate": 500.0, "optimizer": "adam", "nonlinearity": "solu"},  # diverges
        {"dims": 20},  # the best linear map has no loss
        {"bias": -30.0},  # all dead
        {"neurons": 1, "features": 1, "dims": 1},
    ],
)
def test_odd_models_make_messages_that_browsers_take(
    knobs: dict[str, Any], small: Any, trained: Any, pictured: Any
) -> None:
    lab = nw.ToyLab(replace(Config(**small), **knobs))
    with np.errstate(all="raise"):
        trained(lab)
    tensors, meta = pictured(lab)
    A = tensors["A0"]
    assert A.shape == (meta["runs"][0]["neurons"], meta["runs"][0]["features"])
    if knobs.get("nonlinearity") in ("solu", "gelu") and "learning_rate" not in knobs:
        assert (A < 0).any()
    lab.close()


def test_a_neuron_opens_in_split_explorer(lab: Any, ask: Any, trained: Any) -> None:
    trained(lab)
    run = lab.runs[0]
    neuron = int(np.nanargmax(measures.share(run.A) < 0.5))
    made = lab.split(neuron)
    assert lab.explorer is made
    assert (lab.run_index, lab.neuron) == (0, neuron)
    assert lab._split_of == f"Neuron {neuron} of A after 300 steps"
    assert made.neuron == neuron
    v, _ = run.sample(len(made.acts))
    hidden = np.maximum(v @ run.W_e.T @ run.W1[-1].T + run.b[-1], 0)
    np.testing.assert_allclose(made.acts.values, hidden, atol=1e-5)
    strongest = made.acts.top(neuron, 1)[0]
    assert made.acts.samples.texts[int(strongest)].startswith("feature")
    # At a checkpoint, and as a view asks for it.
    lab.checkpoint = 256
    lab.run_index, lab.neuron = 1, int(np.argmax(lab.shown[1].A.max(axis=1)))
    ask(lab, type="explorer.open")
    assert lab.wait(WAIT)
    assert lab.explorer is not made
    assert lab.explorer.neuron == lab.neuron
    assert "after 256 steps" in lab._split_of
    assert made.comm is None
    ask(lab, type="explorer.close")
    assert lab.explorer is None


def test_a_dead_neuron_is_refused(lab: Any, small: Any, ask: Any) -> None:
    lab.configs = Config(**small, bias=-30.0)
    with pytest.raises(ValueError, match="active on 0 of 4,096 samples"):
        lab.split(0)
    lab.neuron = 2
    ask(lab, type="explorer.open")
    assert lab.wait(WAIT)
    assert "there is nothing to split" in lab.status["text"]
    with pytest.raises(IndexError, match="0 to 23"):
        lab.split(24)
    with pytest.raises(IndexError, match="there is A"):
        lab.split(0, run="B")
    with pytest.raises(TypeError, match=r"an integer, got 1\.5"):
        lab.split(1.5)


def test_choices_are_checked(lab: Any) -> None:
    with pytest.raises(t.TraitError, match="0 to 23"):
        lab.neuron = 24
    with pytest.raises(t.TraitError, match="0 to 19"):
        lab.feature = 20
    with pytest.raises(t.TraitError, match="2 runs"):
        lab.run_index = 2
    with pytest.raises(t.TraitError):
        lab.neuron = "x"


def test_a_page_of_its_own(lab: Any, tmp_path: Any, trained: Any) -> None:
    trained(lab)
    lab.split(int(np.argmax(lab.runs[0].A.max(axis=1))))
    text = lab.to_html(tmp_path / "lab.html").read_text()
    state = json.loads(text.split('<script type="application/json" id="state">')[1].split("</")[0])
    assert state["_explorer"] == [0, None]
    assert base64.b64decode(state["_picture"][1]) == lab._picture
