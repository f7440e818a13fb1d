"""The traits and messages of LiveProbe."""

from typing import Annotated, Literal, TypedDict

from neuronwidgets.widgets.protocol.base import BaseTraits, JobCancel, ViewsCount
from neuronwidgets.widgets.protocol.binary import Array, Binary, Elements, WidgetSchema
from neuronwidgets.widgets.protocol.ranges import NeuronRequest
from neuronwidgets.widgets.protocol.reading import Nothing

ProbeKind = Literal["text", "image"]


class TopSample(TypedDict):
    """A sample from which a text or image can be started."""

    row: Annotated[int, "Its row of the activations."]
    title: Annotated[str, "The beginning of its text, or its label."]
    activation: Annotated[float, "The neuron's activation on it."]


class DeletedWords(TypedDict):
    """Each word of a text deleted alone."""

    text: Annotated[str, "The text."]
    words: Annotated[list[str], "Its words."]
    drops: Annotated[list[float], "The pooled activation of the text less that without each word."]
    concept: Annotated[int, "The concept that is compared; -1: none."]
    concept_drops: Annotated[list[float], "The same drops of its share."]
    random: Annotated[
        Annotated[list[float], Elements(("neuron", "concept"))],
        "The drops to expect of a word drawn at random.",
    ]


class ChunksMeta(TypedDict):
    """The chunks that tokens are compared with."""

    names: Annotated[list[str], "Their names; empty where a chunk has none."]
    held_out: Annotated[float, "The mean cosine of the data's samples with the other half's."]
    chance: Annotated[float, "The same where each neuron is permuted over the samples."]


class TemplateMeta(TypedDict):
    """The template that tokens are compared with, at each tolerance."""

    samples: Annotated[int, "The samples that it was made from."]
    total: Annotated[int, "Samples of the data."]
    width: Annotated[int, "Neurons of the layer."]
    tolerances: Annotated[list[float], "In standard deviations of a neuron, ascending."]
    neurons: Annotated[list[int], "Neurons that each tolerance keeps."]
    neurons_random: Annotated[list[float], "Those that as many random samples keep."]
    hits: Annotated[list[int], "Samples of the data that are in its state, beyond its own."]
    random: Annotated[list[float], "Hits to expect about a random sample."]
    chance: Annotated[list[float], "Hits to expect if the neurons were independent."]


class StatesMeta(TypedDict, total=False):
    """What the state of each token is compared with."""

    chunks: Annotated[ChunksMeta, "Absent without chunks."]
    template: Annotated[TemplateMeta, "Absent without a template."]


class LiveProbeTraits(BaseTraits):
    """The synced traits of LiveProbe."""

    neuron: Annotated[int | None, "The neuron; `None` for a direction."]
    text: Annotated[str, "The text in the first box."]
    other: Annotated[str, "The text in the second box."]
    image: Annotated[bytes, "The image in the first box, a PNG file; empty without one."]
    other_image: Annotated[bytes, "The image in the second box."]
    comparing: Annotated[bool, "Whether the second box is read too."]
    sample: Annotated[int | None, "The row of the activations that the first box began with."]
    concept: Annotated[int, "The concept that is lit; -1: none."]
    tolerance: Annotated[float, "That of the template; 0 without."]
    _states: Annotated[StatesMeta, "What the state of each token is compared with."]
    _readings: Annotated[bytes, "The message `readings`."]
    _tops: Annotated[list[TopSample], "The top samples, strongest first."]
    _deletions: Annotated[DeletedWords | Nothing, "The last deletions; empty without any."]


class DeletionsRequest(TypedDict):
    """Delete each word of the first text in turn."""

    type: Literal["deletions.request"]


class ReadingRequest(TypedDict):
    """Read the boxes again: an answer did not come."""

    type: Literal["reading.request"]


class ProbedConcept(TypedDict):
    """A concept of the neuron."""

    name: str
    color: Annotated[str, "A CSS colour."]


class ProbedSlot(TypedDict):
    """What the layer makes of one box."""

    text: Annotated[str, "The text that was read; empty for an image."]
    segments: Annotated[list[str], "The text in pieces; joined, they are what was read."]
    values: Annotated[int, "How many elements of `value` it has."]
    grid: Annotated[int, "Positions along each side of an image's map; 0: none."]
    peak: Annotated[int, "The segment or position that activates the neuron most; -1: none."]
    pooled: Annotated[float | None, "The pooled activation; `None` where nothing was read."]
    percentile: Annotated[float | None, "The share of the data set below it, 0 to 1."]
    shares: Annotated[list[float], "The pooled share of each concept."]
    note: Annotated[str, "What there is to say of it; often empty."]


class ReadingsMeta(TypedDict):
    """The metadata of `readings`."""

    kind: Annotated[ProbeKind, "What the boxes hold."]
    layer: Annotated[str, "The name of the layer."]
    name: Annotated[str, "The neuron or direction, in words."]
    neurons: Annotated[int, "The width of the layer."]
    pooling: Annotated[str, "How the whole is made of its tokens."]
    most: Annotated[float, "The largest activation of a token in the top samples."]
    ink: Annotated[bool, "Small grey figures on black; a light page shows them inverted."]
    concepts: Annotated[list[ProbedConcept], "The concepts."]
    control: Annotated[
        list[list[float]], "For each box, the pooled share of a random direction of each concept."
    ]
    slots: Annotated[list[ProbedSlot], "The first box; and the second where two are compared."]


READINGS = Binary(
    trait="_readings",
    about="What the layer makes of the text or image in each box.",
    sizes={
        "v": "segments or positions, over all boxes",
        "k": "concepts",
        "s": "tolerances of the template",
    },
    arrays={
        "value": Array("float32", "(v,)", "The neuron's activation, box after box."),
        "share": Array("float32", "(v, k)", "The share of each concept."),
        "chunk": Array(
            "int32", "(v,)", "The chunk of each segment; -1: at the centre.", absent="no chunks"
        ),
        "chunk_cosine": Array("float32", "(v,)", "Its cosine with that.", absent="no chunks"),
        "hit": Array(
            "uint8", "(v, s)", "Whether it is in the template's state.", absent="no template"
        ),
    },
    meta=ReadingsMeta,
)

LIVE_PROBE = WidgetSchema(
    name="LiveProbe",
    traits=LiveProbeTraits,
    requests=(NeuronRequest, DeletionsRequest, ReadingRequest, JobCancel, ViewsCount),
    messages={"readings": READINGS},
)
