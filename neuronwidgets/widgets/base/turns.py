"""How soon a widget gets a turn while a cell computes."""

from __future__ import annotations

import functools
import sys
from typing import Any

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


def beside_cells(comm: Any) -> None:
    """Let messages of `comm` reach the thread that the page names, which is free while a cell runs.

    JupyterLab 4.4 names a thread (a subshell) for each kind of comm. ipykernel 7.4 takes the one
    that was the last to send on the comm instead: after a cell has set a trait, that of the cells.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, named: named
