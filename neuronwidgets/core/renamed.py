"""Former names, which work for one release."""

from __future__ import annotations

import warnings


def renamed(former: str, now: str, *, level: int = 3) -> None:
    """Say what a former name is called now."""
    warnings.warn(
        f"{former} is deprecated and goes in the next release: use {now}.",
        DeprecationWarning,
        stacklevel=level,
    )
