"""`Histogram`: exact counts, bounded width, whatever the range and the order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuronwidgets.capturing.collectors import Chunk, Histogram, Histograms

SHARES = np.array([0, 0.001, 0.05, 0.25, 0.5, 0.9, 0.999, 1])


def check(found: Histograms, rows: np.ndarray, bins: int) -> None:
    """Counts as NumPy's, widths within the bound, quantiles within a width."""
    quantiles = found.quantile(SHARES)
    for j, column in enumerate(rows.astype(np.float64).T):
        real = column[np.isfinite(column)]
        assert found.excluded[j] == len(column) - len(real)
        assert found.counts[j].sum() == len(real)
        if len(real) == 0:
            assert np.isnan(quantiles[j]).all()
            assert np.isnan(found.densities[j]).all()
            continue
        place = (np.floor(real / found.width[j]) - found.start[j] / found.width[j]).astype(int)
        np.testing.assert_array_equal(found.counts[j], np.bincount(place, minlength=bins))
        assert (found.least[j], found.most[j]) == (real.min(), real.max())
        bound = max(2 * np.ptp(real) / (bins - 1), 2.0**-23 * np.abs(real).max(), 2.0**-100)
        assert found.width[j] <= bound
        exact = np.quantile(real, SHARES, method="inverted_cdf")
        assert (np.abs(quantiles[j] - exact) <= found.width[j]).all()
        np.testing.assert_array_equal(quantiles[j, [0, -1]], exact[[0, -1]])
        np.testing.assert_allclose((found.densities[j] * found.width[j]).sum(), 1)


def seen(rows: np.ndarray, bins: int, batch: int) -> Histograms:
    histogram = Histogram(bins)
    for part in torch.arange(len(rows)).split(batch):
        histogram.add(Chunk(torch.from_numpy(rows)[part], part))
    return histogram.result()


@given(
    seed=st.integers(0, 10**9), cut=st.integers(0, 10**9), bins=st.sampled_from([16, 17, 100, 256])
)
def test_as_numpy_in_any_batches(rows_of: Any, tear: Any, seed: int, cut: int, bins: int) -> None:
    chunk = rows_of(seed)
    check(tear(lambda: Histogram(bins), chunk, cut).result(), chunk.rows.numpy(), bins)


@given(
    values=st.lists(
        st.floats(-(2.0**60), 2.0**60, width=32).filter(lambda x: x == 0 or abs(x) > 2.0**-60),
        min_size=1,
        max_size=30,
    ),
    batch=st.integers(1, 30),
    bins=st.sampled_from([16, 64]),
)
def test_any_floats(values: list[float], batch: int, bins: int) -> None:
    rows = np.array(values, np.float32)[:, None]
    check(seen(rows, bins, batch), rows, bins)
    check(seen(rows[::-1].copy(), bins, batch), rows, bins)


@pytest.mark.parametrize("batch", [10, 999, 20000])
def test_ranges_that_grow(batch: int) -> None:
    rng = np.random.default_rng(0)
    grown = np.linspace(0.001, 1000, 20000)
    rows = np.stack(
        [
            rng.normal(size=20000) * grown,
            rng.exponential(size=20000) * grown,
            1e4 + rng.normal(size=20000),
            rng.standard_cauchy(20000),
            np.where(np.arange(20000) == 19999, 1e6, 0),
            -rng.exponential(size=20000),
        ],
        axis=1,
    ).astype(np.float32)
    check(seen(rows, 256, batch), rows, 256)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1e4, -3.4e38, 3.4e38, 1e-38, 1e-45])
def test_a_constant_is_one_bin(value: float) -> None:
    rows = np.full((50, 1), value, np.float32)
    found = seen(rows, 16, 7)
    assert sorted(found.counts[0])[-1] == 50
    np.testing.assert_array_equal(found.quantile(0.3), rows[0].astype(np.float64))


def test_the_whole_range_of_floats() -> None:
    largest = np.finfo(np.float32).max
    rows = np.array([[-largest], [0], [largest], [largest]], np.float32)
    for batch in (1, 4):
        found = seen(rows, 16, batch)
        assert found.counts.sum() == 4
        assert found.quantile([0, 1]).tolist() == [[-largest, largest]]


def test_to_frame_and_edges() -> None:
    found = seen(np.array([[0, 1], [1, 1], [3, np.nan]], np.float32), 16, 3)
    frame = found.to_frame()
    assert frame["neuron"].tolist() == [0, 0, 0, 1]
    assert frame["count"].tolist() == [1, 1, 1, 2]
    assert ((frame["low"] <= [0, 1, 3, 1]) & (frame["high"] > [0, 1, 3, 1])).all()
    assert found.edges.shape == (2, 17)
    np.testing.assert_allclose(np.diff(found.edges, axis=1), found.width[:, None] * np.ones(16))


@pytest.mark.parametrize("q", [-0.1, 1.5, [0.5, np.nan]])
def test_a_wrong_share_is_refused(q: Any) -> None:
    with pytest.raises(ValueError, match="a share from 0 to 1"):
        seen(np.ones((2, 1), np.float32), 16, 2).quantile(q)
