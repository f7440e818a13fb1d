"""ToyLab's Python side, without a browser."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
import traitlets as t

import neuronwidgets as nw
from neuronwidgets.toy import Config, Training, measures
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.toy_lab import trainer as _toy_bench
from neuronwidgets.widgets.toy_lab import widget as toy_lab
from neuronwidgets.widgets.toy_lab.tuning import Tuning

SMALL = {"features": 20, "dims": 8, "neurons": 24, "batch": 32, "steps": 300, "cycle": 100}
WAIT = 60


@pytest.fixture
def lab() -> Any:
    made = nw.ToyLab([Config.zero_bias(**SMALL), Config.negative_bias(**SMALL)])
    yield made
    made.close()


def ask(lab: Any, **message: Any) -> None:
    """As a view does."""
    lab._on_view_message(lab, message, [])


def strict(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """A message whose JSON is what browsers take: no NaN, no Infinity."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in the message")

    json.loads(header["__metadata__"]["meta"], parse_constant=refuse)
    return unpack(data)


def trained(lab: Any) -> Any:
    lab.run()
    assert lab.wait(WAIT)
    return lab


def same(run: Any, other: Any) -> None:
    assert run.step == other.step
    for name in ("W1", "b", "W2"):
        np.testing.assert_array_equal(getattr(run, name)[-1], getattr(other, name)[-1])
    np.testing.assert_array_equal(run.log.loss, other.log.loss)


def pictured(lab: Any) -> Any:
    """What a view makes of the picture: a model at rest is its last checkpoint."""
    tensors, meta = strict(lab._picture)
    stills, _ = strict(lab._checkpoints)
    for r, about in enumerate(meta["runs"]):
        for name in ("A", "neurons", "features", "bias", "share"):
            key = f"{name}{r}"
            assert (key in tensors) != about["kept"]
            tensors.setdefault(key, stills[key][-1])
    return tensors, meta


def test_it_opens_at_the_start(lab: Any) -> None:
    assert [about["preset"] for about in lab._configs] == ["zero bias", "negative bias"]
    assert not lab.running
    assert [run.step for run in lab.runs] == [0, 0]
    tensors, meta = strict(lab._picture)
    assert [run["name"] for run in meta["runs"]] == ["A", "B"]
    assert meta["runs"][0]["loss"] is None
    assert len(tensors["log_step0"]) == 0
    _, stills = strict(lab._checkpoints)
    assert [len(run["stills"]) for run in stills["runs"]] == [1, 1]
    assert "zero bias, step 0 of 300" in repr(lab)


def test_training_gives_the_runs_that_train_gives(lab: Any) -> None:
    pictures: list[bytes] = []
    lab.observe(lambda change: pictures.append(change["new"]), "_picture")
    trained(lab)
    assert not lab.running
    assert lab.status["state"] == "idle"
    for run, reference in zip(lab.runs, nw.toy.train(lab.configs), strict=True):
        same(run, reference)
    steps = [strict(p)[1]["runs"][0]["step"] for p in pictures]
    assert steps == sorted(steps)
    assert steps[-1] == 300
    assert strict(pictures[-1])[1]["runs"][1]["done"]


def test_the_picture_is_the_run(lab: Any) -> None:
    trained(lab)
    tensors, meta = pictured(lab)
    for r, run in enumerate(lab.runs):
        about = meta["runs"][r]
        neurons, features = run.sorted()
        np.testing.assert_array_equal(tensors[f"neurons{r}"], neurons)
        np.testing.assert_array_equal(tensors[f"features{r}"], features)
        shown = tensors[f"A{r}"] / 127 * about["peak"]
        exact = run.A[np.ix_(neurons, features)]
        np.testing.assert_allclose(shown, exact, atol=about["peak"] / 250)
        np.testing.assert_array_equal(tensors[f"bias{r}"], run.biases)
        share = tensors[f"share{r}"]
        np.testing.assert_array_equal(share > 0.999, run.monosemantic)
        np.testing.assert_array_equal(share == 0, run.dead)
        assert about["monosemantic"] == run.monosemantic.sum()
        assert about["faint"] == (run.monosemantic & run.faint).sum()
        assert about["covered"] == run.covered.sum()
        assert about["dead"] == run.dead.sum()
        assert about["meanBias"] == pytest.approx(run.mean_bias)
        np.testing.assert_array_equal(tensors[f"log_step{r}"], run.log.step)
        np.testing.assert_array_equal(tensors[f"log_mono{r}"], run.log.monosemantic)
        np.testing.assert_allclose(tensors[f"log_loss{r}"], run.log.loss / run.linear_loss)
        assert about["loss"] == pytest.approx(tensors[f"log_loss{r}"][-1])


