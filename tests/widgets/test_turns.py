"""How soon a widget gets a turn while a cell computes."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from neuronwidgets.widgets.base import turns


@pytest.fixture(autouse=True)
def own_interval() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(turns.DEFAULT)
    turns.shorten.cache_clear()
    yield
    sys.setswitchinterval(before)


def in_kernel(monkeypatch: pytest.MonkeyPatch, kernel: object) -> None:
    monkeypatch.setattr(turns, "get_ipython", lambda: SimpleNamespace(kernel=kernel))


def test_a_kernel_takes_shorter_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    in_kernel(monkeypatch, object())
    turns.shorten()
    assert sys.getswitchinterval() == pytest.approx(turns.SHORTER)


@pytest.mark.parametrize("own", [0.01, 0.0002])
def test_an_interval_of_the_user_stays(monkeypatch: pytest.MonkeyPatch, own: float) -> None:
    in_kernel(monkeypatch, object())
    sys.setswitchinterval(own)
    turns.shorten()
    assert sys.getswitchinterval() == pytest.approx(own)


def test_outside_a_kernel_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    in_kernel(monkeypatch, None)
    turns.shorten()
    turns.shorten.cache_clear()
    monkeypatch.setattr(turns, "get_ipython", lambda: None)
    turns.shorten()
    assert sys.getswitchinterval() == pytest.approx(turns.DEFAULT)


def test_what_the_user_sets_later_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    in_kernel(monkeypatch, object())
    turns.shorten()
    sys.setswitchinterval(turns.DEFAULT)
    turns.shorten()
    assert sys.getswitchinterval() == pytest.approx(turns.DEFAULT)


def test_messages_go_where_the_page_says() -> None:
    comm = SimpleNamespace(_reply_subshell_for=lambda _data, _named: "the last to send")
    turns.beside_cells(comm)
    assert comm._reply_subshell_for({}, "named") == "named"


def test_a_comm_without_threads_stays() -> None:
    comm = SimpleNamespace()
    turns.beside_cells(comm)
    assert vars(comm) == {}
