"""Measures of response matrices, by hand."""

from __future__ import annotations

import numpy as np
import torch

from neuronwidgets.toy import measures

A = np.array(
    [
        [0, 0, 0, 0],  # dead
        [0, 0, 2, 0],  # monosemantic
        [1, 0, 1, 0],  # two features
        [0, 3, 0, 0.001],  # monosemantic, just
        [0, 0, 1, 0.002],  # not quite
        [0, 0, 3, 0],  # monosemantic, for the same feature as the second
    ]
)


def test_monosemantic_is_over_0999_of_the_sum() -> None:
    assert measures.monosemantic(A).tolist() == [False, True, False, True, False, True]
    np.testing.assert_allclose(measures.share(A), [0, 1, 0.5, 3 / 3.001, 1 / 1.002, 1])
    assert measures.monosemantic(np.stack([A, A * 0])).sum(axis=1).tolist() == [3, 0]


def test_they_are_counted_on_a_device_too() -> None:
    both = torch.tensor(np.stack([A, A * 0, A * np.nan]))
    assert measures.count_monosemantic(both).tolist() == [3, 0, 0]


def test_dead_neurons_and_covered_features() -> None:
    assert measures.dead(A).tolist() == [True, *[False] * 5]
    assert measures.covered(A).tolist() == [False, True, True, False]
    assert not measures.covered(A[:1]).any()


def test_selectivity_has_no_threshold_and_no_sign() -> None:
    found = measures.selectivity(np.vstack([A, [[-1, 1, 0, 0]]]))
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], [1, 0.5, 3 / 3.001, 1 / 1.002, 1, 0.5])


def test_faint_neurons_hardly_respond() -> None:
    A = np.array([[2.0, 0.0], [0.19, 0.0], [0.2, 0.0], [0.0, 0.0], [0.0, -0.5]])
    assert measures.faint(A).tolist() == [False, True, False, True, False]
    assert measures.faint(A * 1e-6).tolist() == [False, True, False, True, False]
    assert measures.faint(np.zeros((3, 2))).all()


def test_the_order_puts_monosemantic_neurons_on_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    made = np.zeros((9, 5))
    made[[7, 2, 5, 0, 3], np.arange(5)] = [1.0, 2, 1.5, 1, 3]
    made[[1, 4, 6, 8]] = rng.uniform(0.1, 0.5, (4, 5))
    neurons, features = measures.order(made)
    assert sorted(neurons) == list(range(9))
    assert sorted(features) == list(range(5))
    block = made[np.ix_(neurons, features)][:5]
    np.testing.assert_array_equal(block, np.diag(np.diagonal(block)))
    assert (np.diagonal(block) > 0).all()


def test_faint_neurons_come_last_and_shared_features_first() -> None:
    faint = [0.01, 0, 0, 0]
    shared = [[0, 2.0, 0, 0], [0, 1.5, 0, 0]]
    mixed = [[0, 0, 1.0, 0.9]]
    neurons, features = measures.order(np.array([faint, *shared, *mixed, [0.0, 0, 0, 0]]))
    assert neurons.tolist() == [1, 2, 3, 0, 4]
    assert features.tolist() == [1, 2, 0, 3]


def test_what_diverged_is_nothing() -> None:
    broken = np.full((2, 3), np.nan)
    assert not measures.monosemantic(broken).any()
    assert not measures.covered(broken).any()
    assert not measures.dead(broken).any()
    assert len(measures.order(broken)[0]) == 2


def test_by_chance_some_rows_of_a_sparse_matrix_are_monosemantic() -> None:
    """A thousand responses in a thousand rows: `1 / e` of the rows have exactly one."""
    rng = np.random.default_rng(3)
    sparse = np.zeros((1000, 50))
    sparse.ravel()[rng.permutation(sparse.size)[:1000]] = 1
    chance = measures.monosemantic_by_chance(sparse)
    assert abs(chance - 1000 / np.e) < 30
    # As many as shuffled matrices do have.
    counts = [measures.monosemantic(rng.permuted(sparse.ravel()).reshape(sparse.shape)).sum()
              for _ in range(20)]  # fmt: skip
    assert abs(chance - np.mean(counts)) < 30
    # A matrix without zeros has none, nor has one without numbers.
    assert measures.monosemantic_by_chance(np.ones((64, 64))) == 0
    assert measures.monosemantic_by_chance(np.zeros((8, 3))) == 0
    assert measures.monosemantic_by_chance(np.full((8, 3), np.nan)) == 0
