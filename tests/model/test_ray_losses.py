"""Which window is blamed when actors are lost, on a Ray that runs in this process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.capturing import ray as ray_engine

DATA = np.random.default_rng(0).normal(size=(80, 3)).astype("f4")
DATA[50, 1] = POISON = 7


class Lost(Exception):
    """What Ray raises for all windows of an actor that was lost."""


class Call:
    """A window at an actor."""

    def __init__(self, actor: Actor, tasks: Any, read: Any) -> None:
        self.actor, self.tasks, self.read = actor, tasks, read

    @property
    def kills(self) -> bool:
        return any((task.rows.rows == POISON).any() for task in self.tasks)


class Actor:
    """Dies of a window with `POISON`; results of windows before it are lost, too, as on a node
    that goes down before it has sent them."""

    def __init__(self, worker: Any) -> None:
        self.worker, self.queue, self.dead = worker, list[Call](), False
        self.read = SimpleNamespace(remote=self._call)

    def _call(self, number: int, tasks: Any) -> Call:
        self.queue.append(Call(self, tasks, lambda: self.worker.read(number, tasks)))
        return self.queue[-1]


class RayHere:
    exceptions = SimpleNamespace(RayError=Lost)

    def __init__(self, deaths: int) -> None:
        self.deaths, self.actors = deaths, list[Actor]()

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, int]:
        return {"CPU": 2}

    def put(self, value: Any) -> Any:
        return value

    def remote(self, **_: Any) -> Any:
        return lambda kind: SimpleNamespace(remote=lambda *given: self._make(kind(*given)))

    def _make(self, worker: Any) -> Actor:
        self.actors.append(Actor(worker))
        return self.actors[-1]

    def wait(self, calls: list[Call], num_returns: int) -> Any:
        return calls[:num_returns], calls[num_returns:]

    def get(self, call: Call) -> Any:
        actor = call.actor
        if not actor.dead and self.deaths and any(one.kills for one in actor.queue):
            actor.dead, self.deaths = True, self.deaths - 1
        if actor.dead:
            raise Lost("the actor died")
        actor.queue.remove(call)
        return call.read()

    def kill(self, actor: Actor) -> None:
        actor.dead = True


@pytest.fixture(autouse=True)
def small_shards(shard_limits: Any) -> None:
    shard_limits(batches=3)


def read(monkeypatch: pytest.MonkeyPatch, out: Path, deaths: int, workers: int) -> Any:
    here = RayHere(deaths)
    monkeypatch.setattr(ray_engine, "_ray", lambda: here)
    monkeypatch.setattr(ray_engine, "RETRIES", 2)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4))
    options: dict[str, Any] = {"progress": False, "batch_size": 4, "workers": workers}
    try:
        return nw.capture(model, DATA, "0", out=out, engine="ray", **options)
    finally:
        assert all(actor.dead for actor in here.actors)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_window_that_kills_is_blamed_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int
) -> None:
    with pytest.raises(nw.CaptureError, match="a worker was lost 3 times") as error:
        read(monkeypatch, tmp_path, 100, workers)
    # Windows of three batches of four: 48 to 59.
    np.testing.assert_array_equal(error.value.samples, np.arange(48, 60))
    assert len(error.value.so_far) == 48


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("deaths", [1, 2])
def test_lost_windows_are_read_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, deaths: int, workers: int
) -> None:
    found = read(monkeypatch, tmp_path / "ray", deaths, workers)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4))
    np.testing.assert_allclose(found.values, nw.capture(model, DATA, "0").values, rtol=1e-6)
