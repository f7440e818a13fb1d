"""The learning rate at each step, and the steps of checkpoints and log entries."""

from __future__ import annotations

import math

import torch

PER_OCTAVE = 8
"""Log entries per doubling of the steps."""


def cosine(step: torch.Tensor, cycle: torch.Tensor) -> torch.Tensor:
    """The learning rate at a step as a share of the highest, `(1 + cos(pi step / cycle)) / 2`.

    Equal to PyTorch's `CosineAnnealingLR(T_max=cycle)`, which rises again after `cycle`.
    """
    return (1 + torch.cos(math.pi * (step / cycle))) / 2


def is_checkpoint(step: int, steps: int) -> bool:
    """Whether the weights are kept after this step: the start, powers of two, and the end."""
    return step & (step - 1) == 0 or step == steps


def is_logged(step: int, steps: int) -> bool:
    """Whether the log has an entry after this step: 8 per doubling, checkpoints included."""
    if is_checkpoint(step, steps):
        return step > 0
    octave = int(PER_OCTAVE * math.log2(step))
    return octave != int(PER_OCTAVE * math.log2(step - 1))
