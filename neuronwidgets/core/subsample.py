"""Subsets that stand for many rows: evenly spaced, the same ones each time."""

from __future__ import annotations

from typing import Any

import numpy as np


def evenly_spaced(rows: Any, most: int) -> Any:
    """The first rows of `most` equal parts of an array, in order; all rows if there are no more."""
    if len(rows) <= most:
        return rows
    return rows[np.arange(most) * len(rows) // most]


def between_ends(rows: Any, most: int) -> Any:
    """`most` evenly spaced rows of an array, the first and the last among them, in order; all rows
    if there are no more. For drawing a distribution with its ends."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
