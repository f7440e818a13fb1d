"""Boolean attributes of samples, as users have them."""

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
    """What can be said of each sample.

    Args:
        acts: `S` samples; their labels count where nothing is `given`.
        given: bool or 0/1 `S x L` (an array or tensor), a DataFrame or mapping with a column for
            each attribute, or for each of `S` samples the labels that it has: a list or set of
            strings (empty: none of them), or `None` where that is not known.
        names: of the `L` columns of an array.

    Returns:
        `(attributes, names, rows)`: bool `R x L`, `L` names, and int64 `R`: the samples that are
        labelled at all, increasing.

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
            raise ValueError("attributes has two columns of one name: rename one.")
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
    if acts.labels is None:
        raise ValueError(
            f"layer {acts.layer!r} has no labels to name concepts by: give capture(..., "
            "labels=...), from_arrays(..., labels=...) or named('labels', attributes=...)."
        )
    rows = np.flatnonzero(acts.labels >= 0)
    if not len(rows):
        raise ValueError(f"all samples of layer {acts.layer!r} are unlabelled: no names in them.")
    codes = acts.labels[rows]
    if (codes == codes[0]).all():
        raise ValueError(
            f"all labelled samples of layer {acts.layer!r} are {acts.label_titles[codes[0]]!r}: "
            "only two labels or more can tell concepts apart."
        )
    return codes[:, None] == np.arange(len(acts.label_titles)), acts.label_titles, rows


def _sets(acts: Activations, given: Any) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"attributes is a {type(given).__name__}; {_FORMS}.")
    if len(given) != len(acts):
        raise _uneven("attributes", len(given), len(acts))
    place: dict[str, int] = {}
    pairs = []
    rows = np.array([i for i, labels in enumerate(given) if labels is not None], np.int64)
    for at, row in enumerate(rows):
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
            pairs.append((at, place.setdefault(label, len(place))))
    if not place:
        raise ValueError("attributes names no label for any sample: no names in them.")
    matrix = np.zeros((len(rows), len(place)), bool)
    matrix[tuple(np.array(pairs).T)] = True
    order = sorted(place)
    return matrix[:, [place[name] for name in order]], tuple(order), rows


def _bools(values: Any, what: str) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    require_unmasked(values, what)
    array = np.asarray(values)
    if array.dtype == bool:
        return array
    if array.dtype.kind in "iuf" and np.isin(array, (0, 1)).all():
        return array.astype(bool)
    if array.dtype == object and all(isinstance(v, bool | np.bool_) for v in array.ravel()):
        return array.astype(bool)
    raise ValueError(
        f"{what} holds something else than True and False (or 0 and 1), or has missing values: "
        "make it bools first, e.g. values > threshold."
    )


def _uneven(what: str, found: int, count: int) -> ValueError:
    return ValueError(
        f"{what} must have one entry for each of the {count:,} samples, got {found:,}."
    )
