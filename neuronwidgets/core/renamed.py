"""Former names, which work for one release."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any


def renamed(former: str, now: str, *, level: int = 3) -> None:
    """Say what a former name is called now."""
    warnings.warn(
        f"{former} is deprecated and goes in the next release: use {now}.",
        DeprecationWarning,
        stacklevel=level,
    )


def former_names(kind: str, **now: str) -> Callable[[Any, str], Any]:
    """A `__getattr__` for a class with renamed attributes: each former name and the present one."""

    def __getattr__(self: Any, name: str) -> Any:
        if name not in now:
            raise AttributeError(f"{kind!r} object has no attribute {name!r}")
        renamed(f"{kind}.{name}", f"{kind}.{now[name]}")
        return getattr(self, now[name])

    return __getattr__
