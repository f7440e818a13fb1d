"""Former names, which work for one release."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


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


def renamed_keyword(former: str, now: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take a keyword by its former name, with the warning of `renamed`.

    The outermost decorator of the function: the warning names the line that calls it.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if former in kwargs:
                if now in kwargs:
                    raise TypeError(f"{former}= is the former name of {now}=: pass {now}= only.")
                renamed(f"{former}=", f"{now}=")
                kwargs[now] = kwargs.pop(former)
            return function(*args, **kwargs)

        return call

    return decorate


def former_attribute(kind: str, former: str, now: str) -> Any:
    """A property that reads and sets a renamed attribute, with the warning of `renamed`."""

    def read(self: Any) -> Any:
        renamed(f"{kind}.{former}", f"{kind}.{now}")
        return getattr(self, now)

    def write(self: Any, value: Any) -> None:
        renamed(f"{kind}.{former}", f"{kind}.{now}")
        setattr(self, now, value)

    return property(read, write)
