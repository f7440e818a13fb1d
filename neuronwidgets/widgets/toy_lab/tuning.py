"""How ToyLab shares a machine between training and the browser."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainerTuning:
    """Rates of ToyLab's pictures, and how it trains.

    Attributes:
        slice: seconds of training between two looks at whether to stop.
        every: seconds between two pictures, at least.
        share: the most of the time that goes into making pictures.
        bytes: the most bytes of pictures sent in a second.
        stills: the most cells of all checkpoints that are sent; of more, the earliest stay in the
            kernel.
        one_thread: below so many products in a step, one CPU thread trains. The browser needs the
            other core, and two threads that wait for a core are slower than one.
    """

    slice: float = 0.02
    every: float = 1 / 15
    share: float = 0.05
    bytes: float = 4e6
    stills: int = 1 << 24
    one_thread: int = 1 << 26


TUNING = TrainerTuning()
