"""The traits and messages of NeuronBrowser."""

from typing import Annotated, Literal, TypedDict

from neuronwidgets.widgets.protocol.base import JobCancel, ViewsCount
from neuronwidgets.widgets.protocol.binary import Array, Binary, Elements, WidgetSchema
from neuronwidgets.widgets.protocol.library import PinnedName
from neuronwidgets.widgets.protocol.previews import PREVIEW_SIZES, PREVIEWS, PreviewsMeta
from neuronwidgets.widgets.protocol.reading import CaptureCancel, LiveTraits

Limits = Annotated[list[float | None], Elements(("low", "high"))]
SearchKind = Literal["name", "text", "samples", "contrast", "promoted"]


class Sorting(TypedDict):
    """The column that orders the table."""

    column: Annotated[str, 'The name of a column, "neuron", "concepts", "match" or "promotes".']
    descending: bool


class Search(TypedDict):
    """What was searched for."""

    kind: Annotated[
        SearchKind,
        '"name": a label or word of the samples. "text": neurons that fire for a typed text. '
        '"samples": neurons that fire for these samples. "contrast": neurons that tell `these` '
        'from `those`. "promoted": neurons that promote a token or class.',
    ]
    text: Annotated[str, 'What was typed; "" for samples.']
    these: Annotated[list[int], "Rows of the activations."]
    those: Annotated[list[int], "Of those to compare with; empty: all others."]


class NoSearch(TypedDict):
    """The empty object: nothing was searched for."""


class NeuronBrowserTraits(LiveTraits):
    """The synced traits of NeuronBrowser."""

    neuron: Annotated[int | None, "The chosen neuron."]
    neurons: Annotated[list[int], "The selected neurons."]
    selection: Annotated[list[int], "Rows of the activations: the selected samples."]
    lit: Annotated[
        list[int], "Rows of the activations: the samples under the pointer, else those selected."
    ]
    pinned: Annotated[list[int], "The pinned neurons, in the order of pinning."]
    notes: Annotated[dict[str, str], "Notes of the user: neuron to text."]
    threshold: Annotated[
        float, "The height of every cut, on the common scale of `trees`; -1: each tree's own."
    ]
    sorting: Sorting
    filters: Annotated[dict[str, Limits], "Column to limits; `None`: no limit."]
    searched: Annotated[Search | NoSearch, "The search whose result the column `match` holds."]
    _library: Annotated[list[PinnedName], "The concepts of the library; empty without one."]
    _table: Annotated[bytes, "The message `table`."]
    _trees: Annotated[bytes, "The message `trees`; empty before any tree is there."]
    _map: Annotated[bytes, "The message `map`; empty before the layer is read."]
    _match: Annotated[bytes, "The message `match`; empty without a search."]
    _promoted: Annotated[bytes, "The message `promoted`; empty where it is not known."]
    _previews: Annotated[bytes, "The message `previews`."]
    _peaks: Annotated[bytes, "The message `peaks`; empty where no text was read."]


class SearchRequest(TypedDict):
    """Search, and sort by the result."""

    type: Literal["search.request"]
    kind: SearchKind
    text: str
    these: list[int]
    those: list[int]


class SearchClear(TypedDict):
    """Drop the search and its column."""

    type: Literal["search.clear"]


class PreviewsRequest(TypedDict):
    """Send previews of samples that the view shows and does not hold yet."""

    type: Literal["previews.request"]
    samples: Annotated[list[int], "Rows of the activations, at most 512."]


class LibraryPin(TypedDict):
    """Add a concept to the library, as the present cut has it."""

    type: Literal["library.pin"]
    neuron: int
    concept: Annotated[int, "Its number, from 0, from left to right in the tree."]
    size: Annotated[int, "How many samples it has on the screen."]
    name: Annotated[str, "The name that the user typed; empty: its own."]


