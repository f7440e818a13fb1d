"""A lock that several widgets can share, so that changes passed between them cannot deadlock."""

from __future__ import annotations

import threading
import weakref
from typing import Any

_joining = threading.Lock()


class Lock:
    """A reentrant lock. Locks that were joined exclude each other as one lock does.

    Linked widgets set each other's traits, each under its own lock: two threads that start from
    two sides would wait for each other for ever.
    """

    def __init__(self) -> None:
        self._inner = threading.RLock()
        self._joined = weakref.WeakSet([self])
        self._held = threading.local()

    def __enter__(self) -> Lock:
        while True:
            inner = self._inner
            inner.acquire()
            if inner is self._inner:
                break
            inner.release()  # Joined with another lock while this thread waited.
        self._stack.append(inner)
        return self

    def __exit__(self, *_: Any) -> None:
        self._stack.pop().release()

    @property
    def _stack(self) -> list[Any]:
        """What this thread has acquired by this lock, latest last."""
        stack: list[Any] = self._held.__dict__.setdefault("stack", [])
        return stack

    def join(self, other: Lock) -> None:
        """Exclude `other`, and all that it was joined with, from now on."""
        with _joining:
            if self._inner is other._inner:
                return
            first, second = sorted((self._inner, other._inner), key=id)
            with first, second:
                joined = self._joined | other._joined
                for lock in joined:
                    lock._inner, lock._joined = self._inner, joined
