"""Sizes of the notebooks follow the speed of the machine."""

from __future__ import annotations

import pytest

from neuronwidgets import workshop
from neuronwidgets.workshop.notebooks import NOTEBOOKS
from neuronwidgets.workshop.sizing import BUDGET, _measured

NAMES = {"split": ["pictures", "texts"], "ranges": ["texts", "table"],
         "toys": ["lab", "models", "tied"], "effects": ["texts", "held_out"]}  # fmt: skip
FAST = {"split": 0.2, "ranges": 0.2, "toys": 0.002, "effects": 0.2}


@pytest.mark.parametrize("notebook", NAMES)
def test_a_fast_machine_gets_the_full_sizes_and_keeps_the_promise(notebook: str) -> None:
    sizes = workshop.sizes(notebook, FAST[notebook])
    steps = NOTEBOOKS[notebook].steps
    assert list(steps) == NAMES[notebook]
    for name, offered in steps.items():
        assert sizes.chosen[name] is offered[0]
        assert sizes[name] == offered[0].value
        assert sizes.seconds(name) <= BUDGET


@pytest.mark.parametrize("notebook", NAMES)
def test_the_slower_the_machine_the_smaller_the_sizes(notebook: str) -> None:
    for name, offered in NOTEBOOKS[notebook].steps.items():
        units = [size.units for size in offered]
        assert units == sorted(units, reverse=True)
        assert len(set(units)) == len(units)
        chosen = []
        for slowness in (1, 2, 3, 5, 8, 10, 15, 30, 100):
            sizes = workshop.sizes(notebook, slowness * FAST[notebook])
            size = sizes.chosen[name]
            # Within the promise, or the smallest; and no larger one would be within it.
            assert sizes.seconds(name) <= BUDGET or size is offered[-1]
            larger = offered[: offered.index(size)]
            assert all(s.units * sizes.unit > BUDGET for s in larger)
            chosen.append(offered.index(size))
        assert chosen == sorted(chosen)
        assert chosen[-1] == len(offered) - 1


def test_the_sentence_has_the_sizes_and_the_times() -> None:
    sizes = workshop.sizes("split", 0.25)
    assert repr(sizes) == (
        "Reading 64 texts takes 0.25 s here. Sizes for this machine: 10,000 pictures, about "
        "1.8 s; 4,000 texts, about 10 s."
    )
    assert sizes._repr_html_() == f"<p>{sizes!r}</p>"
    toys = repr(workshop.sizes("toys", 0.15))
    assert toys.startswith("A training step takes 0.15 s here.")
    assert "5 tied models of 1,200 steps, about 108 s." in toys
    assert "2 models of 2,560 steps, about 4 min;" in toys


def test_the_measurement_is_a_mean_over_a_second() -> None:
    clock = [0.0]
    costs = iter([30.0] + [0.125, 0.375] * 10)

    def probe() -> None:
        clock[0] += next(costs)

    # The first, which loads what it needs, does not count; the machine's pauses do.
    assert _measured(probe, lambda: clock[0]) == 0.25
    assert clock[0] == 31.0


def test_a_probe_that_takes_seconds_runs_once() -> None:
    clock = [0.0]

    def probe() -> None:
        clock[0] += 4

    assert _measured(probe, lambda: clock[0]) == 4
    assert clock[0] == 8


def test_each_machine_is_measured_by_what_the_notebook_does() -> None:
    assert workshop.sizes("toys").unit > 0


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ValueError, match=r"notebook must be one of 'split', .*'toy'.*Nearest: 't"):
        workshop.sizes("toy")
    with pytest.raises(ValueError, match=r"unit must be .* got 0"):
        workshop.sizes("toys", 0)
    with pytest.raises(ValueError, match="step must be 'pictures' or 'texts'; got 'labs'"):
        workshop.sizes("split", 1)["labs"]
