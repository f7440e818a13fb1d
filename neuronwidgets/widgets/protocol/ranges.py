"""The traits and messages of RangeExplorer."""

from typing import Annotated, Literal, TypedDict

from neuronwidgets.widgets.protocol.base import JobCancel, ViewsCount
from neuronwidgets.widgets.protocol.binary import Array, Binary, Elements, WidgetSchema
from neuronwidgets.widgets.protocol.previews import PREVIEW_SIZES, PREVIEWS, PreviewsMeta
from neuronwidgets.widgets.protocol.reading import CaptureCancel, LiveTraits, Nothing

Rule = Literal["gaussian", "quantile", "discriminative"]
ClassKind = Literal["label", "concept"]
Bar = Annotated[list[float | None], Elements(("value", "low", "high"))]


class Capabilities(TypedDict):
    """What the kernel can do with the models and data it was given."""

    measure: Annotated[bool, "Measure what a mask costs the model."]
    perplexity: Annotated[bool, "Measure perplexity on texts, too."]
    complete: Annotated[bool, "Complete a prompt."]


class MaskSetting(TypedDict):
    """The traits that a measurement was made for, each by its name."""

    neuron: int
    label: int
    tau: float
    rule: Rule
    edges: list[float | None]
    top: float
    this_neuron_only: bool


class Bars(TypedDict):
    """A quantity under each mask, with its 95% bootstrap interval; `None`: not known."""

    base: Annotated[Bar, "No mask."]
    range: Annotated[Bar, "The range mask."]
    neuron: Annotated[Bar, "The neuron mask."]


class Changes(TypedDict):
    """What a mask changes: a quantity's difference to no mask, with its 95% bootstrap interval over
    the same samples; `None`: not known."""

    range: Annotated[Bar, "The range mask."]
    neuron: Annotated[Bar, "The neuron mask."]


class RandomBands(TypedDict):
    """The control of a range mask: the mean over masks of the same neurons, in bands at random
    places that hold as many samples. Each with its 95% bootstrap interval for the places drawn;
    `None`: not known."""

    draws: Annotated[int, "How many masks were measured."]
    target: Annotated[Bar, "Accuracy on samples of the class."]
    other: Annotated[Bar, "Accuracy on all other samples."]
    target_nats: Annotated[
        Bar, "Change of the mean log-probability of the right class, on samples of the class."
    ]
    other_nats: Annotated[Bar, "The same on all other samples."]
    perplexity: Annotated[Bar, "Perplexity on texts; not known without texts."]


# `for` is a keyword, which the class syntax cannot hold.
_MeasureFor = TypedDict(
    "_MeasureFor", {"for": Annotated[MaskSetting, "The traits that are being measured."]}
)


class _Measure(_MeasureFor):
    target: Annotated[Bars, "Accuracy on samples of the class."]
    other: Annotated[Bars, "Accuracy on all other samples."]
    target_change: Annotated[Changes, "Change of that accuracy on samples of the class."]
    other_change: Annotated[Changes, "Change of that accuracy on all other samples."]
    target_nats: Annotated[
        Changes, "Change of the mean log-probability of the right class, on samples of the class."
    ]
    other_nats: Annotated[Changes, "The same on all other samples."]
    findings: Annotated[list[str], "What the bars hide, in sentences; empty before the end."]
    samples: Annotated[int, "Held-out samples measured so far."]
    of: Annotated[int, "Held-out samples in all; at least `samples`."]
    note: Annotated[str, "Why whole forward passes are made; empty where they are not."]


class Measure(_Measure, total=False):
    """What the masks cost the model, as far as it was measured."""

    perplexity: Annotated[Bars, "Perplexity on texts. Absent without texts, or before the end."]
    random: Annotated[RandomBands, "The control. Absent before it is measured."]
    done: Annotated[MaskSetting, "The same as `for` when the measurement is complete."]


class CurveSetting(TypedDict):
    """The traits that a curve is for, each by its name."""

    neuron: Annotated[int | None, "The neuron, if a mask edits this neuron only."]
    label: int
    rule: Rule
    top: float
    this_neuron_only: bool


_CurveFor = TypedDict(
    "_CurveFor", {"for": Annotated[CurveSetting, "The traits that the widths are measured for."]}
)


class Curve(_CurveFor):
    """What the rule's range mask costs at each width, `None` where there are no samples."""

    tau: Annotated[list[float], "The widths that have been measured, ascending."]
    of: Annotated[int, "How many widths are measured in all."]
    target: Annotated[list[float | None], "Accuracy on samples of the class at each width."]
    other: Annotated[list[float | None], "Accuracy on all other samples."]
    target_nats: Annotated[
        list[float | None],
        "Change of the mean log-probability of the right class, on samples of the class.",
    ]
    other_nats: Annotated[list[float | None], "The same on all other samples."]


class Completions(TypedDict):
    """What the language model writes after a prompt."""

    prompt: str
    label: Annotated[int, "The class whose range is masked."]
    base: Annotated[str, "The text without a mask."]
    range: Annotated[str, "The text under the range mask."]
    neuron: Annotated[str, "The text under the neuron mask."]
    done: Annotated[bool, "Whether the texts are complete."]


