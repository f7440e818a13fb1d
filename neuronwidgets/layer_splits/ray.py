"""`split_model` on many machines: one Ray actor per device reads windows of samples and splits
layers."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import nn

from neuronwidgets.capturing.ray import AHEAD, RETRIES, starter
from neuronwidgets.capturing.to_disk import ShardLimits
from neuronwidgets.layer_splits.gather import Gatherer, GatherSettings, GatherTask
from neuronwidgets.layer_splits.model_splits import ModelFolder

WINDOW = 16
"""Batches that an actor reads at once: what a lost actor costs."""


class ModelWorker:
    """The actor. What it has written when it is lost is kept or written again."""

    def __init__(self, model: nn.Module, settings: GatherSettings) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._gatherer = Gatherer(model.to(self.device), settings)

    def read(
        self, number: int, tasks: list[GatherTask], folders: dict[str, str]
    ) -> list[dict[str, Any]]:
        """Read a window of tasks. Returns the entries of its shards in the manifest."""
        # A window read again must write the same files: it ends by number and size only.
        limits = ShardLimits(batches=WINDOW, seconds=math.inf)
        return list(self._gatherer.shards(number, iter(tasks), folders, limits))

    def split(self, folder: ModelFolder, *layer: Any) -> int:
        """Split a layer; the arguments are those of `ModelFolder.split_layer`. Returns the number
        of its neurons."""
        count = 0
        for split in folder.split_layer(*layer):
            count = len(split)
        return count


@contextmanager
def workers(
    ray: Any, model: nn.Module, settings: GatherSettings, count: int | None
) -> Iterator[list[Any]]:
    """The actors, see `capturing.ray.starter`."""
    options = {"max_restarts": -1, "max_task_retries": RETRIES}
    start, number = starter(ray, ModelWorker, model, settings, count, **options)
    started = [start() for _ in range(number)]
    try:
        yield started
    finally:
        for actor in started:
            ray.kill(actor)


def gathered_windows(
    ray: Any,
    actors: list[Any],
    first: int,
    tasks: Iterator[GatherTask],
    folders: dict[str, str],
) -> Iterator[list[dict[str, Any]]]:
    """The entries of each window's shards, in the order of the data.

    Args:
        ray: the connected module.
        actors: `ModelWorker`s.
        first: the number of the first task.
        tasks: the tasks from this number on.
        folders: the folder of each layer in the store.
    """
    waiting: deque[Any] = deque()
    turn = 0
    while True:
        while len(waiting) < AHEAD * len(actors) and (window := list(islice(tasks, WINDOW))):
            actor = actors[turn % len(actors)]
            waiting.append(actor.read.remote(first, window, folders))
            first, turn = first + len(window), turn + 1
        if not waiting:
            return
        yield _result(ray, waiting.popleft())


def split_layers(ray: Any, actors: list[Any], arguments: Iterator[Any]) -> Iterator[int]:
    """Split layers, each on one actor. Yields the number of neurons of each that is done."""
    waiting: dict[Any, Any] = {}
    idle = list(actors)
    while True:
        while idle and (layer := next(arguments, None)) is not None:
            actor = idle.pop()
            waiting[actor.split.remote(*layer)] = actor
        if not waiting:
            return
        (done,), _ = ray.wait(list(waiting), num_returns=1)
        idle.append(waiting.pop(done))
        yield _result(ray, done)


def _result(ray: Any, ref: Any) -> Any:
    """An actor's result.

    Raises:
        RuntimeError: it was lost again and again.
    """
    try:
        return ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        raise error.as_instanceof_cause() from None
    except ray.exceptions.RayError as error:
        reason = str(error).splitlines()[0]
        raise RuntimeError(f"a worker was lost {RETRIES + 1} times: {reason}") from error
