"""The concept graph that opens from a card of SplitExplorer."""

from typing import Annotated, Literal, TypedDict

from neuronwidgets.widgets.protocol.binary import Binary
from neuronwidgets.widgets.protocol.previews import PREVIEW_SIZES, PREVIEWS, PreviewsMeta


class GraphOpen(TypedDict):
    """Find the concepts of the layer below that feed one. The answer is in `graph`."""

    type: Literal["graph.open"]
    node: Annotated[int, "The concept's node of the tree."]


class GraphFollow(TypedDict):
    """Find the concepts that feed a node of the graph. The answer is in `graph`."""

    type: Literal["graph.follow"]
    node: Annotated[int, "Its place in `meta.nodes`."]


class GraphSplit(TypedDict):
    """Open the split that a node of the graph comes from."""

    type: Literal["graph.split"]
    node: Annotated[int | None, "Its place in `meta.nodes`; `None`: close the split."]


class GraphClose(TypedDict):
    """Close the graph, and the split that it has opened."""

    type: Literal["graph.close"]


class GraphNode(TypedDict):
    """A concept in the graph."""

    layer: Annotated[int, "Its layer's place in `meta.layers`."]
    neuron: Annotated[int | None, "Its neuron; `None`: a direction."]
    concept: Annotated[int, "Its place in the split; -1: the neuron has no concepts."]
    name: Annotated[str, "Its name."]
    color: Annotated[str, "Its CSS colour in its own split."]
    size: Annotated[int, "Its samples."]
    place: Annotated[float, "Where it stands in its layer, 0 to 1, so that few edges cross."]
    strength: Annotated[float, "What it carries of the first node, 0 to 1."]
    words: Annotated[list[str] | None, "Keywords of its texts; `None`: not known yet."]
    text: Annotated[str, "The beginning of its strongest text; empty without texts."]
    samples: Annotated[list[int], "Dataset indices of its strongest samples."]
    follow: Annotated[bool, "Whether what feeds it can be found: a layer is below."]


class GraphEdge(TypedDict):
    """An edge of the graph."""

    source: Annotated[int, "The place of the lower node."]
    target: Annotated[int, "The place of the upper node."]
    weight: Annotated[
        float,
        "What the source adds to the target's activation, over the sum of absolute values of all "
        "edges of the target: -1 to 1.",
    ]
    samples: Annotated[float, "The share of the target's samples that are in the source."]


class GraphFinding(TypedDict):
    """What the neurons of a node's edges do, beside as many random ones."""

    node: Annotated[int, "Whose edges were found: its place in `meta.nodes`."]
    text: Annotated[str, "A sentence."]
    core: Annotated[int, "How many neurons its edges come from."]
    without: Annotated[float, "The share of its samples that stay the strongest without these."]
    random: Annotated[float, "The same without as many random neurons."]
    chance: Annotated[bool, "Whether these neurons do no more than random ones."]


class GraphMeta(PreviewsMeta):
    """The metadata of `graph`."""

    root: Annotated[int, "The node of the tree whose concept is first."]
    layers: Annotated[list[str], "The names of the layers, from top to bottom."]
    nodes: Annotated[list[GraphNode], "The first is the one that was asked for."]
    edges: Annotated[list[GraphEdge], "Those of one target, the strongest first."]
    findings: Annotated[list[GraphFinding], "One for each node whose edges were found."]
    code: Annotated[str, "Python lines that make it."]


GRAPH = Binary(
    trait="_graph",
    about="The concepts of lower layers that feed one. Empty while none is open.",
    sizes=PREVIEW_SIZES,
    arrays=PREVIEWS,
    meta=GraphMeta,
)
