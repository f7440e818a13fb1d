"""Converts what a user has into arrays of numbers: masked, sparse, tables, tensors."""

from __future__ import annotations

from contextlib import suppress
from itertools import zip_longest
from typing import Any

import numpy as np

from neuronwidgets.core.labels import is_missing

DENSE = 1 << 32
"""Bytes, 4 GiB: a sparse matrix that is larger as a dense one is refused, since a notebook's memory
may not hold it."""


def is_sparse(values: Any) -> bool:
    """Whether `values` is a sparse matrix of SciPy or a sparse tensor of torch."""
    return hasattr(values, "nnz") or "sparse" in str(getattr(values, "layout", ""))


def dense(values: Any, what: str) -> Any:
    """`values` as a dense matrix, if it is sparse; otherwise as it is.

    Raises:
        ValueError: the dense matrix would take more than `DENSE` bytes as float32.
    """
    if not is_sparse(values):
        return values
    size = np.prod(values.shape, dtype=np.float64) * 4
    if size > DENSE:
        raise ValueError(
            f"{what} is sparse, {' x '.join(f'{n:,}' for n in values.shape)}, and would take "
            f"{size / 1e9:,.0f} GB as a dense matrix. Pass fewer rows or columns, or reduce the "
            "columns first, e.g. with sklearn.decomposition.TruncatedSVD."
        )
    return values.to_dense() if hasattr(values, "to_dense") else values.toarray()


def require_unmasked(values: Any, what: str, *names: str) -> None:
    """Refuse a masked array of NumPy with masked values.

    Args:
        values: anything; only masked arrays are looked at.
        what: its name, for the message.
        names: what an index of each axis is called, such as "sample" and "neuron".

    Raises:
        ValueError: the first masked value is named.
    """
    if not isinstance(values, np.ma.MaskedArray):
        return
    mask = np.ma.getmaskarray(values)
    if mask.any():
        index = np.argwhere(mask)[0].tolist()
        words = zip_longest(names or ("entry",), index, fillvalue="")
        where = ", ".join(f"{name} {i}".strip() for name, i in words)
        raise ValueError(
            f"{what} is masked at {where} ({int(mask.sum()):,} of {mask.size:,} "
            "values are masked). Leave such samples out, or fill them: values.filled(0)."
        )


def one_hot(place: int, size: int) -> np.ndarray:
    """float64 `size`: 1 at `place`, 0 elsewhere; the direction of one neuron."""
    direction = np.zeros(size)
    direction[place] = 1
    return direction


MATRIX = "a matrix of numbers (samples x neurons)"


def number_array(
    values: Any, what: str, objects: Any = np.float64, form: str = MATRIX
) -> np.ndarray:
    """`values` as an array of numbers, on the CPU. A column of vectors becomes a matrix of rows.

    Args:
        values: an array of NumPy, a tensor, a sparse matrix, a DataFrame, a table or column of
            vectors of Arrow, or a list of rows.
        what: its name, for messages.
        objects: the dtype that Python objects become; other dtypes stay, but 16-bit floats of
            torch become float32.
        form: what it must be, for messages.

    Raises:
        ValueError: a value is masked, missing or no number; the first such is named.
    """
    values = dense(values, what)
    if hasattr(values, "detach"):
        import torch

        values = values.detach().cpu()
        narrow = values.dtype in (torch.bfloat16, torch.float16)
        return np.asarray((values.float() if narrow else values).numpy())
    table = getattr(values, "ndim", 0) == 2
    require_unmasked(values, what, *(("sample", "neuron") if table else ()))
    if hasattr(values, "iloc") and hasattr(values, "columns"):
        _require_numbers(values, what)
    try:
        array = np.asarray(values)
        if array.dtype == object and array.ndim == 1 and len(array) and np.ndim(array[0]) == 1:
            array = np.stack([np.asarray(row) for row in array])
        if array.dtype.kind not in "biufO":
            raise TypeError(f"it holds {array.dtype}")
        return array.astype(objects) if array.dtype == object else array
    except (TypeError, ValueError) as error:
        raise ValueError(_why(values, what, form, error)) from None


def _require_numbers(table: Any, what: str) -> None:
    """Refuse a DataFrame with columns that hold no numbers; the message names them."""
    wrong = [
        repr(name)
        for i, (name, kind) in enumerate(zip(table.columns, table.dtypes, strict=True))
        if kind.kind not in ("biuf" if hasattr(kind, "na_value") else "biufO")
        # Before version 3 a pandas column of texts is one of objects.
        or (kind.kind == "O" and len(table) and all(isinstance(v, str) for v in table.iloc[:, i]))
    ]
    if wrong:
        raise ValueError(
            f"{what} has columns that are no numbers ({', '.join(wrong[:3])}). Leave them out, "
            "e.g. by values.select_dtypes('number')."
        )


def _why(values: Any, what: str, form: str, error: Exception) -> str:
    """The message for values that are no numbers: it names the first entry that is missing or no
    number, where there is one."""
    array = np.empty(0)
    with suppress(ValueError):
        array = np.asarray(values)
    if array.ndim == 2 and array.dtype == object:
        for (row, column), value in np.ndenumerate(array):
            if is_missing(value):
                return (
                    f"{what} has no value for sample {row}, neuron {column} ({value!r}). Leave "
                    "such samples out, or fill them with numbers."
                )
            if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
                return f"{what} is not {form}: sample {row}, neuron {column} is {value!r:.40}."
    return f"{what} is not {form}: {error}"
