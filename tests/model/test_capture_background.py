"""Capture on a thread: what it has so far, how it ends."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.capturing import to_memory as memory

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(40, 5)).astype("f4")
SOON = 60


class Stepped(nn.Module):
    """Runs one batch of a background capture for each `allow()`."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 4)
        self.allowed, self.fails = threading.Semaphore(0), False

    def allow(self, batches: int = 1) -> None:
        for _ in range(batches):
            self.allowed.release()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if threading.current_thread() is not threading.main_thread():
            assert self.allowed.acquire(timeout=SOON)
        if self.fails:
            raise RuntimeError("broken")
        return self.fc(x)


@pytest.fixture
def model() -> Iterator[Stepped]:
    torch.manual_seed(0)
    model = Stepped()
    yield model
    model.allow(1000)


def start(model: nn.Module, layer: Any = "fc", data: Any = DATA, **options: Any) -> Any:
    return nw.capture(model, data, layer, batch_size=4, background=True, **options)


def test_it_returns_at_once_and_ends_as_capture_does(model: Stepped) -> None:
    running = start(model, labels=[i % 2 for i in range(40)])
    assert isinstance(running, nw.Capturing)
    assert not running.done
    assert repr(running) == "Capturing('fc', running, 0 of 40 samples)"
    with pytest.raises(ValueError, match="no sample has been read yet"):
        running.so_far()
    with pytest.raises(TimeoutError, match=r"still runs after 0.01 s: Capturing"):
        running.result(timeout=0.01)
    model.allow(3)
    assert running.wait(12, SOON)
    part = running.so_far()
    assert len(part) == 12
    assert running.reading.samples == 12
    assert running.reading.total == 40
    assert running.reading.rate > 0
    assert running.reading.left > 0
    model.allow(20)
    whole = running.result(SOON)
    np.testing.assert_array_equal(whole.values[:12], part.values)
    expected = nw.capture(model, DATA, "fc", labels=[i % 2 for i in range(40)], progress=False)
    np.testing.assert_allclose(whole.values, expected.values, atol=1e-6)
    np.testing.assert_array_equal(whole.labels, expected.labels)
    assert running.so_far() is whole
    assert running.done
    assert not running.cancelled
    assert "done, 40 of 40" in repr(running)
    assert not model.fc._forward_hooks
    running.cancel()
    assert not running.cancelled


def test_bad_arguments_are_refused_before_it_starts(model: Stepped) -> None:
    with pytest.raises(ValueError, match="layer 'fx' does not exist in Stepped"):
        start(model, "fx")
    with pytest.raises(ValueError, match="data is empty"):
        start(model, data=[])


@pytest.mark.parametrize("out", [False, True])
def test_cancelling_keeps_what_was_read(model: Stepped, tmp_path: Path, out: bool) -> None:
    running = start(model, ["fc"], out=tmp_path if out else None)
    model.allow(2)
    assert running.wait(8, SOON)
    running.cancel()
    model.allow(1)
    acts = running.result(SOON)["fc"]
    assert running.cancelled
    assert len(acts) in (8, 12)
    assert "stopped" in repr(running)
    assert model.training
    if out:
        assert len(nw.Activations.load(tmp_path)) == len(acts)
        model.allow(1000)
        assert len(start(model, ["fc"], out=tmp_path).result(SOON)["fc"]) == 40


def test_an_error_keeps_what_came_before(model: Stepped) -> None:
    running = start(model, collect=[nw.Top(2), nw.Rows()])
    model.allow(2)
    assert running.wait(8, SOON)
    model.fails = True
    model.allow(1)
    with pytest.raises(nw.CaptureError, match="samples 8 to 11 could not be read"):
        running.result(SOON)
    assert isinstance(running.error, nw.CaptureError)
    top, rows = running.so_far()
    assert top.seen == len(rows) == 8
    assert "failed" in repr(running)
    first = start(model)
    model.allow(1)
    with pytest.raises(RuntimeError, match="broken"):
        first.result(SOON)
    with pytest.raises(RuntimeError, match="broken"):
        first.so_far()


def test_what_is_asked_for_at_the_very_end(model: Stepped, monkeypatch: pytest.MonkeyPatch) -> None:
    laying, further, laid = threading.Event(), threading.Event(), memory._reordered

    def slowly(*about: Any) -> Any:
        laying.set()
        assert further.wait(SOON)
        return laid(*about)

    monkeypatch.setattr(memory, "_reordered", slowly)
    running = start(model)
    model.allow(100)
    assert laying.wait(SOON)
    # Who asks now waits.
    assert not running._engine.lock.acquire(blocking=False)
    further.set()
    assert len(running.so_far()) == 40


def test_a_model_that_is_trained_meanwhile_is_not_read_on(model: Stepped) -> None:
    running = start(model)
    model.allow(3)
    assert running.wait(12, SOON)
    model.train()
    model.allow()
    with pytest.raises(nw.CaptureError, match=r"samples 12 to 15 .* was set to training"):
        running.result(SOON)
    assert len(running.so_far()) == 12


def test_watching(model: Stepped) -> None:
    seen: list[int] = []
    running = start(model)
    stop = running.watch(lambda: seen.append(running.reading.samples))
    model.allow(2)
    assert running.wait(8, SOON)
    stop()
    model.allow(20)
    running.result(SOON)
    assert seen[-1] in (4, 8)
    # A watcher that fails costs the watcher, not the capture.
    model.allow(20)
    again = start(model)
    again.watch(lambda: 1 / 0)
    assert len(again.result(SOON)) == 40


def test_a_cell_uses_the_model_meanwhile(model: Stepped) -> None:
    running = start(model)
    model.allow(1)
    assert running.wait(4, SOON)
    # A pass of this thread is not cut short by the capture's hook.
    with torch.no_grad():
        assert model(torch.zeros(2, 5)).shape == (2, 4)
    model.allow(20)
    assert len(running.result(SOON)) == 40
    assert model.training


def test_what_wants_all_of_it_says_so(model: Stepped) -> None:
    running = start(model)
    for use in (
        lambda: nw.split(running, 0),
        lambda: nw.ranges(running),
        lambda: nw.salient(running, "a"),
    ):
        with pytest.raises(TypeError, match=r"pass what it has read so far, acts.so_far\(\), or"):
            use()


def test_nothing_holds_a_finished_capture(model: Stepped) -> None:
    model.allow(20)
    running = start(model)
    running.result(SOON)
    gone = weakref.ref(running)
    running._thread.join(SOON)
    del running
    gc.collect()
    assert gone() is None
