"""The places that were looked at, with a way back and forward, as in a web browser."""

from __future__ import annotations

from neuronwidgets.widgets.explorer.place import Place

MOST = 200
"""Places that are remembered."""


class History:
    """Places in the order in which they were looked at. One of them is the present one."""

    def __init__(self, place: Place) -> None:
        self._places, self._at = [place], 0

    @property
    def now(self) -> Place:
        """The present place."""
        return self._places[self._at]

    @property
    def back(self) -> int:
        """How many places are behind."""
        return self._at

    @property
    def forward(self) -> int:
        """How many places are ahead."""
        return len(self._places) - 1 - self._at

    def visit(self, place: Place) -> None:
        """Go to a place. Another neuron, tab or lower neuron is a new entry, and drops those ahead.

        A place that differs in its cuts only takes the present one's entry: a drag is no step.
        """
        now = self.now
        same = (place.neuron, place.tab, place.lower) == (now.neuron, now.tab, now.lower)
        if same or now.neuron is None:
            self._places[self._at] = place
            return
        self._places = [*self._places[: self._at + 1], place][-MOST:]
        self._at = len(self._places) - 1

    def step(self, steps: int) -> Place:
        """Go back (negative) or forward so many places, as far as there are any."""
        self._at = min(max(self._at + steps, 0), len(self._places) - 1)
        return self.now
