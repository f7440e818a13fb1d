"""Whether the concepts of a cut come back from another half of the top samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from neuronwidgets.concepts.half_agreement import Agreement, agreeing
from neuronwidgets.concepts.split import Split
from neuronwidgets.core.steps import mapped
from neuronwidgets.widgets.base.jobs import Steps, later
from neuronwidgets.widgets.split_explorer.groups import concepts_of
from neuronwidgets.widgets.split_explorer.limits import Limits


class Halves:
    """The agreement of halves of each cut that was on the screen, by its nodes."""

    def __init__(self, split: Split, limits: Limits) -> None:
        self._split = split
        self._few = len(split.index) <= limits.pairs and not split.at_rest
        self._known: dict[tuple[int, ...], Agreement] = {}

    def lacks(self, nodes: Sequence[int]) -> bool:
        """Whether the cut into `nodes` is still to be compared."""
        return self._few and len(nodes) > 0 and tuple(nodes) not in self._known

    def steps(self, nodes: Sequence[int], publish: Callable[[], None]) -> Steps:
        """Compare the halves for the cut into `nodes`."""
        if not self.lacks(nodes):
            return
        yield later
        cut = agreeing(concepts_of(self._split, nodes))
        found = yield from mapped(cut, lambda _: later)

        # Kept when published: a job that was replaced publishes nothing.
        def show() -> None:
            self._known[tuple(nodes)] = found
            publish()

        yield show

    def pack(self) -> dict[str, Any]:
        """The metadata of the `evidence` message; empty where nothing is known."""
        cuts = [
            {"nodes": list(nodes), "agreement": _finite(of), "chance": _finite(chance)}
            for nodes, (of, chance) in self._known.items()
        ]
        return {"halves": cuts} if cuts else {}


def _finite(values: Any) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.round(4).tolist()]
