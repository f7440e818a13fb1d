"""What a session needs of its widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Screen:
    """The three ways in which a session reaches its widget. A test passes functions of its own.

    Attributes:
        put: set these traits, in one message.
        fail: show an error.
        clear: show no error any more.
    """

    put: Callable[[Mapping[str, Any]], None]
    fail: Callable[[BaseException], None]
    clear: Callable[[], None]
