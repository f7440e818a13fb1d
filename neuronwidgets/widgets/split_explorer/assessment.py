"""What the data says of a neuron as a whole: where to cut it, and its scores."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from neuronwidgets.concepts.scores import SCORES, Column, Neurons
from neuronwidgets.concepts.scores.polysemanticity import check_draws
from neuronwidgets.concepts.scores.registry import Score
from neuronwidgets.concepts.split import Split
from neuronwidgets.concepts.suggest import MOST_DRAWN, QUICK, check_kinds, suggesting
from neuronwidgets.core.steps import mapped
from neuronwidgets.widgets.base.jobs import Progress, Steps

PATIENCE = 0.3
"""Seconds of work that nobody needs to be told of."""


def later() -> None:
    """Among steps: what follows can wait until the first picture is on the screen."""


class Assessment:
    """Suggested cuts and scores of one split: the gaps at once, the others in steps."""

    def __init__(self, split: Split) -> None:
        self.split = split
        usual = check_kinds(None, len(split.index))
        self._suggested = split.suggest([kind for kind in QUICK if kind in usual])
        self._scores: list[dict[str, Any]] = []
        self.done = False

    def suggestions(self) -> list[dict[str, Any]]:
        """The suggested cuts, as the trait has them."""
        return [
            {
                "threshold": s.threshold,
                "concepts": s.concepts,
                "best": [r.kind for r in s.reasons if r.best],
                "reasons": [r.text for r in s.reasons],
            }
            for s in self._suggested
        ]

    def scores(self) -> list[dict[str, Any]]:
        """The scores at the suggested cut, as the trait has them; at first none."""
        return list(self._scores)

    def steps(self, publish: Callable[[], None]) -> Steps:
        """Compare the cuts, then score the neuron, without a word if that takes no time."""
        if self.done:
            return
        yield later
        began = time.perf_counter()

        def said(share: float, text: str) -> Progress | Callable[[], None]:
            return Progress(share, text) if time.perf_counter() - began > PATIENCE else later

        compared = yield from mapped(
            suggesting(self.split), lambda share: said(share, "comparing the cuts")
        )

        # Kept as it is published: a job whose place was taken publishes nothing.
        def show_cuts() -> None:
            self._suggested = compared
            publish()

        yield show_cuts
        found: list[dict[str, Any]] = []
        neurons = Neurons.of(self.split.cut())
        for i, name in enumerate(list(SCORES)):
            yield said(i / len(SCORES), "scoring the neuron")
            found += _scored(neurons, name)

        def show_scores() -> None:
            self._scores, self.done = found, True
            publish()

        yield show_scores


def _scored(neurons: Neurons, name: str) -> list[dict[str, Any]]:
    """What one score has to say, but for what is not a number."""
    score = SCORES[name]
    if score.labels and neurons.acts.labels is None:
        return []
    # Of more no null is drawn: it would take seconds, which nothing could stop.
    n = neurons.index.shape[1]
    few = n <= MOST_DRAWN or "draws" not in score.settings
    try:
        values = score(neurons, **({} if few else {"draws": 0}))
    except (RuntimeError, ValueError) as error:
        # Somebody's own score must not take the others with it.
        return [_row(name, score.columns[name], None, str(error), True)]
    return [
        _row(key, column, float(values[key][0]), _about(column, score, n), key == name)
        for key, column in score.columns.items()
        if math.isfinite(values[key][0])
    ]


def _row(name: str, column: Column, value: float | None, about: str, main: bool) -> dict[str, Any]:
    return {"name": name, "title": column.title, "value": value, "about": about, "main": main}


def _about(column: Column, score: Score, n: int) -> str:
    low, high = (f"{x:.4g}" if math.isfinite(x) else "" for x in (column.low, column.high))
    span = f"{low} to {high}; " if low and high else f"from {low}; " if low else ""
    if "draws" in score.settings and column.title.startswith("p of "):
        draws = check_draws(None, n)
        span = f"{1 / (1 + draws):.2g} to 1, of {draws} draws; "
    return f"{span}higher: {column.higher} ({score.source})"
