"""The map of a layer: neighbours share top samples, always in the same way."""

from __future__ import annotations

import numpy as np
import pytest

from neuronwidgets.core.steps import drained
from neuronwidgets.overviews.placement import placement


def groups(count: int = 12, size: int = 40, seed: int = 0) -> np.ndarray:
    """Neurons of `count` groups in random order: those of a group share most top samples."""
    rng = np.random.default_rng(seed)
    top = np.stack([
        rng.choice(60, 20, replace=False) + 60 * (i % count) for i in range(count * size)
    ])  # fmt: skip
    return top[rng.permutation(len(top))]


def test_each_neuron_has_a_cell_of_its_own() -> None:
    for count in (1, 2, 3, 5, 17, 480):
        place = drained(placement(groups()[:count], 720))
        assert len(set(zip(place.column.tolist(), place.row.tolist(), strict=True))) == count
        assert 0 <= place.column.min() <= place.column.max() < place.columns
        assert 0 <= place.row.min() <= place.row.max() < place.rows
        assert (place.rows - 1) * place.columns < count <= place.rows * place.columns


def test_the_rectangle_is_wider_than_high() -> None:
    place = drained(placement(groups(), 720))
    assert place.columns / place.rows == pytest.approx(1.4, abs=0.1)


def test_neighbours_share_top_samples() -> None:
    top = groups()
    place = drained(placement(top, 720))
    # By hand, for neurons side by side: the control is the same for random pairs.
    at = {cell: i for i, cell in enumerate(zip(place.column, place.row, strict=True))}
    shares = [
        len(np.intersect1d(top[i], top[at[c + x, r + y]])) / 20
        for (c, r), i in at.items() for x, y in ((1, 0), (0, 1)) if (c + x, r + y) in at
    ]  # fmt: skip
    assert place.shared == pytest.approx(np.mean(shares))
    assert place.chance == pytest.approx(1 / 3 * 39 / 479, rel=0.1)
    # Two neurons of one group share a third; most neighbours are of one group.
    assert place.shared > 0.8 / 3


def test_without_structure_neighbours_share_little_more_than_chance() -> None:
    rng = np.random.default_rng(0)
    top = np.stack([rng.choice(2000, 20, replace=False) for _ in range(300)])
    place = drained(placement(top, 2000))
    assert place.shared < place.chance + 0.05


def test_the_map_is_always_the_same() -> None:
    one, other = (drained(placement(groups(), 720)) for _ in range(2))
    np.testing.assert_array_equal(one.column, other.column)
    np.testing.assert_array_equal(one.row, other.row)
    assert one.shared == other.shared


def test_neurons_without_top_samples_come_last() -> None:
    top = groups()
    dead = np.arange(0, 480, 7)
    top[dead] = -1
    place = drained(placement(top, 720))
    order = place.row.astype(int) * place.columns + place.column
    assert sorted(order[dead]) == list(range(480 - len(dead), 480))
    assert place.shared > 0.8 / 3


def test_a_dead_layer_and_equal_neurons() -> None:
    dead = drained(placement(np.full((9, 5), -1), 30))
    assert (dead.shared, dead.chance) == (0, 0)
    equal = drained(placement(np.tile(np.arange(5), (30, 1)), 5))
    assert (equal.shared, equal.chance) == pytest.approx((1, 1))
