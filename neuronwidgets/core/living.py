"""The objects of a kind that exist."""

from __future__ import annotations

import threading
import weakref
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Living(Generic[Item]):
    """Objects that were added and that something still refers to. It keeps none of them alive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._references: list[weakref.ref[Item]] = []

    def add(self, item: Item) -> None:
        """Add an object, of any type that weak references can point to."""
        with self._lock:
            kept = [reference for reference in self._references if reference() is not None]
            # A new list: other threads may be reading the old one.
            self._references = [*kept, weakref.ref(item)]

    def all(self) -> list[Item]:
        """The objects, in the order in which they were added."""
        items = (reference() for reference in self._references)
        return [item for item in items if item is not None]
