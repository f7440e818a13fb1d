"""What the message `tree` of SplitExplorer says beside its arrays."""

from typing import Annotated

from neuronwidgets.widgets.protocol.binary import Elements
from neuronwidgets.widgets.protocol.previews import PreviewsMeta
from neuronwidgets.widgets.protocol.scores import TruthMeta

Span = Annotated[list[float], Elements(("low", "high"))]


class _TreeMeta(PreviewsMeta):
    layer: Annotated[str, "The name of the layer."]
    name: Annotated[str, "The neuron or direction, in words."]
    neurons: Annotated[int, "The width of the layer."]
    samples: Annotated[int, "Samples in the data set."]
    method: Annotated[str, "The clustering method."]
    metric: Annotated[str, "How distances are measured."]
    minSize: Annotated[int, "The least number of samples of a concept."]
    labels: Annotated[list[str], "Titles of the class labels; empty without labels."]
    range: Annotated[Span, "The least and the largest activation in the data set."]
    suggested: Annotated[float, "The default threshold."]
    palette: Annotated[list[str], "The CSS colours that `color` refers to."]
    words: Annotated[bool, "Whether the samples are texts, which keywords can describe."]


class TreeMeta(_TreeMeta, total=False):
    """The metadata of `tree`."""

    elsewhere: Annotated[bool, "True where tree and map are not of the layer's own vectors."]
    doubt: Annotated[str, "Why the concepts should not be trusted. Absent: they may be."]
    tokens: Annotated[list[str], "The tokens that `token` refers to. Absent without `token`."]
    truth: Annotated[TruthMeta, "Absent where no true features are known."]
