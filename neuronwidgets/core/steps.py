"""Long work as generators: they yield how far it is, and return what it gives."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

T = TypeVar("T")


def drained(steps: Generator[Any, None, T]) -> T:
    """What a generator returns, without what it yields on the way."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
