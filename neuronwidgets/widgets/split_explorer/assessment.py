"""Suggested cuts and scores of one split."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from neuronwidgets.concepts.scores import SCORES, Column, Neurons
from neuronwidgets.concepts.scores.polysemanticity import check_draws
from neuronwidgets.concepts.scores.registry import Score
from neuronwidgets.concepts.split import Split
from neuronwidgets.concepts.suggest import QUICK, suggesting
from neuronwidgets.core.steps import mapped
from neuronwidgets.widgets.base.jobs import JobProgress, Publish, Steps, later
from neuronwidgets.widgets.base.pace import PACE, Pace
from neuronwidgets.widgets.split_explorer.limits import LIMITS, Limits


class Assessment:
    """Suggested cuts and scores of one split: the quick ones at once, the others in steps.

    Attributes:
        done: whether all of them are known.
    """

    def __init__(self, split: Split, pace: Pace = PACE, limits: Limits = LIMITS) -> None:
        self.split, self._pace, self._limits = split, pace, limits
        self._kinds = limits.kinds(len(split.index))
        self._suggested = split.suggest([kind for kind in QUICK if kind in self._kinds])
        self._scores: list[dict[str, Any]] = []
        self.done = False

    def suggestions(self) -> list[dict[str, Any]]:
        """The suggested cuts: the trait `_suggestions`."""
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
        """The scores at the suggested cut: the trait `_scores`; empty until they are known."""
        return list(self._scores)

    def steps(self, publish: Callable[[], None]) -> Steps:
        """Compare the cuts, then score the neuron. Report progress only if that takes time."""
        if self.done:
            return
        yield later
        began = time.perf_counter()

        def progress(share: float, text: str) -> JobProgress | Publish:
            slow = time.perf_counter() - began > self._pace.silent
            return JobProgress(share, text) if slow else later

        compared = yield from mapped(
            suggesting(self.split, self._kinds),
            lambda share: progress(share, "comparing the cuts"),
        )

        # Kept when published: a job that was replaced publishes nothing.
        def show_cuts() -> None:
            self._suggested = compared
            publish()

        yield show_cuts
        scores: list[dict[str, Any]] = []
        neurons = Neurons.of(self.split.cut())
        usual = [name for name, score in SCORES.items() if not score.on_request]
        for i, name in enumerate(usual):
            yield progress(i / len(usual), "scoring the neuron")
            scores += _scored(neurons, name, self._limits)

        def show_scores() -> None:
            self._scores, self.done = scores, True
            publish()

        yield show_scores


def _scored(neurons: Neurons, name: str, limits: Limits) -> list[dict[str, Any]]:
    """The finite values of one score."""
    score = SCORES[name]
    if score.labels and neurons.acts.labels is None:
        return []
    # A null of more samples takes seconds in one step, which nothing could stop.
    n = neurons.index.shape[1]
    few = n <= limits.draws or "draws" not in score.settings
    try:
        values = score(neurons, **({} if few else {"draws": 0}))
    except (RuntimeError, ValueError) as error:
        # A user's own score that fails must not end the others.
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
