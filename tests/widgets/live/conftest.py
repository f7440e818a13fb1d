"""A capture that runs batch by batch, and a SplitExplorer on it.

The functions below are fixtures: tests are in several files and cannot import from here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from torch import nn

import neuronwidgets as nw
from neuronwidgets.widgets.base.pace import Pace

SOON = 30.0
"""Seconds."""
BATCH = 20
LABELS = ["a", "b", "c"] * 133 + ["a"]


def _until(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    end, pause = time.monotonic() + SOON, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it does not come"
        pause.wait(0.005)


def _values(count: int = 400) -> np.ndarray:
    """Three kinds of samples that all fire neuron 0, each batch stronger than those before."""
    rng = np.random.default_rng(0)
    kind = np.arange(count) % 3
    made = rng.normal(0, 0.3, (count, 8)).astype("f4")
    made[np.arange(count), 1 + kind] += 6
    made[:, 0] = 5 + rng.uniform(0, 1, count) + np.arange(count) // 100
    return made


def _start(model: nn.Module, layer: Any = "body", data: Any = None, **options: Any) -> Any:
    options = {"labels": LABELS, **options}
    data = _values() if data is None else data
    return nw.capture(model, data, layer, batch_size=BATCH, background=True, **options)


def _opened(model: Any, running: Any, batches: int = 5, **options: Any) -> Any:
    model.allow(batches)
    assert running.wait(batches * BATCH, SOON)
    return nw.SplitExplorer(running, **{"neuron": 0, "top": 60, **options})


def _grow(model: Any, running: Any, explorer: Any, batches: int) -> None:
    """More samples, and the screen that goes with them; in one step."""
    count = running.reading.samples + BATCH * batches
    explorer._held = True
    model.allow(batches)
    assert running.wait(count, SOON)
    explorer._held = False
    _until(lambda: len(explorer.acts) == count)
    with explorer._jobs.lock:  # all of it is on the screen
        pass


def _finish(model: Any, running: Any, explorer: Any) -> None:
    model.allow(1000)
    assert running.wait(timeout=SOON)
    _until(lambda: explorer._session.feed.complete)
    assert explorer.wait(SOON)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nw.SplitExplorer, "_pace", Pace(stay=0.0, tick=0.01, rest=0.02))


@pytest.fixture
def running(model: Any) -> Iterator[Any]:
    made = _start(model)
    yield made
    made.cancel()
    model.allow(1000)
    made.wait(timeout=SOON)


@pytest.fixture
def until() -> Callable[..., Any]:
    return _until


@pytest.fixture
def values() -> Callable[..., Any]:
    return _values


@pytest.fixture
def start() -> Callable[..., Any]:
    return _start


@pytest.fixture
def opened() -> Callable[..., Any]:
    return _opened


@pytest.fixture
def grow() -> Callable[..., Any]:
    return _grow


@pytest.fixture
def finish() -> Callable[..., Any]:
    return _finish