def test_checkpoints_can_be_scrubbed(lab: Any) -> None:
    trained(lab)
    tensors, meta = strict(lab._checkpoints)
    run = lab.runs[1]
    steps = [still["step"] for still in meta["runs"][1]["stills"]]
    assert steps == run.checkpoints.tolist() == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    for place, still in enumerate(meta["runs"][1]["stills"]):
        at = run.at(place)
        assert still["monosemantic"] == at.monosemantic.sum()
        np.testing.assert_array_equal(tensors["bias1"][place], at.biases)
        np.testing.assert_array_equal(tensors["neurons1"][place], at.sorted()[0])
    assert [now.step for now in lab.shown] == [300, 300]
    lab.checkpoint = 70
    assert [now.step for now in lab.shown] == [64, 64]
    lab.checkpoint = 0
    assert [now.step for now in lab.shown] == [0, 0]
    with pytest.raises(t.TraitError, match="at least 0"):
        lab.checkpoint = -1


def test_of_too_many_checkpoints_the_latest_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nw.ToyLab, "_tuning", Tuning(stills=2 * 3 * 24 * 20))
    lab = nw.ToyLab([Config.zero_bias(**SMALL), Config.negative_bias(**SMALL)])
    trained(lab)
    _, meta = strict(lab._checkpoints)
    assert [[s["step"] for s in run["stills"]] for run in meta["runs"]] == [[128, 256, 300]] * 2
    lab.close()


def test_pausing_keeps_what_there_is_and_goes_on_from_there() -> None:
    slow = {**SMALL, "steps": 40_000}
    lab = nw.ToyLab([Config.zero_bias(**slow), Config.negative_bias(**slow)])
    first = threading.Event()
    lab.observe(lambda _: first.set(), "_picture")
    lab.run()
    assert first.wait(WAIT)
    assert lab.running
    ask(lab, type="train.pause")
    assert not lab.running
    assert lab.wait(WAIT)
    steps = [run.step for run in lab.runs]
    assert 0 < steps[0] < 40_000
    _, meta = strict(lab._checkpoints)
    assert meta["runs"][0]["stills"][-1]["step"] == steps[0]
    assert strict(lab._picture)[1]["runs"][0]["step"] == steps[0]
    lab.step(3)
    assert lab.wait(WAIT)
    assert not lab.running
    assert min(run.step for run in lab.runs) == min(steps) + 3
    lab.close()


def test_steps_lead_to_the_same_end(lab: Any) -> None:
    ask(lab, type="train.step")
    assert lab.wait(WAIT)
    assert [run.step for run in lab.runs] == [1, 1]
    for expected in (2, 4, 8):
        ask(lab, type="train.double")
        assert lab.wait(WAIT)
        assert [run.step for run in lab.runs] == [expected] * 2
    trained(lab)
    same(lab.runs[0], nw.toy.train(lab.configs[0]))
    ask(lab, type="train.step")  # there is nothing left to do
    assert lab.wait(WAIT)
    assert [run.step for run in lab.runs] == [300, 300]
    ask(lab, type="train.run")  # and this begins anew
    assert lab.wait(WAIT)
    same(lab.runs[0], nw.toy.train(lab.configs[0]))
    with pytest.raises(ValueError, match="positive integer, got 0"):
        lab.step(0)


def test_runs_of_unequal_lengths_and_shapes_end_where_they_should() -> None:
    short = Config.zero_bias(**{**SMALL, "steps": 100, "neurons": 16})
    lab = nw.ToyLab([short, Config.negative_bias(**SMALL)])
    lab.step(150)
    assert lab.wait(WAIT)
    assert [run.step for run in lab.runs] == [100, 150]
    trained(lab)
    for run, config in zip(lab.runs, lab.configs, strict=True):
        same(run, nw.toy.train(config))
    lab.close()


