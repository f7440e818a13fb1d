"""Threads that end before Python does."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

Owner = TypeVar("Owner")
Act = Callable[[Any], object]

_lock = threading.Lock()
_owners: weakref.WeakKeyDictionary[Any, tuple[Act, Act]] = weakref.WeakKeyDictionary()


def end_at_exit(
    owner: Owner, stop: Callable[[Owner], object], wait: Callable[[Owner], object]
) -> None:
    """When Python ends, stop an object's threads and wait for them.

    A thread that is inside torch at that moment would crash the process. All are stopped before
    the first is waited for. The object may be garbage-collected earlier: no reference to it is kept
    here.

    Args:
        owner: an object that is compared by identity.
        stop: called with it; returns at once.
        wait: called with it; returns when its threads have ended, or after a time.
    """
    with _lock:
        if not _owners:
            # Now, not on import: the function registered last is called first, before torch's.
            atexit.unregister(_end_all)
            atexit.register(_end_all)
        _owners[owner] = stop, wait


def _end_all() -> None:
    living = list(_owners.items())
    for owner, (stop, _) in living:
        stop(owner)
    for owner, (_, wait) in living:
        wait(owner)
