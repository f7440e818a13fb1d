"""What concept vectors find in the dataset, against a full sort."""

from __future__ import annotations

import numpy as np
import pytest

from neuronwidgets import Activations
from neuronwidgets.activations.largest import largest
from neuronwidgets.concepts.retrieval import find, finding, unit


@pytest.mark.parametrize("chunk", [1, 40, 1 << 23])
@pytest.mark.parametrize("k", [1, 7, 49, 50, 80])
def test_chunks_and_ties_give_the_full_argsort(
    chunk: int, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neuronwidgets.concepts.find._CHUNK", chunk)
    rng = np.random.default_rng(0)
    # Whole numbers: sums are exact, ties are many.
    acts = Activations.from_arrays(rng.integers(-3, 4, (50, 4)))
    vectors = rng.integers(-2, 3, (3, 4)).astype(np.float32)
    rows, projections = find(acts, vectors, k)
    expected = acts.values @ vectors.T
    order = np.argsort(-expected, axis=0, kind="stable")[:k].T
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_array_equal(projections, np.take_along_axis(expected.T, order, 1))
    assert (rows.dtype, projections.dtype) == (np.int64, np.float32)


def test_it_reports_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuronwidgets.concepts.find._CHUNK", 40)
    acts = Activations.from_arrays(np.random.default_rng(0).normal(size=(30, 3)))
    shares = list(finding(acts, np.eye(3, dtype=np.float32)[:1], 2))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) == 3


def test_no_vectors_find_nothing() -> None:
    rows, projections = find(Activations.from_arrays(np.ones((5, 3))), np.zeros((0, 3)), 4)
    assert rows.shape == projections.shape == (0, 4)


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "3"])
def test_k_is_a_whole_number_of_at_least_one(k: object) -> None:
    with pytest.raises(ValueError, match=r"k=.*; a whole number of at least 1"):
        find(Activations.from_arrays(np.ones((5, 3))), np.eye(3), k)


def test_unit_vectors() -> None:
    made = unit(np.array([[3.0, 4.0], [0.0, 0.0], [1e-30, 0.0]]))
    np.testing.assert_allclose(made, [[0.6, 0.8], [0, 0], [1, 0]], rtol=1e-6)


@pytest.mark.parametrize("k", [0, 1, 5, 39, 40, 41])
def test_the_largest_values_are_a_stable_argsort(k: int) -> None:
    for seed in range(20):
        values = np.random.default_rng(seed).integers(0, 5, 40).astype(float)
        assert largest(values, k).tolist() == np.argsort(-values, kind="stable")[:k].tolist()


@pytest.mark.parametrize("k", [1, 7, 100, 2400])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_of_rows_of_every_kind(k: int, dtype: type) -> None:
    rng = np.random.default_rng(k)
    size = 5000
    rows = np.stack(
        [
            rng.normal(size=size),
            rng.integers(0, 9, size),
            np.maximum(rng.normal(size=size) - 2, 0),
            np.maximum(rng.normal(size=size) - 9, 0),
            np.arange(size),
            np.arange(size)[::-1],
            np.tile(np.arange(50), 100),
            # All large values where the others' guess looks, and none.
            np.where(np.arange(size) % max(1, k // 8) == 0, 5, rng.random(size)),
            np.where(np.arange(size) % max(1, k // 8) == 0, -5, rng.random(size)),
            rng.choice([-np.inf, 0, 1, np.inf], size),
            rng.standard_cauchy(size),
        ]
    ).astype(dtype)
    wanted = np.argsort(-rows, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(largest(rows, k), wanted)
    for row, index in zip(rows, wanted, strict=True):
        np.testing.assert_array_equal(largest(row, k), index)
