"""Generators that yield their progress and return their result."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from neuronwidgets.core.steps import drained, mapped


def counting(end: int) -> Generator[int, None, str]:
    yield from range(end)
    return "done"


@pytest.mark.parametrize("end", [0, 1, 3])
def test_a_drained_generator_gives_its_result(end: int) -> None:
    assert drained(counting(end)) == "done"


def test_steps_are_shown_otherwise_and_the_result_is_the_same() -> None:
    results = []

    def outer() -> Generator[str, None, None]:
        results.append((yield from mapped(counting(3), str)))

    assert list(outer()) == ["0", "1", "2"]
    assert results == ["done"]


def test_an_error_on_the_way_is_raised() -> None:
    def failing() -> Generator[int, None, None]:
        yield 1
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        drained(failing())
    steps = mapped(failing(), str)
    assert next(steps) == "1"
    with pytest.raises(OSError, match="full"):
        next(steps)


def test_who_stops_early_stops_the_work() -> None:
    ended = []

    def working() -> Generator[int, None, None]:
        try:
            yield from range(10)
        finally:
            ended.append(True)

    steps = mapped(working(), str)
    next(steps)
    steps.close()
    del steps
    assert ended
