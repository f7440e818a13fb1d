"""A widget on a capture that still runs: it opens early and is made anew as samples arrive."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable, Generator
from typing import Any

import traitlets as t

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.steps import mapped
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.jobs import Progress, Publish, Steps
from neuronwidgets.widgets.base.widget import Widget

TICK = 0.25
"""Seconds between two looks at the capture."""
REST = 0.15
"""Seconds without a change by a hand after which a drag rests."""
HELD = 10.0
"""Seconds without a sign of life after which a view no longer holds anything."""
REFRESHING = "refresh"

Prepared = Generator[Progress | Publish, None, Publish]


class Live(Widget):
    """A widget whose activations may still be arriving.

    A widget says in `_prepare` how it is made anew; what is dragged meanwhile is left alone.
    """

    _KEPT: tuple[str, ...] = ()
    """Kinds of jobs that nothing newer from the capture replaces: a user has asked for them."""
    _acts: Activations
    _feed: Feed
    _follower: _Follower | None = None

    reading = t.Dict(read_only=True).tag(sync=True)
    """How far the capture is; `{}` where the activations were there from the first.

    `{"state": "running" | "done" | "stopped" | "failed", "samples": int, "total": int or None,
    "rate": samples per second, "tokens_rate": tokens per second, "left": seconds or None, "text"}`.
    """
    _held = t.Bool(False).tag(sync=True, echo_update=False)
    """Whether a hand holds something in a view."""

    @property
    def acts(self) -> Activations:
        """The activations that are explored; while a capture runs, those on the screen."""
        return self._acts

    def _prepare(self, acts: Activations) -> Prepared:
        """Make the picture of newer activations; returns what puts it on the screen."""
        raise NotImplementedError

    def _afterwards(self) -> Steps:
        """What there is to do once it is on the screen."""
        yield from ()

    def _follow(self) -> None:
        """Look at the capture from now on, where there is one."""
        self._touched = -math.inf
        self.set_trait("reading", self._feed.said())
        if not self._feed.complete:
            self._follower = _Follower(self, self._feed)
            self._follower.start()

    def _touch(self) -> None:
        """A hand has moved something."""
        self._touched = time.monotonic()

    @t.observe("_held")
    def _grasped(self, _change: Any) -> None:
        self._touch()

    def _resting(self) -> bool:
        still = time.monotonic() - self._touched
        return still >= HELD if self._held else still >= REST

    def _look(self) -> bool:
        """Say how far the capture is, and start what is due. Whether there is more to come."""
        feed, jobs = self._feed, self._jobs
        assert feed.capturing is not None
        with jobs.lock:
            if jobs.closed:
                return False
            if (now := feed.said()) != self.reading:
                self.set_trait("reading", now)
            free = jobs.kind not in (*self._KEPT, REFRESHING) and self._resting()
            if free and feed.due() and not self._presence.parked:
                self._start(self._refresh(), kind=REFRESHING)
        return not feed.complete

    def _refresh(self) -> Steps:
        """Make what is on the screen anew, without a word: nobody asked for it."""
        feed = self._feed
        assert feed.capturing is not None
        # In this order: what ended has read all that it will.
        ended, done = feed.capturing.done, False
        read = feed.capturing.reading.samples
        try:
            acts = feed.newest(ended)
            if acts is None:
                feed.show(read, ended)
                return
            show = yield from self._prepare(acts)
        except Exception:
            feed.show(read, ended)
            raise

        def publish() -> None:
            nonlocal done
            if self._resting():
                show()
                feed.show(read, ended)
                done = True

        while not done:
            yield publish
            if not done:
                time.sleep(REST / 3)
        yield from self._afterwards()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What a view has changed; how far the capture is, it only reads."""
        super().set_state({k: v for k, v in sync_data.items() if k != "reading"})

    def _messages(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        found = super()._messages()
        if self._feed.capturing is not None:
            found["capture.cancel"] = self._on_capture_cancel
        return found

    def _on_capture_cancel(self, _message: dict[str, Any]) -> None:
        assert self._feed.capturing is not None
        self._feed.capturing.cancel()
        if self._follower is not None:
            self._follower.wake()

    def _exported(self) -> dict[str, Any]:
        state = super()._exported()
        if self.reading.get("state") == "running":
            # A page stands still.
            words = f"stopped after {self._feed.amount}"
            state["reading"] = {**self.reading, "state": "stopped", "text": words}
        return state

    def close(self) -> None:
        """End the widget. A capture that still runs goes on: it is not the widget's."""
        if self._follower is not None:
            self._follower.end()
        super().close()


def silently(steps: Any) -> Any:
    """`steps` without what they say, and what they return."""
    # Still steps: a newer job may take its place at each.
    return mapped(steps, lambda step: (lambda: None) if isinstance(step, Progress) else step)


class _Follower(threading.Thread):
    """Looks at a capture for a widget, as long as there is one: it keeps no widget alive."""

    def __init__(self, widget: Live, feed: Feed) -> None:
        super().__init__(name="neuronwidgets-follower", daemon=True)
        assert feed.capturing is not None
        self._feed = feed
        self._over, self._news = threading.Event(), threading.Event()
        # All that the capture holds of us.
        self._unwatch = feed.capturing.watch(self._news.set)
        self._widget = weakref.ref(widget, lambda _: self.end())

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
            # The end of the capture brings no more news, and what is due may have to wait.
            self._news.wait(TICK if self._feed.newer() else None)
            self._news.clear()
            widget = self._widget()
            if widget is None or not widget._look():
                break
            del widget
            self._over.wait(TICK)
        self._unwatch()
