"""Where a widget is shown.

A notebook saves all widgets of its kernel. So a widget that no page shows sends little of itself,
and a widget whose cell is run again leaves the kernel's list.
"""

from __future__ import annotations

import weakref
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import traitlets as t
from IPython import get_ipython

if TYPE_CHECKING:
    from neuronwidgets.widgets.base.widget import Widget


STAND_IN = """(interactive: not shown here)
If somebody else ran this notebook, trust it and open it again: in JupyterLab by "Trust Notebook"
in the command palette (Ctrl+Shift+C), anywhere by `jupyter trust NOTEBOOK.ipynb` in a terminal.
Or run the cell."""
"""The text below the widget's name where no front end draws it: untrusted notebooks, terminals."""


class Presence:
    """The views of a widget, as far as pages and cells have reported them.

    Attributes:
        asleep: whether views get a stand-in that asks for the rest as soon as it is shown.
        parked: whether the widget is on no page and not in the kernel's list of widgets. It
            returns when it is shown again.
        views: how many views a page has.
    """

    def __init__(self, widget: Widget, stand_in: str) -> None:
        self._widget, self._stand_in = widget, stand_in
        self.asleep, self.parked, self.views = False, False, 0
        self._replaced = False
        self._displays: Counter[str | None] = Counter()
        self._cell: str | None = None

    @property
    def cell(self) -> str | None:
        """The cell that was the last to show the widget for the first time, else the one that made
        it; `None` if none is known."""
        shown = [cell for cell in list(self._displays) if cell is not None]
        return shown[-1] if shown else self._cell

    def made(self) -> None:
        """The running cell has made the widget."""
        self._cell = current_cell()
        if self._cell is not None:
            cells().made(self._cell, self)

    def released(self) -> None:
        """The widget is embedded in another one: its cell no longer matters."""
        if self._cell is not None:
            cells().forget(self._cell, self)
            self._cell = None

    def displayed(self) -> None:
        """A cell shows the widget."""
        with self._lock:
            self._displays[current_cell()] += 1
            self.wake()

    def seen(self, views: int) -> None:
        """A page reports how many views of the widget it has."""
        with self._lock:
            self.views = views
            if views:
                self.wake()
            elif self._replaced:
                self.park()
            else:
                self.sleep()

    def made_again(self) -> None:
        """The cell that made the widget is run again, so its output is gone.

        Park the widget, or, if it is shown elsewhere too, park it once that is gone.
        """
        with self._lock:
            alone = set(self._displays) <= {self._cell}
            if alone and self.views <= self._displays[self._cell]:
                self.park()
            else:
                self._replaced = True

    def park(self) -> None:
        """End the widget's work, and remove it from all pages and from the kernel's list."""
        if self._widget.comm is not None:
            self._widget._leave()
            self.parked, self.views, self._replaced = True, 0, False

    def unpark(self) -> None:
        """Return the widget to the list: it is shown again."""
        if not self.parked:
            return
        with self._lock:
            self.parked = self.asleep = False
            self._displays.clear()
            self._widget.open()
            self._widget._go_on()

    def sleep(self) -> None:
        """Remove what is large from the page; the widget keeps it."""
        if not self.asleep:
            self.asleep = True
            self._send()

    def wake(self) -> None:
        """Send it again."""
        if self.asleep:
            self.asleep = False
            self._send()

    def masked(self, state: dict[str, Any]) -> dict[str, Any]:
        """The part of `state` that pages get."""
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
    """Which cell made which widgets, as long as the widgets exist.

    JupyterLab sends the ids of cells; other front ends send none.
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
    """The cells of the running shell."""
    return _cells_of(get_ipython())


def current_cell() -> str | None:
    """The id of the running cell; `None` if it is not known."""
    get_parent = getattr(get_ipython(), "get_parent", None)
    parent = get_parent() if get_parent is not None else {}
    cell = (parent.get("metadata") or {}).get("cellId")
    return cell if isinstance(cell, str) and cell else None
