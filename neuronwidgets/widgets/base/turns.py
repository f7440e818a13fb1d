"""How soon a widget gets a turn while a cell computes."""

from __future__ import annotations

import functools
import sys

from IPython import get_ipython

DEFAULT, SHORTER = 0.005, 0.001
"""Seconds after which a thread that computes in Python gives its lock up to one that waits."""


@functools.cache
def shorten() -> None:
    """In a kernel, let threads take turns after 1 ms, not after Python's default of 5 ms.

    An answer to a view needs several turns, so that it comes sooner while a cell computes. It is
    done once a process, and an interval that the user has set stays.
    """
    in_kernel = getattr(get_ipython(), "kernel", None) is not None
    if in_kernel and abs(sys.getswitchinterval() - DEFAULT) < 1e-6:
        sys.setswitchinterval(SHORTER)