def test_reset(lab: Any) -> None:
    trained(lab)
    lab.checkpoint = 64
    ask(lab, type="train.reset")
    assert [run.step for run in lab.runs] == [0, 0]
    assert lab.checkpoint is None
    assert strict(lab._picture)[1]["runs"][0]["step"] == 0


def test_a_knob_starts_its_own_run_over_and_leaves_the_other(lab: Any) -> None:
    trained(lab)
    before = lab.runs[0]
    ask(lab, type="config.request", run=1, knobs={"bias": -0.5})
    assert [run.step for run in lab.runs] == [300, 0]
    assert lab.configs[1].bias == -0.5
    assert lab._configs[1]["preset"] == ""
    trained(lab)
    same(lab.runs[0], before)
    same(lab.runs[1], nw.toy.train(lab.configs[1]))


def test_a_knob_keeps_what_makes_the_preset(lab: Any) -> None:
    ask(lab, type="config.request", run=1, knobs={"learning_rate": 0.02})
    assert lab._configs[1]["preset"] == "negative bias"
    assert lab.configs[1] == Config.negative_bias(**SMALL, learning_rate=0.02)
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
def test_a_refused_knob_changes_nothing(lab: Any, knobs: dict[str, Any], words: str) -> None:
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


def test_a_run_of_another_width_keeps_its_preset_and_the_others(lab: Any) -> None:
    ask(lab, type="config.request", run=1, knobs={"neurons": 48})
    assert [about["preset"] for about in lab._configs] == ["zero bias", "negative bias"]
    ask(lab, type="config.request", run=1, knobs={"steps": 100})
    assert lab.configs[1] == Config.negative_bias(**{**SMALL, "neurons": 48, "steps": 100})
    lab.configs = Config.zero_bias(**{**SMALL, "neurons": 40})
    ask(lab, type="compare.request", on=True)
    assert [config.neurons for config in lab.configs] == [40, 40]


