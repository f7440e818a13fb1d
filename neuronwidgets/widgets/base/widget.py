"""What all widgets share: the built front end, jobs, status, and messages from the view."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import numpy as np
import traitlets as t

from neuronwidgets.widgets.base.jobs import Jobs, Progress, Steps
from neuronwidgets.widgets.base.page import page, write
from neuronwidgets.widgets.base.presence import Presence

STATIC = Path(__file__).parents[2] / "static"
log = logging.getLogger("neuronwidgets")

IDLE = {"state": "idle", "text": "", "progress": 1.0}


def front_end(name: str) -> Path | str:
    """The built file of a widget; an error in words where the front end was not built.

    Its text, since anywidget keeps every widget alive that it may have to give a newer file; the
    path only where files are being worked on.
    """
    path = STATIC / name
    if not path.exists():
        raise ImportError(
            f"the front end is not built ({path.name} is missing). Install the package with "
            "`pip install .`, or in a clone run `npm ci && npm run build` in js/."
        )
    return path if os.environ.get("ANYWIDGET_HMR") == "1" else path.read_text("utf-8")


def in_words(error: BaseException) -> str:
    """An error as one sentence for the widget: ours as they are, others with their kind."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    ours = isinstance(error, ValueError | TypeError | IndexError) and text
    return text if ours else f"{type(error).__name__}: {text}" if text else type(error).__name__


class Whole(t.Int):
    """A whole number; NumPy's are taken too."""

    def validate(self, obj: Any, value: Any) -> Any:
        return super().validate(obj, int(value) if isinstance(value, np.integer) else value)


