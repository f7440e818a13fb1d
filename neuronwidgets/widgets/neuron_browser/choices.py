"""Checks of what the user of a NeuronBrowser chooses."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.checks import is_integer, nearest, one_of
from neuronwidgets.overviews.search import KINDS, Query

OWN = -1.0
"""The threshold at which each tree is cut at its own height."""
ALWAYS = ("neuron", "concepts", "match", "promotes")
"""Columns that are no scores."""
PREVIEWED = 512
"""Samples whose previews are sent at once, at most."""


def checked(
    name: str, value: Any, acts: Activations, known: np.ndarray, columns: Collection[str]
) -> Any:
    """The value of a trait.

    Args:
        name: the trait's name.
        value: what the user sets.
        acts: the activations on the screen.
        known: int64 `N`, the neurons of the table, ascending.
        columns: the names of the scores.

    Raises:
        ValueError: it cannot be chosen.
    """
    if name in ("selection", "lit"):
        return check_samples(name, value, acts)
    if name == "notes":
        return check_notes(value, known, acts.layer)
    if name == "threshold":
        return check_threshold(float(value))
    if name == "sorting":
        return check_sorting(value, columns)
    if name == "filters":
        return check_filters(value, columns)
    if value:
        query_of(**{"kind": None, **value}, acts=acts)
    return value


def check_neurons(name: str, neurons: Sequence[Any], known: np.ndarray, layer: str) -> list[int]:
    """Neurons of the table, each once, in their order.

    Raises:
        ValueError: one is not in the table.
    """
    for neuron in neurons:
        at = int(np.searchsorted(known, neuron)) if is_integer(neuron) else len(known)
        if at == len(known) or known[at] != neuron:
            raise ValueError(
                f"{name} must be of the {len(known):,} neurons of layer {layer!r} in the table, "
                f"{known[0]:,} to {known[-1]:,}; got {neuron!r}."
            )
    return [int(neuron) for neuron in dict.fromkeys(neurons)]


def check_samples(name: str, rows: Sequence[Any], acts: Activations) -> list[int]:
    """Rows of the activations."""
    for row in rows:
        if not is_integer(row) or not 0 <= row < len(acts):
            raise ValueError(
                f"{name} must be rows of the activations, 0 to {len(acts) - 1:,}; got {row!r}."
            )
    return [int(row) for row in rows]


def check_notes(notes: Mapping[str, str], known: np.ndarray, layer: str) -> dict[str, str]:
    """Notes of neurons of the table, whose numbers are texts; empty notes are left out."""
    for neuron in notes:
        if not neuron.isdecimal():
            raise ValueError(f"notes must have neurons as keys, such as '3'; got {neuron!r}.")
    check_neurons("notes", [int(neuron) for neuron in notes], known, layer)
    return {neuron: note for neuron, note in notes.items() if note.strip()}


def check_threshold(value: float) -> float:
    """A height of the common scale, or -1."""
    if value != OWN and not 0 <= value < math.inf:
        raise ValueError(
            "threshold must be a height of the trees' common scale, or -1 for each tree's own cut; "
            f"got {value:g}."
        )
    return value


def check_sorting(sorting: Mapping[str, Any], columns: Collection[str]) -> dict[str, Any]:
    """A column, and whether its largest values come first."""
    if set(sorting) != {"column", "descending"} or not isinstance(sorting["descending"], bool):
        raise ValueError(
            'sorting must be {"column": a name, "descending": True or False}, got '
            f"{dict(sorting)!r:.80}."
        )
    column = one_of("sorting's column", sorting["column"], (*ALWAYS, *columns))
    return {"column": column, "descending": sorting["descending"]}


def check_filters(filters: Mapping[str, Any], columns: Collection[str]) -> dict[str, list[Any]]:
    """For each column its limits `[low, high]`, `None` for no limit."""
    known = (*ALWAYS, *columns)
    checked = {}
    for column, limits in filters.items():
        if column not in known:
            raise ValueError(
                f"filters must be of the columns {', '.join(known)}; got {column!r}."
                f"{nearest(column, known)}"
            )
        checked[column] = _limits(column, limits)
    return checked


def _limits(column: str, limits: Any) -> list[float | None]:
    message = (
        f"the filter of {column!r} must be [low, high], two numbers of which the first is not "
        f"larger, or None for no limit; got {limits!r:.60}."
    )
    if not isinstance(limits, Sequence) or isinstance(limits, str) or len(limits) != 2:
        raise ValueError(message)
    for limit in limits:
        numeric = isinstance(limit, int | float | np.integer | np.floating)
        if limit is not None and (not numeric or isinstance(limit, bool) or math.isnan(limit)):
            raise ValueError(message)
    # JSON has no infinite numbers.
    low, high = (None if limit is None or math.isinf(limit) else float(limit) for limit in limits)
    if low is not None and high is not None and low > high:
        raise ValueError(message)
    return [low, high]


def query_of(
    kind: Any, text: Any = "", these: Any = (), those: Any = (), *, acts: Activations
) -> Query:
    """A search, checked.

    Raises:
        ValueError: no such kind, or no such samples.
    """
    kind = one_of("the search's kind", kind, KINDS)
    if not isinstance(text, str):
        raise ValueError(f"text must be a string, got {text!r:.60}.")
    rows = [
        tuple(check_samples(name, list(given), acts))
        for name, given in (("these", these), ("those", those))
    ]
    if kind in ("samples", "contrast") and not rows[0]:
        raise ValueError("these must hold at least one sample, got none.")
    return Query(kind, text, *rows)


def query_trait(query: Query) -> dict[str, Any]:
    """A search as the trait `searched`."""
    return {"kind": query.kind, "text": query.text, "these": list(query.these),
            "those": list(query.those)}  # fmt: skip
