"""One registry: a new score is one function, and every table and widget has it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.scores.neurons import Neurons
from neuronwidgets.core.modes import own_modes

Result = np.ndarray | Mapping[str, np.ndarray]
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Column:
    """What a table needs to know of a score.

    Attributes:
        title: its heading.
        low, high: its range; infinite where it has no end.
        higher: what a higher value means.
    """

    title: str
    low: float
    high: float
    higher: str


@dataclass(frozen=True)
class Score:
    """A registered score.

    Attributes:
        name: by which it is asked for.
        measure: `Neurons` -> float64 `N`, or a dictionary of them.
        source: the paper, or who made it.
        columns: what it gives, by name; a single one has the score's name.
        labels: whether it needs labelled activations.
        settings: the keyword arguments that it takes.
    """

    name: str
    measure: Callable[..., Result]
    source: str
    columns: dict[str, Column]
    labels: bool = False
    settings: tuple[str, ...] = field(default=())

    def __call__(self, neurons: Neurons, **settings: Any) -> dict[str, np.ndarray]:
        """Its columns, float64 `N` each.

        Raises:
            RuntimeError: it failed.
            ValueError: it gave something else than its columns.
        """
        mine = {key: value for key, value in settings.items() if key in self.settings}
        try:
            found = self.measure(neurons, **mine)
        except Exception as error:
            kind = type(error).__name__
            raise RuntimeError(
                f"the score {self.name!r} failed on {neurons!r}: {kind}: {error}. To do without: "
                f"name the others, or del nw.SCORES[{self.name!r}]."
            ) from error
        if not isinstance(found, Mapping):
            if len(self.columns) > 1:
                raise ValueError(
                    f"the score {self.name!r} must return a dictionary with "
                    f"{', '.join(self.columns)}, as registered; it gave {_what(found)}."
                )
            found = dict.fromkeys(self.columns, found)
        if set(found) != set(self.columns):
            raise ValueError(
                f"the score {self.name!r} gave {', '.join(map(str, found)) or 'nothing'}; it was "
                f"registered with {', '.join(self.columns)}."
            )
        return {name: self._column(name, found[name], len(neurons)) for name in self.columns}

    def _column(self, name: str, values: Any, count: int) -> np.ndarray:
        try:
            column = np.asarray(values.cpu() if hasattr(values, "cpu") else values)
            fine = column.dtype.kind in "biuf"
            column = column.astype(np.float64) if fine else column
        except (TypeError, ValueError):
            fine = False
        if not fine or column.shape != (count,):
            raise ValueError(
                f"the score {self.name!r} must return one number for each of the {count} neurons "
                f"as {name!r}; it gave {_what(values)}."
            )
        return column


SCORES: dict[str, Score] = {}
"""Every score by its name, in the order of a table."""


def score(
    *,
    title: str,
    source: str,
    low: float = -np.inf,
    high: float = np.inf,
    higher: str,
    columns: Mapping[str, Column] | None = None,
    labels: bool = False,
    name: str | None = None,
) -> Callable[[Function], Function]:
    """Register a function of `Neurons` that gives one number for each neuron.

    ```python
    @nw.score(title="peak", source="ours", low=0, higher="it fires more strongly somewhere")
    def peak(neurons):
        return neurons.along.max(axis=1)
    ```

    A score of the same name is replaced.

    Args:
        title, low, high, higher: see `Column`.
        source: the paper, or who made it.
        columns: further columns; the function then gives a dictionary of all of them, its own
            name among them.
        labels: it needs labels, and is left out where there are none.
        name: by which it is asked for; the function's own if not given.

    Raises:
        ValueError: another score has a column of the same name.
    """

    def register(measure: Function) -> Function:
        own = name or measure.__name__
        every = {own: Column(title, float(low), float(high), higher), **(columns or {})}
        for other in SCORES.values():
            taken = set(every) & set(other.columns)
            if taken and other.name != own:
                raise ValueError(
                    f"the score {other.name!r} has a column {min(taken)!r} already: choose "
                    "another name."
                )
        accepted = tuple(inspect.signature(measure).parameters)[1:]
        SCORES[own] = Score(own, measure, source, every, labels, accepted)
        return measure

    return register


@own_modes()
def scores(
    neurons: Neurons, which: str | Sequence[str] | None = None, **settings: Any
) -> dict[str, np.ndarray]:
    """The scores of a batch of neurons: a column, float64 `N`, for each name.

    Args:
        neurons: the batch.
        which: names of scores (see `SCORES`); all if not given, without labels those that need
            none.
        settings: of the scores: `draws` and `seed` of the null (see `polysemanticity`).

    Raises:
        ValueError: an unknown score; one that needs labels where there are none; one that gives
            something else than it should.
        TypeError: a setting that none of them has.
        RuntimeError: a score failed.
    """
    wanted = chosen(neurons.acts, which)
    known = sorted({name for one in wanted for name in one.settings})
    for name in settings:
        if name not in known:
            raise TypeError(
                f"{name}={settings[name]!r}: no such setting; "
                f"{', '.join(known) or 'none'} for {', '.join(s.name for s in wanted)}."
            )
    out: dict[str, np.ndarray] = {}
    for one in wanted:
        out.update(one(neurons, **settings))
    return out


def chosen(acts: Activations, which: str | Sequence[str] | None = None) -> list[Score]:
    """The scores of these names, or all that the activations allow.

    Raises:
        ValueError: an unknown one, or one that needs labels where there are none.
    """
    labelled = acts.labels is not None
    if which is None:
        return [s for s in SCORES.values() if labelled or not s.labels]
    names = [which] if isinstance(which, str) else list(which)
    for name in names:
        if name not in SCORES:
            raise ValueError(
                f"there is no score {name!r}; there are {', '.join(map(repr, SCORES))}."
            )
        if SCORES[name].labels and not labelled:
            raise ValueError(
                f"the score {name!r} needs labels and layer {acts.layer!r} has none: "
                "give capture(..., labels=...) or from_arrays(..., labels=...)."
            )
    return [SCORES[name] for name in names]


def _what(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"a {type(value).__name__}" + ("" if shape is None else f" of shape {tuple(shape)}")
