"""How long widgets wait. One frozen value, so that a test can pass a faster one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Times in seconds.

    Attributes:
        rest: without a change for so long, a drag rests, and work that it changed begins.
        held: without a change for so long, a view that reported a held handle no longer holds it.
        tick: between two looks at a running capture.
        stay: a picture of a running capture is not replaced earlier.
        growth: a factor, no time: a running capture is shown again with so many times the samples.
        inline: work done before a call returns; the rest is a job.
        silent: shorter work reports no progress.
    """

    rest: float = 0.15
    held: float = 10.0
    tick: float = 0.25
    stay: float = 1.0
    growth: float = 1.25
    inline: float = 1.0
    silent: float = 0.3


PACE = Pace()
