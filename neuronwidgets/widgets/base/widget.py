"""What all widgets share: the built front end, a job, a status, messages from the view."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import ipywidgets
import numpy as np
import traitlets as t

from neuronwidgets.core.living import Living
from neuronwidgets.widgets.base.errors import in_words
from neuronwidgets.widgets.base.front_end import FrontEnd, front_end, loader, shared
from neuronwidgets.widgets.base.jobs import JobProgress, Jobs, Steps
from neuronwidgets.widgets.base.origin import Origin
from neuronwidgets.widgets.base.page import page, write
from neuronwidgets.widgets.base.presence import STAND_IN, Presence
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.base.sending import send_copies
from neuronwidgets.widgets.base.turns import beside_cells, shorten

log = logging.getLogger("neuronwidgets")

IDLE = {"state": "idle", "text": "", "progress": 1.0}


@contextmanager
def as_trait_error(*kinds: type[Exception]) -> Iterator[None]:
    """An error of these kinds inside becomes a `TraitError`."""
    try:
        yield
    except kinds as error:
        raise t.TraitError(str(error)) from None


class Whole(t.Int):
    """An integer; NumPy's integers are accepted too."""

    def validate(self, obj: Any, value: Any) -> Any:
        return super().validate(obj, int(value) if isinstance(value, np.integer) else value)


