"""What labels are, in every library's words: in memory and as a stream."""

from __future__ import annotations

import datetime
import enum
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
import torch

from neuronwidgets import Activations
from neuronwidgets.capturing.collecting import LabelCodes
from neuronwidgets.core.labels import (
    encode_labels,
    in_order,
    index_of,
    plain_label,
    plain_labels,
    plain_names,
    titled,
)
from neuronwidgets.data.batch import Batch

NA = pd.NA


class Colour(str, enum.Enum):
    RED = "red"


def streamed(labels: Any, names: Any = None) -> tuple[list[int] | None, tuple[str, ...]]:
    """As a capture that reads row by row has them, brought into the order of the names."""
    codes = LabelCodes(None, names)
    rows = list(labels)
    found = [codes.of(np.array([i]), Batch(None, 1, labels=[row])) for i, row in enumerate(rows)]
    about = codes.about()
    flat = np.concatenate([part for part in found if part is not None])
    every, order = in_order(flat, about["names"], about["order"])
    return (None if every is None else every.tolist()), order


MISSING = [
    (pd.Series(["cat", None, "dog", "cat"], dtype="string"), [0, -1, 1, 0], ("cat", "dog")),
    (pd.Series(["cat", None, "dog", "cat"], dtype="category"), [0, -1, 1, 0], ("cat", "dog")),
    (pd.Categorical(["cat", None, "dog", "cat"]), [0, -1, 1, 0], ("cat", "dog")),
    (pd.Series([1, None, 10, 2], dtype="Int64"), [0, -1, 2, 1], ("1", "2", "10")),
    (pd.Series([1.5, None, 10, 2], dtype="Float64"), [0, -1, 1, 2], ("1.5", "10", "2")),
    (pd.Series([True, None, False, True], dtype="boolean"), [1, -1, 0, 1], ("0", "1")),
    (pd.Index([1, 2, 10, None]), [0, 1, 2, -1], ("1", "2", "10")),
    (pd.Series([1, None, 10, 2], dtype="int64[pyarrow]"), [0, -1, 2, 1], ("1", "2", "10")),
    (pd.arrays.SparseArray([0, 1, 0, 1]), [0, 1, 0, 1], ("0", "1")),
    (["b", NA, "a", pd.NaT], [1, -1, 0, -1], ("a", "b")),
    ([np.ma.masked, 1, 2, 3], [-1, 0, 1, 2], ("1", "2", "3")),
    (np.ma.array([7, 2, 3, 7], mask=[0, 1, 0, 0]), [1, -1, 0, 1], ("3", "7")),
    (np.ma.array(["a", "b", "c", "a"], mask=[0, 1, 0, 0]), [0, -1, 1, 0], ("a", "c")),
    (np.array([None, "a", np.nan, float("nan")], object), [-1, 0, -1, -1], ("a",)),
    (pa.array(["b", None, "a", "b"]), [1, -1, 0, 1], ("a", "b")),
    (pa.array(["b", None, "a", "b"]).dictionary_encode(), [1, -1, 0, 1], ("a", "b")),
    (pa.chunked_array([["b", None], ["a", "b"]]), [1, -1, 0, 1], ("a", "b")),
    (pa.array([10, None, 9, 10]), [1, -1, 0, 1], ("9", "10")),
    ([*pa.array(["b", None, "a", "b"])], [1, -1, 0, 1], ("a", "b")),
    ([Decimal("NaN"), Decimal(2), Decimal("10"), 2], [-1, 0, 1, 0], ("2", "10")),
    (["a", -1, "b", np.int8(-1)], [0, -1, 1, -1], ("a", "b")),
    ([0.5, -1.0, 0.25, np.float32(-1)], [1, -1, 0, -1], ("0.25", "0.5")),
]
KINDS = [
    ([b"dog", b"cat", b"dog", b"n\xc3\xa9"], [1, 0, 1, 2], ("cat", "dog", "né")),
    (np.array([b"dog", b"cat", b"dog", b"a"]), [2, 1, 2, 0], ("a", "cat", "dog")),
    ([1.0, 2, True, "x"], [0, 1, 0, 2], ("1", "2", "x")),
    ([1.0, 0.5, 1, 0.5], [1, 0, 1, 0], ("0.5", "1")),
    (np.array([0.1, 0.2, 0.1, 0.3], np.float32), [0, 1, 0, 2], ("0.1", "0.2", "0.3")),
    (torch.tensor([0.1, 0.2, 0.1, 0.3]), [0, 1, 0, 2], ("0.1", "0.2", "0.3")),
    (torch.tensor([1, 0, 2, 1]).bfloat16(), [1, 0, 2, 1], ("0", "1", "2")),
    (torch.tensor([1.0, 0, 2, 1], requires_grad=True), [1, 0, 2, 1], ("0", "1", "2")),
    ([torch.tensor(True), np.False_, 1, 0], [1, 0, 1, 0], ("0", "1")),
    ([Colour.RED, "red", "blue", Colour.RED], [1, 1, 0, 1], ("blue", "red")),
    ([np.str_("b"), "a", np.str_("a"), "b"], [1, 0, 0, 1], ("a", "b")),
    (pd.cut(pd.Series([1, 2, 3, 4]), [0, 2, 4]), [0, 0, 1, 1], ("(0, 2]", "(2, 4]")),
    ([10**400, 1, 1, 10**400], [1, 0, 0, 1], ("1", str(10**400))),
]
DAYS = ("2020-01-01", "2021-02-03 04:05:06")
DATES = [
    pd.Series([pd.Timestamp(DAYS[0]), pd.NaT, pd.Timestamp(DAYS[1])]),
    np.array([DAYS[0], "NaT", DAYS[1]], "datetime64[ns]"),
    np.array([DAYS[0], "NaT", DAYS[1]], "datetime64[s]"),
    [datetime.date(2020, 1, 1), None, datetime.datetime(2021, 2, 3, 4, 5, 6)],
    pa.array([datetime.datetime(2020, 1, 1), None, datetime.datetime(2021, 2, 3, 4, 5, 6)]),
]


