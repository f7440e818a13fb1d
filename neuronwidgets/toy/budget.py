"""How many steps of training this machine does in a given time."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from neuronwidgets.core.checks import number
from neuronwidgets.core.modes import own_modes
from neuronwidgets.toy.config import Config
from neuronwidgets.toy.training import Training

LEAST = 5
"""Cycles of the learning rate that are always trained: with fewer, the presets hardly differ."""
TRIAL = 0.4
"""Seconds of training to measure. The first half is not counted: caches and logs are cold then."""


@own_modes()
def steps_within(
    seconds: float, configs: Config | Sequence[Config], *, device: str | torch.device = "cpu"
) -> int:
    """The number of steps that these models train in `seconds` on this machine.

    Trains a copy for less than a second to measure the speed. The steps of the shortest
    configuration are halved until they fit, each time to an odd number of cycles, where the
    learning rate is 0. There are few such numbers, so machines of about the same speed get the
    same one. It is never under five cycles: training may take longer than `seconds` on a very slow
    machine.

    Args:
        seconds: time for all models, above 0.
        configs: one configuration or many, to be trained together.
        device: "cpu", or an accelerator that torch knows, such as "cuda".

    Returns:
        Steps of each model, at most those that the configurations have.
    """
    number("seconds", seconds, above=0, infinite=True)
    many = [configs] if isinstance(configs, Config) else list(configs)
    trial = Training(many, device=device)
    began = time.perf_counter()
    marks = [(0.0, 0)]
    progress = trial.progress()
    while marks[-1][0] < TRIAL and not progress.done:
        progress = trial.advance(TRIAL / 8)
        marks.append((time.perf_counter() - began, int(progress.step.sum())))
    (first, before), (last, after) = marks[(len(marks) - 1) // 2], marks[-1]
    step = len(many) * (last - first) / (after - before)
    shortest = min(many, key=lambda config: config.steps)
    return fitting(shortest.steps, shortest.cycle, seconds / step)


def fitting(steps: int, cycle: int, most: float) -> int:
    """`steps`, halved to odd numbers of cycles until they are at most `most`, or `LEAST` cycles."""
    while steps > max(most, LEAST * cycle):
        cycles = steps // cycle // 2
        steps = max(LEAST, cycles + 1 - cycles % 2) * cycle
    return steps
