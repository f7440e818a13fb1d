"""How ToyLab shares a machine between training and the browser."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainerTuning:
    """How often ToyLab sends pictures, and how long it trains between them.

    Attributes:
        slice: seconds of training between two checks of whether to stop.
        every: seconds between two pictures, at least.
        share: the largest share of the time that pictures may take.
        bytes: the most bytes of pictures sent in a second.
        stills: the most matrix entries of all checkpoints that are sent. If there are more, the
            earliest checkpoints stay in the kernel.
    """

    slice: float = 0.02
    every: float = 1 / 15
    share: float = 0.05
    bytes: float = 4e6
    stills: int = 1 << 24


TUNING = TrainerTuning()
