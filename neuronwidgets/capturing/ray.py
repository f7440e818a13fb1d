"""The same capture on many machines: windows of batches read by Ray actors.

The driver hands out the data's rows in windows of `SHARD` batches, or as many as are read while a
shard may stay open, and keeps the manifest and the labels' codes. An actor makes the batches, reads
them, writes the window's shards into the folder, which all machines see, and sends back their
entries and the collectors' states, which the driver takes in the data's order. What it had no time
for is handed out again. A window does not depend on any other, so that an actor that dies costs its
window's time: Ray starts it anew and the window is read again, into the same files.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.capturing import to_disk as disk
from neuronwidgets.capturing.collecting import Sinks
from neuronwidgets.capturing.collectors import Collector
from neuronwidgets.capturing.first import FirstTokens
from neuronwidgets.capturing.forward import Passes
from neuronwidgets.capturing.reader import LayerReader
from neuronwidgets.capturing.rows import ToHost
from neuronwidgets.capturing.to_disk import Filling, Pace
from neuronwidgets.capturing.word_codes import Coded
from neuronwidgets.data.batch import Batch, Raw
from neuronwidgets.models.hooks import evaluating
from neuronwidgets.models.layers import find_layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from neuronwidgets.capturing.engine import Reading, Run

RETRIES = 3
AHEAD = 2
"""Windows that wait at each actor."""


@dataclass(frozen=True)
class Task:
    """One batch of a window: its mark, its rows (or what was made of them), its place in the data,
    its labels' codes."""

    mark: str
    rows: Raw | Batch
    first: int
    code: Coded


@dataclass(frozen=True)
class Plan:
    """What an actor needs to know."""

    layers: list[str]
    unit: str
    axes: tuple[int | None, int | None]
    call: int
    first: dict[str, bool]
    make: Callable[[Raw], Batch]
    nonfinite: str | None
    collectors: list[Collector]
    folder: Path | None
    places: dict[str, str]
    dtype: str
    shard: int
    pace: Pace


@dataclass(frozen=True)
class Found:
    """What a window gave: its shards' entries, its collectors, by layer, how many batches, samples
    and tokens were read, and how long that took; or why it could not be read, and which samples
    then."""

    entries: list[dict[str, Any]]
    sinks: dict[str, list[Collector]]
    batches: int = 0
    samples: int = 0
    tokens: int = 0
    seconds: float = 0.0
    error: Exception | None = None
    bad: np.ndarray | None = None


class Worker:
    """Reads windows."""

    def __init__(self, model: nn.Module, plan: Plan) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        model = model.to(self.device)
        modules = {name: find_layer(model, name) for name in plan.layers}
        self._model, self._plan = model, plan
        reader = LayerReader(model, modules, *plan.axes, plan.call)
        first = FirstTokens(plan.layers, plan.unit, None)
        first.known = dict(plan.first)
        self._passes = Passes(reader, plan.unit, len(plan.layers), first)

    def read(self, number: int, tasks: list[Task]) -> Found:
        """Read a window that begins with batch `number`, or as much of it as there is time for."""
        plan = self._plan
        clock, limit = plan.pace.clock, plan.pace.seconds
        began = clock()
        sinks = Sinks(plan.layers, plan.collectors, plan.nonfinite)
        filling = None
        if plan.folder is not None:
            # The window ends when its shard would.
            pace = Pace(math.inf)
            filling = Filling(plan.folder, plan.places, plan.dtype, number, plan.shard, pace)
        host = ToHost(plan.dtype, plan.nonfinite or "refuse")
        entries: list[dict[str, Any]] = []
        batches = samples = tokens = 0
        place: np.ndarray | None = None

        def keep(arrived: Any) -> None:
            for (task, batch, here), rows in arrived:
                if filling is not None:
                    entry = filling.add(task.mark, batch, here, task.code, rows)
                    entries.extend([entry] if entry else [])

        try:
            with evaluating(self._model):
                for task in tasks:
                    batch = task.rows if isinstance(task.rows, Batch) else plan.make(task.rows)
                    place = batch.place
                    if place is None:
                        place = np.arange(task.first, task.first + batch.size)
                    rows = sinks.add(self._passes(batch, place, task.code))
                    about = task, batch, place
                    keep(host.push(about, rows) if plan.places else [(about, [])])
                    batches, samples = batches + 1, samples + batch.size
                    tokens += 0 if batch.mask is None else int(batch.mask.sum())
                    del rows, batch, about
                    if clock() - began >= limit:
                        break
                keep(host.rest())
                if filling is not None and (entry := filling.finish()):
                    entries.append(entry)
        except Exception as error:
            if filling is not None:
                filling.discard()
            bad = getattr(error, "samples", place)
            return Found([], {}, error=error, bad=bad)
        return Found(entries, sinks.collectors, batches, samples, tokens, clock() - began)


