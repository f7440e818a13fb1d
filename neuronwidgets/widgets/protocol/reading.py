"""The traits and messages of widgets that can open on a running capture."""

from typing import Annotated, Literal, TypedDict

from neuronwidgets.widgets.protocol.base import BaseTraits

CaptureState = Literal["running", "done", "stopped", "failed"]


class Nothing(TypedDict):
    """The empty object: there is no value yet."""


class CaptureProgress(TypedDict):
    """The progress of a capture."""

    state: CaptureState
    samples: Annotated[int, "Samples read so far."]
    total: Annotated[int | None, "Samples in all; `None` where that is not known."]
    rate: Annotated[float, "Samples per second."]
    tokens_rate: Annotated[float, "Tokens per second."]
    left: Annotated[float | None, "Seconds left; `None` where that is not known or it has ended."]
    text: Annotated[str, "The same in words."]


class LiveTraits(BaseTraits):
    """The synced traits of a widget that can open on a running capture."""

    reading: Annotated[CaptureProgress | Nothing, "The capture's progress; empty without one."]
    _held: Annotated[bool, "Whether the user holds something in a view."]


class CaptureCancel(TypedDict):
    """Stop the capture and keep what was read. Known only where the widget shows a capture."""

    type: Literal["capture.cancel"]
