"""ToyLab's Python side, without a browser: training, its picture and its checkpoints."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import traitlets as t

import neuronwidgets as nw
from neuronwidgets.toy import Config, Training
from neuronwidgets.toy.measures import monosemantic_by_chance
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.toy_lab import presets
from neuronwidgets.widgets.toy_lab import trainer as _toy_bench
from neuronwidgets.widgets.toy_lab.tuning import TrainerTuning

WAIT = 60
"""Seconds."""


def test_it_opens_at_the_start(lab: Any, strict: Any) -> None:
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


def test_training_gives_the_runs_that_train_gives(
    lab: Any, strict: Any, trained: Any, same: Any
) -> None:
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


def test_the_picture_is_the_run(lab: Any, trained: Any, pictured: Any) -> None:
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
        assert about["chance"] == monosemantic_by_chance(run.A)
        assert about["faint"] == (run.monosemantic & run.faint).sum()
        assert about["covered"] == run.covered.sum()
        assert about["dead"] == run.dead.sum()
        assert about["meanBias"] == pytest.approx(run.mean_bias)
        np.testing.assert_array_equal(tensors[f"log_step{r}"], run.log.step)
        np.testing.assert_array_equal(tensors[f"log_mono{r}"], run.log.monosemantic)
        np.testing.assert_allclose(tensors[f"log_loss{r}"], run.log.loss / run.linear_loss)
        assert about["loss"] == pytest.approx(tensors[f"log_loss{r}"][-1])


def test_the_time_left_is_that_of_all_runs_up_to_where_they_pause(small: Any) -> None:
    configs = (Config.zero_bias(**small), Config.zero_bias(**{**small, "neurons": 16}))
    trainer = _toy_bench.Trainer.fresh(configs, "cpu")

    def left() -> list[float | None]:
        # Fifty steps in ten seconds, of both runs together.
        if trainer._pace:
            trainer._pace[:] = [(100.0, 0, 20), (110.0, 25, 70)]
        return [run["left"] for run in unpack(trainer.picture())[1]["runs"]]

    assert left() == [None, None]
    assert trainer.advance(trainer.next_era(200))
    assert left() == [pytest.approx((400 - sum(trainer.steps)) / 5)] * 2
    assert trainer.advance(trainer.next_era())
    assert left() == [pytest.approx((600 - sum(trainer.steps)) / 5)] * 2
    trainer.next_era()
    assert left() == [None, None]


def test_its_own_runs_follow_the_machine() -> None:
    threads = torch.get_num_threads()
    zero, negative = presets.own_configs("cpu", patience=1e-9)
    assert (zero.steps, negative.steps) == (4608, 4608)
    assert presets.preset_of(zero) == "zero bias"
    assert presets.preset_of(negative) == "negative bias"
    assert presets.own_configs("cpu", patience=1e9)[0].steps == 8704
    assert torch.get_num_threads() == threads


def test_checkpoints_can_be_scrubbed(lab: Any, strict: Any, trained: Any) -> None:
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


def test_of_too_many_checkpoints_the_latest_are_sent(
    monkeypatch: pytest.MonkeyPatch, small: Any, strict: Any, trained: Any
) -> None:
    monkeypatch.setattr(nw.ToyLab, "_tuning", TrainerTuning(stills=2 * 3 * 24 * 20))
    lab = nw.ToyLab([Config.zero_bias(**small), Config.negative_bias(**small)])
    trained(lab)
    _, meta = strict(lab._checkpoints)
    assert [[s["step"] for s in run["stills"]] for run in meta["runs"]] == [[128, 256, 300]] * 2
    lab.close()


def test_pausing_keeps_what_there_is_and_goes_on_from_there(
    small: Any, ask: Any, strict: Any
) -> None:
    slow = {**small, "steps": 40_000}
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


def test_steps_lead_to_the_same_end(lab: Any, ask: Any, trained: Any, same: Any) -> None:
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


def test_runs_of_unequal_lengths_and_shapes_end_where_they_should(
    small: Any, trained: Any, same: Any
) -> None:
    short = Config.zero_bias(**{**small, "steps": 100, "neurons": 16})
    lab = nw.ToyLab([short, Config.negative_bias(**small)])
    lab.step(150)
    assert lab.wait(WAIT)
    assert [run.step for run in lab.runs] == [100, 150]
    trained(lab)
    for run, config in zip(lab.runs, lab.configs, strict=True):
        same(run, nw.toy.train(config))
    lab.close()


def test_reset(lab: Any, ask: Any, strict: Any, trained: Any) -> None:
    trained(lab)
    lab.checkpoint = 64
    ask(lab, type="train.reset")
    assert [run.step for run in lab.runs] == [0, 0]
    assert lab.checkpoint is None
    assert strict(lab._picture)[1]["runs"][0]["step"] == 0


def test_no_job_means_not_running(lab: Any, monkeypatch: pytest.MonkeyPatch, ask: Any) -> None:
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


def test_finish(lab: Any, same: Any) -> None:
    lab.step(5)
    assert lab.finish(WAIT)
    assert [run.step for run in lab.runs] == [300, 300]
    assert lab.finish(WAIT)  # there is nothing left to do, and nothing begins anew
    same(lab.runs[0], nw.toy.train(lab.configs[0]))


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_cell_pauses_the_training(lab: Any) -> None:
    lab.configs = [replace(config, steps=2**30) for config in lab.configs]

    def press(_: Any) -> None:
        if min(run["step"] for run in unpack(lab._picture)[1]["runs"]) > 0:
            lab.unobserve(press, "_picture")
            signal.raise_signal(signal.SIGINT)

    lab.observe(press, "_picture")
    with pytest.warns(UserWarning, match=r"stopped after [\d,]+ of 2,147,483,648 steps"):
        assert not lab.finish(progress=False)
    assert not lab.running
    steps = [run.step for run in lab.runs]
    assert min(steps) > 0
    assert lab.wait(WAIT)
    assert [run.step for run in lab.runs] == steps


def test_finish_shows_the_time_left(lab: Any, capsys: Any) -> None:
    assert lab.finish(WAIT)
    assert "600 of 600 steps in" in capsys.readouterr().err


def test_pausing_is_at_once(lab: Any, strict: Any) -> None:
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


def test_other_runs_train_on_only_if_these_were_to_reach_their_end(lab: Any) -> None:
    lab.configs = [replace(config, steps=2**30) for config in lab.configs]
    lab.step(2**20)
    assert lab.running
    lab.reset()
    assert not lab.running
    assert [run.step for run in lab.runs] == [0, 0]
    lab.run()
    lab.reset()
    assert lab.running


def test_torch_has_its_threads_back(lab: Any, trained: Any) -> None:
    def threads() -> int:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        return found[0]

    before = threads()
    trained(lab)
    assert threads() == before


def test_a_change_while_it_trains_goes_on_training(small: Any, ask: Any, same: Any) -> None:
    lab = nw.ToyLab([Config.zero_bias(**{**small, "steps": 2_000})])
    lab.run()
    ask(lab, type="config.request", run=0, knobs={"seed": 5})
    assert lab.running
    assert lab.wait(WAIT)
    assert not lab.running
    same(lab.runs[0], nw.toy.train(lab.configs[0]))
    assert lab.configs[0].seed == 5
    lab.close()


def test_a_view_that_asks_for_checkpoints_does_not_stop_training(
    small: Any, ask: Any, strict: Any
) -> None:
    lab = nw.ToyLab([Config.zero_bias(**{**small, "steps": 20_000})])
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


def test_closing_ends_training(small: Any) -> None:
    lab = nw.ToyLab([Config.zero_bias(**{**small, "steps": 2**30})])
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
    lab: Any, monkeypatch: pytest.MonkeyPatch, trained: Any
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
