"""A small model of texts, and what tests of captures share."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerBase

import neuronwidgets as nw
from neuronwidgets.capturing import capture as capture_module
from neuronwidgets.capturing import ray as ray_engine
from neuronwidgets.capturing.engine import Engine
from neuronwidgets.capturing.to_disk import ShardLimits


@pytest.fixture(scope="module")
def bert(bert_tokenizer: PreTrainedTokenizerBase) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(bert_tokenizer), hidden_size=16, num_hidden_layers=3,
        num_attention_heads=2, intermediate_size=24, max_position_embeddings=32,
    )  # fmt: skip
    return BertModel(config)


@pytest.fixture
def shard_limits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Call it with fields of `ShardLimits`: captures in this process then keep to them."""

    def use(**limits: Any) -> None:
        engine = partial(Engine, limits=ShardLimits(**limits))
        monkeypatch.setattr(capture_module, "Engine", engine)

    return use


def files_of(folder: Path) -> dict[str, bytes]:
    """The bytes of every file in a folder, by name."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def same_activations(
    found: nw.Activations, expected: nw.Activations, direction: bool = True
) -> None:
    """Both have the same values, samples, labels and tokens."""
    np.testing.assert_array_equal(np.asarray(found.values), expected.values)
    for name in ("item", "token", "origin", "dataset_index"):
        mine, other = getattr(found.samples, name), getattr(expected.samples, name)
        assert (mine is None) == (other is None)
        if mine is not None:
            np.testing.assert_array_equal(mine, other)
    assert list(found.samples.texts) == list(expected.samples.texts)
    assert len(found.samples.images) == len(expected.samples.images)
    for a, b in zip(found.samples.images, expected.samples.images, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(found.samples.spans, expected.samples.spans, strict=True):
        np.testing.assert_array_equal(a, b)
    assert found.label_names == expected.label_names
    assert (found.labels is None) == (expected.labels is None)
    if found.labels is not None:
        np.testing.assert_array_equal(found.labels, expected.labels)
    assert (found.layer, found.pooling) == (expected.layer, expected.pooling)
    assert (found.tokens is None) == (expected.tokens is None)
    if found.tokens is not None and direction:
        along = np.linspace(-1, 1, found.shape[1])
        rows = [0, len(found) - 1, len(found) // 2]
        for a, b in zip(found.tokens(rows, along), expected.tokens(rows, along), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.fixture
def files() -> Callable[[Path], dict[str, bytes]]:
    return files_of


@pytest.fixture
def same() -> Callable[..., None]:
    return same_activations


def hooked_output(model: nn.Module, layer: str, *args: Any, **kwargs: Any) -> torch.Tensor:
    """The reference: a plain forward hook around a plain forward pass."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda m, i, o: kept.append(o))
    model.eval()
    with torch.no_grad():
        model(*args, **kwargs)
    handle.remove()
    return kept[0] if isinstance(kept[0], torch.Tensor) else kept[0][0]


@pytest.fixture
def hooked() -> Callable[..., torch.Tensor]:
    return hooked_output


@contextmanager
def input_by_hand(
    model: nn.Module, layer: str, edit: Callable[[torch.Tensor], torch.Tensor] | None = None
) -> Iterator[list[torch.Tensor]]:
    """The reference: a plain forward pre-hook, which keeps the argument and may replace it."""
    kept: list[torch.Tensor] = []

    def hook(_module: nn.Module, args: Any) -> Any:
        kept.append(args[0].detach().clone())
        return None if edit is None else (edit(args[0]), *args[1:])

    handle = model.get_submodule(layer).register_forward_pre_hook(hook)
    try:
        with torch.no_grad():
            yield kept
    finally:
        handle.remove()


@pytest.fixture
def by_hand() -> Callable[..., Any]:
    return input_by_hand


POISON = 7
"""Values for which a worker of `RayHere` dies."""


class Lost(Exception):
    """What Ray raises for all windows of an actor that was lost."""


class Call:
    """A window at an actor."""

    def __init__(self, actor: Actor, tasks: Any, read: Any) -> None:
        self.actor, self.tasks, self.read = actor, tasks, read

    @property
    def kills(self) -> bool:
        rows = (np.asarray(getattr(task.rows, "rows", 0)) for task in self.tasks)
        return any((values == POISON).any() for values in rows if values.dtype != object)


class Actor:
    """Dies of a window with `POISON`; results of windows before it are lost, too, as on a node
    that goes down before it has sent them."""

    def __init__(self, worker: Any) -> None:
        self.worker, self.queue, self.dead = worker, list[Call](), False
        self.read = SimpleNamespace(remote=self._call)

    def _call(self, number: int, tasks: Any) -> Call:
        tasks = sent(tasks)
        self.queue.append(Call(self, tasks, lambda: sent(self.worker.read(number, tasks))))
        return self.queue[-1]


def sent(value: Any) -> Any:
    """What arrives in another process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray import cloudpickle
    return cloudpickle.loads(cloudpickle.dumps(value))


class RayHere:
    """A Ray that runs in this process. Its actors end their windows out of turn."""

    exceptions = SimpleNamespace(RayError=Lost)

    def __init__(self, deaths: int) -> None:
        self.deaths, self.actors, self._turns = deaths, list[Actor](), random.Random(0)

    def cluster_resources(self) -> dict[str, int]:
        return {"CPU": 2}

    def put(self, value: Any) -> Any:
        return value

    def remote(self, **_: Any) -> Any:
        return lambda kind: SimpleNamespace(
            remote=lambda *given: self._make(kind(*map(sent, given)))
        )

    def _make(self, worker: Any) -> Actor:
        self.actors.append(Actor(worker))
        return self.actors[-1]

    def wait(self, calls: list[Call], num_returns: int) -> Any:
        # The first that waits at any of the actors.
        first = {id(call.actor): call for call in reversed(calls)}
        done = self._turns.choice(list(first.values()))
        return [done], [call for call in calls if call is not done]

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


@pytest.fixture
def ray_here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., RayHere]:
    """Call it with the number of deaths: captures on Ray then run in this process."""

    def use(deaths: int = 0) -> RayHere:
        here = RayHere(deaths)
        monkeypatch.setattr(ray_engine, "cluster", lambda: nullcontext(here))
        return here

    return use
