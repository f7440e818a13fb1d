"""How a kernel sends the arrays of widgets."""

from __future__ import annotations

import functools
import sys
from typing import Any

from IPython import get_ipython

DEFAULT = 65_536
"""Bytes from which Jupyter's session sends an array itself, not a copy."""


@functools.cache
def send_copies() -> None:
    """In a kernel, send copies of arrays, however large.

    Arrays themselves are sent with the help of a thread that ends before the kernel does. Without
    it pyzmq raises an error in the middle of a message. Of what then comes next, a page takes the
    parts for arrays of that message. It is done once a process, and a limit that the user has set
    stays.
    """
    session: Any = getattr(getattr(get_ipython(), "kernel", None), "session", None)
    if getattr(session, "copy_threshold", None) == DEFAULT:
        session.copy_threshold = sys.maxsize
