"""The activations of a widget: complete, or read by a capture that still runs."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from neuronwidgets.activations.activations import Activations
from neuronwidgets.widgets.base.errors import in_words
from neuronwidgets.widgets.base.pace import PACE, Pace

if TYPE_CHECKING:
    from neuronwidgets.capturing.background import Capturing


class Feed:
    """Activations, a plain array, or one layer of a capture that may still run.

    Attributes:
        capturing: the capture; `None` where the activations were complete from the first.
        tried: how many samples had been read for the newest picture, also if it failed.
        shown: how many had been read for the picture on the screen.
        tried_at: when the newest picture was shown or failed, by `time.monotonic`.
        complete: whether no newer picture will follow.
    """

    def __init__(self, acts: Any, layer: str | None = None, pace: Pace = PACE) -> None:
        self._pace = pace
        self.capturing: Capturing | None = None
        self._standing: Activations | None = None
        self.tried, self.shown, self.tried_at, self.complete = 0, 0, 0.0, True
        if is_capturing(acts):
            self.capturing, self.complete = acts, False
            self._layer = _chosen(acts, layer)
            return
        if layer is not None:
            raise ValueError(
                f"layer={layer!r} chooses a layer of a running capture, and these are the "
                "activations of one layer already: leave it out."
            )
        self._standing = Activations.of(acts)

    def opened(self, enough: Callable[[Activations], bool]) -> Activations:
        """The activations; of a running capture as soon as they are `enough`, or at its end.

        Raises:
            ValueError: the capture was stopped before anything was read. What it failed with, if
                it failed before that.
        """
        if self._standing is not None:
            return self._standing
        assert self.capturing is not None
        need = 1
        while True:
            self.capturing.wait(need)
            ended, read = self.capturing.done, self.capturing.reading.samples
            acts = self.newest(ended)
            if acts is not None and (ended or enough(acts)):
                self.show(read, ended)
                return acts
            need = max(read + 1, math.ceil(self._pace.growth * read))

    def newest(self, ended: bool) -> Activations | None:
        """The activations read so far; `None` while no shard is complete."""
        capturing = self.capturing
        assert capturing is not None
        if ended and capturing.cancelled and not capturing.reading.samples:
            raise ValueError("the capture was stopped before anything was read.")
        try:
            so_far = capturing.so_far()
        except ValueError:
            # On disk a sample counts when its shard is full.
            if ended:
                raise
            return None
        if isinstance(so_far, dict):
            so_far = so_far[self._layer]
        if isinstance(so_far, Activations):
            return so_far
        rows = [result for result in so_far if isinstance(result, Activations)]
        if not rows:
            kinds = ", ".join(type(result).__name__ for result in so_far)
            raise ValueError(
                f"this capture keeps only what its collectors found ({kinds}), not the samples' "
                "own activations: add nw.Rows() to collect, or leave collect out."
            )
        return rows[0]

    def show(self, read: int, ended: bool, made: bool = True) -> None:
        """A picture of so many samples is on the screen, or, if not `made`, could not be made."""
        self.tried, self.complete, self.tried_at = read, ended, time.monotonic()
        if made:
            self.shown = read

    @property
    def running(self) -> bool:
        """Whether the capture still reads."""
        return self.capturing is not None and not self.capturing.done

    def newer(self) -> bool:
        """Whether enough samples have arrived for a newer picture."""
        if self.complete or self.capturing is None:
            return False
        enough = self._pace.growth * self.tried
        return self.capturing.done or self.capturing.reading.samples >= enough

    def due(self) -> bool:
        """Whether a newer picture is due."""
        return self.newer() and time.monotonic() - self.tried_at >= self._pace.stay

    @property
    def amount(self) -> str:
        """For example "3,200 of 10,000 samples"."""
        assert self.capturing is not None
        read = self.capturing.reading
        return f"{read.samples:,}{'' if read.total is None else f' of {read.total:,}'} samples"

    def reading(self) -> dict[str, Any]:
        """How far the capture is: the trait `reading`."""
        if self.capturing is None:
            return {}
        ended, read, error = self.capturing.done, self.capturing.reading, self.capturing.error
        stopped = self.capturing.cancelled
        state = "running"
        if ended:
            state = "failed" if error is not None else "stopped" if stopped else "done"
        tokens = read.tokens / read.seconds if read.seconds > 0 else 0.0
        if state == "done":
            text = f"{read.samples:,} samples"
        elif state == "running":
            parts = [f"{'stopping' if stopped else 'reading'}: {self.amount}"]
            parts += [f"{_short(read.rate)}/s"] if read.rate else []
            parts += [f"{_short(tokens)} tokens/s"] if tokens else []
            parts += [f"{_duration(read.left)} left"] if read.left is not None else []
            text = " · ".join(parts)
        else:
            text = f"stopped after {self.amount}"
            text += "" if error is None else f": {in_words(error)}"
        if self.complete and self.shown < read.samples:
            text += f" · shown: the first {self.shown:,}, as a newer picture failed"
        return {
            "state": state,
            "samples": read.samples,
            "total": read.total,
            "rate": read.rate,
            "tokens_rate": tokens,
            "left": None if ended else read.left,
            "text": text,
        }


def is_capturing(acts: Any) -> bool:
    """Whether `acts` is a capture in the background."""
    # A capture exists only if its module was imported, which needs torch; plain arrays do not.
    room = sys.modules.get("neuronwidgets.capturing.background")
    return room is not None and isinstance(acts, room.Capturing)


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
    """A rate with at least two digits: 412, 38k, 1.2M."""
    for unit, word in ((1e6, "M"), (1e3, "k")):
        if rate >= unit * 0.9995:
            return f"{rate / unit:.1f}{word}" if rate < 9.95 * unit else f"{rate / unit:.0f}{word}"
    return f"{rate:.1f}" if rate < 9.95 else f"{rate:.0f}"


def _duration(seconds: float) -> str:
    """A duration in one or two units: 16 s, 3 min, 1 h 20 min."""
    if seconds < 99.5:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
