"""One page's conversation with the kernel: JupyterLab's panel."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neuronwidgets.core.threads import end_at_exit
from neuronwidgets.lab.holdings import Holdings, title
from neuronwidgets.widgets.base.errors import in_words
from neuronwidgets.widgets.protocol.lab import KernelState

log = logging.getLogger("neuronwidgets")
TICK = 0.25
"""Seconds between two looks at what the kernel holds."""
EXIT = 1.0
"""Seconds that Python waits at its end for a look that goes on."""


class Explorers:
    """The explorers that panels have opened: to ask for one again returns the same one."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = {}
        self._opened: dict[str, Any] = {}

    def of(self, key: str, acts: Callable[[], Any], layer: str | None = None) -> Any:
        """The explorer of `acts()`, which `key` identifies."""
        # One lock for each: the explorer of a capture may have to wait for its first samples.
        with self._locks.setdefault(key, threading.Lock()):
            explorer = self._opened.get(key)
            if explorer is None or explorer.comm is None:
                # Imported here: it takes a second, which only this request should wait for.
                from neuronwidgets.widgets.explorer.explore import explore

                explorer = self._opened[key] = explore(acts(), layer=layer)
                # No cell has made it: none ends it by running again.
                explorer._presence.released()
            return explorer


class Panel:
    """Tells a page what the kernel holds, and does what the page asks for.

    Messages come on the main thread or on that of a subshell, the state is sent by a thread of its
    own, and explorers are opened by another, because a capture may have to read first.

    Args:
        comm: the page's comm.
        holdings: what the kernel holds.
        explorers: those that are open.
        tick: seconds between two looks.
    """

    def __init__(
        self, comm: Any, holdings: Holdings, explorers: Explorers, tick: float = TICK
    ) -> None:
        self._holdings, self._explorers, self._tick = holdings, explorers, tick
        self._send = comm.send
        # The cell or message that a thread belongs to; without one, widgets that it opens would
        # take the subshell of the page's last message, which ends with the page.
        self._context = contextvars.copy_context()
        self._sent: KernelState | None = None
        self._over = threading.Event()
        comm.on_msg(self._on_message)
        comm.on_close(lambda _message: self.close())
        self.report()
        self._thread = threading.Thread(
            target=self._follow, name="neuronwidgets-panel", daemon=True
        )
        end_at_exit(self, Panel.close, lambda panel: panel._thread.join(EXIT))
        self._thread.start()

    def report(self) -> None:
        """Send what the kernel holds, if that has changed."""
        try:
            state = self._holdings.state()
            if state != self._sent:
                self._send(state)
                self._sent = state
        except Exception:
            # Something was changing while it was looked at. The next look comes soon.
            log.debug("the panel could not be told what the kernel holds", exc_info=True)

    def close(self) -> None:
        """The page is gone: report no more."""
        self._over.set()

    def _follow(self) -> None:
        while not self._over.wait(self._tick):
            self.report()

    def _on_message(self, message: dict[str, Any]) -> None:
        request = message["content"]["data"]
        answers = {
            "capture.cancel": self._cancel,
            "capture.explore": self._explore_capture,
            "store.explore": self._explore_store,
            "path.explore": self._explore_path,
        }
        kind = request.get("type") if isinstance(request, dict) else None
        answer = answers.get(str(kind))
        if answer is None:
            log.warning("the panel sent an unknown message %r", request)
        elif kind == "capture.cancel":
            self._answer(answer, request)
        else:
            threading.Thread(
                target=self._context.copy().run,
                args=(self._answer, answer, request),
                name="neuronwidgets-panel-request",
                daemon=True,
            ).start()

    def _answer(self, answer: Callable[[dict[str, Any]], None], request: dict[str, Any]) -> None:
        try:
            answer(request)
        except Exception as error:
            log.debug("the panel's request %r failed", request, exc_info=True)
            self._send({"type": "request.failed", "text": in_words(error)})

    def _cancel(self, request: dict[str, Any]) -> None:
        self._holdings.capture(request["id"]).cancel()

    def _explore_capture(self, request: dict[str, Any]) -> None:
        capturing = self._holdings.capture(request["id"])
        self._open(request["id"], lambda: capturing, capturing.layers[0])

    def _explore_store(self, request: dict[str, Any]) -> None:
        acts = self._holdings.store(request["id"])
        self._open(request["id"], lambda: acts)

    def _explore_path(self, request: dict[str, Any]) -> None:
        folder = Path(str(request["path"])).expanduser().resolve()
        self._open(f"path:{folder}", lambda: stored(folder))

    def _open(self, key: str, acts: Callable[[], Any], layer: str | None = None) -> None:
        explorer = self._explorers.of(key, acts, layer)
        self._send({"type": "widget.opened", "id": explorer.comm.comm_id, "title": title(explorer)})


def stored(folder: Path) -> Any:
    """The activations in a folder; of several layers the first.

    Raises:
        StoreError: no store, or a damaged one.
    """
    from neuronwidgets.activations.activations import Activations
    from neuronwidgets.activations.store.store import Store

    layers = Store(folder).layers
    return Activations.load(folder, layers[0] if layers else None)