class RowsRequest(TypedDict):
    """What rows in view lack comes before that of others: peak tokens, late scores."""

    type: Literal["rows.request"]
    neurons: Annotated[list[int], "The neurons in view, at most 512, from top to bottom."]


class BrowserColumn(TypedDict):
    """A column of scores."""

    name: Annotated[str, "The column of the registry of scores."]
    title: Annotated[str, "The heading."]
    about: Annotated[str, "The range, what a higher value means, and the source."]
    main: Annotated[bool, "Whether it is shown at first."]
    late: Annotated[bool, "Whether it is computed after the others: see `unscored`."]


class TableMeta(TypedDict):
    """The metadata of `table`."""

    layer: Annotated[str, "The layer's name."]
    samples: Annotated[int, "Samples of the dataset."]
    split: Annotated[int, "How many neurons are split so far; the others have NaN scores."]
    columns: Annotated[list[BrowserColumn], "The scores, in the order of `score`'s rows."]
    words: Annotated[list[str], "For each neuron the names of its concepts; empty: none."]
    labels: Annotated[list[str], "The names of the label codes; empty without labels."]
    colored: Annotated[
        list[int],
        "The label codes that have a colour, in the order of the palette: of more than 12 those "
        "that most samples of the dataset have. The others are grey.",
    ]


class TreesMeta(TypedDict):
    """The metadata of `trees`."""

    scale: Annotated[float, "The height that 65,535 in `height` stands for."]
    unit: Annotated[str, "What the heights measure, in words."]
    minSize: Annotated[int, "Clusters of fewer samples are no concepts."]
    suggested: Annotated[float, "A threshold that suits the layer: the median of its trees' own."]
    labels: Annotated[list[str], "The names of the label codes; empty without labels."]


class MapMeta(TypedDict):
    """The metadata of `map`."""

    columns: Annotated[int, "Cells in a row."]
    rows: Annotated[int, "Rows of cells."]
    shared: Annotated[float, "The share of top samples that neighbours have in common, mean."]
    chance: Annotated[float, "The same for pairs of cells drawn at random."]


class MatchMeta(TypedDict):
    """The metadata of `match`."""

    title: Annotated[str, "The heading of the column."]
    about: Annotated[str, "What the numbers are, and what chance gives."]
    note: Annotated[str, "A sentence on the result, such as that nothing was found."]
    segments: Annotated[list[str], 'Of a "text" search the tokens; else empty.']


class PromotedMeta(TypedDict):
    """The metadata of `promoted`."""

    lens: Annotated[
        Literal["logit", "jacobian"],
        "How effects are read: along the linear way to the output, or by mean gradients.",
    ]
    samples: Annotated[int, "Samples of the mean gradients; 0 for the logit lens."]
    note: Annotated[str, 'Why nothing is known, a sentence; "" if something is.']
    kind: Annotated[Literal["token", "class"], "What the outputs are."]
    names: Annotated[list[str], "The outputs that `output` refers to."]
    high: Annotated[float, "The strongest effect that 95% of random directions do not exceed."]
    poles: Annotated[
        bool,
        "Whether activations take both signs, so that one below zero promotes what the neuron "
        "demotes.",
    ]


TABLE = Binary(
    trait="_table",
    about="A row for each neuron.",
    sizes={"N": "neurons", "B": "bins", "C": "scores", "T": "top samples shown"},
    arrays={
        "neuron": Array("int32", "(N,)", "The neurons' numbers, ascending."),
        "histogram": Array(
            "uint8", "(N, B)",
            "Samples in equal bins from `least` to `largest`: the square root of the share of the "
            "fullest bin, times 255.",
        ),
        "least": Array("float32", "(N,)", "The smallest activation."),
        "largest": Array("float32", "(N,)", "The largest activation."),
        "top": Array("int32", "(N, T)", "Rows of the activations: the top samples; -1: fewer."),
        "concepts": Array("int32", "(N,)", "Concepts at the tree's own cut; -1: not split yet."),
        "score": Array("float32", "(C, N)", "The scores; NaN: not known."),
        "unscored": Array(
            "uint8", "(N,)", "1: the neuron's late scores are not computed yet.",
            absent="all are, or none is late",
        ),
    },
    meta=TableMeta,
)  # fmt: skip

