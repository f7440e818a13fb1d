"""Long work: a generator on a thread, one at a time, the latest wins."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from neuronwidgets.core.threads import end_at_exit
from neuronwidgets.widgets.base.lock import Lock

T = TypeVar("T")

EXIT = 2.0
"""Seconds that Python waits at its end for a job's step."""


@dataclass(frozen=True)
class JobProgress:
    """How far a job is: the share done, 0 to 1, and what it does."""

    share: float
    text: str


Publish = Callable[[], None]
Steps = Generator[JobProgress | Publish, None, None]
Prepared = Generator[JobProgress | Publish, None, Publish]
"""Steps that prepare something, and return what publishes it."""


def pause() -> None:
    """A step that publishes nothing: a newer job may replace this one here."""


def later() -> None:
    """A step that publishes nothing: what follows can wait until the first picture is shown."""


def take(
    step: JobProgress | Publish, report: Callable[[JobProgress], None] = lambda _: None
) -> None:
    """Take one step of a job: report its progress, or call what it publishes."""
    if isinstance(step, JobProgress):
        report(step)
    else:
        step()


def silently(steps: Generator[JobProgress | Publish, None, T]) -> Generator[Publish, None, T]:
    """`steps` without their progress; returns what they return."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        yield pause if isinstance(step, JobProgress) else step


class Jobs:
    """Runs one generator at a time; starting another, or `cancel`, ends it at its next `yield`.

    A job yields its progress, or a function that publishes results. The function is called under
    `lock`, and not at all once a newer job has replaced the job.
    """

    def __init__(self, report: Callable[[JobProgress | BaseException | None], None]) -> None:
        self.lock = Lock()
        self._report = report
        self._current: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._then: Publish | None = None
        self._closed = False
        self._kind = ""
        end_at_exit(self, Jobs.close, lambda jobs: jobs.wait(EXIT))

    @property
    def kind(self) -> str:
        """The kind of the running job; empty if none runs."""
        return self._kind if self.running else ""

    @property
    def closed(self) -> bool:
        """Whether it takes no more jobs."""
        return self._closed

    @property
    def running(self) -> bool:
        return self._current is not None

    @property
    def current(self) -> object:
        """A token of the running job; `None` if none runs."""
        return self._current

    def start(self, steps: Steps, delay: float = 0.0, kind: str = "") -> None:
        """Run `steps` on a thread after `delay` seconds, unless a newer job comes first."""
        with self.lock:
            if self._closed:
                return
            if self._current is not None:
                self._current.set()
            stop = self._current = threading.Event()
            self._kind, self._then = kind, None
            thread = threading.Thread(
                target=self._run, args=(steps, stop, delay), name="neuronwidgets-job", daemon=True
            )
            thread.start()
            self._thread = thread

    def afterwards(self, then: Publish) -> None:
        """Call `then` under `lock` once the running job has ended, or now if none runs.

        Not if a newer job replaces that job, or it is cancelled. A later `then` takes its place.
        """
        with self.lock:
            if self.running:
                self._then = then
            else:
                then()

    def begin(self, steps: Steps, seconds: float) -> bool:
        """Run `steps` here, up to `later` or for so many seconds. True if they have ended."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            try:
                step = next(steps)
            except StopIteration:
                return True
            if step is later:
                break
            with self.lock:
                take(step)
        return False

    def _run(self, steps: Steps, stop: threading.Event, delay: float) -> None:
        error: BaseException | None = None
        try:
            if not stop.wait(delay):
                for step in steps:
                    with self.lock:
                        if stop.is_set():
                            return
                        take(step, self._report)
        except BaseException as raised:
            error = raised
        finally:
            with self.lock:
                mine = self._current is stop
                if mine:
                    self._current = None
                if mine and not self._closed and not (stop.is_set() and error is None):
                    self._report(error)
                    if (then := self._then) is not None:
                        self._then = None
                        then()
            steps.close()

    def cancel(self) -> None:
        """End the running job at its next step."""
        with self.lock:
            if self._current is not None:
                self._current.set()
                self._current = self._then = None
                if not self._closed:
                    self._report(None)

    def close(self) -> None:
        """End the running job and take no more."""
        with self.lock:
            self._closed = True
            if self._current is not None:
                self._current.set()
                self._current = self._then = None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no job runs (`timeout` in seconds). True if none does."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            thread = self._thread
            if thread is None or thread is threading.current_thread():
                return not self.running
            thread.join(None if end is None else max(0.0, end - time.monotonic()))
            # A job may have been followed by another, or is being followed: then under the lock.
            with self.lock:
                if thread is self._thread or (end is not None and time.monotonic() >= end):
                    return not self.running
