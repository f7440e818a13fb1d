"""A widget's own changes do not come back as the user's wish."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import traitlets as t

from neuronwidgets.widgets.base import widget as base
from neuronwidgets.widgets.base.origin import Origin


class Plain(base.Widget):
    """Writes down whose change each was."""

    _esm = ""
    _css = ""
    low = t.Int(0).tag(sync=True)
    high = t.Int(0).tag(sync=True)

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, str]] = []
        super().__init__()

    @t.observe("low", "high")
    def _changed(self, change: Any) -> None:
        name, origin = change["name"], self._origin
        whose = "own" if name in origin.own else "view" if name in origin.viewed else "python"
        self.seen.append((name, change["new"], whose))


@pytest.fixture
def widget(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(base, "front_end", lambda name: "")
    made = Plain()
    yield made
    made.close()


def test_each_change_has_one_origin(widget: Any) -> None:
    widget.low = 1
    widget.set_state({"low": 2})
    widget._put({"low": 3, "high": 4})
    widget.high = 5
    assert widget.seen == [
        ("low", 1, "python"), ("low", 2, "view"), ("low", 3, "own"), ("high", 4, "own"),
        ("high", 5, "python"),
    ]  # fmt: skip


def test_what_an_observer_does_on_the_widgets_own_change_is_its_own_wish(widget: Any) -> None:
    widget.observe(lambda change: setattr(widget, "high", change["new"]), "low")
    widget._put({"low": 3})
    assert widget.seen == [("low", 3, "own"), ("high", 3, "python")]


def test_another_thread_has_another_origin() -> None:
    origin, inside = Origin(), []
    with origin.mine(["a"]), origin.view(["b"]):
        thread = threading.Thread(target=lambda: inside.append((origin.own, origin.viewed)))
        thread.start()
        thread.join()
        assert (origin.own, origin.viewed) == ({"a"}, {"b"})
        with origin.mine(["c"]):
            assert origin.own == {"a", "c"}
    assert inside == [(frozenset(), frozenset())]
    assert (origin.own, origin.viewed) == (frozenset(), frozenset())
