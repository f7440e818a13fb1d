"""`link`: two widgets that show the same neuron, label and samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import traitlets as t

from neuronwidgets.activations.activations import Activations
from neuronwidgets.widgets.base.widget import Widget

SHARED = ("neuron", "label", "selection", "lit")
"""The traits that are linked where both widgets have them."""
ROWS = ("selection", "lit")
"""Those that are rows of the activations: they are found again in the other data set."""


class Link:
    """Two widgets whose traits follow each other until `unlink`.

    Attributes:
        a, b: the widgets.
        names: the traits that follow.
    """

    def __init__(self, a: Any, b: Any, names: tuple[str, ...]) -> None:
        self.a, self.b, self.names = a, b, names
        self._passing = False
        for one, other in (a, b), (b, a):
            if isinstance(one, Widget) and isinstance(other, Widget):
                one._jobs.lock.join(other._jobs.lock)
        self._observers: list[tuple[Any, Callable[[Any], None]]] = []
        for source, target in (a, b), (b, a):
            observer = self._follower(source, target)
            source.observe(observer, list(names))
            self._observers.append((source, observer))
        for name in names:
            self._pass(a, b, name)

    def _follower(self, source: Any, target: Any) -> Callable[[Any], None]:
        def follow(change: Any) -> None:
            self._pass(source, target, change["name"])

        return follow

    def _pass(self, source: Any, target: Any, name: str) -> None:
        """Set a trait of `target` to that of `source`. What it refuses, it shows."""
        if self._passing:
            return
        self._passing = True
        try:
            value = getattr(source, name)
            if name in ROWS:
                value = _found_again(value, source.acts, target.acts)
            if value is None and not getattr(type(target), name).allow_none:
                return
            setattr(target, name, value)
        except (t.TraitError, ValueError, TypeError, IndexError) as error:
            # An error in an observer would end in the log, where no user looks.
            target._fail(error)
        finally:
            self._passing = False

    def unlink(self) -> None:
        """Let each widget go its own way again."""
        for source, observer in self._observers:
            source.unobserve(observer, list(self.names))
        self._observers = []

    def __repr__(self) -> str:
        a, b = type(self.a).__name__, type(self.b).__name__
        return f"Link({a} and {b}: {', '.join(self.names)})"


def link(a: Any, b: Any, *names: str) -> Link:
    """Let two widgets of this package follow each other.

    At once `b` shows what `a` does; from then on a change of either reaches the other.

    Args:
        a, b: the widgets.
        names: the traits to link, such as "neuron" or "threshold". Not given: those of `neuron`,
            `label`, `selection` and `lit` that both have. Samples are found again by their place
            in the data set, so the activations may be pooled differently.

    Returns:
        A `Link`; `unlink()` ends it.

    Raises:
        TypeError: one of them is no widget of this package. For plain ipywidgets:
            `ipywidgets.link((explorer, "neuron"), (slider, "value"))`.
        ValueError: they have none of the traits in common; both are the same widget.
    """
    for widget in (a, b):
        if not isinstance(widget, Widget):
            raise TypeError(
                f"link joins two widgets of this package, got a {type(widget).__name__}. A plain "
                "ipywidget: ipywidgets.link((explorer, 'neuron'), (slider, 'value'))."
            )
    if a is b:
        raise ValueError("link joins two widgets, got the same one twice.")
    both = [name for name in (names or SHARED) if a.has_trait(name) and b.has_trait(name)]
    missing = [name for name in names if name not in both]
    if missing or not both:
        what = repr(missing[0]) if missing else " or ".join(map(repr, SHARED))
        raise ValueError(
            f"{type(a).__name__} and {type(b).__name__} do not both have a trait {what}, so there "
            "is nothing to link."
        )
    if _differ(a, b):
        both = [name for name in both if name != "neuron" or name in names]
        if not both:
            raise ValueError(
                f"neuron numbers of layer {a.acts.layer!r} mean others in {b.acts.layer!r}. To "
                "link them all the same: nw.link(a, b, 'neuron')."
            )
    return Link(a, b, tuple(both))


def _differ(a: Any, b: Any) -> bool:
    """Whether the two show different layers, as far as they say."""
    layers = [getattr(getattr(widget, "acts", None), "layer", None) for widget in (a, b)]
    return None not in layers and layers[0] != layers[1]


def _found_again(rows: list[int], source: Activations, target: Activations) -> list[int]:
    """The rows of `target` with the same samples as `rows` of `source`; those it lacks are left
    out."""
    if source.samples is target.samples or not rows:
        return list(rows)
    found = target.samples.rows_of(source.samples.dataset_indices(rows))
    kept: list[int] = found[found >= 0].tolist()
    return kept
