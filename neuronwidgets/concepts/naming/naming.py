"""The result of naming: names for concepts, with their evidence."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from neuronwidgets.display.html import table

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
        rows = [
            [html.escape(_cell(*cell)) for cell in zip(self.evidence, row, strict=True)]
            for row in zip(*self.evidence.values(), strict=True)
        ]
        evidence = table([*map(html.escape, self.evidence)], rows, range(len(self.evidence)))
        how = html.escape(self.how)
        return f"<p>{named} of {len(self.names)} concepts named by {how}</p>{notes}{evidence}"


def _cell(column: str, value: Any) -> str:
    if column == "concept":
        return str(value + 1)
    return f"{value:.3g}" if isinstance(value, float) else str(value)
