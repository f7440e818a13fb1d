"""Steps that fit into a time."""

from __future__ import annotations

import pytest

from neuronwidgets.toy import Config, steps_within
from neuronwidgets.toy.budget import fitting

SMALL = {"features": 8, "dims": 4, "neurons": 8, "batch": 8, "cycle": 10}


@pytest.mark.parametrize(
    ("most", "steps"),
    [(1e9, 8704), (8704, 8704), (8703, 4608), (4607, 2560), (3, 2560)],
)
def test_steps_are_halved_to_odd_cycles_until_they_fit(most: float, steps: int) -> None:
    assert fitting(8704, 512, most) == steps


@pytest.mark.parametrize("steps", range(1, 400, 7))
def test_five_cycles_or_all_there_are(steps: int) -> None:
    assert fitting(steps, 10, 1) == min(steps, 50)


def test_a_long_time_takes_all_steps_and_a_short_one_the_least() -> None:
    many = [Config.zero_bias(**SMALL, steps=10**8), Config.zero_bias(**SMALL, steps=10**7)]
    assert steps_within(float("inf"), many) == 10**7
    assert steps_within(1e-9, many) == 50
    # What ends within the trial has all its steps.
    assert steps_within(1e3, Config.zero_bias(**SMALL, steps=60)) == 60


def test_more_time_gives_more_steps() -> None:
    config = Config.zero_bias(**SMALL, steps=2**40)
    few, many = steps_within(1, config), steps_within(1000, config)
    assert 50 < few < many < 2**40
    assert many / few > 30


def test_seconds_are_checked() -> None:
    with pytest.raises(ValueError, match="seconds must be"):
        steps_within(0, Config.zero_bias(**SMALL))