class Widget(anywidget.AnyWidget):
    """A widget with one job at a time, a status, and typed messages from its views."""

    _KIND = ""
    """The name of its front end."""
    _VERSIONED: tuple[str, ...] = ()
    """Traits that are meant for one version of the picture: the one that the view saw."""
    _version = t.Int(0).tag(sync=True)
    """The version of the picture. It counts what was put on the screen."""
    _view_version = t.Int(0).tag(sync=True, echo_update=False)
    """The version that the view saw when it set a trait."""
    _key = t.Unicode().tag(sync=True)
    """The name under which a page counts its views."""
    _given = t.Unicode("acts").tag(sync=True)
    """The arguments that it was opened with, as code, but for those that are traits."""
    _front = t.Instance(FrontEnd, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    """Where its code stands; `None`: in the widget."""

    status = t.Dict(IDLE).tag(sync=True)
    """`{"state": "idle" | "running" | "error", "text": str, "progress": 0 to 1}`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if "_KIND" in vars(cls):
            cls._esm, cls._css = front_end(f"{cls._KIND}.js"), front_end(f"{cls._KIND}.css")
        super().__init_subclass__(**kwargs)

    def __init__(self, **traits: Any) -> None:
        send_copies()
        self._presence = Presence(self, str(front_end("asleep.js")))
        self._origin = Origin()
        front = shared(self._KIND) if self._KIND else None
        own = {} if front is None else {"_front": front, "_esm": loader(), "_css": ""}
        super().__init__(_key=uuid4().hex, **own, **traits)
        self._jobs = Jobs(self._report)
        self._failed_during: object = None
        # ipywidgets has a method `_handle_custom_msg`: one of that name would silence on_msg.
        self.on_msg(self._on_view_message)
        self._presence.made()
        shorten()
        WIDGETS.add(self)

    @contextmanager
    def _opening(self) -> Iterator[None]:
        """Close the widget if an error occurs inside, so that the kernel does not list it."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        """Set one trait at a time: jobs, views and cells set them from different threads."""
        jobs = self.__dict__.get("_jobs")
        if jobs is None or name.startswith("__") or not self.has_trait(name):
            super().__setattr__(name, value)
            return
        with jobs.lock:
            super().__setattr__(name, value)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Set the traits that a view has changed, if they are meant for this version."""
        with self._jobs.lock:
            seen = sync_data.get("_view_version", self._view_version)
            late = {
                name: value
                for name, value in sync_data.items()
                if seen != self._version and name in self._VERSIONED
            }
            fixed = {name for name, trait in self.traits().items() if trait.read_only}
            taken = {k: v for k, v in sync_data.items() if k not in late and k not in fixed}
            with self._origin.view(taken):
                super().set_state(taken)
            if late:
                self._set_late(seen, late)

    def _set_late(self, version: int, late: dict[str, Any]) -> None:
        """A view has set `late` for an earlier version of the picture."""

    def _messages(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        """The messages that a view may send, `noun.verb`, and their answers."""
        return {
            "job.cancel": lambda _: self.cancel(),
            "views.count": lambda message: self._presence.seen(int(message["count"])),
        }

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """The state that pages get: without what is large while none shows the widget."""
        return self._presence.masked(super().get_state(key, drop_defaults))

    @property
    def model_id(self) -> str:
        """The name by which views refer to the widget."""
        self._presence.unpark()
        model_id: str = super().model_id
        return model_id

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        self._presence.displayed()
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            data, _ = bundle
            data["text/plain"] = f"{self!r} {STAND_IN}"
        return bundle

    def _on_view_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        kind = str(content.get("type")) if isinstance(content, dict) else ""
        answer = self._messages().get(kind)
        if answer is None:
            log.warning("%s: unknown message %r", type(self).__name__, content)
            return
        # A view without an acknowledgement shows that the kernel is busy or gone.
        self.send({"type": "job.ack"})
        try:
            answer(content)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        log.debug("in %s", type(self).__name__, exc_info=error)
        self._failed_during = self._jobs.current
        self.status = {"state": "error", "text": in_words(error), "progress": 1.0}

    def _report(self, progress: JobProgress | BaseException | None) -> None:
        """Show how far a job is, its error, or (`None`) that it has ended."""
        if isinstance(progress, BaseException):
            self._fail(progress)
        elif progress is None:
            # An error stays until the user tries something newer.
            if self.status["state"] == "running":
                self.status = IDLE
        elif self.status["state"] != "error" or self._failed_during is not self._jobs.current:
            # An error that came while this job was running stays.
            self.status = {
                "state": "running",
                "text": progress.text,
                "progress": round(progress.share, 3),
            }

    @property
    def _screen(self) -> Screen:
        """How the session of this widget reaches it."""
        return Screen(self._put, self._fail, self._clear)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Traits set inside reach the views in one message."""
        with self._jobs.lock, self.hold_sync():
            yield

    def _put(self, traits: Mapping[str, Any]) -> None:
        """Set traits as the widget's own change, in one message.

        Observers are called when all of them are set.
        """
        with self._together(), self._origin.mine(traits), self.hold_trait_notifications():
            for name, value in traits.items():
                setattr(self, name, value)

    def _clear(self) -> None:
        """Show no error any more."""
        if self.status["state"] == "error":
            self.status = IDLE

    def _start(self, steps: Steps, delay: float = 0.0, kind: str = "") -> None:
        self._jobs.start(steps, delay, kind)

    def cancel(self) -> None:
        """Stop the widget's job, if one runs. The picture stays."""
        self._jobs.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no job runs (`timeout` in seconds; `None`: no limit). True if none does."""
        return self._jobs.wait(timeout)

    def to_html(self, path: str | Path) -> Path:
        """Write the widget as it is to one HTML file, which needs neither kernel nor network.

        What the browser computes works on the page; what needs the kernel says so. Returns the
        path.
        """
        code, style = (str(front_end(f"{self._KIND}.{kind}")) for kind in ("js", "css"))
        return write(path, page(self._exported(), code, style, repr(self)))

    def _exported(self) -> dict[str, Any]:
        """The traits that a page gets."""
        # An embedded widget has a page of its own.
        state = self._own_state()
        return {k: None if isinstance(v, ipywidgets.Widget) else v for k, v in state.items()}

    def _own_state(self) -> dict[str, Any]:
        own_traits = type(self)._own_traits()
        return {name: getattr(self, name) for name in self.keys if name in own_traits}

    @classmethod
    def _own_traits(cls) -> set[str]:
        """The synced traits of our classes, not of anywidget's."""
        ours = [c for c in cls.__mro__ if issubclass(c, Widget)]
        return {name for c in ours for name in vars(c)} & {*cls.class_trait_names(sync=True)}

    def open(self) -> None:
        """Enter the widget and its parts into the kernel's list of widgets."""
        for part in self._parts():
            part.open()
        super().open()
        beside_cells(self.comm)

    def _leave(self) -> None:
        """End the job, and leave all pages and the kernel's list of widgets until `open`."""
        self.cancel()
        super().close()
        # `close` has made the widget one that cannot be shown.
        self.__dict__.pop("_repr_mimebundle_", None)
        for part in self._parts():
            (part._leave if isinstance(part, Widget) else part.close)()

    def _go_on(self) -> None:
        """Resume the work that `_leave` has ended."""

    def _parts(self) -> list[Any]:
        """Its layout, and the widgets embedded in it."""
        return [self.layout, *(v for v in self._own_state().values() if isinstance(v, Widget))]

    def close(self) -> None:
        """End the widget and its views."""
        jobs = getattr(self, "_jobs", None)
        if jobs is None:
            return
        with jobs.lock:  # the job that made it may close it at the same moment
            jobs.close()
            self._presence.parked = False
            super().close()
            # A parked widget is closed too.
            self.__dict__["_repr_mimebundle_"] = None
            for part in self._parts():
                part.close()


WIDGETS: Living[Widget] = Living()
"""The widgets that exist, also those that are closed or parked."""
