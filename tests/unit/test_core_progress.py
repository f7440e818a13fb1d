"""The line of long work, and the sentence of work that was stopped."""

from __future__ import annotations

from typing import Any

import pytest

from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.progress import progress_line, warn_stopped


def test_the_line_has_the_time_left_and_then_the_time_taken(capsys: Any) -> None:
    with progress_line("reading h.3", 40, "samples") as line:
        for _ in range(4):
            line.update(10)
            line.refresh()
    shown = capsys.readouterr().err.split("\r")
    assert any("20 of 40 samples, 00:00 left" in text for text in shown)
    assert "reading h.3: 100%" in shown[-1]
    assert "40 of 40 samples in 00:00" in shown[-1]


def test_fractions_add_up(capsys: Any) -> None:
    with progress_line("masking", 3, "samples") as line:
        for _ in range(9):
            line.update(1 / 3)
    assert "3 of 3 samples in" in capsys.readouterr().err
    with progress_line("scaling", 1, "samples") as line:
        for _ in range(10):
            line.update(0.1)
        assert line.n < 1
    assert line.n == 1


@pytest.mark.parametrize("total", [None, 5])
def test_a_total_that_is_unknown_or_wrong_is_no_error(total: int | None, capsys: Any) -> None:
    with progress_line("reading", total, "samples") as line:
        line.update(8)
        line.refresh()
    assert "8" in capsys.readouterr().err


def test_without_progress_nothing_is_shown(capsys: Any) -> None:
    with progress_line("reading", 5, "samples", show=False) as line:
        line.update(5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("total", "of"), [(1234, " of 1,234"), (None, "")])
def test_the_sentence_names_the_users_line(total: int | None, of: str) -> None:
    stopped = own_modes()(warn_stopped)
    with pytest.warns(UserWarning, match=f"^stopped after 1,000{of} samples$") as caught:
        stopped(1000, total, "samples")
    assert caught[0].filename == __file__
