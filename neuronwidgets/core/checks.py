"""Checks of arguments, in one voice: what the value must be, what was given, what is near."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

Choice = TypeVar("Choice", bound=str)


def is_integer(value: Any) -> bool:
    """Whether `value` is an integer of Python or NumPy; `True` and 3.0 are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def integer(name: str, value: Any, least: int, *, wrong_type: type[Exception] = ValueError) -> int:
    """`value` as Python's `int`.

    Args:
        name: the argument's name, for the message.
        least: the smallest value allowed.
        wrong_type: what is raised for a value that is no integer.

    Raises:
        ValueError: it is less than `least`.
    """
    if is_integer(value) and value >= least:
        return int(value)
    need = "a positive integer" if least == 1 else f"an integer of at least {least}"
    message = f"{name} must be {need}, got {value!r:.60}."
    raise (ValueError if is_integer(value) else wrong_type)(message)


def number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    infinite: bool = False,
    wrong_type: type[Exception] = ValueError,
) -> float:
    """`value` as Python's `float`, refused if it is NaN or outside of the bounds.

    Args:
        name: the argument's name, for the message.
        least, above: the lower bound, allowed itself or not.
        most, below: the upper bound, allowed itself or not.
        infinite: whether infinity is allowed.
        wrong_type: what is raised for a value that is no number.

    Raises:
        ValueError: it is NaN, infinite or outside of the bounds.
    """
    converted = _as_float(value)
    if (
        converted is not None
        and not math.isnan(converted)
        and (infinite or math.isfinite(converted))
        and (least is None or converted >= least)
        and (above is None or converted > above)
        and (most is None or converted <= most)
        and (below is None or converted < below)
    ):
        return converted
    need = _bounded(least, above, most, below)
    message = f"{name} must be {need}, got {value!r:.60}."
    raise (wrong_type if converted is None else ValueError)(message)


def one_of(name: str, value: Any, choices: Iterable[Choice]) -> Choice:
    """`value`, refused if it is none of the choices; the message names the nearest one."""
    known = tuple(choices)
    for choice in known:
        if isinstance(value, str) and choice == value:
            return choice
    few = len(known) < 3
    need = (" or " if few else ", ").join(map(repr, known))
    need = need if few else f"one of {need}"
    raise ValueError(f"{name} must be {need}; got {value!r:.60}.{nearest(value, known)}")


def nearest(value: Any, choices: Iterable[str], count: int = 1, cutoff: float = 0.6) -> str:
    """` Nearest: 'ward'.`, the choices most similar to what was written; "" where none is.

    Args:
        count: how many are named at most.
        cutoff: the least similarity, from 0 to 1 (see `difflib.get_close_matches`).
    """
    word = value if isinstance(value, str) else ""
    near = difflib.get_close_matches(word, list(choices), n=count, cutoff=cutoff)
    return f" Nearest: {', '.join(map(repr, near))}." if near else ""


def _as_float(value: Any) -> float | None:
    """`None` for what is no single number."""
    if isinstance(value, bool | np.bool_ | str | bytes) or np.ndim(value):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
    except OverflowError:
        return math.inf


def _bounded(
    least: float | None, above: float | None, most: float | None, below: float | None
) -> str:
    """What a number with these bounds is called."""
    if least is not None and most is not None:
        return f"a number from {least:g} to {most:g}"
    bounds = [
        f"{words} {bound:g}"
        for words, bound in (
            ("of at least", least),
            ("above", above),
            ("of at most" if least is None and above is None else "at most", most),
            ("below", below),
        )
        if bound is not None
    ]
    if bounds == ["above 0"]:
        return "a positive number"
    return f"a number {' and '.join(bounds)}" if bounds else "a finite number"
