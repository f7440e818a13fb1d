"""Training of many toy models as one batched computation that can pause at any step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch

from neuronwidgets.core.checks import number
from neuronwidgets.core.interrupts import uninterrupted
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.progress import progress_line, warn_stopped
from neuronwidgets.toy.batch import RunBatch
from neuronwidgets.toy.config import Config
from neuronwidgets.toy.log import Log
from neuronwidgets.toy.run import Run
from neuronwidgets.toy.threads import few_threads

EVERY = 0.05
"""Seconds between yields: 20 a second are smooth to watch. A longer step is not interrupted."""


@dataclass(frozen=True, eq=False)
class Progress:
    """The state of training; runs are in the order of their configurations.

    Attributes:
        step: int64 `R`, steps done by each run.
        steps: int64 `R`, steps of each run's whole training.
        loss: float64 `R`, mean training loss since the last log entry; right after an entry, that
            entry's loss.
        checkpoint: whether a run has reached a checkpoint since the last yield.
    """

    step: np.ndarray
    steps: np.ndarray
    loss: np.ndarray
    checkpoint: bool
    _places: tuple[tuple[RunBatch, int], ...]

    @property
    def done(self) -> bool:
        """Whether every run has done all its steps."""
        return bool((self.step == self.steps).all())

    @own_modes()
    def run(self, index: int) -> Run:
        """A copy of a run in its current state, during training or after it.

        Call this before training goes on, since `Progress` refers to the live weights.
        """
        batch, run_index = self._places[index]
        return batch.run(run_index)

    @own_modes()
    def now(self, index: int) -> tuple[np.ndarray, np.ndarray, Log]:
        """A run's responses `A`, float32 `k x N`, biases, `k`, and log, without its weights.

        Equal to those of `run(index)`, but fast enough to be read many times a second.
        """
        batch, run_index = self._places[index]
        return batch.snapshot(run_index)

    def runs(self) -> list[Run]:
        """Copies of all runs in their current state."""
        return [self.run(i) for i in range(len(self._places))]


class Training:
    """Training of many toy models that can pause at any step.

    Runs of equal shapes train as one batched computation. Each run has its own seed, and the same
    result as if it trained by itself. Batches of different shapes take turns: the one with the
    fewest steps done trains next. Not thread-safe.

    Args:
        configs: one configuration or many.
        device: "cpu", or an accelerator that torch knows, such as "cuda".
    """

    @own_modes()
    def __init__(
        self, configs: Config | Sequence[Config], *, device: str | torch.device = "cpu"
    ) -> None:
        many, torch_device = _configs(configs), _device(device)
        groups: dict[tuple[object, ...], list[int]] = {}
        for i, config in enumerate(many):
            groups.setdefault(RunBatch.shape_of(config), []).append(i)
        self._batches = [
            RunBatch([many[i] for i in group], torch_device) for group in groups.values()
        ]
        places: dict[int, tuple[RunBatch, int]] = {}
        for batch, group in zip(self._batches, groups.values(), strict=True):
            places |= {i: (batch, run_index) for run_index, i in enumerate(group)}
        self._places = tuple(places[i] for i in range(len(many)))
        self._steps = np.array([config.steps for config in many])

    @own_modes()
    def advance(self, seconds: float = EVERY, until: int | None = None) -> Progress:
        """Train at least one step, for `seconds` or to the next checkpoint; return the progress.

        Args:
            seconds: 0 for one step. It does not change the result.
            until: the step at which every run pauses. Not given: each run's last.
        """
        number("seconds", seconds, least=0, infinite=True)
        unfinished = [b for b in self._batches if b.step < _end(b, until)]
        if not unfinished:
            return self.progress(False)
        batch = min(unfinished, key=lambda b: b.step)
        deadline, end = time.perf_counter() + seconds, _end(batch, until)
        checkpoint = False
        with few_threads(batch.work):
            while not checkpoint and batch.step < end:
                checkpoint = batch.advance()
                if time.perf_counter() >= deadline:
                    break
            batch.read_loss()
        return self.progress(checkpoint)

    @property
    def work(self) -> int:
        """Multiplications in one step's forward pass of all runs."""
        return sum(batch.work for batch in self._batches)

    def alone(self, index: int) -> Training:
        """Training of one of the runs, from its current step on.

        Do not use this object afterwards.
        """
        single = object.__new__(Training)
        batch, run_index = self._places[index]
        single._batches = [batch.alone(run_index)]
        single._places = ((single._batches[0], 0),)
        single._steps = self._steps[index : index + 1]
        return single

    def progress(self, checkpoint: bool = True) -> Progress:
        """The progress of training, without a step."""
        loss = np.array([batch.loss[run_index] for batch, run_index in self._places])
        step = np.array([batch.step for batch, _ in self._places])
        return Progress(step, self._steps, loss, checkpoint, self._places)


def _end(batch: RunBatch, until: int | None) -> int:
    return batch.steps if until is None else min(batch.steps, until)


def training(
    configs: Config | Sequence[Config],
    *,
    device: str | torch.device = "cpu",
    every: float = EVERY,
) -> Iterator[Progress]:
    """Train; yield every `every` seconds, at each checkpoint and at the end. See `Training`.

    After an early stop, `progress.runs()` has the runs so far.

    Args:
        configs: one configuration or many.
        device: "cpu", or an accelerator that torch knows, such as "cuda".
        every: seconds between yields; 0 yields after every step. It does not change the result.

    Yields:
        `Progress`, first before any step.
    """
    number("every", every, least=0, infinite=True)
    return _training(Training(configs, device=device), every)


def _training(state: Training, every: float) -> Iterator[Progress]:
    progress = state.progress()
    yield progress
    while not progress.done:
        progress = state.advance(every)
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

    An interrupted call returns the runs as they are.

    Args:
        configs: a `Config`, or a sequence of them. Runs of equal shapes train together.
        device: "cpu", or an accelerator that torch knows, such as "cuda".
        progress: show a line with the progress and the time left.

    Returns:
        A `Run`, or a list of them in the order of `configs`.
    """
    state = Training(configs, device=device)
    current = state.progress()
    total = int(current.steps.sum())
    with progress_line("training", total, "steps", progress) as line:
        try:
            while not current.done:
                with uninterrupted():
                    current = state.advance()
                line.update(int(current.step.sum()) - line.n)
        except KeyboardInterrupt:
            current = state.progress()
            if not current.step.any():
                raise
            warn_stopped(int(current.step.sum()), total, "steps")
    runs = current.runs()
    return runs[0] if isinstance(configs, Config) else runs


def _configs(configs: Config | Sequence[Config]) -> list[Config]:
    many = list(configs) if isinstance(configs, Sequence) else [configs]
    for i, config in enumerate(many):
        if not isinstance(config, Config):
            raise TypeError(
                f"configs[{i}] must be a neuronwidgets.toy.Config, got a {type(config).__name__}."
            )
    if not many:
        raise ValueError("there is no configuration to train: pass at least one Config.")
    return many


def _device(device: str | torch.device) -> torch.device:
    try:
        torch_device = torch.device(device)
        torch.empty(0, device=torch_device)
    except (AssertionError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"device={device!r} cannot be used here: {reason.rstrip('.')}. 'cpu' always works."
        ) from None
    return torch_device
