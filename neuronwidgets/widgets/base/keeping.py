"""Widgets whose concepts can be kept in a library."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import traitlets as t

from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.core.checks import integer
from neuronwidgets.libraries.library import Library
from neuronwidgets.widgets.base.widget import Widget


class Keeping(Widget):
    """A widget with concepts on the screen, which its user adds to a library."""

    _library = t.List().tag(sync=True)
    _kept_in: Library | None = None

    @property
    def library(self) -> Library | None:
        """The library that concepts on the screen are added to; `None` before the first, if none
        was given. Set it to add to another one; `library.save(path)` keeps it."""
        return self._kept_in

    @library.setter
    def library(self, value: Library | None) -> None:
        if value is not None and not isinstance(value, Library):
            raise TypeError(
                f"library must be a Library, such as nw.Library(), got a {type(value).__name__}."
            )
        self._kept_in = value
        self._put({"_library": [] if value is None else listed(value)})

    def _opened_library(self) -> Library:
        """The library; a new one if there is none."""
        if self._kept_in is None:
            self._kept_in = Library()
        return self._kept_in


def keep(library: Library, concepts: Concepts, number: Any, size: Any, name: Any) -> None:
    """Add a concept that a view shows with `size` samples, under a name; "": its own.

    Raises:
        ValueError: the concepts are others by now.
    """
    number, size = integer("concept", number, 0), integer("size", size, 0)
    sizes = concepts.sizes.tolist()
    if number >= len(sizes) or sizes[number] != size:
        of = "the direction" if concepts.neuron is None else f"neuron {concepts.neuron}"
        raise ValueError(f"{of} has other concepts now, of {sizes} samples: choose again.")
    name = str(name or "").strip()
    if name:
        names = list(concepts.names)
        names[number] = name
        concepts = replace(concepts, names=tuple(names))
    library.pin(concepts, number)


def listed(library: Library) -> list[dict[str, Any]]:
    """The trait `_library`."""
    return [
        {"name": entry.name, "layer": entry.layer, "neuron": entry.neuron,
         "samples": len(entry.members)}
        for entry in library
    ]  # fmt: skip
