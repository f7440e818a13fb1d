"""How a neuron's top samples become a tree: one small file for each method, one entry."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from neuronwidgets.concepts.methods.attribution import attribution
from neuronwidgets.concepts.methods.kmeans import kmeans
from neuronwidgets.concepts.methods.linkages import average, complete, single, ward
from neuronwidgets.concepts.methods.method import Clustering as Clustering
from neuronwidgets.concepts.methods.method import Method as Method
from neuronwidgets.concepts.methods.method import TopSamples as TopSamples

METHODS: dict[str, Method] = {
    "ward": ward,
    "average": average,
    "complete": complete,
    "single": single,
    "kmeans": kmeans,
    "attribution": attribution,
}
"""By name. `METHODS["mine"] = mine` adds one: a function of `TopSamples` that returns a
`Clustering`, and whose keyword arguments are its settings."""


def check_settings(method: str, settings: Mapping[str, Any]) -> None:
    """Refuse an unknown method, and settings that it does not take or that it lacks.

    Raises:
        ValueError: an unknown method.
        TypeError: its settings.
    """
    if method not in METHODS:
        near = difflib.get_close_matches(str(method), METHODS, n=1)
        hint = f" Near it: {near[0]!r}." if near else ""
        known = ", ".join(map(repr, METHODS))
        raise ValueError(f"method must be one of {known}, got {method!r}.{hint}")
    takes, needs = _settings(method)
    unknown = [name for name in settings if name not in takes]
    if unknown and None not in takes:
        known = ", ".join(map(str, takes)) or "no settings"
        near = difflib.get_close_matches(unknown[0], map(str, takes), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise TypeError(
            f"{unknown[0]}= does not go with method={method!r}, which takes {known}.{hint}"
        )
    missing = [name for name in needs if name not in settings]
    if missing:
        raise TypeError(f"method={method!r} needs {' and '.join(f'{m}=' for m in missing)}.")


def ready(method: str) -> bool:
    """Whether a method can do without any settings."""
    return not _settings(method)[1]


def clustered(given: TopSamples, method: str, settings: Mapping[str, Any]) -> Clustering:
    """The top samples as a method clusters them."""
    made = METHODS[method](given, **settings)
    if not isinstance(made, Clustering) or np.shape(made.Z) != (len(given.index) - 1, 4):
        raise TypeError(
            f"method={method!r} must return a Clustering(Z) of {len(given.index)} samples with "
            f"{len(given.index) - 1} merges, got a {type(made).__name__} that is not one."
        )
    return made


def _settings(method: str) -> tuple[list[str | None], list[str]]:
    """The names of a method's settings (`None` for any) and of those that it cannot do without."""
    taken = list(inspect.signature(METHODS[method]).parameters.values())[1:]
    names = [None if p.kind is p.VAR_KEYWORD else p.name for p in taken]
    needs = [p.name for p in taken if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return names, needs
