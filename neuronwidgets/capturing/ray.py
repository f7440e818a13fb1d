"""Capture on many machines: Ray actors read windows of batches.

The driver hands out the data's rows in windows and keeps the manifest and the label codes. A window
has `ShardLimits.batches` batches, or as many as an actor reads in `ShardLimits.seconds`. An actor
makes the batches, reads them, and writes their shards to a folder that all machines see. It returns
the shards' entries and the collectors, which the driver adds in the data's order. Batches that an
actor had no time for are handed out again. Windows are independent: if an actor dies, another takes
its place, and each of its windows is read again, alone at an actor, into the same files. So a
window that kills actors takes no other window with it twice.
"""

from __future__ import annotations

import copy
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.capturing.collectors import Collector
from neuronwidgets.capturing.first import FirstTokens
from neuronwidgets.capturing.forward import ForwardPasses
from neuronwidgets.capturing.layer_collectors import LayerCollectors
from neuronwidgets.capturing.reader import LayerReader
from neuronwidgets.capturing.rows import ToHost
from neuronwidgets.capturing.to_disk import ShardLimits, ShardWriter, fingerprint
from neuronwidgets.capturing.word_codes import Coded
from neuronwidgets.core.layer_place import At
from neuronwidgets.data.batch import Batch, Raw
from neuronwidgets.models.hooks import evaluating
from neuronwidgets.models.layers import find_layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from neuronwidgets.capturing.engine import Engine, Reading

RETRIES = 3
"""Times that a window is read again, alone, after its actor was lost. More losses mean that the
window itself kills actors."""
AHEAD = 2
"""Windows at each actor: one that it reads and one that waits, so that it is never idle."""


@dataclass(frozen=True)
class BatchTask:
    """One batch of a window.

    Attributes:
        fingerprint: the fingerprint of its rows and labels; "" without a store.
        rows: its rows, or the batch itself if made.
        first: the index of its first sample into the data set.
        code: the codes of its labels.
    """

    fingerprint: str
    rows: Raw | Batch
    first: int
    code: Coded


@dataclass(frozen=True)
class WorkerSettings:
    """The settings of a capture that actors need."""

    layers: list[str]
    pooling: str
    axes: tuple[int | None, int | None]
    call: int
    at: At
    first: dict[str, bool]
    make: Callable[[Raw], Batch]
    nonfinite: str | None
    collectors: list[Collector]
    folder: Path | None
    layer_folders: dict[str, str]
    dtype: str
    limits: ShardLimits


@dataclass(frozen=True)
class WindowResult:
    """The result of reading a window, or the part of it that there was time for.

    Attributes:
        entries: its shards' entries in the manifest.
        collectors: its collectors, by layer.
        batches, samples, tokens: the numbers read.
        seconds: the time that reading took.
        error: the error that ended it; `None` if there was none.
        failed: int64, the samples that could not be read.
    """

    entries: list[dict[str, Any]]
    collectors: dict[str, list[Collector]]
    batches: int = 0
    samples: int = 0
    tokens: int = 0
    seconds: float = 0.0
    error: Exception | None = None
    failed: np.ndarray | None = None


class Worker:
    """The actor: reads windows."""

    def __init__(self, model: nn.Module, settings: WorkerSettings) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        model = model.to(self.device)
        modules = {name: find_layer(model, name) for name in settings.layers}
        self._model, self._settings = model, settings
        reader = LayerReader(model, modules, *settings.axes, settings.call, settings.at)
        first = FirstTokens(settings.layers, settings.pooling, None)
        first.known = dict(settings.first)
        self._passes = ForwardPasses(reader, settings.pooling, len(settings.layers), first)

    def read(self, number: int, tasks: list[BatchTask]) -> WindowResult:
        """Read a window whose first batch has this number, until the time of a shard is over."""
        settings = self._settings
        clock, limit = settings.limits.clock, settings.limits.seconds
        began = clock()
        collectors = LayerCollectors(settings.layers, settings.collectors, settings.nonfinite)
        shards = None
        if settings.folder is not None:
            # The window ends where the shard would: the shard does not look at the clock.
            limits = replace(settings.limits, seconds=math.inf, clock=time.monotonic)
            shards = ShardWriter(
                settings.folder, settings.layer_folders, settings.dtype, number, limits
            )
        host = ToHost(settings.dtype, settings.nonfinite or "refuse")
        entries: list[dict[str, Any]] = []
        batches = samples = tokens = 0
        dataset_index: np.ndarray | None = None

        def keep(arrived: Any) -> None:
            for (task, batch, index), rows in arrived:
                if shards is not None:
                    entry = shards.add(task.fingerprint, batch, index, task.code, rows)
                    entries.extend([entry] if entry else [])

        try:
            with evaluating(self._model):
                for task in tasks:
                    batch = task.rows if isinstance(task.rows, Batch) else settings.make(task.rows)
                    dataset_index = batch.dataset_index
                    if dataset_index is None:
                        dataset_index = np.arange(task.first, task.first + batch.size)
                    rows = collectors.add(self._passes(batch, dataset_index, task.code))
                    origin = task, batch, dataset_index
                    keep(host.push(origin, rows) if settings.layer_folders else [(origin, [])])
                    batches, samples = batches + 1, samples + batch.size
                    tokens += 0 if batch.mask is None else int(batch.mask.sum())
                    del rows, batch, origin
                    if clock() - began >= limit:
                        break
                keep(host.rest())
                if shards is not None and (entry := shards.finish()):
                    entries.append(entry)
        except Exception as error:
            if shards is not None:
                shards.discard()
            samples_read = getattr(error, "samples", dataset_index)
            return WindowResult([], {}, error=error, failed=samples_read)
        return WindowResult(
            entries, collectors.collectors, batches, samples, tokens, clock() - began
        )


