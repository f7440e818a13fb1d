"""Warnings that name a line of the user's code."""

from __future__ import annotations

import inspect
import warnings


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of what the user's code does, at the line there that led to this call."""
    frame, level = inspect.currentframe(), 1
    while (
        frame is not None
        and frame.f_back is not None
        and _is_ours(frame.f_globals.get("__name__", ""))
    ):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_ours(module: str) -> bool:
    """Whether a module is of this package, or of what calls it."""
    return module.partition(".")[0] in ("neuronwidgets", "contextlib")
