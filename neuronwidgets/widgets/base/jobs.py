"""Work that takes longer than a blink: a generator on a thread, one in flight, latest wins."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from neuronwidgets.core.threads import end_at_exit

EXIT = 2.0
"""Seconds that Python waits at its end for a job's step."""


@dataclass(frozen=True)
class Progress:
    """How far a job is: a share from 0 to 1, and what it does, in words."""

    share: float
    text: str


Publish = Callable[[], None]
Steps = Generator[Progress | Publish, None, None]


def take(step: Progress | Publish, report: Callable[[Progress], None] = lambda _: None) -> None:
    """One step of a job: its progress, or what it publishes."""
    if isinstance(step, Progress):
        report(step)
    else:
        step()


class Jobs:
    """Runs one generator at a time; starting another, or `cancel`, ends it at its next `yield`.

    A job yields its progress, and as a function what it publishes: the function is called under
    `lock`, and not at all when a newer job has taken the job's place.
    """

    def __init__(self, report: Callable[[Progress | BaseException | None], None]) -> None:
        self.lock = threading.RLock()
        self._report = report
        self._current: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._kind = ""
        end_at_exit(self, Jobs.close, lambda jobs: jobs.wait(EXIT))

    @property
    def kind(self) -> str:
        """The kind of the job that runs; empty where none does."""
        return self._kind if self.running else ""

    @property
    def closed(self) -> bool:
        """Whether it takes no more."""
        return self._closed

    @property
    def running(self) -> bool:
        return self._current is not None

    @property
    def current(self) -> object:
        """What stands for the job that runs; `None` where none does."""
        return self._current

    def start(self, steps: Steps, delay: float = 0.0, kind: str = "") -> None:
        """Run `steps` on a thread after `delay` seconds, unless something newer comes first."""
        with self.lock:
            if self._closed:
                return
            if self._current is not None:
                self._current.set()
            stop = self._current = threading.Event()
            self._kind = kind
            thread = threading.Thread(
                target=self._run, args=(steps, stop, delay), name="neuronwidgets-job", daemon=True
            )
            thread.start()
            self._thread = thread

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
            steps.close()

    def cancel(self) -> None:
        """End the job, if one runs, at its next step."""
        with self.lock:
            if self._current is not None:
                self._current.set()
                self._current = None
                if not self._closed:
                    self._report(None)

    def close(self) -> None:
        """End the job and take no more."""
        with self.lock:
            self._closed = True
            if self._current is not None:
                self._current.set()
                self._current = None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the job has ended."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            thread = self._thread
            if thread is None or thread is threading.current_thread():
                return not self.running
            thread.join(None if end is None else max(0.0, end - time.monotonic()))
            # A job may have been followed by another.
            if thread is self._thread or (end is not None and time.monotonic() >= end):
                return not self.running
