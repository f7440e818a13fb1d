"""The ways of naming concepts, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from neuronwidgets.concepts.naming.labels import by_labels
from neuronwidgets.concepts.naming.naming import Naming
from neuronwidgets.concepts.naming.text import by_text

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

WAYS: dict[str, Callable[..., Naming]] = {"labels": by_labels, "text": by_text}


def named(concepts: Concepts, how: str, options: Mapping[str, Any]) -> Concepts:
    """`concepts` named by one of the ways of naming, with its options.

    Raises:
        ValueError, TypeError: an unknown way or option, or one that the way refuses.
    """
    if not isinstance(how, str) or how not in WAYS:
        raise ValueError(
            f"how must be {' or '.join(map(repr, WAYS))}, got {how!r}. To name by a model or any "
            "other callable, use concepts.ask(callable)."
        )
    parameters = list(inspect.signature(WAYS[how]).parameters)[1:]
    for option in options:
        if option not in parameters:
            raise TypeError(f"named({how!r}) has no {option!r}; it has {', '.join(parameters)}.")
    return WAYS[how](concepts, **options).applied(concepts)
