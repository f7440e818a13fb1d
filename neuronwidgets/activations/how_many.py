"""Numbers of neurons, given as a count or a share."""

from __future__ import annotations

import numpy as np


def how_many(top: float, neurons: int) -> int:
    """`top` as a number of neurons: a share below 1 (at least one neuron), or a whole number."""
    if isinstance(top, bool) or not isinstance(top, int | float | np.number) or not top > 0:
        raise ValueError(f"top must be a share (0.3) or a number of neurons, got {top!r}.")
    if top < 1 or (isinstance(top, float) and top == 1):
        return max(1, round(top * neurons))
    if top != int(top) or top > neurons:
        raise ValueError(
            f"top must be a share below 1 or a whole number of neurons up to {neurons}, got "
            f"{top!r}."
        )
    return int(top)
