"""Rows for collectors, in one go and torn to pieces."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from neuronwidgets.capturing.collectors import Chunk, Collector

ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], np.float32)


def some_rows(seed: int, odd: bool = True) -> Chunk:
    """Few rows of few neurons with ties, constant columns, and if `odd` NaN and infinities. Three
    positions per sample; labels from -1 to 2."""
    rng = np.random.default_rng(seed)
    count, neurons = int(rng.integers(1, 90)), int(rng.integers(1, 6))
    rows = rng.normal(size=(count, neurons)).astype(np.float32)
    if rng.random() < 0.5:
        rows = rows.round()
    rows[:, rng.random(neurons) < 0.2] = 3
    if odd:
        hit = rng.random(rows.shape) < rng.choice([0, 0.1, 0.9])
        rows[hit] = rng.choice(ODD, hit.sum())
    order = torch.arange(count)
    label = torch.from_numpy(rng.integers(-1, 3, count))
    return Chunk(torch.from_numpy(rows), order // 3, order % 3, label)


def taken(chunk: Chunk, index: Any) -> Chunk:
    columns = (chunk.sample, chunk.position, chunk.label)
    return Chunk(chunk.rows[index], *(None if c is None else c[index] for c in columns))


def torn(make: Callable[[], Collector], chunk: Chunk, seed: int) -> Collector:
    """A collector that saw `chunk` in random batches, in random order, on several workers, some of
    which were stored and loaded, or asked for a result, on the way, and were merged as it came."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(chunk)) if rng.random() < 0.7 else np.arange(len(chunk))
    cuts = np.sort(rng.integers(0, len(chunk) + 1, rng.integers(0, 9)))
    workers = [make() for _ in range(rng.integers(1, 5))]
    for part in np.split(order, cuts):
        place = int(rng.integers(len(workers)))
        workers[place].add(taken(chunk, torch.from_numpy(part)))
        if rng.random() < 0.2:
            workers[place] = pickle.loads(pickle.dumps(workers[place]))
        if rng.random() < 0.2:
            workers[place].result()
        if rng.random() < 0.1:
            workers[place] = copy.deepcopy(workers[place])
        if rng.random() < 0.3:
            done = workers[place]
            workers[place] = make()
            workers[int(rng.integers(len(workers)))].merge(done)
    while len(workers) > 1:
        other = workers.pop(int(rng.integers(len(workers))))
        workers[int(rng.integers(len(workers)))].merge(other)
    return workers[0]


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., Chunk]:
    return some_rows


@pytest.fixture(scope="session")
def tear() -> Callable[[Callable[[], Collector], Chunk, int], Collector]:
    return torn