@contextmanager
def cluster() -> Iterator[Any]:
    """Ray, connected to its cluster; without one, to this machine until the end.

    Raises:
        ImportError: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise ImportError(
            "engine='ray' needs Ray: pip install 'neuronwidgets[ray]' on every machine."
        ) from None
    started_here = not ray.is_initialized()
    if started_here:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="WARNING")
    try:
        yield ray
    finally:
        if started_here:
            ray.shutdown()


def starter(
    ray: Any, kind: type, model: nn.Module, settings: Any, count: int | None, **options: Any
) -> tuple[Callable[[], Any], int]:
    """What starts an actor, and how many to start: `count`, or one per GPU, or without GPUs one per
    machine.

    Args:
        ray: the connected module.
        kind: the actor's class, which takes the model and the settings.
        options: more of `ray.remote`.
    """
    resources = ray.cluster_resources()
    gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
    count = count or gpus or len(ray.nodes())
    if next((p.is_cuda for p in model.parameters()), False):
        model = copy.deepcopy(model).cpu()
    arguments = ray.put(model), ray.put(settings)
    cpus_each = 1 if gpus else max(1, cpus // count)
    actor = ray.remote(num_gpus=1 if gpus else 0, num_cpus=cpus_each, **options)(kind)
    return lambda: actor.remote(*arguments), count


def read_on_workers(engine: Engine, workers: int) -> Iterator[Reading]:
    """Read a capture's data on Ray actors, one window per step.

    Args:
        engine: the capture.
        workers: the number of actors; 0 for one per GPU, or without GPUs one per machine.
    """
    with cluster() as ray:
        start, count = starter(ray, Worker, engine.reader.model, _settings(engine), workers)
        pool = _Pool(ray, start, count)
        try:
            yield from _read(engine, pool)
        finally:
            pool.close()


def _read(engine: Engine, pool: _Pool) -> Iterator[Reading]:
    """Hand out windows, and add their results to the capture in the data's order."""
    windows = Windows(engine)
    number = windows.number
    # Windows whose actor was lost, how often, and results, by the number of their first batch.
    lost, losses = list[tuple[int, list[BatchTask]]](), Counter[int]()
    results: dict[int, WindowResult] = {}
    while True:
        while lost and pool.idle():
            pool.hand_out(*heappop(lost), alone=True)
        while not lost and pool.room() and (window := windows.take()):
            pool.hand_out(*window)
        if not pool.pending:
            return
        first, tasks, result = pool.next_result()
        if isinstance(result, BaseException):
            losses[first] += 1
            if losses[first] <= RETRIES:
                heappush(lost, (first, tasks))
                continue
            result = _lost_result(tasks, result)
        results[first] = result
        windows.give_back(first, tasks, result)
        while ready := results.pop(number, None):
            if ready.error is not None:
                engine.current = ready.failed
                raise ready.error
            number += ready.batches
            engine.take(ready.entries, ready.collectors, ready.samples, ready.tokens)
            yield engine.reading


def _lost_result(tasks: list[BatchTask], error: BaseException) -> WindowResult:
    """The result of a window with which actors were lost too often."""
    last = tasks[-1]
    size = len(last.rows.rows) if isinstance(last.rows, Raw) else last.rows.size
    reason = str(error).splitlines()[0]
    lost = RuntimeError(f"a worker was lost {RETRIES + 1} times: {reason}")
    lost.__cause__ = error
    return WindowResult([], {}, error=lost, failed=np.arange(tasks[0].first, last.first + size))


