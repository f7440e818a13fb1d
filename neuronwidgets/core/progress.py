"""The line that long work shows, and the sentence that an interrupt leaves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from neuronwidgets.core.warning import warn

COUNT = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f} of {total_fmt}{unit}"
WORKING = COUNT + ", {remaining} left{postfix}"
ENDED = COUNT + " in {elapsed}{postfix}"


@contextmanager
def progress_line(title: str, total: int | None, unit: str, show: bool = True) -> Iterator[Any]:
    """One line, in a notebook or a terminal: the share done, how many, and the time left.

    Args:
        title: the work, as in "reading h.3".
        total: its size, in `unit`; `None` if unknown, then the line has no time left.
        unit: the plural, such as "samples".
        show: the argument `progress=` of the public functions.

    Yields:
        A `tqdm`; call `update(count)`, where `count` may be a fraction.
    """
    from tqdm.auto import tqdm

    layout = None if total is None else WORKING
    with tqdm(
        total=total, desc=title, unit=f" {unit}", disable=not show, bar_format=layout
    ) as line:
        try:
            yield line
        finally:
            if layout is not None:
                if math.isclose(line.n, total or 0, rel_tol=1e-6):
                    # Fractions add up to a little less, and a notebook's bar would end red.
                    line.n = total
                line.bar_format = ENDED
                line.refresh()


def warn_stopped(done: int, total: int | None, unit: str) -> None:
    """The warning of work that a keyboard interrupt ended and that returns what it has."""
    of = "" if total is None else f" of {total:,}"
    warn(f"stopped after {done:,}{of} {unit}")
