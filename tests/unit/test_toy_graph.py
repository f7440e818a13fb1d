"""Steps that a CUDA graph repeats: the same as those of the plain loop."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from neuronwidgets import toy
from neuronwidgets.toy.batch import RunBatch
from neuronwidgets.toy.graph import WARM, StepGraph, captured

SMALL = toy.Config(features=24, dims=6, neurons=16, eps=0.05, batch=32, steps=400, cycle=64)
LARGE_BATCH = replace(SMALL, features=8, dims=2, neurons=4, batch=2**15, steps=6)
"""Here the data are drawn for one step at a time."""
SWEEPS = {
    "several steps drawn at once": [SMALL, replace(SMALL, seed=1, bias=-1.0, decay=2.0)],
    "one step drawn at once": [LARGE_BATCH, replace(LARGE_BATCH, seed=1)],
    "re-projector": [replace(SMALL, task="reprojector", l1=0.01, optimizer="adam")],
    "absolute": [replace(SMALL, task="absolute", nonlinearity="gelu", decay=1.0)],
}
each_sweep = pytest.mark.parametrize("sweep", SWEEPS.values(), ids=SWEEPS.keys())
on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


VIEWS = {"view", "slice", "select", "transpose", "unsqueeze", "expand", "unbind", "_unsafe_view",
         "detach", "alias", "split", "_reshape_alias"}  # fmt: skip
"""Operations that launch nothing."""
WAITS = {"_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "lift_fresh", "_to_copy"}
"""Operations after which the process waits for a GPU, or brings it something: a graph has none."""


class Operations(TorchDispatchMode):
    """Lists torch's operations that launch something, or wait."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ not in VIEWS:
            self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


pytestmark = pytest.mark.usefixtures("one_thread")


def trained(batch: RunBatch, steps: int | None = None) -> list[toy.Run]:
    while batch.step < (batch.steps if steps is None else steps):
        batch.advance()
    batch.read_loss()
    return [batch.run(index) for index in range(len(batch.configs))]


def bits(run: toy.Run) -> bytes:
    log = [getattr(run.log, name) for name in ("step", "loss", "mean_bias", "monosemantic")]
    return pickle.dumps([run.checkpoints, run.W1, run.b, run.W2, *log])


def same(device: str, sweep: list[toy.Config]) -> None:
    plain, repeated = (RunBatch(sweep, torch.device(device), graph) for graph in (False, True))
    for one, other in zip(trained(plain), trained(repeated), strict=True):
        assert bits(one) == bits(other)
    np.testing.assert_array_equal(plain.loss, repeated.loss)


@each_sweep
def test_counters_on_the_device_change_nothing(sweep: list[toy.Config]) -> None:
    same("cpu", sweep)


@pytest.mark.parametrize("after", [0, 1, 150, 200])
def test_a_run_taken_out_goes_on_with_counters_too(after: int) -> None:
    sweep = SWEEPS["several steps drawn at once"]
    batch = RunBatch(sweep, torch.device("cpu"), graph=True)
    trained(batch, after)
    (alone,) = trained(batch.alone(1))
    assert bits(alone) == bits(toy.train(sweep[1], progress=False))


@each_sweep
def test_a_repeated_step_is_few_launches_and_waits_for_none(sweep: list[toy.Config]) -> None:
    batch = RunBatch(sweep, torch.device("cpu"), graph=True)
    batch._draw()
    with Operations() as operations:
        batch._train_row()
    assert not WAITS & set(operations.names)
    assert "bmm" in operations.names
    assert len(operations.names) <= 45


def test_on_a_cpu_a_step_is_only_called() -> None:
    graph, calls = StepGraph(torch.device("cpu")), []
    for number in range(2 * WARM):
        graph(lambda number=number: calls.append(number))
    assert calls == list(range(2 * WARM))


@on_cuda
@each_sweep
def test_a_graph_does_what_the_plain_loop_does(sweep: list[toy.Config]) -> None:
    same("cuda", sweep)


@on_cuda
def test_on_a_gpu_equal_seeds_give_equal_runs_whatever_the_pauses() -> None:
    whole = toy.train(SMALL, device="cuda", progress=False)
    *_, last = toy.training(SMALL, device="cuda", every=0)
    assert bits(last.run(0)) == bits(whole)
    other = toy.train(replace(SMALL, seed=1), device="cuda", progress=False)
    assert bits(other) != bits(whole)


@on_cuda
def test_on_a_gpu_a_run_taken_out_goes_on() -> None:
    sweep = [SMALL, replace(SMALL, seed=1)]
    state = toy.Training(sweep, device="cuda")
    while state.progress().step[0] < 150:
        state.advance(0)
    alone = state.alone(1)
    while not alone.progress().done:
        alone.advance()
    run, expected = alone.progress().run(0), toy.train(sweep[1], device="cuda", progress=False)
    np.testing.assert_allclose(run.W2, expected.W2, atol=1e-3)
    np.testing.assert_allclose(run.log.loss, expected.log.loss, atol=1e-5)


def refuse(*_: object, **__: object) -> None:
    raise RuntimeError("operation not permitted.\nMore lines.")


def test_a_step_that_cannot_be_captured_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "CUDAGraph", refuse)
    with pytest.warns(UserWarning, match=r"a CUDA graph: operation not permitted\. Training goes"):
        assert captured(lambda: None) is None


@on_cuda
def test_a_capture_that_fails_harms_nothing() -> None:
    device = torch.device("cuda")
    count, graph = torch.zeros((), device=device), StepGraph(device)
    stream = torch.cuda.current_stream()

    def step() -> None:
        count.add_(1)
        count.item()  # a graph cannot wait

    for _ in range(WARM):
        graph(step)
    torch.cuda.manual_seed(3)
    expected = torch.rand(5, device=device)
    torch.cuda.manual_seed(3)
    with pytest.warns(UserWarning, match="could not become a CUDA graph"):
        graph(step)
    graph(step)
    assert count.item() == WARM + 2
    assert torch.cuda.current_stream() == stream
    torch.testing.assert_close(torch.rand(5, device=device), expected)
    same("cuda", [SMALL])