class RangeExplorerTraits(LiveTraits):
    """The synced traits of RangeExplorer."""

    neuron: Annotated[int, "The neuron on the screen."]
    label: Annotated[int, "The class whose range is shown."]
    tau: Annotated[float, "The width of the range in standard deviations, 0 to 4."]
    rule: Annotated[Rule, "How the range follows from the class."]
    edges: Annotated[
        list[float | None],
        "The user's own band on this neuron, `[low, high, low, high, ...]`; `None`: an open end. "
        "Every masked neuron has it at the same z-scores of the class. Empty: the rule's range.",
    ]
    top: Annotated[float, "The share of the class's salient neurons that a mask edits."]
    this_neuron_only: Annotated[bool, "Whether a mask edits this neuron only."]
    selection: Annotated[list[int], "Dataset indices of the selected samples."]
    lit: Annotated[list[int], "Rows of the activations: samples that another widget lights."]
    _lit_dots: Annotated[
        list[list[float]], "For each lit sample that has a class: the activation and the class."
    ]
    capabilities: Annotated[Capabilities, "What the kernel can do."]
    measure: Annotated[Measure | Nothing, "What the masks cost; empty before it is measured."]
    curve: Annotated[Curve | Nothing, "The cost at every width; empty before it is measured."]
    prompt: Annotated[str, "The prompt to complete; empty without one."]
    completions: Annotated[Completions | Nothing, "The completions; empty without a prompt."]
    _picture: Annotated[bytes, "The message `ranges`."]
    _examples: Annotated[bytes, "The message `examples`."]


class NeuronRequest(TypedDict):
    """Show another neuron."""

    type: Literal["neuron.request"]
    neuron: int


class PromptRequest(TypedDict):
    """Complete a prompt."""

    type: Literal["prompt.request"]
    prompt: str


class RangesMeta(TypedDict):
    """The metadata of `ranges`."""

    layer: Annotated[str, "The name of the layer."]
    name: Annotated[str, "The neuron, in words."]
    neurons: Annotated[int, "The width of the layer."]
    samples: Annotated[int, "Labelled samples in the data set."]
    labels: Annotated[list[str], "The title of each class."]
    count: Annotated[list[int], "Samples of each class; a large class sends only some of them."]
    colors: Annotated[list[str], "The CSS colour of each class, or one for all."]
    scores: Annotated[list[float], "The normal scores of `quantile`, ascending."]
    why: Annotated[list[str], "Why each class has no range; empty where it has one."]
    salient: Annotated[list[int], "The neuron that is most salient for each class."]
    what: Annotated[ClassKind, "What the classes are."]
    pooling: Annotated[str, "The pooling of a sample; empty if it is not known."]


class ExamplesMeta(PreviewsMeta):
    """The metadata of `examples`."""


RANGES = Binary(
    trait="_picture",
    about="The activations of one neuron, class by class, and the ranges of each class.",
    sizes={
        "N": "activations that were sent",
        "C": "classes",
        "L": "normal scores, `meta.scores`",
        "B": "equal bins of the neuron's axis",
    },
    arrays={
        "activation": Array("float32", "(N,)", "Class after class, ascending in each."),
        "start": Array("int32", "(C + 1,)", "Where each class begins in `activation`."),
        "mean": Array("float64", "(C,)", "The mean of each class."),
        "std": Array("float64", "(C,)", "The standard deviation of each class."),
        "quantile": Array(
            "float64", "(C, L)",
            "Quantiles of each class at `meta.scores`; the ends are the extremes.",
        ),
        "edges": Array(
            "float64", "(B + 1,)", "Edges of the bins; values beyond are in the end bins."
        ),
        "density": Array(
            "uint8", "(C, B)",
            "Root of the smoothed share of each class in each bin; 255: the class's largest.",
        ),
        "first": Array(
            "uint16", "(C, B)",
            "The narrowest discriminative range that holds the bin, in hundredths of tau; "
            "401: none.",
        ),
        "bar": Array(
            "uint8", "(C, 81)",
            "How dense a discriminative range is at least relative to the mean of the other "
            "classes, for each 0.05 of tau: 40 log10(ratio) + 120.",
        ),
        "rank": Array("int32", "(C,)", "How salient the neuron is for each class; 1: most."),
    },
    meta=RangesMeta,
)  # fmt: skip

EXAMPLES = Binary(
    trait="_examples",
    about="Samples of the classes, with their previews.",
    sizes={"E": "samples", **PREVIEW_SIZES},
    arrays={
        "face_value": Array("float32", "(E,)", "The neuron's activation on each sample."),
        "face_label": Array("int32", "(E,)", "The class of each sample."),
        **PREVIEWS,
    },
    meta=ExamplesMeta,
)

RANGE_EXPLORER = WidgetSchema(
    name="RangeExplorer",
    traits=RangeExplorerTraits,
    requests=(NeuronRequest, PromptRequest, JobCancel, CaptureCancel, ViewsCount),
    messages={"ranges": RANGES, "examples": EXAMPLES},
)
