"""Where a widget is seen. A notebook keeps all widgets of its kernel; so one that is nowhere on the
page sends next to nothing of itself, and one whose cell is run again leaves the kernel's list."""

from __future__ import annotations

import weakref
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import traitlets as t
from IPython import get_ipython

if TYPE_CHECKING:
    from neuronwidgets.widgets.base.widget import Widget


class Presence:
    """What is known of a widget's views. Pages and cells may speak at the same time.

    Attributes:
        asleep: whether views get a stand-in that asks for the rest as soon as it is shown.
        parked: whether it is on no page and not in the kernel's list of widgets. It lives as long
            as somebody holds it, and comes back where it is shown.
        views: how many views a page has, as far as pages have said.
    """

    def __init__(self, widget: Widget, stand_in: str) -> None:
        self._widget, self._stand_in = widget, stand_in
        self.asleep, self.parked, self.views = False, False, 0
        self._replaced = False
        self._displays: Counter[str | None] = Counter()
        self._cell: str | None = None

    def made(self) -> None:
        """The cell that is running has made it."""
        self._cell = current_cell()
        if self._cell is not None:
            cells().made(self._cell, self)

    def released(self) -> None:
        """It is part of another widget, whatever its cell does."""
        if self._cell is not None:
            cells().forget(self._cell, self)

    def displayed(self) -> None:
        """A cell shows it."""
        with self._lock:
            self._displays[current_cell()] += 1
            self.wake()

    def seen(self, views: int) -> None:
        """A page has so many views of it."""
        with self._lock:
            self.views = views
            if views:
                self.wake()
            elif self._replaced:
                self.park()
            else:
                self.sleep()

    def made_again(self) -> None:
        """The cell that made it begins again. What stood below that cell is gone, and with it the
        widget, unless it is shown elsewhere: then it goes when that is gone, too."""
        with self._lock:
            alone = set(self._displays) <= {self._cell}
            if alone and self.views <= self._displays[self._cell]:
                self.park()
            else:
                self._replaced = True

    def park(self) -> None:
        """End what it does, and take it from all pages and from the kernel's list."""
        if self._widget.comm is not None:
            self._widget._leave()
            self.parked, self.views, self._replaced = True, 0, False

    def unpark(self) -> None:
        """Put it back into the list: somebody shows it."""
        if not self.parked:
            return
        with self._lock:
            self.parked = self.asleep = False
            self._displays.clear()
            self._widget.open()
            self._widget._go_on()

    def sleep(self) -> None:
        """Take what is large from the page; the widget itself has it."""
        if not self.asleep:
            self.asleep = True
            self._send()

    def wake(self) -> None:
        """Put it back."""
        if self.asleep:
            self.asleep = False
            self._send()

    def masked(self, state: dict[str, Any]) -> dict[str, Any]:
        """What pages get of `state`."""
        if self.asleep:
            state |= {name: value for name, value in self._blank().items() if name in state}
        return state

    def _blank(self) -> dict[str, Any]:
        large = self._widget.traits(sync=True).items()
        blank: dict[str, Any] = {name: b"" for name, trait in large if isinstance(trait, t.Bytes)}
        return {**blank, "_esm": self._stand_in, "_css": ""}

    def _send(self) -> None:
        self._widget.send_state([*self._blank()])

    @property
    def _lock(self) -> Any:
        return self._widget._jobs.lock


class Cells:
    """Which cell made which widgets, as long as there are these.

    Cells are known by the ids that JupyterLab sends along with them; elsewhere by none.
    """

    def __init__(self, shell: Any) -> None:
        self._made: dict[str, weakref.WeakSet[Presence]] = {}
        shell.events.register("pre_run_cell", self._begins)

    def made(self, cell: str, what: Presence) -> None:
        self._made.setdefault(cell, weakref.WeakSet()).add(what)

    def forget(self, cell: str, what: Presence) -> None:
        self._made.get(cell, weakref.WeakSet()).discard(what)

    def _begins(self, _info: Any = None) -> None:
        for presence in list(self._made.pop(current_cell() or "", ())):
            presence.made_again()


@cache
def _cells_of(shell: Any) -> Cells:
    return Cells(shell)


def cells() -> Cells:
    """The cells of the shell that runs."""
    return _cells_of(get_ipython())


def current_cell() -> str | None:
    """The id of the cell that is running; `None` where there is none, or nobody says which."""
    get_parent = getattr(get_ipython(), "get_parent", None)
    parent = get_parent() if get_parent is not None else {}
    cell = (parent.get("metadata") or {}).get("cellId")
    return cell if isinstance(cell, str) and cell else None
