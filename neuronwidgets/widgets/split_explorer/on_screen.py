"""What a SplitExplorer shows: the part that its other parts ask."""

from __future__ import annotations

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.split import Split
from neuronwidgets.widgets.base.widget import Widget
from neuronwidgets.widgets.split_explorer.session import SplitSession

CHOSEN = ("threshold", "names", "refined", "selection")
"""The traits that the user chooses on a picture."""


class OnScreen(Widget):
    """The split and the concepts on the screen of a SplitExplorer."""

    _session: SplitSession

    @property
    def acts(self) -> Activations:
        """The activations that are explored; while a capture runs, those on the screen."""
        return self._session.acts

    @property
    def split(self) -> Split:
        """The split on the screen, as from `neuronwidgets.split`."""
        return self._session.split

    @property
    def concepts(self) -> Concepts:
        """The concepts on the screen: the cut at the threshold, with its names.

        With `refined`, the tree's own clusters until the k-means membership is on the screen.
        """
        with self._jobs.lock:
            return self._now().concepts

    def _now(self) -> SplitSession:
        """The session, with the traits whose observers are on hold or were removed."""
        with self._jobs.lock:
            for name in CHOSEN:
                setattr(self._session, name, getattr(self, name))
        return self._session
