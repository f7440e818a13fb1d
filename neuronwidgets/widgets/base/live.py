"""A widget that opens on a running capture: the picture is rebuilt as samples arrive."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import traitlets as t

from neuronwidgets.activations.activations import Activations
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.jobs import Prepared, Steps
from neuronwidgets.widgets.base.pace import Pace
from neuronwidgets.widgets.base.widget import Widget

REFRESHING = "refresh"
"""The kind of the job that rebuilds the picture."""


class Live:
    """Follows the capture of one widget, which has a trait `reading`.

    It reports in `reading` how far the capture is, and rebuilds the picture from newer activations
    while the user drags nothing.

    Args:
        widget: whose picture it is.
        feed: where its activations come from.
        prepare: steps that make a picture of newer activations, and return what shows it.
        afterwards: the work that is due once it is shown.
        kept: kinds of jobs that a newer picture does not replace: a user has asked for them.
    """

    def __init__(
        self,
        widget: Widget,
        feed: Feed,
        pace: Pace,
        prepare: Callable[[Activations], Prepared],
        afterwards: Callable[[], Steps],
        kept: tuple[str, ...] = (),
    ) -> None:
        self.feed, self.pace = feed, pace
        self.follower: _Follower | None = None
        self._widget, self._prepare, self._afterwards = widget, prepare, afterwards
        self._kept = (*kept, REFRESHING)
        self._held, self._touched = False, -math.inf
        self._reading: dict[str, Any] = {}

    def follow(self) -> None:
        """Look at the capture from now on, if it has not ended."""
        self._report()
        if not self.feed.complete:
            self.follower = _Follower(self, self.feed)
            self.follower.start()

    def touch(self) -> None:
        """The user has changed something."""
        self._touched = time.monotonic()

    def hold(self, held: bool) -> None:
        """A view reports whether the user holds a handle."""
        self._held = held
        self.touch()

    def resting(self) -> bool:
        """Whether the user drags nothing."""
        still = time.monotonic() - self._touched
        return still >= (self.pace.held if self._held else self.pace.rest)

    def look(self) -> bool:
        """Report how far the capture is, and start what is due. False once nothing will follow."""
        jobs = self._widget._jobs
        with jobs.lock:
            if jobs.closed:
                return False
            self._report()
            free = jobs.kind not in self._kept and self.resting()
            if free and self.feed.due() and not self._widget._presence.parked:
                jobs.start(self._refresh(), kind=REFRESHING)
        return not self.feed.complete

    def _report(self) -> None:
        if (reading := self.feed.reading()) != self._reading:
            self._reading = reading
            self._widget.set_trait("reading", reading)

    def _refresh(self) -> Steps:
        """Rebuild the picture from newer activations. Report no progress: no user asked for it."""
        feed = self.feed
        assert feed.capturing is not None
        # In this order: a capture that has ended reads no more.
        ended, shown = feed.capturing.done, False
        read = feed.capturing.reading.samples
        try:
            acts = feed.newest(ended)
            if acts is None:
                self._shown(read, ended, made=False)
                return
            show = yield from self._prepare(acts)
        except Exception:
            self._shown(read, ended, made=False)
            raise

        def publish() -> None:
            nonlocal shown
            if self.resting():
                show()
                self._shown(read, ended)
                shown = True

        while not shown:
            yield publish
            if not shown:
                time.sleep(self.pace.rest / 3)
        yield from self._afterwards()

    def _shown(self, read: int, ended: bool, made: bool = True) -> None:
        """A picture is shown or can't be made. After the last one the follower may not look again,
        so what it would report is reported here."""
        with self._widget._jobs.lock:
            self.feed.show(read, ended, made)
            self._report()

    def messages(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        """The messages about the capture that a view may send, and their answers."""
        return {} if self.feed.capturing is None else {"capture.cancel": self._cancel}

    def _cancel(self, _message: dict[str, Any]) -> None:
        assert self.feed.capturing is not None
        self.feed.capturing.cancel()
        if self.follower is not None:
            self.follower.wake()

    def exported(self, state: dict[str, Any]) -> dict[str, Any]:
        """The traits for a page, on which no capture goes on."""
        if self._reading.get("state") != "running":
            return state
        text = f"stopped after {self.feed.amount}"
        return {**state, "reading": {**self._reading, "state": "stopped", "text": text}}

    def close(self) -> None:
        """Follow no more. The capture goes on: it does not belong to the widget."""
        if self.follower is not None:
            self.follower.end()


class LiveWidget(Widget):
    """A widget that may open on a running capture."""

    reading = t.Dict(read_only=True).tag(sync=True)
    """How far a running capture is; `{}` where the activations were complete from the first.

    `{"state": "running" | "done" | "stopped" | "failed", "samples": int, "total": int or None,
    "rate": samples per second, "tokens_rate": tokens per second, "left": seconds or None, "text"}`.
    """

    _held = t.Bool(False).tag(sync=True, echo_update=False)
    """Whether the user holds a handle in a view."""
    _live: Live

    @t.observe("_held")
    def _hand_changed(self, change: Any) -> None:
        self._live.hold(change["new"])

    def _messages(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        return {**super()._messages(), **self._live.messages()}

    def _exported(self) -> dict[str, Any]:
        return self._live.exported(super()._exported())

    def close(self) -> None:
        """End the widget and its views. A capture that still runs goes on."""
        if hasattr(self, "_live"):
            self._live.close()
        super().close()


class _Follower(threading.Thread):
    """Looks at a capture until it ends. It keeps neither the widget nor its `Live` in memory."""

    def __init__(self, live: Live, feed: Feed) -> None:
        super().__init__(name="neuronwidgets-follower", daemon=True)
        assert feed.capturing is not None
        self._feed, self._tick = feed, live.pace.tick
        self._over, self._news = threading.Event(), threading.Event()
        # The capture refers to nothing else of ours.
        self._unwatch = feed.capturing.watch(self._news.set)
        self._live = weakref.ref(live, lambda _: self.end())

    def wake(self) -> None:
        """Look now."""
        self._news.set()

    def end(self) -> None:
        """Look no more."""
        self._unwatch()
        self._over.set()
        self.wake()

    def run(self) -> None:
        while not self._over.is_set():
            # A capture that has ended sends no more news, and what is due may have to wait.
            self._news.wait(self._tick if self._feed.newer() else None)
            self._news.clear()
            live = self._live()
            if live is None or not live.look():
                break
            del live
            self._over.wait(self._tick)
        self._unwatch()