def test_no_job_means_not_running(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.configs = replace(first := lab.configs[0], steps=2**30)
    lab.run()
    ask(lab, type="job.cancel")
    assert not lab.running
    lab.step()  # and it can be run again
    assert lab.wait(WAIT)
    lab.configs = first

    def fail(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(_toy_bench, "pack_checkpoints", fail)
        lab.run()
        assert lab.wait(WAIT)
    assert not lab.running
    assert lab.status["state"] == "error"
    assert lab.finish()
    lab.run()
    lab.close()
    assert not lab.running


def test_finish(lab: Any) -> None:
    lab.step(5)
    assert lab.finish(WAIT)
    assert [run.step for run in lab.runs] == [300, 300]
    assert lab.finish(WAIT)  # there is nothing left to do, and nothing begins anew
    same(lab.runs[0], nw.toy.train(lab.configs[0]))


def test_pausing_is_at_once(lab: Any) -> None:
    lab.configs = [replace(config, steps=2**30) for config in lab.configs]
    for _ in range(20):
        lab.run()
        lab.pause()
        before = [run.step for run in lab.runs]
        assert lab.wait(WAIT)
        assert [run.step for run in lab.runs] == before
        told = strict(lab._picture)[1]["runs"]
        assert [run["step"] for run in told] == before
    lab.step(3)
    assert lab.wait(WAIT)
    assert min(run.step for run in lab.runs) == min(before) + 3
    lab.run()
    lab.reset()
    lab.pause()
    assert lab.wait(WAIT)
    told = strict(lab._picture)[1]["runs"]
    assert [run.step for run in lab.runs] == [run["step"] for run in told]


def test_what_a_view_set_for_what_was_there_before_is_dropped(lab: Any) -> None:
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


def test_torch_has_its_threads_back(lab: Any) -> None:
    def threads() -> int:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        return found[0]

    before = threads()
    trained(lab)
    assert threads() == before


def test_a_cancelled_split_leaves_nothing_behind(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_wrong_messages_are_answered_in_words(lab: Any) -> None:
    ask(lab, type="preset.request", run=0, name="magic")
    assert "'magic' is no preset" in lab.status["text"]
    ask(lab, type="explorer.open")
    assert "no neuron is chosen" in lab.status["text"]


def test_one_run_or_two(lab: Any) -> None:
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


def test_setting_configurations(lab: Any) -> None:
    lab.configs = Config(**SMALL, task="absolute")
    assert len(lab.runs) == 1
    trained(lab)
    same(lab.runs[0], nw.toy.train(lab.configs[0]))
    with pytest.raises(TypeError, match="Config, got a dict"):
        lab.configs = [asdict(lab.configs[0])]
    with pytest.raises(ValueError, match="one or two"):
        lab.configs = []
    with pytest.raises(ValueError, match="one or two"):
        nw.ToyLab([Config(**SMALL)] * 3)
    with pytest.raises(TypeError, match="Config, got a int"):
        nw.ToyLab(3)
    with pytest.raises(ValueError, match="cannot be used here"):
        nw.ToyLab(Config(**SMALL), device="nowhere")


def test_a_change_while_it_trains_goes_on_training() -> None:
    lab = nw.ToyLab([Config.zero_bias(**{**SMALL, "steps": 4_000})])
    lab.run()
    ask(lab, type="config.request", run=0, knobs={"seed": 5})
    assert lab.running
    assert lab.wait(WAIT)
    assert not lab.running
    same(lab.runs[0], nw.toy.train(lab.configs[0]))
    assert lab.configs[0].seed == 5
    lab.close()


def test_a_view_that_asks_for_checkpoints_does_not_stop_training() -> None:
    lab = nw.ToyLab([Config.zero_bias(**{**SMALL, "steps": 20_000})])
    later = threading.Event()

    def look(change: Any) -> None:
        if unpack(change["new"])[1]["runs"][0]["step"] > 16:
            later.set()

    lab.observe(look, "_picture")
    lab.run()
    assert later.wait(WAIT)
    came = threading.Event()
    lab.observe(lambda _: came.set(), "_checkpoints")
    ask(lab, type="checkpoints.request")
    assert came.wait(WAIT)
    assert lab.running
    assert len(strict(lab._checkpoints)[1]["runs"][0]["stills"]) > 3
    lab.pause()
    assert lab.wait(WAIT)
    ask(lab, type="checkpoints.request")
    assert lab.wait(WAIT)
    lab.close()


def test_closing_ends_training() -> None:
    lab = nw.ToyLab([Config.zero_bias(**{**SMALL, "steps": 2**30})])
    lab.run()
    lab.close()
    assert lab.wait(WAIT)
    assert not lab.running
    at = lab.runs[0].step
    with pytest.raises(RuntimeError, match="closed"):
        lab.step()
    assert lab.wait(WAIT)
    assert lab.runs[0].step == at


def test_an_error_while_it_trains_is_told_in_words(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(Training, "advance", fail)
        lab.run()
        assert lab.wait(WAIT)
    assert not lab.running
    assert lab.status == {"state": "error", "text": "RuntimeError: out of memory", "progress": 1.0}
    trained(lab)
    assert [run.step for run in lab.runs] == [300, 300]
    assert lab.status["state"] == "idle"


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
def test_odd_models_make_messages_that_browsers_take(knobs: dict[str, Any]) -> None:
    lab = nw.ToyLab(replace(Config(**SMALL), **knobs))
    with np.errstate(all="raise"):
        trained(lab)
    tensors, meta = pictured(lab)
    A = tensors["A0"]
    assert A.shape == (meta["runs"][0]["neurons"], meta["runs"][0]["features"])
    if knobs.get("nonlinearity") in ("solu", "gelu") and "learning_rate" not in knobs:
        assert (A < 0).any()
    lab.close()


def test_a_neuron_opens_in_split_explorer(lab: Any) -> None:
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


def test_a_dead_neuron_is_refused(lab: Any) -> None:
    lab.configs = Config(**SMALL, bias=-30.0)
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


def test_a_page_of_its_own(lab: Any, tmp_path: Any) -> None:
    trained(lab)
    lab.split(int(np.argmax(lab.runs[0].A.max(axis=1))))
    text = lab.to_html(tmp_path / "lab.html").read_text()
    state = json.loads(text.split('<script type="application/json" id="state">')[1].split("</")[0])
    assert state["_explorer"] == [0, None]
    assert base64.b64decode(state["_picture"][1]) == lab._picture
