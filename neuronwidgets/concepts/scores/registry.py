"""The registry of scores: a registered function is a column in every table and widget."""

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
    """The description of a score's column in a table.

    Attributes:
        title: the heading.
        low, high: the range of its values; infinite if unlimited.
        higher: the meaning of a higher value.
    """

    title: str
    low: float
    high: float
    higher: str


@dataclass(frozen=True)
class Score:
    """A registered score.

    Attributes:
        name: the key in `SCORES`.
        measure: `Neurons` -> float64 `N`, or a dictionary of such columns.
        source: the paper or the author.
        columns: its columns by name; a single one has the score's name.
        labels: whether it needs labelled activations.
        settings: the keyword arguments of `measure`.
        needs: those of them that have no default.
        on_request: whether it is measured only where it is asked for by name.
    """

    name: str
    measure: Callable[..., Result]
    source: str
    columns: dict[str, Column]
    labels: bool = False
    settings: tuple[str, ...] = field(default=())
    needs: tuple[str, ...] = field(default=())
    on_request: bool = False

    def __call__(self, neurons: Neurons, **settings: Any) -> dict[str, np.ndarray]:
        """Its columns, float64 `N` each.

        Raises:
            RuntimeError: `measure` failed.
            ValueError: `measure` did not return the score's columns.
        """
        accepted = {key: value for key, value in settings.items() if key in self.settings}
        try:
            result = self.measure(neurons, **accepted)
        except Exception as error:
            kind = type(error).__name__
            raise RuntimeError(
                f"the score {self.name!r} failed on {neurons!r}: {kind}: {error}. To do without "
                f"it, name the other scores or del nw.SCORES[{self.name!r}]."
            ) from error
        if not isinstance(result, Mapping):
            if len(self.columns) > 1:
                raise ValueError(
                    f"the score {self.name!r} must return a dictionary with "
                    f"{', '.join(self.columns)}, as registered; it gave {_described(result)}."
                )
            result = dict.fromkeys(self.columns, result)
        if set(result) != set(self.columns):
            raise ValueError(
                f"the score {self.name!r} gave {', '.join(map(str, result)) or 'nothing'}; it was "
                f"registered with {', '.join(self.columns)}."
            )
        return {name: self._column(name, result[name], len(neurons)) for name in self.columns}

    def _column(self, name: str, values: Any, count: int) -> np.ndarray:
        try:
            column = np.asarray(values.cpu() if hasattr(values, "cpu") else values)
            is_numeric = column.dtype.kind in "biuf"
            column = column.astype(np.float64) if is_numeric else column
        except (TypeError, ValueError):
            is_numeric = False
        if not is_numeric or column.shape != (count,):
            raise ValueError(
                f"the score {self.name!r} must return one number for each of the {count} neurons "
                f"as {name!r}; it gave {_described(values)}."
            )
        return column


SCORES: dict[str, Score] = {}
"""All scores by name, in the order of a table's columns."""


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
    on_request: bool = False,
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
        source: the paper or the author.
        columns: further columns; the function then returns a dictionary of all columns, among them
            one with the score's name.
        labels: whether it needs labels; without labels it is left out.
        name: the key in `SCORES`; not given: the function's name.
        on_request: whether it is measured only where it is asked for by name. A score that needs
            settings must be.

    Raises:
        ValueError: another score has a column of the same name.
    """

    def register(measure: Function) -> Function:
        key = name or measure.__name__
        all_columns = {key: Column(title, float(low), float(high), higher), **(columns or {})}
        for other in SCORES.values():
            shared = set(all_columns) & set(other.columns)
            if shared and other.name != key:
                raise ValueError(
                    f"the score {other.name!r} has a column {min(shared)!r} already: choose "
                    "another name."
                )
        settings = list(inspect.signature(measure).parameters.values())[1:]
        needs = tuple(p.name for p in settings if p.default is p.empty)
        SCORES[key] = Score(
            key, measure, source, all_columns, labels, tuple(p.name for p in settings), needs,
            on_request,
        )  # fmt: skip
        return measure

    return register


@own_modes()
def scores(
    neurons: Neurons, which: str | Sequence[str] | None = None, **settings: Any
) -> dict[str, np.ndarray]:
    """The scores of a batch of neurons: a column, float64 `N`, for each name.

    Args:
        neurons: the batch.
        which: names of scores (see `SCORES`). Not given: all that need not be asked for, without
            labels those that need none.
        settings: settings of the scores: `draws` and `seed` of the null (see `polysemanticity`),
            `encoder` (see `clarity`), `other` (see `similarity`).

    Raises:
        ValueError: an unknown score; one that needs labels, without labels; one that does not
            return its columns.
        TypeError: a setting that none of them has, or one that is missing.
        RuntimeError: a score failed.
    """
    selected = chosen(neurons.acts, which)
    accepted = sorted({name for score in selected for name in score.settings})
    for name in settings:
        if name not in accepted:
            names = ", ".join(score.name for score in selected)
            raise TypeError(
                f"{name}={settings[name]!r} is not a setting of the scores ({names}), which take "
                f"{', '.join(accepted) or 'none'}."
            )
    for score in selected:
        missing = [name for name in score.needs if name not in settings]
        if missing:
            raise TypeError(
                f"the score {score.name!r} needs {' and '.join(f'{m}=' for m in missing)}."
            )
    columns: dict[str, np.ndarray] = {}
    for score in selected:
        columns.update(score(neurons, **settings))
    return columns


def chosen(acts: Activations, which: str | Sequence[str] | None = None) -> list[Score]:
    """The scores of these names, or all that the activations allow and need not be asked for.

    Raises:
        ValueError: an unknown score, or one that needs labels, without labels.
    """
    labelled = acts.labels is not None
    if which is None:
        return [s for s in SCORES.values() if not s.on_request and (labelled or not s.labels)]
    names = [which] if isinstance(which, str) else list(which)
    for name in names:
        if name not in SCORES:
            raise ValueError(f"score must be one of {', '.join(map(repr, SCORES))}, got {name!r}.")
        if SCORES[name].labels and not labelled:
            raise ValueError(
                f"the score {name!r} needs labels and layer {acts.layer!r} has none: "
                "give capture(..., labels=...) or from_arrays(..., labels=...)."
            )
    return [SCORES[name] for name in names]


def _described(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"a {type(value).__name__}" + ("" if shape is None else f" of shape {tuple(shape)}")
