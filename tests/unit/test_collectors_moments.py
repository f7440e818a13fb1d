"""`Moments` against SciPy in float64."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neuronwidgets.capturing.collectors import Chunk, Moments, MomentTable
from neuronwidgets.intervals.statistics import moments


def check(table: MomentTable, rows: np.ndarray, rtol: float = 1e-9) -> None:
    """Compare with SciPy, a neuron at a time."""
    for j, column in enumerate(rows.astype(np.float64).T):
        real = column[np.isfinite(column)]
        assert table.count[j] == len(real)
        assert table.excluded[j] == len(column) - len(real)
        if len(real) == 0:
            assert np.isnan(
                [table.mean[j], table.variance[j], table.least[j], table.active[j]]
            ).all()
            continue
        flat = real.min() == real.max()
        assert (table.least[j], table.most[j]) == (real.min(), real.max())
        np.testing.assert_allclose(table.active[j], (real > 0).mean(), rtol=1e-14)
        np.testing.assert_allclose(table.mean[j], real.mean(), rtol=1e-12, atol=1e-12)
        if flat:
            assert table.variance[j] == 0
            assert np.isnan([table.skewness[j], table.kurtosis[j]]).all()
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = real.var(), stats.skew(real), stats.kurtosis(real, fisher=False)
        found = table.variance[j], table.skewness[j], table.kurtosis[j]
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)


@given(seed=st.integers(0, 10**9), cut=st.integers(0, 10**9), by_label=st.booleans())
def test_as_scipy_in_any_batches(
    rows_of: Any, tear: Any, seed: int, cut: int, by_label: bool
) -> None:
    chunk = rows_of(seed)
    rows, label = chunk.rows.numpy(), chunk.label.numpy()
    table = tear(lambda: Moments(by_label), chunk, cut).result()
    check(table, rows)
    assert (table.labels is not None) == by_label
    if by_label:
        assert len(table.labels.mean) == label.max() + 1
        for code in range(label.max() + 1):
            check(one(table.labels, code), rows[label == code])


def one(table: MomentTable, code: int) -> MomentTable:
    names = [name for name in MomentTable.__dataclass_fields__ if name != "labels"]
    return MomentTable(**{name: getattr(table, name)[code] for name in names})


@pytest.mark.parametrize(("mean", "std"), [(0, 1), (1e4, 1), (-1e4, 1), (1e6, 1), (1e-20, 1e-22)])
def test_a_large_mean_costs_no_digits(mean: float, std: float) -> None:
    rng = np.random.default_rng(0)
    draws = [rng.normal(size=20000), rng.exponential(size=20000), rng.standard_t(5, 20000)]
    rows = (mean + std * np.stack(draws, 1)).astype(np.float32)
    label = np.arange(20000) % 3 - 1
    table = Moments(by_label=True)
    for part in torch.arange(20000).split(777):
        table.add(Chunk(torch.from_numpy(rows)[part], part, part, torch.from_numpy(label)[part]))
    found = table.result()
    assert found.labels is not None
    check(found, rows)
    check(one(found.labels, 1), rows[label == 1])


def test_normal_kurtosis_is_three_as_in_ranges() -> None:
    rows = np.random.default_rng(0).normal(size=(5000, 2)).astype(np.float32)
    table = Moments()
    table.add(Chunk(torch.from_numpy(rows), torch.arange(5000)))
    found = table.result()
    for a, b in zip(
        (found.mean, found.std, found.skewness, found.kurtosis),
        moments(rows.astype(np.float64)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    assert abs(found.kurtosis[0] - 3) < 0.3


def test_a_wide_batch_goes_in_parts() -> None:
    rows = np.random.default_rng(0).normal(size=(700, 1000)).astype(np.float32)
    rows[300, 5] = np.inf
    table = Moments()
    table.add(Chunk(torch.from_numpy(rows), torch.arange(700)))
    check(table.result(), rows)


def test_the_largest_floats_are_finite() -> None:
    table = Moments()
    table.add(Chunk(torch.tensor([[3e38], [3e38], [2e38]]), torch.arange(3)))
    assert table.result().excluded.tolist() == [0]


def test_labels_may_come_late_and_with_gaps() -> None:
    table = Moments(by_label=True)
    for code in (-1, 4, 2):
        table.add(
            Chunk(torch.full((2, 1), float(code)), torch.arange(2), None, torch.full((2,), code))
        )
    found = table.result()
    assert found.labels is not None
    assert found.labels.count[:, 0].tolist() == [0, 0, 2, 0, 2]
    assert found.count.tolist() == [6]
    frame = found.to_frame()
    assert frame["label"].tolist() == [-1, 0, 1, 2, 3, 4]
    assert frame["count"].tolist() == [6, 0, 0, 2, 0, 2]


def test_bad_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="needs labels"):
        Moments(by_label=True).add(Chunk(torch.ones(1, 1), torch.arange(1)))
    with pytest.raises(ValueError, match=r"label codes must be 0 or more, .* got -2"):
        Moments(by_label=True).add(
            Chunk(torch.ones(1, 1), torch.arange(1), None, torch.tensor([-2]))
        )
