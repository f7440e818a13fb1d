"""Boolean attributes of samples, from the forms in which users have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.arrays import require_unmasked

_FORMS = (
    "give an S x L array of bools (with attribute_names), a DataFrame or dict of bool columns, or "
    "a list with the labels of each sample (None: unlabelled)"
)


def attributes_of(
    acts: Activations, given: Any, names: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """The attributes of each sample.

    Args:
        acts: `S` samples; their labels are the attributes if `given` is `None`.
        given: bool or 0/1 `S x L` (an array or tensor), a DataFrame or mapping with a column for
            each attribute, or for each of `S` samples its labels: a list or set of strings (empty:
            none of them), or `None` if they are unknown.
        names: of the `L` columns of an array.

    Returns:
        `(attributes, names, rows)`: bool `R x L`, `L` names, and int64 `R`: the labelled samples,
        increasing.

    Raises:
        ValueError, TypeError: no labels, another length, missing values, values that are not
            bools, doubled names.
    """
    if names is not None and (given is None or not hasattr(given, "ndim")):
        raise ValueError("attribute_names goes with attributes=, an S x L array of bools.")
    if given is None:
        return _labels(acts)
    if hasattr(given, "columns") or isinstance(given, Mapping):
        columns = {name: given[name] for name in given}
        if len(columns) != len(getattr(given, "columns", columns)):
            raise ValueError("attributes has two columns with the same name: rename one.")
        table = [_bools(column, f"attributes[{name!r}]") for name, column in columns.items()]
        for name, column in zip(columns, table, strict=True):
            if column.shape != (len(acts),):
                raise _uneven(f"attributes[{name!r}]", len(column), len(acts))
        titles = [str(name) for name in columns]
        matrix = np.stack(table, axis=1) if table else np.zeros((len(acts), 0), bool)
    elif hasattr(given, "ndim"):
        matrix = _bools(given, "attributes")
        if matrix.ndim != 2:
            raise ValueError(f"attributes has shape {matrix.shape}; {_FORMS}.")
        if len(matrix) != len(acts):
            raise _uneven("attributes", len(matrix), len(acts))
        count = matrix.shape[1]
        titles = [f"attribute {i}" for i in range(count)] if names is None else list(names)
        if len(titles) != count:
            raise ValueError(
                f"attribute_names has {len(titles):,} entries and attributes {count:,} columns."
            )
    else:
        return _sets(acts, given)
    if len(set(titles)) < len(titles):
        raise ValueError("two attributes have the same name: rename one.")
    if not titles:
        raise ValueError(f"attributes is empty; {_FORMS}.")
    return matrix, tuple(titles), np.arange(len(acts))


def _labels(acts: Activations) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """The attributes of the activations' own labels."""
    if acts.labels is None:
        raise ValueError(
            f"layer {acts.layer!r} has no labels to name concepts by: give capture(..., "
            "labels=...), from_arrays(..., labels=...) or named('labels', attributes=...)."
        )
    rows = np.flatnonzero(acts.labels >= 0)
    if not len(rows):
        raise ValueError(f"all samples of layer {acts.layer!r} are unlabelled: they give no names.")
    codes = acts.labels[rows]
    if (codes == codes[0]).all():
        raise ValueError(
            f"all labelled samples of layer {acts.layer!r} are {acts.label_titles[codes[0]]!r}: "
            "only two labels or more can tell concepts apart."
        )
    return codes[:, None] == np.arange(len(acts.label_titles)), acts.label_titles, rows


def _sets(acts: Activations, given: Any) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """The attributes of a list with the labels of each sample."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"attributes is a {type(given).__name__}; {_FORMS}.")
    if len(given) != len(acts):
        raise _uneven("attributes", len(given), len(acts))
    column_of: dict[str, int] = {}
    cells = []
    rows = np.array([i for i, labels in enumerate(given) if labels is not None], np.int64)
    for i, row in enumerate(rows):
        labels = given[row]
        labels = [labels] if isinstance(labels, str) else labels
        if not isinstance(labels, list | tuple | set | frozenset):
            raise TypeError(f"attributes[{row}] is a {type(labels).__name__}; {_FORMS}.")
        for label in sorted(labels, key=str):
            if not isinstance(label, str):
                raise TypeError(
                    f"attributes[{row}] holds a {type(label).__name__}: labels are strings. For "
                    "numbers or bools give an array, np.array(attributes)."
                )
            cells.append((i, column_of.setdefault(label, len(column_of))))
    if not column_of:
        raise ValueError("attributes names no label for any sample: they give no names.")
    matrix = np.zeros((len(rows), len(column_of)), bool)
    matrix[tuple(np.array(cells).T)] = True
    names = sorted(column_of)
    return matrix[:, [column_of[name] for name in names]], tuple(names), rows


def _bools(values: Any, argument: str) -> np.ndarray:
    """`values` as an array of bools; `argument` names them in an error."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    require_unmasked(values, argument)
    array = np.asarray(values)
    if array.dtype == bool:
        return array
    if array.dtype.kind in "iuf" and np.isin(array, (0, 1)).all():
        return array.astype(bool)
    if array.dtype == object and all(isinstance(v, bool | np.bool_) for v in array.ravel()):
        return array.astype(bool)
    raise ValueError(
        f"{argument} must hold only True and False (or 0 and 1), and no missing values: make bools "
        "of it first, e.g. values > threshold."
    )


def _uneven(argument: str, length: int, samples: int) -> ValueError:
    return ValueError(
        f"{argument} must have one entry for each of the {samples:,} samples, got {length:,}."
    )
