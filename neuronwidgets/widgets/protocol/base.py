"""The traits and messages that every widget has."""

from typing import Annotated, Literal, TypedDict

JobState = Literal["idle", "running", "error"]


class Status(TypedDict):
    """What the kernel is doing."""

    state: JobState
    text: Annotated[str, "The running step, or the error, in words."]
    progress: Annotated[float, "The share of the job that is done, 0 to 1."]


class BaseTraits(TypedDict):
    """The synced traits of every widget."""

    status: Annotated[Status, "What the kernel is doing."]
    _version: Annotated[int, "The version of the picture: counts what was put on the screen."]
    _view_version: Annotated[int, "The version that the view saw when it last set a trait."]
    _key: Annotated[str, "The widget's identity, by which a page counts its views."]
    _given: Annotated[str, "The arguments it was opened with, as code, but for those in traits."]
    _front: Annotated[str | None, 'The model with its code: "IPY_MODEL_" and its id.']


class JobCancel(TypedDict):
    """Stop the job that runs."""

    type: Literal["job.cancel"]


class ViewsCount(TypedDict):
    """Tell the kernel how many views of the widget a page has."""

    type: Literal["views.count"]
    count: Annotated[int, "At least 0."]


class JobAck(TypedDict):
    """The kernel's answer to every request, sent at once and before the request is handled."""

    type: Literal["job.ack"]
