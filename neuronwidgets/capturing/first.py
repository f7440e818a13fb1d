"""Whether the first token of each text counts, layer by layer."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import torch

from neuronwidgets.data.batch import Batch
from neuronwidgets.models.content import first_counts, has_sink

LOOK = 16
"""So many texts of the first batch tell."""


class FirstTokens:
    """Tells, of each layer's first batch, whether first tokens are attention sinks.

    Args:
        layers: their names.
        unit: what a sample is; first tokens are asked for by "last" and "cls".
        first: whether they count; `None`: where they are no sinks.
    """

    def __init__(self, layers: Iterable[str], unit: str, first: bool | None) -> None:
        self.known: dict[str, bool] = {}
        self._found: list[str] = []
        self._layers = list(layers)
        if first is not None or unit in ("last", "cls"):
            self.known = dict.fromkeys(layers, first is not False or unit in ("last", "cls"))

    @property
    def without(self) -> list[str]:
        """The layers of which first tokens are left out."""
        return [name for name, counts in self.known.items() if not counts]

    def resume(self, without: Iterable[str]) -> None:
        """Go on as a store was begun."""
        without = set(without)
        self.known = {name: name not in without for name in self._layers}

    def count(self, batch: Batch, name: str, values: torch.Tensor) -> bool:
        """Whether they count in a layer, whose output on the batch is `values`."""
        if name not in self.known:
            few = range(min(LOOK, batch.size))
            texts = batch.part(few)
            self.known[name] = not has_sink(texts, values[: len(few)])
            # A special token is left out anyway.
            if not self.known[name] and first_counts(texts):
                self._found.append(name)
        return self.known[name]

    def say(self, stacklevel: int) -> None:
        """Warn once of the sinks that were found."""
        found, self._found = self._found, []
        if found:
            which = ", ".join(map(repr, found[:3])) + (", ..." if len(found) > 3 else "")
            warnings.warn(
                f"the first token of each text is an attention sink in layer {which} (its vector "
                "is over 5 times as long as the others'): it is left out. first=True keeps it.",
                stacklevel=stacklevel + 1,
            )
