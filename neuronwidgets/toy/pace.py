"""The threads of training, and its progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

SMALL_WORK = 1 << 26
"""Multiplications in a step up to which one CPU thread trains. Two threads are at most 1.4 times as
fast on idle cores, and eight times slower where each waits for a core that something else has."""


@contextmanager
def few_threads(work: int) -> Iterator[None]:
    """Train small models on one CPU thread: a second one would only wait for the first."""
    before = torch.get_num_threads()
    if before == 1 or work > SMALL_WORK:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def progress_bar(steps: int, show: bool) -> Any:
    """A bar with the time left, after the first second."""
    from tqdm.auto import tqdm

    return tqdm(total=steps, desc="training", unit=" steps", disable=not show, delay=1)