class Widget(anywidget.AnyWidget):
    """A widget with one job at a time, a status in words, and typed messages from its views."""

    _LATE: tuple[str, ...] = ()
    """Traits that mean something only for what was on the screen when a view set them."""
    _serial = t.Int(0).tag(sync=True)
    """Counts what was put on the screen; a view says with `_seen` which it has seen."""
    _seen = t.Int(0).tag(sync=True, echo_update=False)
    _key = t.Unicode().tag(sync=True)
    """What a page counts its views by."""

    status = t.Dict(IDLE).tag(sync=True)
    """`{"state": "idle" | "running" | "error", "text": str, "progress": 0 to 1}`."""

    def __init__(self, **traits: Any) -> None:
        self._presence = Presence(self, str(front_end("asleep.js")))
        super().__init__(_key=uuid4().hex, **traits)
        self._jobs = Jobs(self._report)
        self._failed_beside: object = None
        # `_handle_custom_msg` is ipywidgets' own: a method of that name would silence on_msg.
        self.on_msg(self._on_view_message)
        self._presence.made()

    @contextmanager
    def _opening(self) -> Iterator[None]:
        """What could not be opened leaves nothing in the kernel's list of widgets."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        """Traits change one at a time: jobs, views and cells set them from threads of their own."""
        jobs = self.__dict__.get("_jobs")
        if jobs is None or name.startswith("__") or not self.has_trait(name):
            super().__setattr__(name, value)
            return
        with jobs.lock:
            super().__setattr__(name, value)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What a view has changed; dropped if it was meant for what was on the screen before."""
        with self._jobs.lock:
            seen = sync_data.get("_seen", self._seen)
            late = {k: v for k, v in sync_data.items() if seen != self._serial and k in self._LATE}
            super().set_state({k: v for k, v in sync_data.items() if k not in late})
            if late:
                self._came_late(seen, late)

    def _came_late(self, seen: int, late: dict[str, Any]) -> None:
        """A view has set `late` when `seen` was on the screen."""

    def _messages(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        """Each message that a view may send, `noun.verb`, and what answers it."""
        return {
            "job.cancel": lambda _: self._jobs.cancel(),
            "views.count": lambda message: self._presence.seen(int(message["count"])),
        }

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """What pages get: not all of it while none shows the widget."""
        return self._presence.masked(super().get_state(key, drop_defaults))

    @property
    def model_id(self) -> str:
        """What views call it by."""
        self._presence.unpark()
        found: str = super().model_id
        return found

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        self._presence.displayed()
        return super()._repr_mimebundle_(**kwargs)

    def _on_view_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = str(content.get("type")) if isinstance(content, dict) else ""
        answer = self._messages().get(kind)
        if answer is None:
            log.warning("%s: unknown message %r", type(self).__name__, content)
            return
        # A view that hears nothing says that the kernel is busy or gone.
        self.send({"type": "job.ack"})
        try:
            answer(content)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        log.debug("in %s", type(self).__name__, exc_info=error)
        self._failed_beside = self._jobs.current
        self.status = {"state": "error", "text": in_words(error), "progress": 1.0}

    def _report(self, progress: Progress | BaseException | None) -> None:
        """What a job says of itself: how far it is, its error, or that it has ended."""
        if isinstance(progress, BaseException):
            self._fail(progress)
        elif progress is None:
            # An error stays until something newer has been tried.
            if self.status["state"] == "running":
                self.status = IDLE
        elif self.status["state"] != "error" or self._failed_beside is not self._jobs.current:
            # Not over an error that came while this job was running already.
            self.status = {
                "state": "running",
                "text": progress.text,
                "progress": round(progress.share, 3),
            }

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Traits set inside reach the views in one message."""
        with self._jobs.lock, self.hold_sync():
            yield

    def _start(self, steps: Steps, delay: float = 0.0, kind: str = "") -> None:
        self._jobs.start(steps, delay, kind)

    def cancel(self) -> None:
        """Stop the widget's job, if one runs. What is on the screen stays."""
        self._jobs.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no job runs (seconds; `None`: as long as it takes). True if none does."""
        return self._jobs.wait(timeout)

    def to_html(self, path: str | Path) -> Path:
        """Write the widget as it is to one HTML file, which needs neither kernel nor network.

        Its slider, tree, map and cards work; what needs the kernel says so. Returns the path.
        """
        return write(path, page(self._exported(), str(self._esm), str(self._css), repr(self)))

    def _exported(self) -> dict[str, Any]:
        """The traits that a page gets."""
        # A widget inside has a page of its own.
        state = self._own_state()
        return {k: None if isinstance(v, Widget) else v for k, v in state.items()}

    def _own_state(self) -> dict[str, Any]:
        own = [name for name in self.keys if name in type(self)._own_traits()]
        return {name: getattr(self, name) for name in own}

    @classmethod
    def _own_traits(cls) -> set[str]:
        """The synced traits of our classes, not of anywidget's."""
        ours = [c for c in cls.__mro__ if issubclass(c, Widget)]
        return {name for c in ours for name in vars(c) if name in cls.class_trait_names(sync=True)}

    def open(self) -> None:
        """Be in the kernel's list of widgets, with what is part of it."""
        for part in self._parts():
            part.open()
        super().open()

    def _leave(self) -> None:
        """End what it does, and be on no page and in no list of widgets, until `open`."""
        self.cancel()
        super().close()
        # That made it one that cannot be shown.
        self.__dict__.pop("_repr_mimebundle_", None)
        for part in self._parts():
            (part._leave if isinstance(part, Widget) else part.close)()

    def _go_on(self) -> None:
        """Begin again with what `_leave` has ended."""

    def _parts(self) -> list[Any]:
        """Its layout, and the widgets inside of it."""
        return [self.layout, *(v for v in self._own_state().values() if isinstance(v, Widget))]

    def close(self) -> None:
        """End the widget and its views."""
        jobs = getattr(self, "_jobs", None)
        if jobs is None:
            return
        jobs.close()
        self._presence.parked = False
        super().close()
        # One that was parked is closed now, too.
        self.__dict__["_repr_mimebundle_"] = None
        for part in self._parts():
            part.close()
