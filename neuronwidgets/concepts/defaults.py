"""Defaults of a split: the number of top samples and the size of the smallest concept."""

from __future__ import annotations

import math
from typing import Any

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.checks import integer

TOP = 100
"""Top samples of a neuron, at most, by default (the paper's number)."""
MIN_TOP = 20
"""Top samples of a neuron, at least, by default."""
TOP_SHARE = 0.05
"""Share of the data set that is a neuron's top by default: in a small data set 100 samples are
not the top."""
MIN_SIZE_DIVISOR = 20
"""A concept holds at least 1 in 20 of the top samples by default (the paper: 5 of 100)."""


def top_count(acts: Activations, top: Any) -> int:
    """The number of top samples: `top`, or `default_top` if it is `None`.

    Raises:
        ValueError, TypeError: fewer than two samples, or more than there are.
    """
    if len(acts) < 2:
        raise ValueError(
            f"layer {acts.layer!r} holds {len(acts)} sample: a neuron is split by at least two."
        )
    count = acts.check_top(default_top(len(acts)) if top is None else top)
    if count < 2:
        raise ValueError("top must be at least 2 to split a neuron, got 1.")
    return count


def default_top(samples: int) -> int:
    """The default number of top samples: 100 (the paper's), at most 5% of the data but at least
    20; or all."""
    return min(samples, TOP, max(MIN_TOP, math.ceil(TOP_SHARE * samples)))


def default_min_size(top: int) -> int:
    """The default `min_size` of a split with `top` top samples: 5%, at least 2."""
    return max(2, math.ceil(top / MIN_SIZE_DIVISOR))


def check_min_size(min_size: Any) -> int:
    """`min_size` as an int of at least 1."""
    return integer("min_size", min_size, 1)
