"""Activations from plain arrays: what is accepted, what is refused, and what they answer."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from neuronwidgets import Activations
from neuronwidgets.activations.activations import project, require_finite

VALUES = [[0, 1], [2, -3], [4, 5]]


@pytest.mark.parametrize(
    "values",
    [
        VALUES,
        np.array(VALUES),
        np.array(VALUES, np.float16),
        np.array(VALUES, ">f4"),
        np.array(VALUES, object),
        torch.tensor(VALUES),
        torch.tensor(VALUES, dtype=torch.bfloat16),
        torch.tensor(VALUES, dtype=torch.float16),
        torch.tensor(VALUES, dtype=torch.float32, requires_grad=True),
        pd.DataFrame(VALUES),
    ],
    ids=lambda values: f"{type(values).__name__}-{getattr(values, 'dtype', '')}",
)
def test_every_kind_of_number_becomes_float32(values: object) -> None:
    acts = Activations.from_arrays(values)
    assert acts.values.dtype == np.float32
    assert acts.values.dtype.isnative
    assert acts.values.tolist() == VALUES
    assert acts.shape == (3, 2)
    assert len(acts) == 3
    assert acts.samples.kind == "none"


def test_doubles_stay_doubles_and_bools_become_numbers() -> None:
    assert Activations.from_arrays(np.array(VALUES, np.float64)).values.dtype == np.float64
    assert Activations.from_arrays([[True, False]]).values.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0, 1], [2, np.nan]], "sample 1, neuron 1 is NaN"),
        ([[0, 1], [np.inf, np.nan]], "sample 1, neuron 0 is infinite"),
        ([[np.inf, -np.inf], [0, 1]], "sample 0, neuron 0 is infinite"),
        (np.array([[0, 1], [-np.inf, 2]], np.float16), "sample 1, neuron 0 is infinite"),
        (torch.tensor([[torch.nan]], dtype=torch.bfloat16), "sample 0, neuron 0 is NaN"),
        ([1.0, 2.0], r"values must be samples x neurons, got shape \(2,\)"),
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\).*capture\(..., pooling=...\)"),
        (3.0, r"shape \(\)"),
        ([], r"shape \(0,\)"),
        (np.zeros((0, 3)), r"values must not be empty, got shape \(0, 3\)"),
        (np.zeros((3, 0)), r"values must not be empty, got shape \(3, 0\)"),
        ([["a", "b"]], "not a matrix of numbers"),
        ([[1], [2, 3]], "not a matrix of numbers"),
        ({"a": 1}, "not a matrix of numbers"),
        (np.zeros((2, 2), complex), "not a matrix of numbers.*complex"),
    ],
)
def test_what_is_no_matrix_is_refused(values: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Activations.from_arrays(values)


def test_the_row_is_right_beyond_the_first_chunk() -> None:
    values = np.zeros((50, 3))
    values[41, 2] = np.nan
    with pytest.raises(ValueError, match="'mine': the activation of sample 41, neuron 2 is NaN"):
        require_finite(values, "mine", chunk_values=12)
    rows = np.arange(150.0).reshape(50, 3)
    np.testing.assert_array_equal(project(rows, np.eye(3)[:2], chunk_values=12), rows[:, :2])


def test_numbers_whose_sum_overflows_are_accepted() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        acts = Activations.from_arrays(np.full((4, 3), 1e308))
    assert acts.shape == (4, 3)


@pytest.mark.parametrize(
    ("labels", "codes", "names"),
    [
        (["b", "a", "b"], [1, 0, 1], ("a", "b")),
        (["日本", None, "é🧠"], [1, -1, 0], ("é🧠", "日本")),
        (np.array(["b", "a", "b"]), [1, 0, 1], ("a", "b")),
        ([7, 3, 7], [1, 0, 1], ("3", "7")),
        ([10, 9, -1], [1, 0, -1], ("9", "10")),
        (np.array([10, 9, 10]), [1, 0, 1], ("9", "10")),
        ([np.int64(10), np.int64(9), np.int64(10)], [1, 0, 1], ("9", "10")),
        (torch.tensor([1, 0, 1]), [1, 0, 1], ("0", "1")),
        ([torch.tensor(10), torch.tensor(9), None], [1, 0, -1], ("9", "10")),
        ([1.0, np.nan, 0.0], [1, -1, 0], ("0", "1")),
        (pd.Series([1, None, 0]), [1, -1, 0], ("0", "1")),
        (pd.Series(["x", None, "y"]), [0, -1, 1], ("x", "y")),
        ([True, False, True], [1, 0, 1], ("0", "1")),
        ([0.5, 0.25, 0.5], [1, 0, 1], ("0.25", "0.5")),
        (["a", 1, "a"], [1, 0, 1], ("1", "a")),
        ((c for c in "aba"), [0, 1, 0], ("a", "b")),
    ],
)
def test_labels_become_codes_and_names(
    labels: object, codes: list[int], names: tuple[str, ...]
) -> None:
    acts = Activations.from_arrays(VALUES, labels=labels)
    assert acts.labels is not None
    assert acts.labels.dtype == np.int64
    assert acts.labels.tolist() == codes
    assert acts.label_names == names


@pytest.mark.parametrize("labels", [[None, None, None], [-1, -1, -1], [np.nan] * 3])
def test_labels_of_no_sample_are_none(labels: object) -> None:
    acts = Activations.from_arrays(VALUES, labels=labels)
    assert acts.labels is None
    assert acts.label_names == ()


def test_numbers_with_names_are_indices_into_them() -> None:
    names = ["cat", "dog", "emu"]
    for labels in ([2, 0, -1], [np.int64(2), np.int64(0), None], np.array([2.0, 0.0, np.nan])):
        acts = Activations.from_arrays(VALUES, labels=labels, label_names=names)
        assert acts.labels is not None
        assert acts.labels.tolist() == [2, 0, -1]
        assert acts.label_names == ("cat", "dog", "emu")
    assert Activations.from_arrays(VALUES, label_names=names).labels is None


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (["a", "b"], None, "labels must have one entry per sample .* got 2 entries for 3"),
        ([0] * 4, None, "got 4 entries for 3 samples"),
        ([[0], [1], [0]], None, "several values per sample"),
        (np.zeros((3, 2)), None, "several values per sample"),
        ([0, 1, 2], ["a", "b"], "whole numbers from 0 to 1"),
        ([0, 1, -2], ["a", "b"], "whole numbers from 0 to 1"),
        (["a", "b", "a"], ["a", "b"], "whole numbers from 0 to 1"),
        ([0.5, 1, 0], ["a", "b"], "whole numbers from 0 to 1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    labels: object, names: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Activations.from_arrays(VALUES, labels=labels, label_names=names)


@pytest.mark.parametrize(
    ("neuron", "error"),
    [
        (2, IndexError),
        (-1, IndexError),
        (True, TypeError),
        (np.True_, TypeError),
        (1.0, TypeError),
        ("1", TypeError),
        (None, TypeError),
    ],
)
def test_a_neuron_that_is_not_there_is_refused(neuron: object, error: type[Exception]) -> None:
    acts = Activations.from_arrays(VALUES, layer="fc")
    for ask in (acts.neuron, acts.along, lambda neuron: acts.top(neuron, 1)):
        with pytest.raises(error, match=f"(neuron |neuron must be .* got ){neuron!r}"):
            ask(neuron)


def test_neurons_rows_and_directions() -> None:
    acts = Activations.from_arrays(VALUES)
    assert acts.neuron(np.uint8(1)).tolist() == [1, -3, 5]
    assert acts.rows([2, 0]).tolist() == [[4, 5], [0, 1]]
    assert acts.rows(np.array([False, True, False])).tolist() == [[2, -3]]
    assert acts.top(0, 2).tolist() == [2, 1]
    assert acts.top([0, -5], 3).tolist() == [1, 0, 2]
    np.testing.assert_allclose(acts.along([3, 4]), [0.8, -1.2, 6.4], rtol=1e-6)


def test_repr_and_html_escape_names() -> None:
    acts = Activations.from_arrays(VALUES, labels=["<b>", "é", "é"], layer="<i>fc</i>")
    assert repr(acts) == (
        "Activations(layer='<i>fc</i>', 3 samples x 2 neurons, float32, 2 labels, "
        "Samples(3 samples))"
    )
    shown = acts._repr_html_()
    assert "<i>" not in shown
    assert "<b>" not in shown
    assert "&lt;b&gt;, é" in shown
    assert "none" in Activations.from_arrays(VALUES)._repr_html_()
