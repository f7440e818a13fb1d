"""The same capture on many machines: windows of batches read by Ray actors.

The driver hands out the data's rows in windows of `SHARD` batches, and keeps the manifest and the
labels' codes. An actor makes the batches, reads them, writes the window's shards into the folder,
which all machines see, and sends back their entries and the collectors' states, which the driver
takes in the data's order. A window does not depend on any other, so that an actor that dies costs
its window's time: Ray starts it anew and the window is read again, into the same files.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.capture import disk
from neuronwidgets.capture.collecting import Sinks
from neuronwidgets.capture.collectors import Collector
from neuronwidgets.capture.disk import Filling
from neuronwidgets.capture.passes import Passes
from neuronwidgets.capture.reader import LayerReader
from neuronwidgets.capture.rows import ToHost
from neuronwidgets.models import Batch, Raw, evaluating, find_layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from neuronwidgets.capture.run import Reading, Run

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
    code: np.ndarray | None


@dataclass(frozen=True)
class Plan:
    """What an actor needs to know."""

    layers: list[str]
    unit: str
    axes: tuple[int | None, int | None]
    call: int
    make: Callable[[Raw], Batch]
    nonfinite: str | None
    collectors: list[Collector]
    folder: Path | None
    places: dict[str, str]
    dtype: str
    shard: int


@dataclass(frozen=True)
class Found:
    """What a window gave: its shards' entries, its collectors, by layer, samples and tokens; or
    why it could not be read, and which samples then."""

    entries: list[dict[str, Any]]
    sinks: dict[str, list[Collector]]
    samples: int
    tokens: int
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
        self._passes = Passes(reader, plan.unit, len(plan.layers))

    def read(self, number: int, tasks: list[Task]) -> Found:
        """Read a window that begins with batch `number`."""
        plan = self._plan
        sinks = Sinks(plan.layers, plan.collectors, plan.nonfinite)
        filling = None
        if plan.folder is not None:
            filling = Filling(plan.folder, plan.places, plan.dtype, number, plan.shard)
        host = ToHost(plan.dtype, plan.nonfinite or "refuse")
        entries: list[dict[str, Any]] = []
        samples = tokens = 0
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
                    samples += batch.size
                    tokens += 0 if batch.mask is None else int(batch.mask.sum())
                    del rows, batch, about
                keep(host.rest())
                if filling is not None and (entry := filling.finish()):
                    entries.append(entry)
        except Exception as error:
            if filling is not None:
                filling.discard()
            bad = getattr(error, "samples", place)
            return Found([], {}, 0, 0, error, bad)
        return Found(entries, sinks.collectors, samples, tokens)


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
    windows = _windows(run)
    # How many windows wait at each actor; which are on their way, in the data's order.
    busy, flying = [0] * len(actors), deque[tuple[Any, int, list[Task]]]()
    done: set[Any] = set()
    more = True
    while more or flying:
        while more and min(busy) < AHEAD:
            number, tasks = next(windows, (0, []))
            more = bool(tasks)
            if tasks:
                free = busy.index(min(busy))
                busy[free] += 1
                flying.append((actors[free].read.remote(number, tasks), free, tasks))
        waiting = [ref for ref, _, _ in flying if ref not in done]
        if waiting:
            ready, _ = ray.wait(waiting, num_returns=1)
            done.update(ready)
            for ref, actor, _ in flying:
                busy[actor] -= ref in ready
        while flying and flying[0][0] in done:
            ref, _, tasks = flying.popleft()
            done.discard(ref)
            try:
                found: Found = ray.get(ref)
            except ray.exceptions.RayError as error:
                last = tasks[-1]
                size = 1 if isinstance(last.rows, Raw) else last.rows.size
                run.at = np.arange(tasks[0].first, last.first + size)
                raise RuntimeError(
                    f"a worker was lost {RETRIES + 1} times: {str(error).splitlines()[0]}"
                ) from error
            if found.error is not None:
                run.at = found.bad
                raise found.error
            run.take(found.entries, found.sinks, found.samples, found.tokens)
            yield run.reading


def _plan(run: Run) -> Plan:
    wanted, disk_ = run.wanted, run.disk
    return Plan(
        wanted.layers,
        wanted.unit,
        run.reader.axes,
        run.reader.call,
        run.make,
        wanted.nonfinite,
        run.others,
        None if disk_ is None else disk_.folder.resolve(),
        {} if disk_ is None else disk_.writer.places,
        wanted.dtype,
        disk.SHARD,
    )


def _windows(run: Run) -> Iterator[tuple[int, list[Task]]]:
    """Batches up to each multiple of `SHARD`, with the number of the first."""
    number = 0 if run.disk is None else run.disk.writer.batches
    tasks: list[Task] = []
    for raw, made in run.fresh():
        if not run.told and made is None:
            made = run.make(raw)
        rows: Raw | Batch = raw if run.told else made or raw
        size = rows.size if isinstance(rows, Batch) else len(raw.rows)
        place = run.place(rows.place, size)
        mark = disk.mark(raw) if run.disk is not None else ""
        tasks.append(Task(mark, rows, int(place[0]), run.codes(place, rows)))
        if (number + len(tasks)) % disk.SHARD == 0:
            yield number, tasks
            number, tasks = number + len(tasks), []
    if tasks:
        yield number, tasks


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ImportError(
            "engine='ray' needs Ray: pip install 'neuronwidgets[ray]' on every machine."
        ) from None
    return ray
