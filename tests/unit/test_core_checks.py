"""Checks of arguments: what passes, and what an error says."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from neuronwidgets.core.checks import integer, is_integer, nearest, number, one_of


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_integers_of_python_and_numpy_pass(value: Any) -> None:
    found = integer("top", value, 1)
    assert found == 3
    assert type(found) is int
    assert is_integer(value)


@pytest.mark.parametrize(
    "value", [True, np.True_, 3.0, np.float32(3), "3", None, [3], np.array([3]), math.nan]
)
def test_what_is_no_integer_is_refused(value: Any) -> None:
    assert not is_integer(value)
    with pytest.raises(ValueError, match=r"^top must be a positive integer, got "):
        integer("top", value, 1)
    with pytest.raises(TypeError, match="top must be"):
        integer("top", value, 1, wrong_type=TypeError)


@pytest.mark.parametrize(
    ("value", "least", "message"),
    [
        (2.5, 1, "top must be a positive integer, got 2.5."),
        (0, 1, "top must be a positive integer, got 0."),
        (-1, 0, "top must be an integer of at least 0, got -1."),
        (3, 16, "top must be an integer of at least 16, got 3."),
    ],
)
def test_an_integer_that_is_refused_is_named(value: Any, least: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        integer("top", value, least)


def test_an_integer_out_of_bounds_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="got 0"):
        integer("top", 0, 1, wrong_type=TypeError)


@pytest.mark.parametrize(
    "value", [1, 1.0, np.float32(1), np.int8(1), Fraction(1), torch.tensor(1.0), np.array(1)]
)
def test_numbers_pass(value: Any) -> None:
    found = number("eps", value)
    assert found == 1
    assert type(found) is float


@pytest.mark.parametrize("value", [True, np.True_, "1", b"1", None, [1.0], np.ones(1), 1j])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^eps must be a finite number, got "):
        number("eps", value)
    with pytest.raises(TypeError, match="eps must be"):
        number("eps", value, wrong_type=TypeError)


@pytest.mark.parametrize(
    ("value", "bounds", "need"),
    [
        (math.nan, {}, "a finite number"),
        (math.inf, {}, "a finite number"),
        (10**400, {}, "a finite number"),
        (math.nan, {"least": 0, "infinite": True}, "a number of at least 0"),
        (-1, {"least": 0}, "a number of at least 0"),
        (0, {"above": 0}, "a positive number"),
        (1, {"above": 1}, "a number above 1"),
        (2, {"least": 0, "most": 1}, "a number from 0 to 1"),
        (0, {"above": 0, "most": 1}, "a number above 0 and at most 1"),
        (2, {"above": 0, "most": 1}, "a number above 0 and at most 1"),
        (1, {"least": 0, "below": 1}, "a number of at least 0 and below 1"),
        (2, {"most": 1}, "a number of at most 1"),
        (1, {"below": 1}, "a number below 1"),
    ],
)
def test_a_number_that_is_refused_is_named(value: Any, bounds: dict[str, Any], need: str) -> None:
    with pytest.raises(ValueError, match=f"^eps must be {need}, got "):
        number("eps", value, **bounds, wrong_type=TypeError)


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (0, {"least": 0}),
        (1, {"least": 0, "most": 1}),
        (1, {"above": 0, "most": 1}),
        (math.inf, {"least": 0, "infinite": True}),
    ],
)
def test_numbers_within_their_bounds_pass(value: float, bounds: dict[str, Any]) -> None:
    assert number("eps", value, **bounds) == value


@pytest.mark.parametrize(
    ("value", "choices", "message"),
    [
        ("wrad", ("ward", "mean", "median"),
         "method must be one of 'ward', 'mean', 'median'; got 'wrad'. Nearest: 'ward'."),
        ("c", ("a", "b"), "method must be 'a' or 'b'; got 'c'."),
        (7, ("a", "b", "c"), "method must be one of 'a', 'b', 'c'; got 7."),
        (None, ("a", "b"), "method must be 'a' or 'b'; got None."),
        (["a"], ("a", "b"), "method must be 'a' or 'b'; got ['a']."),
    ],
)  # fmt: skip
def test_a_choice_that_is_none_is_named(value: Any, choices: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        one_of("method", value, choices)


def test_choices_pass() -> None:
    assert one_of("method", "b", ("a", "b")) == "b"
    assert one_of("method", np.str_("b"), {"a": 1, "b": 2}) == "b"


def test_the_nearest_choices_are_named() -> None:
    names = ["h.9", "h.11", "lm_head"]
    assert nearest("h.99", names, count=2, cutoff=0.5) == " Nearest: 'h.9', 'h.11'."
    assert nearest("xyz", names) == ""
    assert nearest(None, ["None"]) == ""


def test_a_long_value_is_cut() -> None:
    with pytest.raises(ValueError, match=r"^.{1,120}$"):
        integer("top", "x" * 500, 1)