class _Pool:
    """The actors, and the windows that each reads or will read."""

    def __init__(self, ray: Any, make: Callable[[], Any], workers: int) -> None:
        self._ray, self._make = ray, make
        self._actors = [make() for _ in range(workers)]
        self._load = [0] * workers
        self.pending: dict[Any, tuple[int, Any, int, int, list[BatchTask]]] = {}

    def idle(self) -> bool:
        """Whether an actor has no window."""
        return min(self._load) == 0

    def room(self) -> bool:
        """Whether an actor may get another window."""
        return min(self._load) < AHEAD

    def hand_out(self, number: int, tasks: list[BatchTask], alone: bool = False) -> None:
        """Have the idlest actor read a window; alone: it gets no other until it has read this."""
        i = self._load.index(min(self._load))
        size = AHEAD if alone else 1
        self._load[i] += size
        ref = self._actors[i].read.remote(number, tasks)
        self.pending[ref] = (i, self._actors[i], size, number, tasks)

    def next_result(self) -> tuple[int, list[BatchTask], WindowResult | BaseException]:
        """The next window that was read: its number, its batches and its result.

        The result is an error if the actor was lost; another has then taken its place.
        """
        (ref,), _ = self._ray.wait(list(self.pending), num_returns=1)
        i, actor, size, number, tasks = self.pending.pop(ref)
        self._load[i] -= size
        try:
            return number, tasks, self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            if actor is self._actors[i]:
                self._ray.kill(actor)
                self._actors[i] = self._make()
            return number, tasks, error

    def close(self) -> None:
        """End the actors."""
        for actor in self._actors:
            self._ray.kill(actor)


def _settings(engine: Engine) -> WorkerSettings:
    request, store = engine.request, engine.store
    return WorkerSettings(
        request.layers,
        request.pooling,
        engine.reader.axes,
        engine.reader.call,
        engine.reader.at,
        engine.find_sinks(),
        engine.make,
        request.nonfinite,
        engine.streaming,
        None if store is None else store.folder.resolve(),
        {} if store is None else store.writer.layer_folders,
        request.dtype,
        engine.limits,
    )


class Windows:
    """Hands out the batches that are not in the store. Batches that workers left come first.

    Attributes:
        number: the number of the first batch that was never handed out.
    """

    def __init__(self, engine: Engine) -> None:
        self.number = 0 if engine.store is None else engine.store.writer.batches
        self._tasks, self._seconds = _tasks(engine), engine.limits.seconds
        self._unread: list[tuple[int, list[BatchTask]]] = []
        self._shard_batches = self._size = engine.limits.batches

    def take(self) -> tuple[int, list[BatchTask]] | None:
        """The next window and the number of its first batch; `None` if no batch is left.

        A window ends before the next multiple of `ShardLimits.batches`.
        """
        if self._unread:
            number, tasks = heappop(self._unread)
            if tasks[self._size :]:
                heappush(self._unread, (number + self._size, tasks[self._size :]))
            return number, tasks[: self._size]
        number = self.number
        to_multiple = self._shard_batches - number % self._shard_batches
        tasks = list(islice(self._tasks, min(self._size, to_multiple)))
        self.number += len(tasks)
        return (number, tasks) if tasks else None

    def give_back(self, number: int, tasks: list[BatchTask], result: WindowResult) -> None:
        """Queue the unread batches of a window, and fit the next windows to its speed."""
        if not result.batches:
            return
        seconds = result.seconds / result.batches
        in_time = seconds * self._shard_batches <= self._seconds
        self._size = self._shard_batches if in_time else max(1, int(self._seconds / seconds))
        if tasks[result.batches :]:
            heappush(self._unread, (number + result.batches, tasks[result.batches :]))


def _tasks(engine: Engine) -> Iterator[BatchTask]:
    """The batches that are not in the store, as tasks."""
    for raw, batch in engine.unread():
        if engine.store is not None:
            engine.store.writer.begin()
        if not engine.rows_are_samples and batch is None:
            batch = engine.make(raw)
        rows: Raw | Batch = raw if engine.rows_are_samples else batch or raw
        size = rows.size if isinstance(rows, Batch) else len(raw.rows)
        index = engine.next_index(rows.dataset_index, size)
        batch_fingerprint = "" if engine.store is None else fingerprint(raw)
        yield BatchTask(batch_fingerprint, rows, int(index[0]), engine.codes(index, rows))
