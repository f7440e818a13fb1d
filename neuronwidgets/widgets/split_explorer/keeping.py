"""Concepts of a SplitExplorer's cards are kept in a library."""

from __future__ import annotations

from typing import Any

from neuronwidgets.widgets.base.keeping import Keeping, keep
from neuronwidgets.widgets.split_explorer.on_screen import OnScreen


class KeepingConcepts(OnScreen, Keeping):
    """Keeps the concepts on the screen, each by its card."""

    def _messages(self) -> dict[str, Any]:
        return {**super()._messages(), "concept.keep": self._on_keep}

    def _on_keep(self, wanted: dict[str, Any]) -> None:
        with self._jobs.lock:
            library = self._opened_library()
            keep(library, self.concepts, *(wanted.get(of) for of in ("concept", "size", "name")))
            self.library = library
            self._clear()
