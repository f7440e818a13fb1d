"""Where a widget's activations come from: they are there, or a capture still reads them."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any

from neuronwidgets.activations.activations import Activations
from neuronwidgets.widgets.base.widget import in_words

if TYPE_CHECKING:
    from neuronwidgets.capturing.background import Capturing

GROWTH = 1.25
"""What is on the screen is made anew when there are so many times as many samples."""
PACE = 1.0
"""Seconds that it stays at least."""


class Feed:
    """Activations, plain arrays, or one layer of a capture that may still run."""

    def __init__(self, acts: Any, layer: str | None = None) -> None:
        # Only what was imported can have been made: plain arrays need no torch.
        room = sys.modules.get("neuronwidgets.capturing.background")
        self.capturing: Capturing | None = None
        self._standing: Activations | None = None
        self.shown = 0
        """How many samples were read for what is on the screen."""
        self.since = 0.0
        """Since when it is there, as `time.monotonic` has it."""
        self.complete = True
        """Whether nothing newer than what is on the screen will come."""
        if room is not None and isinstance(acts, room.Capturing):
            self.capturing, self.complete = acts, False
            self._layer = _chosen(acts, layer)
            return
        if layer is not None:
            raise ValueError(
                f"layer={layer!r} says which layer of a capture that still runs to show, and these "
                "are the activations of one layer already: leave it out."
            )
        self._standing = Activations.of(acts)

    def opened(self, enough: int) -> Activations:
        """The activations; of a capture that runs, as soon as it has `enough` rows or has ended.

        Raises:
            what the capture failed with, if nothing was read; `ValueError`: it was stopped before.
        """
        if self._standing is not None:
            return self._standing
        assert self.capturing is not None
        need = 1
        while True:
            self.capturing.wait(need)
            ended, read = self.capturing.done, self.capturing.reading.samples
            acts = self.newest(ended)
            if acts is not None and (ended or len(acts) >= enough):
                self.show(read, ended)
                return acts
            need = max(read + 1, math.ceil(GROWTH * read))

    def newest(self, ended: bool) -> Activations | None:
        """What was read so far; `None` where none of it is whole yet."""
        capturing = self.capturing
        assert capturing is not None
        if ended and capturing.cancelled and not capturing.reading.samples:
            raise ValueError("the capture was stopped before anything was read.")
        try:
            found = capturing.so_far()
        except ValueError:
            # On disk a sample counts when its shard is full.
            if ended:
                raise
            return None
        if isinstance(found, dict):
            found = found[self._layer]
        if isinstance(found, Activations):
            return found
        rows = [result for result in found if isinstance(result, Activations)]
        if not rows:
            kinds = ", ".join(type(result).__name__ for result in found)
            raise ValueError(
                f"this capture keeps only what its collectors found ({kinds}), and the samples' "
                "own activations are needed: add nw.Rows() to collect, or leave collect out."
            )
        return rows[0]

    def show(self, read: int, ended: bool) -> None:
        """What was made of so many samples is on the screen, or could not be put there."""
        self.shown, self.complete, self.since = read, ended, time.monotonic()

    @property
    def running(self) -> bool:
        """Whether the capture still reads."""
        return self.capturing is not None and not self.capturing.done

    def newer(self) -> bool:
        """Whether there is enough that is newer than what is on the screen."""
        if self.complete or self.capturing is None:
            return False
        enough = GROWTH * self.shown
        return self.capturing.done or self.capturing.reading.samples >= enough

    def due(self) -> bool:
        """Whether it is time to show it."""
        return self.newer() and time.monotonic() - self.since >= PACE

    @property
    def amount(self) -> str:
        """Such as: 3,200 of 10,000 samples."""
        assert self.capturing is not None
        now = self.capturing.reading
        return f"{now.samples:,}{'' if now.total is None else f' of {now.total:,}'} samples"

    def said(self) -> dict[str, Any]:
        """How far the capture is, as the trait `reading` has it."""
        if self.capturing is None:
            return {}
        ended, now, error = self.capturing.done, self.capturing.reading, self.capturing.error
        stopped = self.capturing.cancelled
        state = "running"
        if ended:
            state = "failed" if error is not None else "stopped" if stopped else "done"
        tokens = now.tokens / now.seconds if now.seconds > 0 else 0.0
        if state == "done":
            text = f"{now.samples:,} samples"
        elif state == "running":
            parts = [f"{'stopping' if stopped else 'reading'}: {self.amount}"]
            parts += [f"{_short(now.rate)}/s"] if now.rate else []
            parts += [f"{_short(tokens)} tokens/s"] if tokens else []
            parts += [f"{_duration(now.left)} left"] if now.left is not None else []
            text = " · ".join(parts)
        else:
            text = f"stopped after {self.amount}"
            text += "" if error is None else f": {in_words(error)}"
        return {
            "state": state,
            "samples": now.samples,
            "total": now.total,
            "rate": now.rate,
            "tokens_rate": tokens,
            "left": None if ended else now.left,
            "text": text,
        }


def _chosen(capturing: Capturing, layer: str | None) -> str:
    layers = capturing.layers
    named = ", ".join(map(repr, layers))
    if layer is None and len(layers) > 1:
        raise ValueError(
            f"this capture reads {len(layers)} layers: say which, layer= one of {named}."
        )
    if layer is not None and layer not in layers:
        raise ValueError(f"layer={layer!r} is not read by this capture; it reads {named}.")
    return layer or layers[0]


def _short(rate: float) -> str:
    """412, 38k, 1.2M: with two digits at least."""
    for unit, word in ((1e6, "M"), (1e3, "k")):
        if rate >= unit * 0.9995:
            return f"{rate / unit:.1f}{word}" if rate < 9.95 * unit else f"{rate / unit:.0f}{word}"
    return f"{rate:.1f}" if rate < 9.95 else f"{rate:.0f}"


def _duration(seconds: float) -> str:
    """16 s, 3 min, 1 h 20 min."""
    if seconds < 99.5:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
