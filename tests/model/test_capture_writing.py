"""A thread writes what is captured: in order, a little behind, and its errors are raised."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.activations.store.writer import Shard
from neuronwidgets.capturing.collectors.device import sent
from neuronwidgets.capturing.rows import LayerRows, ToHost
from neuronwidgets.capturing.writing import AHEAD, WritingThread
from neuronwidgets.models.forward import _sent

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def test_tasks_are_done_in_order_and_few_wait() -> None:
    thread, given = WritingThread(), 0
    done: list[int] = []
    waiting: list[int] = []

    def task(number: int) -> None:
        waiting.append(given - number)
        done.append(number)

    for number in range(20):
        thread.do(partial(task, number))
        given = number + 1
    thread.drain()
    assert done == [*range(20)]
    assert max(waiting) <= AHEAD + 1
    thread.close()


def test_an_error_is_raised_and_ends_the_work() -> None:
    thread, done = WritingThread(), []

    def fail() -> None:
        raise OSError("the disk is gone")

    thread.do(fail)
    thread.settle()
    with pytest.raises(OSError, match="the disk is gone"):
        thread.do(lambda: done.append(1))
    with pytest.raises(OSError, match="the disk is gone"):
        thread.drain()
    thread.close()
    assert not done


class Late(ToHost):
    """Rows come a batch late, as from a GPU."""

    arriving: Any = ()

    def push(self, origin: Any, rows: Any) -> Any:
        *arrived, last = [*self.arriving, *super().push(origin, rows)]
        self.arriving = [last]
        yield from arrived

    def rest(self, ahead: int = 0) -> Any:
        yield from super().rest(ahead)
        if not self._waiting:
            late, self.arriving = self.arriving, ()
            yield from late


@pytest.mark.parametrize("error", [OSError("the disk is gone"), KeyboardInterrupt()])
def test_what_is_on_its_way_when_the_data_break_off_is_kept(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def data() -> Iterator[torch.Tensor]:
        yield torch.ones(5, 3)
        raise error

    monkeypatch.setattr("neuronwidgets.capturing.engine.ToHost", Late)
    model = nn.Sequential(nn.Linear(3, 2))
    if isinstance(error, KeyboardInterrupt):
        with pytest.warns(UserWarning, match="stopped after 5 samples"):
            assert len(nw.capture(model, data(), "0", progress=False)) == 5
        return
    with pytest.raises(nw.CaptureError, match="broke off after 5 samples") as failure:
        nw.capture(model, data(), "0", progress=False)
    assert len(failure.value.so_far) == 5


def test_expanded_inputs_are_made_whole_for_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    # Which torch cannot copy them to.
    class Pinned(Exception):
        pass

    def pin(tensor: torch.Tensor) -> None:
        assert tensor.is_contiguous()
        raise Pinned

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    expanded = torch.arange(4).expand(3, 4)
    for move in (_sent, sent):
        with pytest.raises(Pinned):
            move(expanded, torch.device("cuda"))


class Passes(nn.Module):
    """Counts its calls."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x


def test_the_model_runs_while_the_disk_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_limits: Any
) -> None:
    shard_limits(batches=3)
    passes, gate = Passes(), threading.Event()
    model = nn.Sequential(passes, nn.Linear(5, 4))
    batches = [torch.rand(4, 5) for _ in range(12)]
    expected = nw.capture(model, batches, "1", progress=False)
    add, leads = Shard.add, []
    passes.calls = 0

    def slow(shard: Shard, *args: Any, **columns: Any) -> None:
        gate.wait()
        leads.append(passes.calls - len(leads))
        add(shard, *args, **columns)

    monkeypatch.setattr(Shard, "add", slow)
    ahead = threading.Event()
    forward = Passes.forward

    def watched(self: Passes, x: torch.Tensor) -> torch.Tensor:
        result = forward(self, x)
        if self.calls == AHEAD + 1:
            # The disk has written nothing, and the model is here.
            ahead.set()
            gate.set()
        return result

    monkeypatch.setattr(Passes, "forward", watched)
    acts = nw.capture(model, batches, "1", out=tmp_path, dtype="bfloat16", progress=False)
    assert ahead.is_set()
    assert max(leads) <= AHEAD + 1
    values = torch.from_numpy(expected.values).bfloat16().float().numpy()
    np.testing.assert_array_equal(np.asarray(acts.values), values)


