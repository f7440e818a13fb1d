"""Arrays of numbers in every library's words: masked, sparse, nullable, nested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp
import torch

from neuronwidgets import Activations, linkage, split
from neuronwidgets.core.arrays import dense, number_array, require_unmasked
from neuronwidgets.data.batches import batches
from neuronwidgets.interventions.directions import DirectionEdit
from neuronwidgets.toy import calibrate
from neuronwidgets.widgets.split_explorer.truth import Truth

VALUES = [[0.0, 1.0], [2.0, 0.0], [4.0, 5.0]]
MASKED = np.ma.array(VALUES, mask=[[0, 0], [0, 1], [0, 0]])


@pytest.mark.parametrize(
    "values",
    [
        sp.csr_matrix(VALUES),
        sp.coo_matrix(VALUES),
        sp.csc_array(VALUES),
        torch.tensor(VALUES).to_sparse(),
        pd.DataFrame(VALUES),
        pd.DataFrame(VALUES).astype("Float64"),
        pd.DataFrame(VALUES).astype("Int64"),
        pd.DataFrame(VALUES).astype("float32[pyarrow]"),
        pd.DataFrame(VALUES).astype(object),
        pd.DataFrame(VALUES).astype(pd.SparseDtype("float64", 0.0)),
        pd.Series(VALUES),
        pd.Series([np.array(row) for row in VALUES]),
        pa.table({"a": [0, 2, 4], "b": [1.0, 0.0, 5.0]}),
        pa.array(VALUES),
        pa.array(VALUES, pa.list_(pa.float32(), 2)),
        np.ma.array(VALUES),
        np.ma.array(VALUES, mask=False),
        np.array(VALUES, object),
        [torch.tensor(row) for row in VALUES],
    ],
    ids=lambda values: type(values).__name__,
)
def test_every_kind_of_matrix(values: Any) -> None:
    acts = Activations.from_arrays(values)
    assert type(acts.values) is np.ndarray
    assert acts.values.dtype in (np.float32, np.float64)
    assert acts.values.tolist() == VALUES
    np.testing.assert_allclose(linkage(values), linkage(VALUES))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (MASKED, r"masked at sample 1, neuron 1 \(1 of 6 values are masked\)"),
        (pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [1, 2]}),
         "no value for sample 1, neuron 0 .<NA>."),
        ([[1, 2], [pd.NA, 3]], "no value for sample 1, neuron 0 .<NA>."),
        (np.array([[1, "x"], [2, 3]], object), "sample 0, neuron 1 is 'x'"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), r"no numbers \('b'\).*select_dtypes"),
        (pd.DataFrame({"a": [1, 2], "b": pd.Categorical([1, 2])}), r"no numbers \('b'\)"),
        (pa.table({"a": ["x", "y"]}), "sample 0, neuron 0 is 'x'"),
        (sp.csr_matrix((200_000, 100_000)), "sparse, 200,000 x 100,000, and would take 80 GB"),
        (pd.Series([[1, 2], [3]]), "not a matrix of numbers"),
    ],
)  # fmt: skip
def test_what_is_missing_or_no_number_is_named(values: Any, message: str) -> None:
    for ask in (Activations.from_arrays, linkage):
        with pytest.raises(ValueError, match=message):
            ask(values)


@pytest.mark.parametrize(
    "values",
    [
        np.array([[1, None], [2, 3]], object),
        pa.table({"a": [1, 2], "b": [None, 3.0]}),
        pd.DataFrame({"a": [1, 2], "b": [None, 3.0]}),
    ],
)
def test_missing_values_that_are_nan_are_refused_as_nan(values: Any) -> None:
    with pytest.raises(ValueError, match="sample 0, neuron 1 is NaN"):
        Activations.from_arrays(values)


def test_a_mask_is_never_dropped() -> None:
    """Wherever an array comes in."""
    masked = np.ma.array(np.eye(2), mask=[[0, 1], [0, 0]])
    row = masked[0]
    concepts = split(np.random.default_rng(0).normal(size=(30, 2)), 0, top=20).cut()
    for ask in (
        lambda: DirectionEdit("layer", row),
        lambda: calibrate(masked, np.eye(2)),
        lambda: concepts.project(masked),
        lambda: concepts.named("labels", attributes=np.ma.array(np.ones((30, 2), bool), mask=True)),
        lambda: Truth.of(masked, None, 2),
    ):
        with pytest.raises(ValueError, match="is masked at"):
            ask()


def test_directions_may_be_masked_no_more_than_values() -> None:
    acts = Activations.from_arrays(VALUES)
    np.testing.assert_allclose(acts.along(np.ma.array([3, 4])), acts.along([3, 4]))
    np.testing.assert_allclose(acts.along(pd.Series([3, 4])), acts.along([3, 4]))
    with pytest.raises(ValueError, match="the direction is masked at entry 1"):
        acts.along(np.ma.array([3, 4], mask=[0, 1]))


@pytest.mark.parametrize("make", [lambda rows: rows, list], ids=["array", "list"])
def test_masked_data_never_reaches_a_model(make: Callable[[Any], Any]) -> None:
    rows = np.ma.array(np.ones((5, 4), np.float32))
    for batch in batches(make(rows), batch_size=2).batches:
        assert not isinstance(batch.inputs, np.ma.MaskedArray)
    rows[3, 2] = np.ma.masked
    source = batches(make(rows), batch_size=2)
    with pytest.raises(ValueError, match=r"sample 3 is masked at entry 2 \(1 of 4"):
        list(source.batches)


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.coo_matrix, sp.dok_array, torch.tensor])
def test_sparse_data_is_read_with_its_zeros(kind: Any) -> None:
    table = np.random.default_rng(0).random((5, 7)) * (
        np.random.default_rng(1).random((5, 7)) > 0.6
    )
    data = kind(table)
    source = batches(data.to_sparse() if kind is torch.tensor else data, batch_size=2)
    made = list(source.batches)
    assert (source.total, [batch.size for batch in made]) == (5, [2, 2, 1])
    assert {batch.inputs.dtype for batch in made} == {torch.float32}
    np.testing.assert_allclose(torch.cat([b.inputs for b in made]), table, rtol=1e-6)


def test_sparse_data_is_transformed_and_refused_like_any_other() -> None:
    (made,) = batches(
        sp.eye(3, format="csr"), transform=lambda rows: torch.tensor(rows) * 2
    ).batches
    assert made.inputs.tolist() == (2 * np.eye(3)).tolist()
    for shape in ((0, 3), (3, 0)):
        with pytest.raises(
            ValueError, match=r"a sparse matrix of samples x numbers, got shape \(.*0.*\)"
        ):
            batches(sp.csr_matrix(shape))


def test_what_is_dense_stays_itself() -> None:
    values = np.array(VALUES)
    assert dense(values, "values") is values
    assert number_array(values, "values") is values
    require_unmasked(values, "values")
    require_unmasked(np.ma.array(values), "values")
