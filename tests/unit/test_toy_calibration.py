"""Found directions against true ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from neuronwidgets import toy


def test_the_truth_in_any_order_and_length_is_recovered() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(6, 10))
    places = rng.permutation(6)
    made = toy.calibrate(true[places] * rng.uniform(0.1, 9, (6, 1)), true, threshold=0.999)
    np.testing.assert_array_equal(made.true, places)
    np.testing.assert_allclose(made.matched, 1)
    assert made.recovered == made.precise == 1


def test_the_matching_is_the_best_of_all() -> None:
    rng = np.random.default_rng(1)
    found, true = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (found, true)]
    cosines = unit[0] @ unit[1].T
    best = max(
        sum(cosines[i, j] for i, j in enumerate(places))
        for places in itertools.permutations(range(5), 4)
    )
    assert toy.calibrate(found, true).matched.sum() == pytest.approx(best)


def test_found_twice_counts_once_and_the_opposite_not_at_all() -> None:
    true = np.eye(3)
    made = toy.calibrate([[1, 0, 0], [1, 0.01, 0], [0, -1, 0]], true)
    assert made.recovered == pytest.approx(1 / 3)
    assert made.precise == pytest.approx(1 / 3)
    assert "33% recovered" in repr(made)


def test_a_feature_without_a_direction_is_not_recovered() -> None:
    made = toy.calibrate(np.eye(2), [[1, 0], [0, 1], [0, 0]])
    assert made.recovered == pytest.approx(2 / 3)


def test_nothing_found() -> None:
    made = toy.calibrate(np.zeros((0, 4)), np.eye(4))
    assert made.recovered == 0
    assert np.isnan(made.precise)
    assert "none" in repr(made)


@pytest.mark.parametrize(
    ("found", "true", "threshold", "words"),
    [
        (np.eye(2), np.eye(3), 0.9, "2 dimensions and true has 3"),
        (np.ones(3), np.eye(3), 0.9, r"found must be a matrix .* got shape \(3,\)"),
        ([[0, 0]], np.eye(2), 0.9, r"found\[0\] is zero"),
        (np.eye(2), [[1, 0], [np.nan, 0]], 0.9, r"true\[1\] is not finite"),
        (np.eye(2), np.eye(2), 0, "threshold must be .* got 0"),
        (np.eye(2), np.eye(2), True, "threshold must be .* got True"),
        (np.eye(2), np.eye(2), float("nan"), "threshold must be .* got nan"),
    ],
)
def test_bad_directions(found: object, true: object, threshold: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        toy.calibrate(found, true, threshold)
