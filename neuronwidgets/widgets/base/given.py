"""The arguments that a widget was opened with, as code."""

from __future__ import annotations

from typing import Any

MOST = 20
"""A longer list of literals is named, not written out."""


def given(*variables: str, **options: Any) -> str:
    """The arguments of a call: `"acts, model=model, batch_size=16"`.

    Args:
        variables: the names of the first arguments, as the docs have them.
        options: the keyword arguments. `None`: left out. Literals are written as they are; of
            other values the keyword is the name.
    """
    written = [
        f"{name}={value!r}" if _is_literal(value) else f"{name}={name}"
        for name, value in options.items()
        if value is not None
    ]
    return ", ".join([*variables, *written])


def _is_literal(value: Any) -> bool:
    # Not subclasses: NumPy's numbers and str's write themselves in another way.
    if type(value) in (list, tuple):
        return len(value) <= MOST and all(_is_literal(part) for part in value)
    return type(value) in (str, int, float, bool)
