"""Threads that each take whole blocks of a large matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

ParallelMap = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]
"""Calls a function with every item, perhaps on several threads, and lists the results in order."""


def serial_map(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """A `ParallelMap` on this thread."""
    return [function(item) for item in items]


@contextmanager
def block_threads(device: torch.device) -> Iterator[ParallelMap]:
    """A pool of as many threads as torch has. Each thread takes whole blocks.

    Torch's own threads share each step and meet after it. If other work also uses the processor,
    threads wait there for each other: two took ten times as long as one.
    """
    count = torch.get_num_threads()
    if device.type != "cpu" or count == 1:
        yield serial_map
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield lambda function, items: list(pool.map(function, items))
    finally:
        torch.set_num_threads(count)