@pytest.mark.parametrize(("labels", "codes", "names"), [*MISSING, *KINDS])
def test_labels_of_every_library(labels: Any, codes: list[int], names: tuple[str, ...]) -> None:
    found, called = encode_labels(labels, 4)
    assert found is not None
    assert (found.tolist(), called) == (codes, names)
    assert found.dtype == np.int64
    assert streamed(labels) == (codes, names)


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_a_table_of_one_column_is_that_column(make: Any) -> None:
    """As scikit-learn and binary losses have their targets; its argmax is zero everywhere."""
    codes, names = encode_labels(make([[1.0], [0.0], [1.0]]), 3)
    assert codes is not None
    assert (codes.tolist(), names) == ([1, 0, 1], ("0", "1"))


@pytest.mark.parametrize("labels", DATES)
def test_dates_are_called_by_their_iso_form(labels: Any) -> None:
    found, called = encode_labels(labels, 3)
    assert found is not None
    assert (found.tolist(), called) == ([0, -1, 1], DAYS)
    assert streamed(labels) == ([0, -1, 1], DAYS)


@pytest.mark.parametrize(
    "labels",
    [[NA] * 3, [pd.NaT] * 3, [np.ma.masked] * 3, pa.nulls(3), np.ma.masked_all(3), [None, NA, -1]],
)
def test_labels_that_are_all_missing_are_none(labels: Any) -> None:
    assert encode_labels(labels, 3) == (None, ())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 1], [1, 1], [0, 0]], r"several values per sample \(\[0, 1\]\).*labels\.argmax"),
        (np.eye(3), r"several values per sample.*one column.*labels\[:, j\]"),
        (torch.eye(3), "several values per sample"),
        ([{"a"}, {"b"}, set()], "several values per sample"),
        ([("a", "b"), ("a",), ()], "several values per sample"),
        (pa.array([[1], [2], [3]]), "several values per sample"),
        (pd.Series([[1], [2], [3]]), "several values per sample"),
        (scipy.sparse.csr_matrix(np.eye(3)), "a sparse matrix, which has several values"),
        (torch.eye(3).to_sparse(), "a sparse matrix, which has several values"),
        (pd.DataFrame({"a": [1, 2, 3]}), r"a table \(DataFrame\)\. Pass one column"),
        (pa.table({"a": [1, 2, 3]}), r"a table \(Table\)\. Pass one column"),
        ("abc", "labels must be a list or an array .* got a str"),
        ({"a": 1, "b": 2, "c": 3}, "labels must be a list or an array .* got a dict"),
        ({1, 2, 3}, "labels must be a list or an array .* got a set"),
        (3, "labels must be a list or an array .* got a int"),
        (np.array(3), "one label per sample, got a single value"),
        (torch.tensor(3), "one label per sample, got a single value"),
    ],
)
def test_what_is_no_label_per_sample_is_refused(labels: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        Activations.from_arrays(np.zeros((3, 2)), labels=labels)


@pytest.mark.parametrize(
    "labels", [[[0, 2]], [np.array([0, 2])], [torch.tensor([2, 0])], [{"a": 1}]]
)
def test_a_stream_of_several_labels_is_refused(labels: Any) -> None:
    with pytest.raises(ValueError, match="several values per sample"):
        streamed(labels)


def test_measurements_are_no_classes_in_memory_or_in_a_stream() -> None:
    many = np.linspace(0.01, 0.99, 60)
    with pytest.raises(ValueError, match=r"labels are measurements \(0\.01, 0\.0"):
        encode_labels(many, len(many))
    with pytest.warns(UserWarning, match=r"targets are measurements \(0\.01, .* Pass labels=") as w:
        assert streamed(many) == (None, ())
    assert len(w) == 1
    with pytest.warns(UserWarning, match="measurements"):
        (codes := LabelCodes(None, None)).of(np.arange(60), Batch(None, 60, labels=list(many)))
    (resumed := LabelCodes(None, None)).resume(codes.about())
    assert resumed.of(np.arange(2), Batch(None, 2, labels=[1, 0])) is None
    for ask in (lambda labels: encode_labels(labels, len(labels)), streamed):
        # Sixty strings, or numbers among strings, are names.
        for labels in (list(map(str, many)), ["a", *range(60)], list(range(60))):
            assert len(ask(labels)[1]) == len(labels)


NAMES = [
    {0: "cat", 1: "dog"},
    {"0": "cat", "1": "dog"},
    {"1": "dog", "0": "cat"},
    {np.int64(1): "dog", np.int64(0): "cat"},
    ("cat", "dog"),
    np.array(["cat", "dog"]),
    pa.array(["cat", "dog"]),
    pd.Series(["cat", "dog"]),
]


@pytest.mark.parametrize("names", NAMES)
def test_names_of_labels_in_every_form(names: Any) -> None:
    acts = Activations.from_arrays(np.zeros((4, 2)), labels=[1, 0, -1, None], label_names=names)
    assert acts.label_names == ("cat", "dog")
    assert acts.labels is not None
    assert acts.labels.tolist() == [1, 0, -1, -1]
    assert streamed([1, 0, -1, None], names) == ([1, 0, -1, -1], ("cat", "dog"))


def test_twelve_names_with_keys_of_strings_are_in_the_order_of_their_numbers() -> None:
    assert plain_names({str(i): f"n{i}" for i in range(12)}) == [f"n{i}" for i in range(12)]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            {0: "a", 2: "b"},
            r"has no name for 1 \(its numbers are 0, 2\)\. Give one for each from 0 to 2",
        ),
        ({"1": "a", "2": "b"}, r"has no name for 0 \(its numbers are 1, 2\)"),
        ({-1: "none", 0: "a"}, r"has no name for 1 \(its numbers are -1, 0\)"),
        ({"cat": 0, "dog": 1}, r"a dict of numbers to names.*id2label.*got the key 'cat'"),
        ("ab", "label_names must be a list of names .* got a str"),
        ({"a", "b"}, "label_names must be a list of names .* got a set"),
        ([], "label_names must have at least one name"),
        ({}, "label_names must have at least one name"),
        (2, "got a int"),
    ],
)
def test_names_that_do_not_fit_are_refused(names: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        Activations.from_arrays(np.zeros((2, 2)), labels=[0, 1], label_names=names)


def test_plain_labels_stay_what_they_are() -> None:
    once = plain_labels(["a", 1, 2.5, True, None, b"b", NA])
    assert once == ["a", 1, 2.5, True, None, "b", None]
    assert plain_labels(once) == once
    assert [titled(x) for x in (1, 1.0, True, np.float32(0.1), "1", 2.5)] == [
        "1", "1", "1", "0.1", "1", "2.5",
    ]  # fmt: skip
    assert isinstance(plain_label(np.True_), bool)


def test_a_label_without_a_letter_has_a_name_that_is_seen() -> None:
    acts = Activations.from_arrays(np.zeros((4, 2)), labels=["", "a", " ", ""])
    assert acts.label_names == ("' '", "''", "a")
    assert acts.labels.tolist() == [1, 2, 0, 1]


@pytest.mark.parametrize(
    ("label", "names", "index"),
    [
        ("dog", ["cat", "dog"], 1),
        (1, ["cat", "dog"], 1),
        (1.0, ["cat", "dog"], 1),
        (2, ["cat", "dog"], -1),
        (True, ["cat", "dog"], -1),
        (None, ["None"], -1),
        ("None", ["None"], 0),
        (1, ["1", "2", "3"], 0),
        (2.0, ["1", "2"], 1),
        (np.int64(2), ["1", "2"], 1),
        (True, ["0", "1"], 1),
        (0, ["1", "2"], -1),
        (0, ["1", "other"], -1),
        (1, ["-1", "1"], 1),
        ("-1", ["-1", "1"], 0),
        (0.5, ["0.5", "1.5"], 0),
        ("", ["''", "a"], 0),
        (" ", ["''", "' '"], 1),
    ],
)
def test_a_label_is_given_by_name_or_index_and_a_number_by_its_value(
    label: object, names: list[str], index: int
) -> None:
    assert index_of(label, names) == index
