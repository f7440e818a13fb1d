"""The result of testing names or groups of samples by questions: right answers beside chance."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.concepts.name_scores.binomial import exact_interval
from neuronwidgets.display.html import table


@dataclass(frozen=True)
class Share:
    """Right answers of a number of answers.

    Attributes:
        right, count: the numbers.
    """

    right: int
    count: int

    @property
    def value(self) -> float:
        """The share of right answers, 0 to 1; NaN without any answer."""
        return self.right / self.count if self.count else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Its exact 95% interval, see `exact_interval`."""
        return exact_interval(self.right, self.count)

    def __str__(self) -> str:
        if not self.count:
            return "no answers"
        low, high = self.interval
        return f"{self.value:.0%} ({low:.0%} to {high:.0%}; {self.right} of {self.count})"


@dataclass(frozen=True, repr=False, eq=False)
class NameScores:
    """How often answers about `K` concepts were right, and how often those of the control were.

    Intervals count each answer as independent. Answers about one name or group are not quite, so
    the true intervals are wider where there are few concepts.

    Attributes:
        by: "detection" (which samples fit the name?) or "intruder" (which sample is the odd one?).
        names: `K` names.
        right, count: int64 `K`, right answers and all answers of each concept.
        control_right, control_count: int64 `K`, the same of the control: with the name of another
            concept ("detection"), or with samples at random ("intruder").
        chance: the share that a guess gets right.
        notes: what failed, and what is not as asked for.
    """

    by: str
    names: tuple[str, ...]
    right: np.ndarray
    count: np.ndarray
    control_right: np.ndarray
    control_count: np.ndarray
    chance: float
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Share:
        """The answers about all concepts."""
        return Share(int(self.right.sum()), int(self.count.sum()))

    @property
    def control(self) -> Share:
        """The answers of the control."""
        return Share(int(self.control_right.sum()), int(self.control_count.sum()))

    @property
    def accuracy(self) -> np.ndarray:
        """float64 `K`: the share of right answers about each concept; NaN without answers."""
        return _divided(self.right, self.count)

    @property
    def intervals(self) -> np.ndarray:
        """float64 `K x 2`: the exact 95% interval of each accuracy; 0 to 1 without answers."""
        pairs = zip(self.right.tolist(), self.count.tolist(), strict=True)
        return np.array([exact_interval(*pair) for pair in pairs]).reshape(-1, 2)

    def to_frame(self) -> Any:
        """A `pandas.DataFrame`, a row for each concept: `concept` (from 0), `name`, `accuracy`,
        `low`, `high`, `right`, `count`, `control`, `control_count`."""
        import pandas as pd

        low, high = self.intervals.T
        return pd.DataFrame({
            "concept": np.arange(len(self.names)), "name": list(self.names),
            "accuracy": self.accuracy, "low": low, "high": high, "right": self.right,
            "count": self.count, "control": _divided(self.control_right, self.control_count),
            "control_count": self.control_count,
        })  # fmt: skip

    def __repr__(self) -> str:
        notes = "".join(f"; {note}" for note in self.notes[:3])
        more = f"; and {len(self.notes) - 3} more notes" if len(self.notes) > 3 else ""
        return (
            f"NameScores(by {self.by}: {self.total}; chance {self.chance:.0%}, control "
            f"{self.control}{notes}{more})"
        )

    def _repr_html_(self) -> str:
        rows = [
            [str(k + 1), html.escape(name), str(Share(right, count)), str(Share(of, all_))]
            for k, (name, right, count, of, all_) in enumerate(
                zip(self.names, self.right.tolist(), self.count.tolist(),
                    self.control_right.tolist(), self.control_count.tolist(), strict=True)
            )
        ]  # fmt: skip
        rows.append(["", "all", str(self.total), str(self.control)])
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        head = ["concept", "name", "right (95% interval)", "control"]
        title = f"<p>By {self.by}; a guess is right in {self.chance:.0%}</p>"
        return title + notes + table(head, rows, (1,))


def _divided(right: np.ndarray, count: np.ndarray) -> np.ndarray:
    share: np.ndarray = np.divide(
        right, count, out=np.full(len(right), np.nan), where=np.asarray(count) > 0
    )
    return share
