"""A concept's strip is that of all top samples where random groups of these differ as much."""

from __future__ import annotations

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.concepts.split import Split
from neuronwidgets.widgets.split_explorer.apart import Apart

WIDTH, OUTPUTS = 24, 400
READOUT = np.random.default_rng(0).normal(size=(WIDTH, OUTPUTS))


def strongest(vectors: np.ndarray) -> np.ndarray:
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    return np.asarray(np.abs(vectors @ READOUT).max(axis=1))


def split_of(kinds: int, seed: int, top: int = 90) -> Split:
    """Top samples that share much, of kinds that differ."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(1000, WIDTH)).astype(np.float32)
    values[:top] += 4 * rng.normal(size=WIDTH)
    kind = np.arange(top) % kinds
    values[np.arange(top), 1 + kind] += 3 * (kinds > 1)
    values[:top, 0] += 50
    return nw.split(nw.Activations.from_arrays(values), 0, top=top)


def test_random_groups_are_not_apart_and_kinds_are() -> None:
    random, kinds = [], []
    for seed in range(30):
        split = split_of(3, seed)
        apart = Apart(split, strongest)
        rng = np.random.default_rng(1000 + seed)
        sizes = (4, 7, 12, 25, 45)
        random.append(apart.of([rng.choice(90, size, replace=False) for size in sizes]))
        kinds.append(apart.of([np.flatnonzero(split.index % 3 == kind) for kind in range(3)]))
    assert (np.array(kinds) > 1).mean() > 0.95
    above = np.array(random) > 1
    assert above.mean() < 0.12
    assert above.mean(axis=0).max() < 0.25


def test_the_distance_is_the_largest_difference_of_an_effect() -> None:
    split = split_of(2, 0)
    groups = [np.arange(10), np.arange(5, 45)]

    def direction(rows: np.ndarray) -> np.ndarray:
        median = np.median(rows, axis=0) - split.mean
        return np.asarray(median / np.linalg.norm(median))

    expected = [
        np.abs((direction(split.vectors[g]) - direction(split.vectors)) @ READOUT).max()
        / np.sqrt((90 - len(g)) / (len(g) * 89))
        for g in groups
    ]
    found = Apart(split, strongest).of(groups)
    np.testing.assert_allclose(found[0] / found[1], expected[0] / expected[1], rtol=1e-4)


@pytest.mark.parametrize("top", [5, 90])
def test_what_has_no_bound(top: int) -> None:
    split = split_of(1, 0, top)
    n = len(split.index)
    every, one = Apart(split, strongest).of([np.arange(n), np.arange(3)])
    assert np.isnan(every)
    assert np.isnan(one) == (top == 5)
    # All effects are alike.
    assert np.isnan(Apart(split, lambda rows: np.zeros(len(rows))).of([np.arange(3)])).all()
