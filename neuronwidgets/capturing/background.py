"""A capture that runs while the notebook goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from neuronwidgets.capturing.engine import Reading, Run
from neuronwidgets.capturing.forward import CaptureError
from neuronwidgets.core.threads import end_at_exit

log = logging.getLogger("neuronwidgets")
EXIT = 10.0
"""Seconds that Python waits at its end for the batch that is being read."""


def given(alone: str | None, found: dict[str, Any]) -> Any:
    """What a user gets: of a layer asked for by its name, that alone."""
    return found[alone] if alone is not None else found


class Capturing:
    """A capture that reads on a thread of its own, as `capture(..., background=True)` returns it.

    `SplitExplorer` opens it while it runs. It ends with its data, by `cancel()`, or with Python.

    Attributes:
        layers: the names of the layers that are read.
        error: what it failed with; `None` while it has not. What came before is kept.
    """

    def __init__(self, run: Run, alone: str | None) -> None:
        self._run, self._alone = run, alone
        self.layers = list(run.layers)
        self.error: BaseException | None = None
        self._stop, self._done = threading.Event(), threading.Event()
        self._news = threading.Condition()
        self._watching: list[Callable[[], None]] = []
        self._final: Any = None
        self._reading = run.reading
        self._thread = threading.Thread(
            target=self._read, name="neuronwidgets-capture", daemon=True
        )
        end_at_exit(self, Capturing.cancel, lambda ending: ending._thread.join(EXIT))
        self._thread.start()

    @property
    def reading(self) -> Reading:
        """How far it is: samples, tokens, seconds."""
        return self._reading

    @property
    def done(self) -> bool:
        """Whether it has ended: with its data, an error, or by `cancel`."""
        return self._done.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether it was stopped before the data ended."""
        return self._stop.is_set()

    def so_far(self) -> Any:
        """What `capture` would return had the data ended here.

        Raises:
            ValueError: nothing has been read yet.
        """
        # The end takes the rows out of the run: what is asked for meanwhile waits for it.
        with self._run.lock:
            if self._final is not None:
                return self._final
            if not self._run.count and not self.done:
                raise ValueError("nothing has been read yet: wait(1) waits for the first samples.")
            if isinstance(self.error, BaseException) and not self._run.count:
                raise self.error
            return given(self._alone, self._run.so_far())

    def wait(self, samples: int | None = None, timeout: float | None = None) -> bool:
        """Wait for its end, or for so many samples (`timeout` in seconds). True if they came."""
        with self._news:
            return self._news.wait_for(
                lambda: self.done or (samples is not None and self.reading.samples >= samples),
                timeout,
            )

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end and return what `capture` returns; of a cancelled one, what it has.

        Raises:
            CaptureError: as from `capture`.
            TimeoutError: it has not ended after `timeout` seconds. It goes on.
        """
        if not self.wait(timeout=timeout):
            raise TimeoutError(f"after {timeout:g} s it still runs: {self!r}")
        if self.error is not None:
            raise self.error
        return self.so_far()

    def cancel(self) -> None:
        """Stop after the batch that is being read; what was read is kept."""
        if not self.done:
            self._stop.set()

    def watch(self, call: Callable[[], None]) -> Callable[[], None]:
        """Call `call()` after every batch and at the end, on the capture's thread. What this
        returns ends it."""
        with self._news:
            self._watching.append(call)

        def unwatch() -> None:
            with self._news:
                if call in self._watching:
                    self._watching.remove(call)

        return unwatch

    def __repr__(self) -> str:
        now = self.reading
        of = "" if now.total is None else f" of {now.total:,}"
        state = "running"
        if self.done:
            state = "failed" if self.error else "stopped" if self.cancelled else "done"
        what = self._alone or f"{len(self.layers)} layers"
        return f"Capturing({what!r}, {state}, {now.samples:,}{of} samples)"

    def _read(self) -> None:
        try:
            for reading in self._run.steps():
                self._reading = reading
                if self._stop.is_set():
                    self._run.stop()
                    break
                self._tell()
            else:
                self._stop.clear()
            # The run keeps nothing that it has given: a `so_far` meanwhile waits for it.
            with self._run.lock:
                if self._run.count:
                    self._final = given(self._alone, self._run.result())
        except BaseException as error:
            if isinstance(error, CaptureError):
                error.so_far = given(self._alone, error.so_far)
                self._final = error.so_far
            self.error = error
        finally:
            self._run.close()
            # What was still on its way has arrived since the last step.
            self._reading = self._run.reading
            self._done.set()
            self._tell()

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()
            watching = list(self._watching)
        for call in watching:
            try:
                call()
            except Exception:
                # It costs the watcher, not the capture.
                log.exception("a watcher of %r failed and is dropped", self)
                with self._news:
                    self._watching.remove(call)