TREES = Binary(
    trait="_trees",
    about="The trees of all neurons that are split so far.",
    sizes={"M": "neurons split", "n": "top samples of a neuron"},
    arrays={
        "neuron": Array("int32", "(M,)", "The neurons' numbers."),
        "tops": Array("int32", "(M,)", "How many top samples each has; the rest is filling."),
        "child": Array(
            "uint16", "(M, n - 1, 2)",
            "The nodes that each merge joins, in order of height: leaves from 0, merges from `n` "
            "(for neurons with fewer top samples from `tops`).",
        ),
        "height": Array("uint16", "(M, n - 1)", "Heights, in steps of `scale / 65535`."),
        "own": Array("float32", "(M,)", "The height of each tree's own cut, on the same scale."),
        "sample": Array("int32", "(M, n)",
                        "Rows of the activations: the top samples; -1: filling."),
        "label": Array("int16", "(M, n)", "Their label codes; -1: none.", absent="no labels"),
    },
    meta=TreesMeta,
)  # fmt: skip

MAP = Binary(
    trait="_map",
    about="A cell for each neuron: neighbours share top samples.",
    sizes={"N": "neurons"},
    arrays={
        "column": Array("int16", "(N,)", "The column of each neuron's cell, in `table`'s order."),
        "row": Array("int16", "(N,)", "Its row."),
    },
    meta=MapMeta,
)

MATCH = Binary(
    trait="_match",
    about="What a search found: a column of the table.",
    sizes={"N": "neurons"},
    arrays={
        "value": Array("float32", "(N,)", "The match of each neuron, in `table`'s order."),
        "q": Array("float32", "(N,)", "Its q value.", absent="no null is known"),
        "token": Array("int32", "(N,)", "The token that the neuron fires for most.",
                       absent='not a "text" search'),
    },
    meta=MatchMeta,
)  # fmt: skip

PROMOTED = Binary(
    trait="_promoted",
    about="The outputs that each neuron promotes and demotes.",
    sizes={"N": "neurons", "k": "outputs on each side"},
    arrays={
        "output": Array(
            "int32", "(N, 2, k)",
            "Places in `names`: the most promoted first, then the most demoted first; -1: not "
            "known yet, or fewer. In `table`'s order.",
        ),
        "effect": Array(
            "float32", "(N, 2, k)",
            "Changes of logits by one unit of activation, less their mean over all outputs; NaN: "
            "not known.",
        ),
    },
    meta=PromotedMeta,
)  # fmt: skip

FACES = Binary(
    trait="_previews",
    about="How samples look: those that a view asked for last.",
    sizes=PREVIEW_SIZES,
    arrays=PREVIEWS,
    meta=PreviewsMeta,
)

PEAKS = Binary(
    trait="_peaks",
    about="Texts of neurons' top samples, read token by token: those that were read last.",
    sizes=PREVIEW_SIZES,
    arrays={
        "neuron": Array("int32", "(F,)", "The neuron whose activation each text shows."),
        **PREVIEWS,
    },
    meta=PreviewsMeta,
)

NEURON_BROWSER = WidgetSchema(
    name="NeuronBrowser",
    traits=NeuronBrowserTraits,
    requests=(
        SearchRequest, SearchClear, PreviewsRequest, RowsRequest, LibraryPin, CaptureCancel,
        JobCancel, ViewsCount,
    ),
    messages={
        "table": TABLE, "trees": TREES, "map": MAP, "match": MATCH, "previews": FACES,
        "peaks": PEAKS, "promoted": PROMOTED,
    },
)  # fmt: skip
