"""Training of many toy models as one batched computation, that can be paused between yields."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch

from neuronwidgets.core.checks import number
from neuronwidgets.core.modes import own_modes
from neuronwidgets.toy.batch import Batch
from neuronwidgets.toy.config import Config
from neuronwidgets.toy.run import Log, Run

EVERY = 0.05
"""Seconds between yields; one step, if that takes longer."""

SMALL_WORK = 1 << 21
"""Products in a step up to which one CPU thread trains."""


@dataclass(frozen=True, eq=False)
class Progress:
    """Where training stands; the runs are in the order of their configurations.

    Attributes:
        step: int64 `R`, steps done by each run.
        steps: int64 `R`, steps that each will do.
        loss: float64 `R`, mean training loss since the last log entry, or up to the last one.
        checkpoint: whether any run has kept its weights since the last yield.
    """

    step: np.ndarray
    steps: np.ndarray
    loss: np.ndarray
    checkpoint: bool
    _places: tuple[tuple[Batch, int], ...]

    @property
    def done(self) -> bool:
        return bool((self.step == self.steps).all())

    @own_modes()
    def run(self, index: int) -> Run:
        """A run as it is now, in the middle of its training or not; later steps leave it as is.

        Take it before training goes on: `Progress` looks at the live weights.
        """
        batch, place = self._places[index]
        return batch.run(place)

    @own_modes()
    def now(self, index: int) -> tuple[np.ndarray, np.ndarray, Log]:
        """What a picture of a run needs, without its weights: `A` float32 `k x N`, biases `k`, log.

        As `run(index)` has them, but fast enough for many times a second.
        """
        batch, place = self._places[index]
        return batch.now(place)

    def runs(self) -> list[Run]:
        """All runs as they are now."""
        return [self.run(i) for i in range(len(self._places))]


class Training:
    """Training of many toy models that can stop at any step and go on.

    Runs of equal shapes train as one batched computation, each with its own seed and with the
    result that it would have alone; batches of different shapes take turns, the one with the
    fewest steps first. One thread at a time.

    Args:
        configs: one configuration or many.
        device: "cpu", or an accelerator that torch knows, such as "cuda".
    """

    @own_modes()
    def __init__(
        self, configs: Config | Sequence[Config], *, device: str | torch.device = "cpu"
    ) -> None:
        many, place = _configs(configs), _device(device)
        groups: dict[tuple[object, ...], list[int]] = {}
        for i, config in enumerate(many):
            groups.setdefault(Batch.shape_of(config), []).append(i)
        self._batches = [Batch([many[i] for i in group], place) for group in groups.values()]
        where: dict[int, tuple[Batch, int]] = {}
        for batch, group in zip(self._batches, groups.values(), strict=True):
            where |= {i: (batch, at) for at, i in enumerate(group)}
        self._places = tuple(where[i] for i in range(len(many)))
        self._steps = np.array([config.steps for config in many])

    @own_modes()
    def advance(self, seconds: float = EVERY, until: int | None = None) -> Progress:
        """Train for `seconds` or to the next checkpoint, at least one step; then where it stands.

        Args:
            seconds: 0 for one step. It changes no result.
            until: steps that no run goes beyond; not given: to each run's end.
        """
        number("seconds", seconds, least=0, infinite=True)
        unfinished = [b for b in self._batches if b.step < _end(b, until)]
        if not unfinished:
            return self.progress(False)
        batch = min(unfinished, key=lambda b: b.step)
        last, end = time.perf_counter() + seconds, _end(batch, until)
        checkpoint = False
        with _threads(batch.work):
            while not checkpoint and batch.step < end:
                checkpoint = batch.advance()
                if time.perf_counter() >= last:
                    break
            batch.read_loss()
        return self.progress(checkpoint)

    @property
    def work(self) -> int:
        """Products of a step forward of all runs."""
        return sum(batch.work for batch in self._batches)

    def alone(self, index: int) -> Training:
        """One of the runs as a training of its own, from where it stands to the same end.

        This one is not to be used any more.
        """
        made = object.__new__(Training)
        batch, place = self._places[index]
        made._batches = [batch.alone(place)]
        made._places = ((made._batches[0], 0),)
        made._steps = self._steps[index : index + 1]
        return made

    def progress(self, checkpoint: bool = True) -> Progress:
        """Where training stands, without a step of it."""
        loss = np.array([batch.loss[place] for batch, place in self._places])
        step = np.array([batch.step for batch, _ in self._places])
        return Progress(step, self._steps, loss, checkpoint, self._places)


@contextmanager
def _threads(work: int) -> Iterator[None]:
    """One CPU thread inside where a second one would only wait for the first."""
    before = torch.get_num_threads()
    if before == 1 or work > SMALL_WORK:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _end(batch: Batch, until: int | None) -> int:
    return batch.steps if until is None else min(batch.steps, until)


def training(
    configs: Config | Sequence[Config],
    *,
    device: str | torch.device = "cpu",
    every: float = EVERY,
) -> Iterator[Progress]:
    """Train, yielding every `every` seconds, at each checkpoint and at the end.

    Whoever stops iterating has the runs so far: `progress.runs()`. See `Training`.

    Args:
        configs: one configuration or many.
        device: "cpu", or an accelerator that torch knows, such as "cuda".
        every: seconds between yields; 0 yields after every step. It changes no result.

    Yields:
        `Progress`; the first before any step.
    """
    number("every", every, least=0, infinite=True)
    return _training(Training(configs, device=device), every)


def _training(going: Training, every: float) -> Iterator[Progress]:
    progress = going.progress()
    yield progress
    while not progress.done:
        progress = going.advance(every)
        yield progress


@overload
def train(configs: Config, *, device: str | torch.device = "cpu", progress: bool = True) -> Run: ...
@overload
def train(
    configs: Sequence[Config], *, device: str | torch.device = "cpu", progress: bool = True
) -> list[Run]: ...
def train(
    configs: Config | Sequence[Config],
    *,
    device: str | torch.device = "cpu",
    progress: bool = True,
) -> Run | list[Run]:
    """Train one toy model, or many as one batched computation.

    Args:
        configs: a `Config`, or a sequence of them; those of equal shapes train together.
        device: "cpu", or an accelerator that torch knows, such as "cuda".
        progress: show a progress bar, if it takes longer than a second.

    Returns:
        A `Run`, or a list of them in the order of `configs`.
    """
    going = Training(configs, device=device)
    last = going.progress()
    with _bar(int(last.steps.sum()), progress) as bar:
        while not last.done:
            last = going.advance()
            bar.update(int(last.step.sum()) - bar.n)
    runs = last.runs()
    return runs[0] if isinstance(configs, Config) else runs


def _bar(steps: int, show: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=steps, desc="training", unit=" steps", disable=not show, delay=1)


def _configs(configs: Config | Sequence[Config]) -> list[Config]:
    many = list(configs) if isinstance(configs, Sequence) else [configs]
    for i, config in enumerate(many):
        if not isinstance(config, Config):
            raise TypeError(
                f"configs[{i}] is a {type(config).__name__}; a neuronwidgets.toy.Config is needed."
            )
    if not many:
        raise ValueError("no configuration to train: at least one Config is needed.")
    return many


def _device(device: str | torch.device) -> torch.device:
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (AssertionError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"device={device!r} cannot be used here: {reason.rstrip('.')}. 'cpu' always can."
        ) from None
    return place
