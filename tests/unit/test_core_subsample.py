"""Evenly spaced subsets."""

from __future__ import annotations

import numpy as np
import pytest

from neuronwidgets.core.arrays import one_hot
from neuronwidgets.core.subsample import between_ends, evenly_spaced


@pytest.mark.parametrize("pick", [evenly_spaced, between_ends])
@pytest.mark.parametrize(("count", "most"), [(0, 3), (3, 3), (10, 3), (1000, 7), (11, 10)])
def test_so_many_rows_in_order_and_evenly_spaced(pick: object, count: int, most: int) -> None:
    rows = np.arange(count)
    assert callable(pick)
    kept = pick(rows, most)
    assert len(kept) == min(count, most)
    gaps = np.diff(kept)
    assert (gaps > 0).all()
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


def test_which_rows_they_are() -> None:
    assert evenly_spaced(np.arange(10), 4).tolist() == [0, 2, 5, 7]
    assert between_ends(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert evenly_spaced(list("abc"), 5) == list("abc")


def test_the_direction_of_one_neuron() -> None:
    direction = one_hot(2, 4)
    assert direction.tolist() == [0, 0, 1, 0]
    assert direction.dtype == np.float64
