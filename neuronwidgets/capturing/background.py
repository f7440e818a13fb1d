"""A capture on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neuronwidgets.capturing.engine import Engine, Reading
from neuronwidgets.capturing.forward import CaptureError
from neuronwidgets.core.living import Living
from neuronwidgets.core.threads import end_at_exit

log = logging.getLogger("neuronwidgets")
EXIT = 10.0
"""Seconds that Python waits at its end for the batch that is being read."""


def unwrapped(single: str | None, results: dict[str, Any]) -> Any:
    """The result of the layer `single`, or all results by layer if the user asked for several."""
    return results[single] if single is not None else results


class Capturing:
    """A capture on a thread of its own, as returned by `capture(..., background=True)`.

    `SplitExplorer` opens it while it runs. It ends with its data, by `cancel()`, or with Python.

    Attributes:
        layers: the names of the layers that are read.
        error: the exception that ended it; `None` if there was none. Samples read before are kept.
    """

    def __init__(self, engine: Engine, single: str | None) -> None:
        self._engine, self._single = engine, single
        self.layers = list(engine.layers)
        self.error: BaseException | None = None
        self._stop, self._done = threading.Event(), threading.Event()
        self._news = threading.Condition()
        self._watchers: list[Callable[[], None]] = []
        self._final: Any = None
        self._reading = engine.reading
        self._thread = threading.Thread(
            target=self._read, name="neuronwidgets-capture", daemon=True
        )
        end_at_exit(self, Capturing.cancel, lambda ending: ending._thread.join(EXIT))
        CAPTURES.add(self)
        self._thread.start()

    @property
    def path(self) -> Path | None:
        """The folder that it writes to; `None` in memory."""
        return self._engine.request.out

    @property
    def nbytes(self) -> int:
        """Bytes of the values that it holds in memory; 0 on disk."""
        return self._engine.nbytes

    @property
    def reading(self) -> Reading:
        """Its progress: samples, tokens, seconds."""
        return self._reading

    @property
    def done(self) -> bool:
        """Whether it has ended: with its data, by an error, or by `cancel`."""
        return self._done.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled before the data ended."""
        return self._stop.is_set()

    def so_far(self) -> Any:
        """The result of `capture` on the samples read so far.

        Raises:
            ValueError: no sample has been read yet.
        """
        # The lock waits for `result`, which takes the rows out of the engine.
        with self._engine.lock:
            if self._final is not None:
                return self._final
            if not self._engine.count and not self.done:
                raise ValueError("no sample has been read yet: wait(1) waits for the first.")
            if isinstance(self.error, BaseException) and not self._engine.count:
                raise self.error
            return unwrapped(self._single, self._engine.so_far())

    def wait(self, samples: int | None = None, timeout: float | None = None) -> bool:
        """Wait for the end, or for a number of samples.

        Args:
            samples: the samples to wait for; `None` waits for the end.
            timeout: seconds to wait at most; `None` for any time.

        Returns:
            whether the end or the samples were reached.
        """
        with self._news:
            return self._news.wait_for(
                lambda: self.done or (samples is not None and self.reading.samples >= samples),
                timeout,
            )

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end and return the result of `capture`; if cancelled, of what was read.

        Raises:
            CaptureError: as from `capture`.
            TimeoutError: it has not ended after `timeout` seconds. It keeps running.
        """
        if not self.wait(timeout=timeout):
            raise TimeoutError(f"the capture still runs after {timeout:g} s: {self!r}")
        if self.error is not None:
            raise self.error
        return self.so_far()

    def cancel(self) -> None:
        """Stop after the current batch. Samples read so far are kept."""
        if not self.done:
            self._stop.set()

    def watch(self, call: Callable[[], None]) -> Callable[[], None]:
        """Call `call()` after every batch and at the end, on the capture's thread.

        Returns a function that stops the calls.
        """
        with self._news:
            self._watchers.append(call)

        def unwatch() -> None:
            with self._news:
                if call in self._watchers:
                    self._watchers.remove(call)

        return unwatch

    def __repr__(self) -> str:
        reading = self.reading
        of = "" if reading.total is None else f" of {reading.total:,}"
        state = "running"
        if self.done:
            state = "failed" if self.error else "stopped" if self.cancelled else "done"
        title = self._single or f"{len(self.layers)} layers"
        return f"Capturing({title!r}, {state}, {reading.samples:,}{of} samples)"

    def _read(self) -> None:
        try:
            for reading in self._engine.steps():
                self._reading = reading
                if self._stop.is_set():
                    self._engine.stop()
                    break
                self._notify()
            else:
                self._stop.clear()
            # The engine gives its rows away. The lock makes `so_far` wait for `_final`.
            with self._engine.lock:
                if self._engine.count:
                    self._final = unwrapped(self._single, self._engine.result())
        except BaseException as error:
            if isinstance(error, CaptureError):
                error.so_far = unwrapped(self._single, error.so_far)
                self._final = error.so_far
            self.error = error
        finally:
            self._engine.close()
            # Rows that were being copied have arrived since the last step.
            self._reading = self._engine.reading
            self._done.set()
            self._notify()

    def _notify(self) -> None:
        """Wake waiting threads and call the watchers."""
        with self._news:
            self._news.notify_all()
            watchers = list(self._watchers)
        for call in watchers:
            try:
                call()
            except Exception:
                # A watcher's error must not end the capture.
                log.exception("a watcher of %r failed and is dropped", self)
                with self._news:
                    self._watchers.remove(call)


CAPTURES: Living[Capturing] = Living()
"""The captures that run, and those that something still refers to."""
