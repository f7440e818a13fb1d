"""The result of naming: names for concepts, with their evidence."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts


@dataclass(frozen=True, repr=False, eq=False)
class Naming:
    """Names for `K` concepts, and the evidence for them.

    Attributes:
        how: the way of naming: "labels", "text" or "ask".
        names: `K` names; `None` for a concept that got none.
        evidence: columns of equal length; `concept` (from 0) is the concept of each row.
        notes: samples that were left out, and failures.
    """

    how: str
    names: tuple[str | None, ...]
    evidence: Mapping[str, Sequence[Any]]
    notes: tuple[str, ...] = ()

    def to_frame(self) -> Any:
        """The evidence as a `pandas.DataFrame`; its columns depend on the way of naming."""
        import pandas as pd

        return pd.DataFrame(dict(self.evidence))

    def applied(self, concepts: Concepts) -> Concepts:
        """`concepts` with these names. A concept keeps its name if it got none, or if the user gave
        it."""
        names = tuple(
            old if new is None or k in concepts.user_named else new
            for k, (old, new) in enumerate(zip(concepts.names, self.names, strict=True))
        )
        return replace(concepts, names=names, naming=self)

    def __repr__(self) -> str:
        names = ", ".join(f"{k + 1}. {n}" for k, n in enumerate(self.names) if n is not None)
        notes = "".join(f"; {note}" for note in self.notes)
        return f"Naming(by {self.how}: {names or 'nothing found'}{notes})"

    def _repr_html_(self) -> str:
        named = sum(name is not None for name in self.names)
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.evidence)
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td style='text-align:left' dir='auto'>{html.escape(_cell(name, value))}</td>"
                for name, value in zip(self.evidence, row, strict=True)
            )
            + "</tr>"
            for row in zip(*self.evidence.values(), strict=True)
        )
        return (
            f"<p>{named} of {len(self.names)} concepts named by {html.escape(self.how)}</p>{notes}"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def _cell(column: str, value: Any) -> str:
    if column == "concept":
        return str(value + 1)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def whole(name: str, value: Any, least: int = 1) -> int:
    """`value` as an int, refused if it is no whole number of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise ValueError(f"{name}={value!r}; a whole number of at least {least} is needed.")
    return int(value)


def number(name: str, value: Any, low: float, high: float) -> float:
    """`value` as a float, refused if it is no number from `low` to `high`."""
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise ValueError(f"{name}={value!r}; a number from {low:g} to {high:g} is needed.")
    if not low <= float(value) <= high:
        raise ValueError(f"{name}={value!r}; a number from {low:g} to {high:g} is needed.")
    return float(value)


def evenly(rows: Any, most: int) -> Any:
    """At most `most` of the rows, evenly spaced: the same ones each time."""
    import numpy as np

    if len(rows) <= most:
        return rows
    return rows[np.arange(most) * len(rows) // most]
