"""Finds out, layer by layer, whether the first token of each text counts."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from neuronwidgets.core.warning import warn
from neuronwidgets.data.batch import Batch
from neuronwidgets.models.content import first_is_content, has_sink

SINK_TEXTS = 16
"""Texts of the first batch that are searched for attention sinks: sinks are in all texts."""


class FirstTokens:
    """Decides by each layer's first batch whether first tokens are attention sinks.

    Args:
        layers: the layers' names.
        pooling: the pooling. First tokens always count for "last" and "cls".
        first: whether first tokens count; `None` if they are no sinks.

    Attributes:
        known: whether first tokens count, for each layer that is decided.
    """

    def __init__(self, layers: Iterable[str], pooling: str, first: bool | None) -> None:
        self.known: dict[str, bool] = {}
        self._to_warn: list[str] = []
        self._layers = list(layers)
        if first is not None or pooling in ("last", "cls"):
            self.known = dict.fromkeys(layers, first is not False or pooling in ("last", "cls"))

    @property
    def without(self) -> list[str]:
        """The layers whose first tokens are left out."""
        return [name for name, counts in self.known.items() if not counts]

    def resume(self, without: Iterable[str]) -> None:
        """Continue a store, in which the layers `without` leave first tokens out."""
        without = set(without)
        self.known = {name: name not in without for name in self._layers}

    def count(self, batch: Batch, name: str, values: torch.Tensor) -> bool:
        """Whether first tokens count in the layer `name`, whose output is `values`."""
        if name not in self.known:
            few = range(min(SINK_TEXTS, batch.size))
            texts = batch.part(few)
            self.known[name] = not has_sink(texts, values[: len(few)])
            # Special tokens are left out without a warning.
            if not self.known[name] and first_is_content(texts):
                self._to_warn.append(name)
        return self.known[name]

    def warn(self) -> None:
        """Warn of the layers that were found to have sinks since the last call."""
        layers, self._to_warn = self._to_warn, []
        if layers:
            names = ", ".join(map(repr, layers[:3])) + (", ..." if len(layers) > 3 else "")
            warn(
                f"the first token of each text is an attention sink in layer {names} (its vector "
                "is over 5 times as long as the others'): it is left out. first=True keeps it.",
            )