def test_an_error_of_the_disk_is_said_and_the_next_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_limits: Any
) -> None:
    shard_limits(batches=2)
    model = nn.Sequential(nn.Linear(5, 4))
    batches = [torch.rand(4, 5) for _ in range(9)]
    options: dict[str, Any] = {"out": tmp_path, "dtype": "bfloat16", "progress": False}
    finish = Shard.finish

    def full(shard: Shard, mark: str) -> Any:
        if shard._first == 4:
            raise nw.StoreError("the disk is full.")
        return finish(shard, mark)

    with monkeypatch.context() as patched:
        patched.setattr(Shard, "finish", full)
        with pytest.raises(nw.StoreError, match=r"^the disk is full\.$"):
            nw.capture(model, batches, "0", **options)
    assert not list(tmp_path.rglob("*.part"))
    assert len(nw.Activations.load(tmp_path)) == 16
    acts = nw.capture(model, batches, "0", **options)
    expected = nw.capture(model, batches, "0", progress=False).values
    values = torch.from_numpy(expected).bfloat16().float().numpy()
    np.testing.assert_array_equal(np.asarray(acts.values), values)


def test_a_shard_is_completed_while_the_next_one_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_limits: Any
) -> None:
    shard_limits(batches=2)
    model = nn.Sequential(nn.Linear(5, 4))
    batches = [torch.rand(4, 5) for _ in range(7)]
    add, finish = Shard.add, Shard.finish
    written, finished = threading.Event(), []

    def watched(shard: Shard, *args: Any, **columns: Any) -> None:
        add(shard, *args, **columns)
        if shard._first == 2:
            written.set()

    def slow(shard: Shard, mark: str) -> Any:
        if shard._first == 0:
            assert written.wait(60), "the next shard waits for this one"
        finished.append(shard._first)
        return finish(shard, mark)

    monkeypatch.setattr(Shard, "add", watched)
    monkeypatch.setattr(Shard, "finish", slow)
    acts = nw.capture(model, batches, "0", out=tmp_path, dtype="bfloat16", progress=False)
    assert finished == [0, 2, 4, 6]
    expected = nw.capture(model, batches, "0", progress=False).values
    values = torch.from_numpy(expected).bfloat16().float().numpy()
    np.testing.assert_array_equal(np.asarray(acts.values), values)


@pytest.mark.parametrize(("dtype", "value"), [("float16", 65_520.0), ("bfloat16", 3.4e38)])
def test_a_value_that_does_not_fit_is_refused_when_it_arrives(dtype: str, value: float) -> None:
    values = torch.ones(3, 4)
    values[1, 2], values[2, 0] = -value, torch.inf
    rows = LayerRows("fc", values, np.arange(3), None)
    with pytest.raises(ValueError, match=f"does not fit in {dtype}"):
        list(ToHost(dtype, "exclude").push(None, [rows]))
    values[1, 2] = 2.0
    ((_, (host,)),) = ToHost(dtype, "exclude").push(None, [rows])
    assert host.rows.sample.tolist() == [0, 1]
    assert host.own


def marks_of(folder: Path) -> list[str]:
    manifest = json.loads((folder / "manifest.json").read_text())
    return [shard["mark"] for shard in manifest["shards"]]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_batches_that_are_made_in_the_same_memory_are_recognised(
    device: str, tmp_path: Path, shard_limits: Any
) -> None:
    shard_limits(batches=2)
    model = nn.Sequential(nn.Linear(500, 4)).to(device)
    given = torch.rand(5, 400, 500)

    def stream() -> Iterator[torch.Tensor]:
        memory = torch.empty(400, 500)
        for batch in given:
            yield memory.copy_(batch)

    one = nw.capture(model, stream(), "0", out=tmp_path / "one", progress=False)
    other = nw.capture(model, list(given), "0", out=tmp_path / "other", progress=False)
    np.testing.assert_array_equal(np.asarray(one.values), np.asarray(other.values))
    assert marks_of(tmp_path / "one") == marks_of(tmp_path / "other")
    assert len({*marks_of(tmp_path / "one")}) == 3
