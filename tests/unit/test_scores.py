"""Scores of neurons by their labels."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from neuronwidgets import Activations, label_entropy
from neuronwidgets.concepts.scores import entropy, majority


def bits(*counts: float) -> float:
    share = np.array([c for c in counts if c]) / sum(counts)
    return float(-(share * np.log2(share)).sum()) + 0.0


def test_entropy_of_hand_made_counts() -> None:
    found = entropy(np.array([[4, 0], [2, 2], [3, 1], [0, 0]]))
    np.testing.assert_allclose(found, [0, 1, bits(3, 1), np.nan])


@pytest.mark.parametrize("labels", [1, 2, 5, 8])
def test_labels_in_equal_shares_have_log2_of_their_number(labels: int) -> None:
    values = np.tile(np.arange(40.0)[:, None] + 1, (1, 3))
    acts = Activations.from_arrays(values, labels=[i % labels for i in range(40)])
    np.testing.assert_allclose(label_entropy(acts, top=8 * (labels != 5) or 10), math.log2(labels))


def test_hand_made_neurons() -> None:
    values = np.array(
        [
            # pure, half and half, top sample unlabelled, dead, constant but for one
            [9, 9, 1, 3, 0],
            [8, 1, 9, 3, 0],
            [7, 2, 5, 3, 0],
            [1, 8, 2, 3, 0],
            [0, 0, 0, 3, 5],
        ]
    )
    acts = Activations.from_arrays(values, labels=["a", None, "a", "b", "b"])
    # The minimum of a neuron is never counted.
    expected = [0.0, 1.0, 0.0, np.nan, 0.0]
    np.testing.assert_allclose(label_entropy(acts, top=2), expected)
    np.testing.assert_allclose(label_entropy(acts, top=5)[:3], [bits(2, 1)] * 3)


def reference(acts: Activations, top: int) -> np.ndarray:
    assert acts.labels is not None
    out = []
    for neuron in range(acts.shape[1]):
        values = acts.values[:, neuron]
        rows = [r for r in acts.top(neuron, top) if values[r] > values.min()]
        counts = np.bincount(acts.labels[rows] + 1, minlength=2)[1:]
        out.append(bits(*counts) if counts.sum() else math.nan)
    return np.array(out)


@pytest.mark.parametrize("top", [1, 7, 50, 120])
def test_ties_go_to_the_smaller_index_as_everywhere(top: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4, (120, 30))
    labels = [None if x < 1 else f"l{x}" for x in rng.integers(0, 5, 120)]
    acts = Activations.from_arrays(values, labels=labels)
    np.testing.assert_allclose(label_entropy(acts, top), reference(acts, top), atol=1e-12)


def test_real_numbers_and_doubles_and_one_neuron() -> None:
    values = np.random.default_rng(1).normal(size=(90, 7))
    labels = np.arange(90) % 4
    for made in (values, values.astype(np.float32), values[:, :1]):
        acts = Activations.from_arrays(made, labels=labels)
        np.testing.assert_allclose(label_entropy(acts, 20), reference(acts, 20), atol=1e-12)


def test_values_that_cannot_be_written_are_read_without_a_warning() -> None:
    values = np.random.default_rng(1).normal(size=(90, 1)).astype(np.float32)
    values.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert label_entropy(
            Activations.from_arrays(values, labels=np.arange(90) % 2), 9
        ).shape == (1,)


def test_without_labels_there_is_no_entropy() -> None:
    acts = Activations.from_arrays(np.arange(6.0).reshape(3, 2))
    with pytest.raises(ValueError, match="has no labels: give capture"):
        label_entropy(acts, 2)
    nothing = Activations.from_arrays(acts.values, labels=[-1] * 3, label_names=["a", "b"])
    assert np.isnan(label_entropy(nothing, 2)).all()


def test_top_is_checked() -> None:
    acts = Activations.from_arrays(np.arange(6.0).reshape(3, 2), labels=[0, 1, 0])
    with pytest.raises(ValueError, match=r"top must be at most 3, got 100"):
        label_entropy(acts)


def test_the_majority() -> None:
    assert majority(np.array([2, 2, 0, -1, -1, -1])) == (2, pytest.approx(2 / 3))
    label, share = majority(np.array([-1, -1]))
    assert label == -1
    assert math.isnan(share)
