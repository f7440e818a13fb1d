"""The methods of splitting, by name; each has a file of its own."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from neuronwidgets.concepts.methods.attribution import attribution
from neuronwidgets.concepts.methods.effect import effect
from neuronwidgets.concepts.methods.kmeans import kmeans
from neuronwidgets.concepts.methods.linkages import average, complete, single, ward
from neuronwidgets.concepts.methods.method import Clustering as Clustering
from neuronwidgets.concepts.methods.method import Method as Method
from neuronwidgets.concepts.methods.method import TopSamples as TopSamples
from neuronwidgets.core.checks import nearest, one_of

METHODS: dict[str, Method] = {
    "ward": ward,
    "average": average,
    "complete": complete,
    "single": single,
    "kmeans": kmeans,
    "attribution": attribution,
    "effect": effect,
}
"""The methods by name. `METHODS["mine"] = mine` adds one: a function of `TopSamples` that returns a
`Clustering`. Its keyword arguments are its settings."""


def check_settings(method: str, settings: Mapping[str, Any]) -> None:
    """Check a method's name and settings.

    Raises:
        ValueError: an unknown method.
        TypeError: a setting that it does not take, or one that it needs and does not get.
    """
    one_of("method", method, METHODS)
    takes, needs = _settings(method)
    unknown = [name for name in settings if name not in takes]
    if unknown and None not in takes:
        known = ", ".join(map(str, takes)) or "no settings"
        raise TypeError(
            f"{unknown[0]}= does not go with method={method!r}, which takes {known}."
            + nearest(unknown[0], map(str, takes))
        )
    missing = [name for name in needs if name not in settings]
    if missing:
        raise TypeError(f"method={method!r} needs {' and '.join(f'{m}=' for m in missing)}.")


def ready(method: str, known: Collection[str] = ()) -> bool:
    """Whether a method needs no settings but those in `known`."""
    return set(_settings(method)[1]) <= set(known)


def clustered(given: TopSamples, method: str, settings: Mapping[str, Any]) -> Clustering:
    """The method's clustering of the top samples.

    Raises:
        TypeError: the method returns something else.
    """
    clustering = METHODS[method](given, **settings)
    n = len(given.index)
    if not isinstance(clustering, Clustering) or np.shape(clustering.Z) != (n - 1, 4):
        raise TypeError(
            f"method={method!r} must return a Clustering(Z) of {n} samples with {n - 1} merges, "
            f"got a {type(clustering).__name__} that is not one."
        )
    return clustering


def _settings(method: str) -> tuple[list[str | None], list[str]]:
    """The names of the settings that a method takes (`None`: any), and of those that it needs."""
    settings = list(inspect.signature(METHODS[method]).parameters.values())[1:]
    takes = [None if p.kind is p.VAR_KEYWORD else p.name for p in settings]
    needs = [p.name for p in settings if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return takes, needs
