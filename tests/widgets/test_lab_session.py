"""ToyLab's session, without a widget and without a kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.toy import Config
from neuronwidgets.widgets.base.jobs import Steps, take
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.toy_lab.session import LabSession
from neuronwidgets.widgets.toy_lab.tuning import TrainerTuning

SMALL = {"features": 20, "dims": 8, "neurons": 24, "batch": 32, "steps": 60, "cycle": 30}


class Recorded:
    """A screen that keeps the traits it gets."""

    def __init__(self) -> None:
        self.traits: dict[str, Any] = {}
        self.pictures = 0
        self.screen = Screen(self.put, lambda error: None, lambda: None)

    def put(self, traits: Mapping[str, Any]) -> None:
        self.traits |= traits
        self.pictures += "_picture" in traits


def opened(**tuning: Any) -> tuple[LabSession, Recorded]:
    recorded = Recorded()
    configs = [Config.zero_bias(**SMALL), Config.negative_bias(**SMALL)]
    session = LabSession(configs, "cpu", recorded.screen, TrainerTuning(**tuning))
    recorded.put(session.show(session.trainer))
    return session, recorded


def run(steps: Steps) -> None:
    for step in steps:
        take(step)


def train(session: LabSession, until: int | None = None) -> None:
    run(session.train(session.trainer, session.trainer.next_era(until)))


def test_it_needs_neither_traitlets_nor_a_kernel() -> None:
    code = (
        "import sys, neuronwidgets.widgets.toy_lab.session\n"
        "print({'traitlets', 'anywidget', 'ipywidgets', 'IPython'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_it_trains_what_train_trains() -> None:
    session, recorded = opened(slice=1e-6, every=0.0, share=1e9, bytes=1e18)
    train(session)
    for run, reference in zip(session.trainer.runs(), nw.toy.train(session.configs), strict=True):
        np.testing.assert_array_equal(run.W1[-1], reference.W1[-1])
    assert recorded.pictures > 3
    _, about = unpack(recorded.traits["_checkpoints"])
    assert about["runs"][0]["stills"][-1]["step"] == 60
    assert session.trainer.behind() == []


def test_a_job_of_an_earlier_era_does_no_step() -> None:
    session, _ = opened()
    era = session.trainer.next_era()
    session.trainer.next_era()
    run(session.train(session.trainer, era))
    assert session.trainer.steps == [0, 0]


def test_the_shown_runs_are_those_of_the_checkpoint() -> None:
    session, _ = opened()
    train(session)
    assert [run.step for run in session.shown()] == [60, 60]
    session.choose(checkpoint=20)
    assert [run.step for run in session.shown()] == [16, 16]


def test_a_choice_that_other_runs_lack_is_dropped() -> None:
    session, recorded = opened()
    session.choose(run_index=1, neuron=23, feature=19)
    recorded.put(session.show(session.with_knobs(1, {"neurons": 10})))
    traits = recorded.traits
    assert (traits["run_index"], traits["neuron"], traits["feature"]) == (1, None, 19)
    session.choose(neuron=3)
    only = session.compared(False)
    assert only is not None
    recorded.put(session.show(only))
    assert (traits["run_index"], traits["neuron"], session.version) == (0, None, 3)
    other = session.compared(True)
    assert other is not None
    recorded.put(session.show(other))
    assert session.compared(True) is None
    assert [about["preset"] for about in session.described] == ["zero bias", "negative bias"]
    session.choose(run_index=1, neuron=23)
    assert session.choose(run_index=0, neuron=24) == {"neuron": None}


def test_presets_and_knobs() -> None:
    session, _ = opened()
    session.show(session.with_knobs(1, {"learning_rate": 0.02}))
    assert session.described[1]["preset"] == "negative bias"
    session.show(session.with_preset(1, "more neurons"))
    assert session.configs[1].neurons == 160
    session.show(session.with_preset(1, "negative bias"))
    assert session.configs[1].neurons == 24
    with pytest.raises(ValueError, match="colour is no knob"):
        session.with_knobs(0, {"colour": 3})
    assert session.configs[1].neurons == 24


def test_what_does_not_fit_is_refused() -> None:
    session, _ = opened()
    assert [session.run_index_of(run) for run in (None, "B", 1, "A")] == [0, 1, 1, 0]
    cases: list[tuple[Any, str]] = [
        (lambda: session.run_index_of("C"), "there is A and B"),
        (lambda: session.check_run_index(2), "2 runs"),
        (lambda: session.check_neuron(0, None), "no neuron is chosen"),
        (lambda: session.check_neuron(0, 24), "0 to 23"),
        (lambda: session.check_neuron(0, 1.5), "an integer"),
        (lambda: session.check_feature(20), "0 to 19"),
        (lambda: session.check_checkpoint(-1), "at least 0, got -1"),
    ]
    for check, words in cases:
        with pytest.raises((ValueError, IndexError, TypeError), match=words):
            check()
