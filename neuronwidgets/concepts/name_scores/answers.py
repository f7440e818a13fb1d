"""Answers of a callable, or of a person, as numbers of samples."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from neuronwidgets.core.checks import is_integer

NONE = "none"
"""The answer that no sample fits."""


def odd_one(answer: Any, count: int) -> int:
    """The sample that was chosen, from 0.

    Args:
        answer: a number from 1 to `count`, or a text that holds nothing else.

    Raises:
        TypeError, ValueError: it is something else.
    """
    numbers = _numbers(answer) if isinstance(answer, str) else [answer]
    need = f"the answer must be a number from 1 to {count}"
    if numbers is None or len(numbers) != 1:
        raise ValueError(f"{need}, got {_shown(answer)}")
    return _place(numbers[0], count, need, answer)


def those_that_fit(answer: Any, count: int) -> np.ndarray:
    """The samples that were chosen: bool `count`.

    Args:
        answer: numbers from 1 to `count`, as a list or as a text that holds nothing else ("1, 3" or
            "none"); or `count` bools.

    Raises:
        TypeError, ValueError: it is something else.
    """
    need = f"the answer must be numbers from 1 to {count}, such as '1, 3', or {NONE!r}"
    if isinstance(answer, str):
        numbers = [] if answer.strip(" .\n'\"").lower() == NONE else _numbers(answer)
        if numbers is None:
            raise ValueError(f"{need}, got {_shown(answer)}")
    elif isinstance(answer, Iterable) and not isinstance(answer, bytes | dict):
        numbers = list(answer)
    else:
        raise TypeError(f"{need}, got {_shown(answer)}")
    if numbers and all(isinstance(one, bool | np.bool_) for one in numbers):
        if len(numbers) != count:
            raise ValueError(f"the answer must have {count} bools, got {len(numbers)}")
        return np.array(numbers, bool)
    fits = np.zeros(count, bool)
    fits[[_place(one, count, need, answer) for one in numbers]] = True
    return fits


def _numbers(text: str) -> list[int] | None:
    """The numbers of a text that holds nothing but numbers and what stands between them."""
    digits = re.findall(r"[0-9]+", text)
    others = re.sub(r"[0-9]+", " ", text)
    if not digits or re.search(r"[^\s.,;:#()\[\]{}'\"*]", others):
        return None
    # "1.5" and "-1" are no numbers of samples.
    if re.search(r"[0-9]\.[0-9]", text):
        return None
    return [int(number) for number in digits]


def _place(number: Any, count: int, need: str, answer: Any) -> int:
    if not is_integer(number):
        raise TypeError(f"{need}, got {_shown(answer)}")
    if not 1 <= number <= count:
        raise ValueError(f"{need}, got {_shown(answer)}")
    return int(number) - 1


def _shown(answer: Any) -> str:
    if isinstance(answer, str) and not answer.strip():
        return "an empty text"
    shown = repr(answer)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"
