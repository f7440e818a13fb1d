"""What a view of SplitExplorer asks for: another split, more samples, whole texts."""

from typing import Annotated, Literal, TypedDict

By = Literal["cosine", "dot"]


class _SplitRequest(TypedDict):
    type: Literal["split.request"]
    neuron: Annotated[int | None, "`None`: the neuron or direction on the screen."]
    top: Annotated[int, "How many top-activating samples."]
    method: Annotated[str, "The clustering method."]


class SplitRequest(_SplitRequest, total=False):
    """Split a neuron, and show the result."""

    metric: Annotated[str, "How distances are measured. Absent: as the method does by default."]
    band: Annotated[list[float] | None, "Two quantiles; `None`: the top. Absent: unchanged."]
    by: Annotated[By, "How concepts retrieve samples. Absent: unchanged."]


class SamplesSpread(TypedDict):
    """Show samples of the whole layer over their activation range. The answer is in `evidence`."""

    type: Literal["samples.spread"]
    node: Annotated[int | None, "Of the tree, the concept that selects them; `None`: the neuron."]


class TextRead(TypedDict):
    """Read a text to its ends. The answer is in `evidence`."""

    type: Literal["text.read"]
    row: Annotated[int, "The dataset index of the text or token."]
