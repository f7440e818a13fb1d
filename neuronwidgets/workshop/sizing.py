"""The choice of sizes: a short measurement, and the largest size that keeps the promise."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

from neuronwidgets.core.checks import number, one_of
from neuronwidgets.workshop.notebooks import NOTEBOOKS, Size

BUDGET = 30.0
"""Seconds that a step may take; people wait for half a minute without leaving."""
PROBE = 1.0
"""Seconds of a measurement. A machine that others use is slower in one tenth than in the next."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of a notebook's long steps; `sizes[name]` is a step's.

    Attributes:
        chosen: the size of each step, by its name.
        unit: seconds that a probe took.
        probe: what was measured, in words.
    """

    chosen: dict[str, Size]
    unit: float
    probe: str

    def __getitem__(self, name: str) -> Any:
        return self.chosen[one_of("the name of a step", name, tuple(self.chosen))].value

    def seconds(self, name: str) -> float:
        """The seconds that a step is expected to take."""
        return self.chosen[one_of("the name of a step", name, tuple(self.chosen))].units * self.unit

    def __repr__(self) -> str:
        steps = "; ".join(
            f"{size.text}, about {_in_words(self.seconds(name))}"
            for name, size in self.chosen.items()
        )
        return f"{self.probe} takes {_in_words(self.unit)} here. Sizes for this machine: {steps}."

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>"


def sizes(notebook: str, unit: float | None = None) -> Sizes:
    """Measure this machine for one to four seconds, and choose a notebook's sizes.

    Args:
        notebook: "split", "ranges", "toys" or "effects".
        unit: seconds that a probe takes. Not given: measured.

    Returns:
        For each long step the largest size that is expected to take at most `BUDGET` seconds, or
        the smallest one. In a notebook it is shown as a sentence with the expected times.

    Raises:
        ValueError: there is no such notebook, or `unit` is not above 0.
    """
    plan = NOTEBOOKS[one_of("notebook", notebook, tuple(NOTEBOOKS))]
    seconds = _measured(plan.probe()) if unit is None else number("unit", unit, above=0)
    chosen = {}
    for name, offered in plan.steps.items():
        fitting = [size for size in offered if size.units * seconds <= BUDGET]
        chosen[name] = fitting[0] if fitting else offered[-1]
    return Sizes(chosen, seconds, plan.words)


def _measured(probe: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Mean seconds of a probe, the first of which is not counted."""
    probe()
    began = now = clock()
    count = 0
    while now - began < PROBE:
        probe()
        now, count = clock(), count + 1
    return (now - began) / count


def _in_words(seconds: float) -> str:
    if seconds < 0.1:
        return f"{1000 * seconds:.2g} ms"
    if seconds < 10:
        return f"{seconds:.2g} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
