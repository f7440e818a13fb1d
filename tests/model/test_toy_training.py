"""Training toy models: alone or together, to the end or stopped, saved, captured."""

from __future__ import annotations

import itertools
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import neuronwidgets as nw
from neuronwidgets import toy
from neuronwidgets.toy.batch import RunBatch

SMALL = toy.Config(features=24, dims=6, neurons=32, eps=0.05, batch=64, steps=200, cycle=64)


pytestmark = pytest.mark.usefixtures("one_thread")


def weights_equal(a: toy.Run, b: toy.Run) -> None:
    for name in ("W_e", "checkpoints", "W1", "b", "W2"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for name in ("step", "loss", "mean_bias", "monosemantic"):
        np.testing.assert_array_equal(getattr(a.log, name), getattr(b.log, name), err_msg=name)


@pytest.fixture(scope="module")
def sweep() -> list[toy.Config]:
    """One batch of shapes, and some of others in between."""
    return [
        SMALL,
        replace(SMALL, seed=1, learning_rate=0.003, bias=-1.0, decay=3.0),
        replace(SMALL, neurons=16, seed=2),
        replace(SMALL, eps=0.2, distribution="power_law", l1=0.01, cycle=30),
        replace(SMALL, task="absolute", steps=77),
        replace(SMALL, seed=5, bias=-0.5),
        replace(SMALL, neurons=16, task="reprojector", nonlinearity="gelu"),
    ]


def test_runs_train_together_as_they_would_alone(sweep: list[toy.Config]) -> None:
    together = toy.train(sweep)
    assert [run.config for run in together] == sweep
    for run, config in zip(together, sweep, strict=True):
        alone = toy.train(config)
        np.testing.assert_array_equal(run.log.step, alone.log.step)
        np.testing.assert_allclose(run.log.loss, alone.log.loss, atol=1e-5)
        np.testing.assert_allclose(run.W2, alone.W2, atol=1e-3)
        np.testing.assert_array_equal(run.W_e, alone.W_e)


def test_the_same_seed_is_the_same_run_and_another_is_another() -> None:
    weights_equal(toy.train(SMALL), toy.train(SMALL))
    other = toy.train(replace(SMALL, seed=1))
    assert (other.W_e != toy.train(SMALL).W_e).any()


@pytest.mark.parametrize("every", [0, 1e-3, 100])
def test_when_it_yields_changes_nothing(every: float) -> None:
    *_, last = toy.training(SMALL, every=every)
    assert last.done
    weights_equal(last.run(0), toy.train(SMALL))


def test_every_checkpoint_is_kept_and_yielded() -> None:
    seen = [int(p.step[0]) for p in toy.training(SMALL, every=100) if p.checkpoint]
    assert seen == [0, 1, 2, 4, 8, 16, 32, 64, 128, 200]
    run = toy.train(SMALL)
    assert run.checkpoints.tolist() == seen
    assert run.log.step[-1] == 200
    assert len(run.W1) == len(run.b) == len(run.W2) == len(seen)


def test_a_run_stopped_midway_is_usable_and_is_that_of_fewer_steps(tmp_path: Path) -> None:
    progress = toy.training(SMALL, every=0)
    before = next(progress).run(0)
    assert before.step == 0
    assert len(before.log) == 0
    assert "not yet known" in repr(before)
    here = next(p for p in progress if p.step[0] == 101)
    run = here.run(0)
    progress.close()
    assert run.step == 101
    assert run.checkpoints.tolist() == [0, 1, 2, 4, 8, 16, 32, 64, 101]
    assert 0 < run.relative_loss < 2
    assert run.A.shape == (32, 24)
    # Without decay nothing depends on how many steps there are to come.
    shorter = toy.train(replace(SMALL, steps=101))
    np.testing.assert_array_equal(run.W2, shorter.W2)
    assert toy.Run.load(run.save(tmp_path / "half.safetensors")).step == 101


def test_what_was_taken_stays_when_training_goes_on() -> None:
    progress = toy.training(SMALL, every=0)
    run = next(p for p in progress if p.step[0] == 10).run(0)
    kept = run.W2.copy(), run.A.copy()
    for _ in itertools.islice(progress, 20):
        pass
    np.testing.assert_array_equal(run.W2, kept[0])
    np.testing.assert_array_equal(run.response(), kept[1])


def test_batches_of_other_shapes_keep_pace() -> None:
    both = [replace(SMALL, neurons=16), replace(SMALL, neurons=64)]
    for progress in toy.training(both, every=0):
        assert abs(progress.step[0] - progress.step[1]) <= 1


@pytest.mark.parametrize("task", ["decoder", "reprojector", "absolute"])
@pytest.mark.parametrize("after", [0, 1, 37, 64])
def test_a_run_taken_out_of_its_batch_goes_on_as_it_would_have(task: str, after: int) -> None:
    config = toy.Config(features=12, dims=4, neurons=8, batch=8, steps=90, task=task)
    configs = [replace(config, seed=seed, bias=-seed / 4, decay=seed) for seed in range(3)]
    going = toy.Training(configs)
    while going.progress().step[0] < after:
        going.advance(0)
    alone = going.alone(1)
    assert alone.progress().run(0).step == after
    while not alone.progress().done:
        alone.advance()
    found, expected = alone.progress().run(0), toy.train(configs[1])
    for name in ("W1", "b", "W2", "checkpoints"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("step", "loss", "mean_bias", "monosemantic"):
        np.testing.assert_array_equal(getattr(found.log, name), getattr(expected.log, name))


def test_progress_tells_the_loss() -> None:
    losses = [p.loss[0] for p in toy.training(SMALL, every=0)]
    assert np.isnan(losses[0])
    assert np.isfinite(losses[1:]).all()
    assert losses[-1] < losses[1]


def test_biases_decay_by_the_law_while_neurons_are_dead() -> None:
    # At -5 no input wakes a neuron, so decay alone moves the biases: for half of the steps.
    config = replace(SMALL, bias=-5.0, decay=1.0, learning_rate=0.01, steps=41)
    run = toy.train(config)
    expected = run.b[0].mean() * (1 - 0.01) ** 21  # the paper's `i < steps / 2`
    assert run.mean_bias == pytest.approx(expected, rel=1e-5)
    assert run.dead.all()
    assert np.isnan(run.selectivity)


@pytest.mark.parametrize("task", ["decoder", "reprojector", "absolute"])
@pytest.mark.parametrize("nonlinearity", ["relu", "gelu", "solu"])
def test_every_task_and_nonlinearity_learns(task: str, nonlinearity: str) -> None:
    config = replace(SMALL, task=task, nonlinearity=nonlinearity, steps=576, learning_rate=0.02)
    run = toy.train(config)
    assert run.W2.shape[1] == config.outputs
    assert run.loss < 0.75 * run.at(0).loss
    # Against the yardstick: the paper's point is that these models beat linear ones.
    assert run.relative_loss < 1.2
    assert run.log.loss[-1] == pytest.approx(run.loss, rel=0.3)


def test_adam_learns_too_and_l1_makes_activations_smaller() -> None:
    adam = replace(SMALL, optimizer="adam", learning_rate=0.003, steps=400)
    plain, sparse = toy.train([adam, replace(adam, l1=0.05)])
    assert plain.relative_loss < 1
    assert np.abs(sparse.A).sum() < 0.8 * np.abs(plain.A).sum()


@pytest.fixture(scope="module")
def trained() -> toy.Run:
    return toy.train(replace(SMALL, steps=600, neurons=64))


def test_the_model_is_the_run_and_can_be_captured(trained: toy.Run) -> None:
    v, x = trained.sample(500, seed=1)
    model = trained.model()
    assert [name for name, _ in model.named_children()] == ["embed", "hidden", "act", "out"]
    np.testing.assert_allclose(model.embed(torch.as_tensor(v)).numpy(), x, atol=1e-6)
    acts = nw.capture(model, v, layer="act", progress=False)
    assert acts.shape == (500, 64)
    alone = nw.capture(model, np.eye(24, dtype="f4"), layer="act", progress=False)
    np.testing.assert_allclose(alone.values.T, trained.A, atol=1e-6)
    y = model(torch.as_tensor(v)).detach().numpy()
    loss = ((y - v) ** 2).sum(axis=1).mean()
    assert trained.evaluate(500, seed=1) == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("nonlinearity", ["gelu", "solu"])
def test_models_of_other_nonlinearities_respond_alike(nonlinearity: str) -> None:
    run = toy.train(replace(SMALL, nonlinearity=nonlinearity, steps=3))
    found = run.model()[:3](torch.eye(24)).detach().numpy().T
    np.testing.assert_allclose(found, run.A, atol=1e-6)
    np.testing.assert_allclose(
        run.model()[:3](-torch.eye(24)).detach().numpy().T, run.response(-1), atol=1e-6
    )


def test_samples_are_fresh_seeded_and_checked(trained: toy.Run) -> None:
    v, x = trained.sample(100)
    assert v.shape == (100, 24)
    assert x.shape == (100, 6)
    np.testing.assert_array_equal(v, trained.sample(100)[0])
    assert (v != trained.sample(100, seed=1)[0]).any()
    with pytest.raises(ValueError, match="count must be a positive integer, got 0"):
        trained.sample(0)
    with pytest.raises(TypeError, match="seed must be an integer"):
        trained.sample(5, seed=None)  # type: ignore[arg-type]


def test_a_checkpoint_is_a_run(trained: toy.Run) -> None:
    early = trained.at(3)
    assert early.step == 4
    assert early.log.step[-1] == 4
    assert early.loss > trained.loss
    np.testing.assert_array_equal(trained.at(-1).A, trained.A)
    for bad in (99, -99, True, 1.0):
        with pytest.raises(IndexError, match="this run has"):
            trained.at(bad)  # type: ignore[arg-type]


def test_directions_are_unit_responses(trained: toy.Run) -> None:
    size = np.linalg.norm(trained.directions, axis=1)
    driven = trained.A.any(axis=0)
    np.testing.assert_allclose(size[driven], 1, rtol=1e-5)
    assert (size[~driven] == 0).all()


@pytest.mark.parametrize("task", ["decoder", "reprojector"])
def test_saved_runs_come_back(tmp_path: Path, task: str) -> None:
    run = toy.train(replace(SMALL, task=task, steps=20))
    path = run.save(tmp_path / "deep" / "run.safetensors")
    back = toy.Run.load(path)
    assert back.config == run.config
    weights_equal(run, back)
    if task == "decoder":
        assert back.W_o is None
    else:
        np.testing.assert_array_equal(back.W_o, run.W_o)
    assert back.loss == run.loss


def test_files_that_are_no_runs(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        toy.Run.load(tmp_path / "none.safetensors")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ValueError, match=r"is not what Run\.save wrote"):
        toy.Run.load(tmp_path / "text")
    from safetensors.numpy import save_file

    save_file({"a": np.ones(2)}, tmp_path / "other")
    with pytest.raises(ValueError, match="format None"):
        toy.Run.load(tmp_path / "other")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: toy.train([]), ValueError, "at least one Config"),
        (lambda: toy.train([SMALL, {"features": 3}]), TypeError, r"configs\[1\] .* got a dict"),
        (lambda: toy.train(SMALL, device="gpu"), ValueError, "device='gpu'"),
        (
            lambda: toy.training(SMALL, every=-1),
            ValueError,
            "every must be .* at least 0, got -1",
        ),
        (lambda: toy.training(SMALL, every=float("nan")), ValueError, "every .* got nan"),
        (lambda: toy.training(SMALL, every=True), ValueError, "every .* got True"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    call: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        call()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_an_accelerator_that_is_not_there_is_said_so() -> None:
    with pytest.raises(ValueError, match=r"device='cuda' cannot be used here.*'cpu' always works"):
        toy.train(SMALL, device="cuda")


def test_reprs_are_short(trained: toy.Run) -> None:
    assert len(repr(trained)) < 200
    page = trained._repr_html_()
    assert "features covered" in page
    assert "of 24" in page


@pytest.mark.parametrize(
    "config",
    [
        toy.Config(features=1, dims=1, neurons=1, eps=1.0, batch=1, steps=1),
        toy.Config(features=3, dims=3, neurons=2, eps=1.0, batch=2, steps=3, cycle=1),
        toy.Config(features=4, dims=2, neurons=1, batch=1, steps=2, task="absolute", eps=1.0),
    ],
)
def test_the_smallest_of_all(config: toy.Config) -> None:
    run = toy.train(config)
    assert run.step == config.steps
    assert run._repr_html_()


def test_a_run_that_diverges_says_so_and_leaves_the_others_alone() -> None:
    wild = replace(SMALL, nonlinearity="solu", optimizer="adam", learning_rate=1e4, steps=30)
    tame = replace(wild, learning_rate=0.003)
    both = toy.train([wild, tame])
    assert not np.isfinite(both[0].log.loss[-1])
    assert both[0]._repr_html_()
    np.testing.assert_allclose(both[1].log.loss, toy.train(tame).log.loss, atol=1e-5)


def at_step(config: toy.Config, step: int) -> toy.Run:
    training = toy.Training(config)
    while training.progress().step[0] < step:
        training.advance(until=step)
    return training.progress().run(0)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_waits_for_the_step_and_leaves_the_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = replace(SMALL, steps=100_000)
    advance = RunBatch.advance

    def stopped(self: RunBatch) -> bool:
        if self.step == 6:
            signal.raise_signal(signal.SIGINT)  # the user's, in the midst of a slice
        return advance(self)

    monkeypatch.setattr(RunBatch, "advance", stopped)
    with pytest.warns(UserWarning, match=r"stopped after [\d,]+ of 100,000 steps"):
        run = toy.train(config, progress=False)
    monkeypatch.undo()
    assert 7 <= run.step < 100_000
    np.testing.assert_array_equal(run.W1, at_step(config, run.step).W1)


def test_interrupted_before_the_first_step_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RunBatch, "advance", stopped)
    with pytest.raises(KeyboardInterrupt):
        toy.train(toy.Config(features=8, dims=4, neurons=8, batch=16, steps=4), progress=False)
