"""The number of CPU threads of training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SMALL_WORK = 1 << 26
"""Multiplications in a step up to which it takes one CPU thread. With 25 million, two idle cores
are 1.6 times as fast as one. On a machine that others use they are up to 40 times slower, since
each small operation waits for both."""


@contextmanager
def few_threads(work: int) -> Iterator[None]:
    """Compute with one CPU thread if a step has at most `SMALL_WORK` multiplications."""
    before = torch.get_num_threads()
    if before == 1 or work > SMALL_WORK:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
