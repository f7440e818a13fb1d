"""Two sets of samples to compare, as users give them."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.checks import nearest
from neuronwidgets.core.labels import index_of


@dataclass(frozen=True, eq=False)
class Sets:
    """Two sets of samples without a common one.

    Attributes:
        these, those: int64, ascending, rows of the activations.
        rows: int64, both, ascending; `None` if they are all samples.
        inside: bool or int64, which of `rows` (or of all samples) are `these`.
    """

    these: np.ndarray
    those: np.ndarray
    rows: np.ndarray | None
    inside: np.ndarray

    @classmethod
    def of(cls, acts: Activations, these: Any, those: Any = None) -> Sets:
        """From rows, masks or labels, see `neuronwidgets.contrast`.

        Raises:
            ValueError, IndexError, TypeError: an empty set, a sample in both, no such row or label.
        """
        first = samples_of(acts, these, "these")
        if those is None:
            others = np.ones(len(acts), bool)
            others[first] = False
            if _is_label(these) and acts.labels is not None:
                others &= acts.labels >= 0
            second = np.flatnonzero(others)
            if not len(second):
                raise ValueError(
                    f"these are all {len(first):,} samples, so that there are no others to compare "
                    "with: give fewer, or those=."
                )
        else:
            second = samples_of(acts, those, "those")
        both = np.intersect1d(first, second)
        if len(both):
            raise ValueError(
                f"these and those must have no sample in common, got {len(both):,} in both (the "
                f"first is sample {both[0]}): leave them out of one."
            )
        if len(first) + len(second) == len(acts):
            return cls(first, second, None, first)
        rows = np.union1d(first, second)
        return cls(first, second, rows, np.searchsorted(rows, first))


def samples_of(acts: Activations, given: Any, name: str) -> np.ndarray:
    """The rows that `given` means: int64, ascending."""
    if _is_label(given):
        return np.flatnonzero(acts.labels == label_of(acts, given, name))
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    if not isinstance(given, Iterable):
        raise TypeError(f"{name} must be rows, a bool for each row, or a label, got {given!r:.60}.")
    array = np.asarray(given if hasattr(given, "__len__") else list(given))
    if array.ndim != 1 or (array.size and array.dtype.kind not in "bui"):
        raise TypeError(f"{name} must be rows, a bool for each row, or a label, got {given!r:.60}.")
    if array.dtype == bool:
        if len(array) != len(acts):
            raise ValueError(
                f"{name} must have a bool for each of the {len(acts):,} samples, got "
                f"{len(array):,}."
            )
        rows = np.flatnonzero(array)
    else:
        rows = np.unique(array).astype(np.int64)
        if len(rows) < len(array) == len(acts):
            raise ValueError(
                f"{name} must be rows, a bool for each row, or a label, got {len(array):,} numbers "
                f"of which {len(rows):,} differ, as many as there are samples: if they are labels, "
                f"give a bool for each row, {name}=(labels == {array[0]})."
            )
    if not len(rows):
        raise ValueError(f"{name} must hold at least one sample, got none.")
    if rows[0] < 0 or rows[-1] >= len(acts):
        wrong = rows[0] if rows[0] < 0 else rows[-1]
        raise IndexError(
            f"{name} holds sample {wrong}, which is not in the data: it has {len(acts):,} samples, "
            f"0 to {len(acts) - 1:,}."
        )
    return rows


def label_of(acts: Activations, label: Any, name: str) -> int:
    """The number of a label given by its name or number.

    Labels whose names are numbers are given by their value.

    Raises:
        ValueError: there is no such label, or no sample has it.
    """
    if acts.labels is None:
        raise ValueError(
            f"{name} is the label {label!r:.40}, and layer {acts.layer!r} has no labels: give rows "
            "or a bool for each row."
        )
    names = acts.label_names
    code = index_of(label, names)
    if code < 0:
        raise ValueError(
            f"{name} must be one of the labels {', '.join(map(repr, names[:10]))}"
            f"{', ...' if len(names) > 10 else ''}; got {label!r:.40}.{nearest(label, names)}"
        )
    if not (acts.labels == code).any():
        raise ValueError(f"{name} is the label {names[code]!r}, which no sample has.")
    return int(code)


def _is_label(given: Any) -> bool:
    return isinstance(given, str | numbers.Number | np.generic)
