"""`Rows`, `Reservoir` and `Coactivation`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from neuronwidgets.capturing.collectors import Chunk, Coactivation, Reservoir, Rows
from neuronwidgets.capturing.collectors.reservoir import mixed, priority

MASK = (1 << 64) - 1


@given(seed=st.integers(0, 10**9), cut=st.integers(0, 10**9))
def test_rows_come_back_in_order(rows_of: Any, tear: Any, seed: int, cut: int) -> None:
    chunk = rows_of(seed)
    found = tear(Rows, chunk, cut).result()
    np.testing.assert_array_equal(found.values, chunk.rows.numpy())
    np.testing.assert_array_equal(found.sample, chunk.sample.numpy())
    np.testing.assert_array_equal(found.position, chunk.position.numpy())
    np.testing.assert_array_equal(found.label, chunk.label.numpy())
    assert found.seen == len(chunk)


@given(seed=st.integers(0, 10**9), cut=st.integers(0, 10**9), size=st.integers(1, 100))
def test_a_reservoir_keeps_the_first_priorities(
    rows_of: Any, tear: Any, seed: int, cut: int, size: int
) -> None:
    chunk = rows_of(seed)
    found = tear(lambda: Reservoir(size, seed=3), chunk, cut).result()
    first = np.sort(priority(chunk.key, 3).numpy().argsort()[:size])
    np.testing.assert_array_equal(found.values, chunk.rows.numpy()[first])
    np.testing.assert_array_equal(found.sample, chunk.sample.numpy()[first])
    np.testing.assert_array_equal(found.position, chunk.position.numpy()[first])
    np.testing.assert_array_equal(found.label, chunk.label.numpy()[first])
    assert found.seen == len(chunk)


def test_the_sample_is_uniform() -> None:
    """Each of 60 rows (20 samples of 3 tokens) is kept by about a third of 2000 seeds."""
    order = torch.arange(60)
    kept = np.zeros(60, int)
    for seed in range(2000):
        reservoir = Reservoir(20, seed)
        reservoir.add(Chunk(torch.zeros(60, 1), order // 3, order % 3))
        found = reservoir.result()
        assert found.position is not None
        kept[found.sample * 3 + found.position] += 1
    # Drawing without replacement, the counts' variance is n p (1 - p).
    statistic = ((kept - 2000 / 3) ** 2).sum() / (2000 * (1 / 3) * (2 / 3)) * 59 / 60
    assert stats.chi2.sf(statistic, 59) > 1e-3


def test_neighbours_are_kept_independently() -> None:
    place = torch.arange(100_000)
    low = (priority(place, 0) < 0).double().numpy()
    assert abs(low.mean() - 0.5) < 0.01
    for lag in (1, 2, 7, 64):
        assert abs(np.corrcoef(low[lag:], low[:-lag])[0, 1]) < 0.02
    other = (priority(place, 1) < 0).double().numpy()
    assert abs(np.corrcoef(low, other)[0, 1]) < 0.02


def test_the_hash_is_splitmix64() -> None:
    def step(word: int) -> int:
        word = (word + 0x9E3779B97F4A7C15) & MASK
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
        return word ^ (word >> 31)

    words = [0, 1, 2**24, 2**62 + 17, 2**63 - 1]
    assert step(0) == 0xE220A8397B1DCDAF  # the first output of the reference code with seed 0
    assert [w & MASK for w in mixed(torch.tensor(words)).tolist()] == [step(w) for w in words]


@given(
    seed=st.integers(0, 10**9),
    cut=st.integers(0, 10**9),
    threshold=st.sampled_from([0.0, 0.5, -1.0, np.inf]),
)
def test_coactivation_counts(
    rows_of: Any, tear: Any, seed: int, cut: int, threshold: float
) -> None:
    chunk = rows_of(seed)
    on = chunk.rows.numpy() > threshold
    found = tear(lambda: Coactivation(threshold), chunk, cut).result()
    together = (on[:, :, None] & on[:, None, :]).sum(0)
    np.testing.assert_array_equal(found.together, together)
    np.testing.assert_array_equal(found.active, on.sum(0))
    either = (on[:, :, None] | on[:, None, :]).sum(0)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found.jaccard, together / either)
    for i in range(on.shape[1]):
        for j in range(on.shape[1]):
            if on[:, i].all() or not on[:, i].any() or on[:, j].all() or not on[:, j].any():
                assert np.isnan(found.phi[i, j])
            else:
                expected = np.corrcoef(on[:, i], on[:, j])[0, 1]
                np.testing.assert_allclose(found.phi[i, j], expected, atol=1e-12)


def test_counts_are_exact_beyond_what_float32_holds() -> None:
    coactivation = Coactivation()
    count = 3 << 20
    rows = Chunk(torch.ones(count, 1), torch.zeros(count, dtype=torch.int64))
    for _ in range(6):
        coactivation.add(rows)
    more = Chunk(torch.ones(1, 1), torch.zeros(1, dtype=torch.int64))
    coactivation.add(more)
    assert coactivation.result().together.item() == 6 * count + 1 > 1 << 24


def test_the_closest_pairs() -> None:
    rows = torch.tensor([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 1, 1, 0]])
    coactivation = Coactivation()
    coactivation.add(Chunk(rows, torch.arange(4)))
    frame = coactivation.result().to_frame(top=2)
    assert frame[["neuron", "other", "together"]].to_numpy().tolist() == [[0, 1, 2], [1, 2, 1]]


def test_a_threshold_is_a_number() -> None:
    with pytest.raises(ValueError, match="threshold must be a number, got nan"):
        Coactivation(np.nan)