def elsewhere(run: Run, workers: int) -> Iterator[Reading]:
    """Read a capture's data on Ray actors, a window for each step."""
    ray = _ray()
    began = not ray.is_initialized()
    if began:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="WARNING")
    try:
        resources = ray.cluster_resources()
        gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        workers = workers or gpus or len(ray.nodes())
        model = run.reader.model
        if next((p.is_cuda for p in model.parameters()), False):
            model = copy.deepcopy(model).cpu()
        shared, plan = ray.put(model), ray.put(_plan(run))
        actor = ray.remote(
            num_gpus=1 if gpus else 0,
            num_cpus=max(1, cpus // workers) if not gpus else 1,
            max_restarts=-1,
            max_task_retries=RETRIES,
        )(Worker)
        actors = [actor.remote(shared, plan) for _ in range(workers)]
        try:
            yield from _read(ray, run, actors)
        finally:
            for one in actors:
                ray.kill(one)
    finally:
        if began:
            ray.shutdown()


def _read(ray: Any, run: Run, actors: list[Any]) -> Iterator[Reading]:
    windows = Windows(run)
    number = windows.number
    # How many windows wait at each actor; which are on their way; what came back, by first batch.
    busy, flying = [0] * len(actors), dict[Any, tuple[int, int, list[Task]]]()
    found: dict[int, Found] = {}
    while True:
        while min(busy) < AHEAD and (window := windows.take()):
            free = busy.index(min(busy))
            busy[free] += 1
            flying[actors[free].read.remote(*window)] = (free, *window)
        if not flying:
            return
        (ref,), _ = ray.wait(list(flying), num_returns=1)
        actor, first, tasks = flying.pop(ref)
        busy[actor] -= 1
        found[first] = _got(ray, ref, tasks)
        windows.give_back(first, tasks, found[first])
        # In the data's order.
        while result := found.pop(number, None):
            if result.error is not None:
                run.at = result.bad
                raise result.error
            number += result.batches
            run.take(result.entries, result.sinks, result.samples, result.tokens)
            yield run.reading


def _got(ray: Any, ref: Any, tasks: list[Task]) -> Found:
    """What an actor found, or that it was lost."""
    try:
        found: Found = ray.get(ref)
    except ray.exceptions.RayError as error:
        last = tasks[-1]
        size = 1 if isinstance(last.rows, Raw) else last.rows.size
        why = str(error).splitlines()[0]
        lost = RuntimeError(f"a worker was lost {RETRIES + 1} times: {why}")
        lost.__cause__ = error
        return Found([], {}, error=lost, bad=np.arange(tasks[0].first, last.first + size))
    return found


def _plan(run: Run) -> Plan:
    wanted, disk_ = run.wanted, run.disk
    return Plan(
        wanted.layers,
        wanted.unit,
        run.reader.axes,
        run.reader.call,
        run.look(),
        run.make,
        wanted.nonfinite,
        run.others,
        None if disk_ is None else disk_.folder.resolve(),
        {} if disk_ is None else disk_.writer.places,
        wanted.dtype,
        disk.SHARD,
        run.pace,
    )


class Windows:
    """Hands out the batches that are not in the store: what workers left first, then what comes.

    Attributes:
        number: of the first batch that nobody has had.
    """

    def __init__(self, run: Run) -> None:
        self.number = 0 if run.disk is None else run.disk.writer.batches
        self._tasks, self._limit = _tasks(run), run.pace.seconds
        self._left: list[tuple[int, list[Task]]] = []
        self._most = disk.SHARD

    def take(self) -> tuple[int, list[Task]] | None:
        """The next batches, none of them beyond a multiple of `SHARD`, and the first one's number;
        `None` if there are none."""
        if self._left:
            number, tasks = heappop(self._left)
            if tasks[self._most :]:
                heappush(self._left, (number + self._most, tasks[self._most :]))
            return number, tasks[: self._most]
        number = self.number
        tasks = list(islice(self._tasks, min(self._most, disk.SHARD - number % disk.SHARD)))
        self.number += len(tasks)
        return (number, tasks) if tasks else None

    def give_back(self, number: int, tasks: list[Task], found: Found) -> None:
        """What came of a window: the rest of it is handed out again, in windows that fit."""
        if not found.batches:
            return
        each = found.seconds / found.batches
        fits = disk.SHARD if each * disk.SHARD <= self._limit else int(self._limit / each)
        self._most = max(1, fits)
        if tasks[found.batches :]:
            heappush(self._left, (number + found.batches, tasks[found.batches :]))


def _tasks(run: Run) -> Iterator[Task]:
    for raw, made in run.fresh():
        if run.disk is not None:
            run.disk.writer.begin()
        if not run.told and made is None:
            made = run.make(raw)
        rows: Raw | Batch = raw if run.told else made or raw
        size = rows.size if isinstance(rows, Batch) else len(raw.rows)
        place = run.place(rows.place, size)
        mark = disk.mark(raw) if run.disk is not None else ""
        yield Task(mark, rows, int(place[0]), run.codes(place, rows))


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ImportError(
            "engine='ray' needs Ray: pip install 'neuronwidgets[ray]' on every machine."
        ) from None
    return ray
