"""What JupyterLab's panel and the kernel send each other, on the comm `neuronwidgets.lab`."""

from typing import Annotated, Literal, TypedDict

from neuronwidgets.widgets.protocol.reading import CaptureState


class BackgroundCapture(TypedDict):
    """A capture in the background that runs, or that something still refers to."""

    id: str
    layer: Annotated[str, "Its layer; several are joined by commas."]
    variable: Annotated[str | None, "The user's name for it."]
    state: CaptureState
    samples: Annotated[int, "Samples read so far."]
    total: Annotated[int | None, "Samples in all; `None` where that is not known."]
    left: Annotated[float | None, "Seconds left; `None` where that is not known or it has ended."]
    text: Annotated[str, "The same in words."]
    bytes: Annotated[int, "Bytes of the values that it holds in memory."]
    disk: Annotated[int, "Bytes of the shards that it has finished on disk."]
    path: Annotated[str | None, "The folder that it writes to; `None` in memory."]


class WidgetState(TypedDict):
    """A widget of this package that pages can show."""

    id: Annotated[str, "The id of its model."]
    kind: Annotated[str, "The name of its class."]
    title: Annotated[str, 'What it shows: "neuron 17 of relu2".']
    variable: Annotated[str | None, "The user's name for it."]
    cell: Annotated[str | None, "The id of a cell that shows it or has made it."]
    pinned: Annotated[list[int], "The neurons that are pinned in it."]
    layer: Annotated[str, "The name of its layer; empty without one."]


class StoreState(TypedDict):
    """Activations that a variable of the user holds."""

    id: str
    variable: Annotated[str | None, "The user's expression for it: `acts`, `both['h.0']`."]
    layer: str
    samples: int
    neurons: int
    bytes: Annotated[int, "Bytes of its arrays in memory, without those that are mapped."]
    disk: Annotated[int, "Bytes of its values on disk."]
    path: Annotated[str | None, "Its folder; `None` in memory."]


class LibraryState(TypedDict):
    """A library of concepts that a variable of the user holds."""

    variable: Annotated[str | None, "The user's name for it."]
    concepts: Annotated[int, "How many concepts it has."]
    names: Annotated[list[str], "Their names."]


class KernelState(TypedDict):
    """All that the kernel holds. Sent at the start and when it has changed, at most 4 a second."""

    type: Literal["kernel.state"]
    captures: list[BackgroundCapture]
    widgets: list[WidgetState]
    stores: list[StoreState]
    libraries: list[LibraryState]


class WidgetOpened(TypedDict):
    """The kernel has opened the widget that the page asked for."""

    type: Literal["widget.opened"]
    id: Annotated[str, "The id of its model."]
    title: str


class RequestFailed(TypedDict):
    """The kernel could not do what the page asked for."""

    type: Literal["request.failed"]
    text: Annotated[str, "Why, in one sentence."]


class CaptureStop(TypedDict):
    """Stop a capture and keep what was read."""

    type: Literal["capture.cancel"]
    id: str


class CaptureExplore(TypedDict):
    """Open an Explorer on a capture."""

    type: Literal["capture.explore"]
    id: str


class StoreExplore(TypedDict):
    """Open an Explorer on activations."""

    type: Literal["store.explore"]
    id: str


class PathExplore(TypedDict):
    """Open an Explorer on a store on disk."""

    type: Literal["path.explore"]
    path: Annotated[str, "The folder: absolute, or relative to the kernel's working directory."]


TARGET = "neuronwidgets.lab"
"""The name of the comm target."""
EVENTS = (KernelState, WidgetOpened, RequestFailed)
"""What the kernel sends."""
REQUESTS = (CaptureStop, CaptureExplore, StoreExplore, PathExplore)
"""What the page asks for."""
