"""The traits and messages of SplitExplorer."""

from typing import Annotated, TypedDict

from neuronwidgets.widgets.protocol.base import JobCancel, ViewsCount
from neuronwidgets.widgets.protocol.binary import Array, Binary, WidgetSchema
from neuronwidgets.widgets.protocol.effects import CausesMeasure, CausesMeta, EffectsMeta
from neuronwidgets.widgets.protocol.graph import (
    GRAPH,
    GraphClose,
    GraphFollow,
    GraphOpen,
    GraphSplit,
)
from neuronwidgets.widgets.protocol.library import ConceptKeep, PinnedName
from neuronwidgets.widgets.protocol.previews import PREVIEW_SIZES, PREVIEWS, PreviewsMeta
from neuronwidgets.widgets.protocol.reading import CaptureCancel, LiveTraits
from neuronwidgets.widgets.protocol.sae import SAE
from neuronwidgets.widgets.protocol.scores import (
    AgreementMeta,
    BandMeta,
    HalvesOfCut,
    NeuronScore,
    SuggestedCut,
)
from neuronwidgets.widgets.protocol.split_requests import By, SamplesSpread, SplitRequest, TextRead
from neuronwidgets.widgets.protocol.tree import TreeMeta


class SplitExplorerTraits(LiveTraits):
    """The synced traits of SplitExplorer."""

    neuron: Annotated[int | None, "The neuron that is split; `None` for a direction."]
    top: Annotated[int, "How many top-activating samples are split."]
    method: Annotated[str, "The clustering method."]
    metric: Annotated[str, "How distances are measured."]
    band: Annotated[
        list[float] | None,
        "The quantiles of the activation between which the samples lie; `None`: the top.",
    ]
    by: Annotated[By, "How concepts retrieve samples."]
    threshold: Annotated[float, "The height of the cut; lower is finer."]
    refined: Annotated[bool, "Whether membership is that of k-means instead of the tree's."]
    selection: Annotated[list[int], "Dataset indices of the selected samples."]
    lit: Annotated[
        list[int], "Rows of the activations: the samples under the pointer, else those selected."
    ]
    names: Annotated[dict[str, str], "Names given by the user: tree node to name."]
    _library: Annotated[list[PinnedName], "The concepts of the library; empty without one."]
    _methods: Annotated[list[str], "The methods that can be chosen."]
    _suggestions: Annotated[list[SuggestedCut], "Suggested cuts, those with fewest concepts first."]
    _scores: Annotated[list[NeuronScore], "Scores of the neuron; empty before they are computed."]
    _tree: Annotated[bytes, "The message `tree`."]
    _evidence: Annotated[bytes, "The message `evidence`."]
    _refinement: Annotated[bytes, "The message `refinement`; empty without k-means."]
    _sae: Annotated[bytes, "The message `sae`; empty without features of an autoencoder."]
    _graph: Annotated[bytes, "The message `graph`; empty while none is open."]
    _below: Annotated[str, "The layer whose concepts feed those of the split; empty: none can."]
    _node_split: Annotated[str | None, "The explorer of a node of the graph, `IPY_MODEL_` and id."]
    _split_node: Annotated[int | None, "Whose explorer it is: a place in `graph`'s `meta.nodes`."]


class _EvidenceMeta(PreviewsMeta):
    words: Annotated[
        list[list[str] | None], "Keywords of each node's texts; `None`: not computed yet."
    ]


class EvidenceMeta(_EvidenceMeta, total=False):
    """The metadata of `evidence`."""

    effects: Annotated[EffectsMeta, "Absent without a model."]
    band: Annotated[BandMeta, "Absent of top samples, and before it is computed."]
    causes: Annotated[CausesMeta, "Absent without a model."]
    agreement: Annotated[
        AgreementMeta, "With the default split. Absent of it, and before it is computed."
    ]
    halves: Annotated[list[HalvesOfCut], "Of the cuts that were on the screen. Absent: of none."]


class RefinementMeta(TypedDict):
    """The metadata of `refinement`."""

    threshold: Annotated[float, "The height of the cut that it refines."]


_RETRIEVED = {
    "retrieved": Array(
        "int32", "(R, m, f)", "Dataset indices that each retrieves, best first, by each reading."
    ),
    "retrieved_label": Array("int32", "(R, m, f)", "Their class labels; -1: none."),
    "retrieved_activation": Array(
        "float32", "(R, m, f)", "The neuron's activation on each.", absent="an older version"
    ),
    "precision": Array(
        "float32", "(R, m)",
        "Of the samples outside of each that it retrieves first (of tokens: one of each other "
        "text), the share with its label, which more than half of its own samples carry; NaN: no "
        "such label, or no such samples.",
        absent="an older version",
    ),
    "precision_of": Array(
        "int32", "(m,)", "How many samples these are.", absent="an older version"
    ),
    "percentile": Array(
        "float32", "(R, m)",
        "Where the retrieved samples stand among all activations of the neuron: the median, "
        "0 to 100.",
    ),
    "cosine": Array("float32", "(m,)", "Cosine of each concept vector with the neuron's axis."),
}  # fmt: skip
_RETRIEVED_SIZES = {
    "R": 'readings: "cosine" and "dot", in this order',
    "m": "nodes or concepts that were looked up",
    "f": "samples that each retrieves",
}

_NO_LABELS = "no labels, or not computed yet"
_NOT_ASKED = "not asked for"
_NO_BAND = "the top samples were split, or not computed yet"
_NO_EFFECTS = "no model, or not computed yet"

TREE = Binary(
    trait="_tree",
    about="The split neuron: its top-activating samples, their tree and their map.",
    sizes={
        "n": "samples, those that activate the neuron most first",
        "p": "nodes that are large enough to be a concept",
        "d": "true features that drive the neuron",
        "b": "bins of the histogram",
        **PREVIEW_SIZES,
    },
    arrays={
        "merge": Array("int32", "(n - 1, 2)", "The children of each merge, the larger first."),
        "height": Array("float64", "(n - 1,)", "The height of each merge."),
        "row": Array("int32", "(n,)", "The dataset index of each sample."),
        "activation": Array("float32", "(n,)", "The neuron's activation on each sample."),
        "label": Array(
            "int32", "(n,)", "The class label of each sample in `meta.labels`; -1: none.",
            absent="no labels",
        ),
        "token": Array(
            "int32", "(n,)", "The token of each sample in `meta.tokens`; -1: none.",
            absent="concepts are not named by tokens",
        ),
        "source": Array(
            "int32", "(n,)", "The text or image that each sample is of, from 0.",
            absent="samples are whole texts or images",
        ),
        "map": Array("float32", "(n, 2)", "The samples in the plane."),
        "color": Array(
            "int16", "(2 * n - 1,)",
            "Palette slot of each node; -1: too small to be a concept.",
        ),
        "histogram": Array(
            "int32", "(b,)",
            "Samples in each of `b` equal steps from the least to the largest activation.",
            absent="the activation never changes",
        ),
        "truth_node": Array("int32", "(p,)", "The nodes of `truth`.", absent="no true features"),
        "truth": Array(
            "float64", "(p, d)", "Cosines of the nodes' vectors with `meta.truth.names`.",
            absent="no true features",
        ),
        **PREVIEWS,
    },
    meta=TreeMeta,
)  # fmt: skip

EVIDENCE = Binary(
    trait="_evidence",
    about="What the concepts retrieve from the whole data set, and what random groups do. "
    "Previews are those that `tree` lacks.",
    sizes={
        **_RETRIEVED_SIZES,
        "g": "sizes of random groups of top-activating samples",
        "l": "class labels that a concept can be named after",
        "s": "concepts whose samples a view has asked to spread over their activation range",
        "w": "samples shown of each, at most",
        "e": "vectors whose effects on the model's outputs are known",
        "o": "outputs on each side",
        "u": "concepts that were taken out of the model, cut by cut",
        "v": "measured cuts, as in `meta.causes.cuts`",
        "c": "concepts of a band that were compared with those of the top samples",
        **PREVIEW_SIZES,
    },
    arrays={
        "node": Array("int32", "(m,)", "The tree nodes that were looked up."),
        **_RETRIEVED,
        "recurs": Array(
            "float32", "(m,)",
            "The share of random halves of the samples in which the node is a cluster again; "
            "NaN: not known.",
        ),
        "chance_size": Array("int32", "(g,)", "Samples in a random group.", absent=_NO_LABELS),
        "chance_label": Array("int32", "(l,)", "The class labels.", absent=_NO_LABELS),
        "chance": Array(
            "float32", "(R, g, l)",
            "The mean share of the label in what such groups that have it themselves (of a label "
            "that few have, any) retrieve outside of themselves, as "
            "`precision`; NaN: no sample outside carries it.",
            absent=_NO_LABELS,
        ),
        "chance_high": Array(
            "float32", "(R, g, l)", "The share that 95% of such groups do not exceed.",
            absent=_NO_LABELS,
        ),
        "spread_node": Array(
            "int32", "(s,)", "The tree nodes; -1: the neuron itself.", absent=_NOT_ASKED
        ),
        "spread": Array(
            "int32", "(s, w)",
            "Dataset indices: evenly spaced quantiles of the activations of the selected samples, "
            "largest first; -1: there are no more.",
            absent=_NOT_ASKED,
        ),
        "spread_activation": Array(
            "float32", "(s, w)", "The neuron's activation on each.", absent=_NOT_ASKED
        ),
        "spread_label": Array(
            "int32", "(s, w)", "Their class labels; -1: none.", absent=_NOT_ASKED
        ),
        "spread_selected": Array(
            "int32", "(s,)", "How many samples each selects.", absent=_NOT_ASKED
        ),
        "effect_node": Array(
            "int32", "(e,)",
            "The tree nodes; -1: the neuron itself; -2 and below: the k-means concepts in order.",
            absent=_NO_EFFECTS,
        ),
        "effect_output": Array(
            "int32", "(e, 2, o)",
            "Places in `meta.effects.names`: the most promoted first, then the most demoted first.",
            absent=_NO_EFFECTS,
        ),
        "effect": Array(
            "float32", "(e, 2, o)",
            "The change of each logit by one unit of the vector, less the mean over all outputs.",
            absent=_NO_EFFECTS,
        ),
        "effect_agreement": Array(
            "float32", "(e,)",
            "Cosine of the effects from two halves of the samples; NaN: unknown.",
            absent=_NO_EFFECTS,
        ),
        "effect_apart": Array(
            "float32", "(e,)",
            "The largest difference of an effect from that of all top samples, as a multiple of "
            "what 95% of random groups of the top samples reach at most; NaN: not compared.",
            absent=_NO_EFFECTS,
        ),
        "band_node": Array("int32", "(c,)", "The tree nodes.", absent=_NO_BAND),
        "band_cosine": Array(
            "float32", "(c,)",
            "The largest cosine with a concept of the top samples; -1: they have none.",
            absent=_NO_BAND,
        ),
        "band_chance": Array(
            "float32", "(c,)",
            "The share of random groups of the band whose cosine is below `meta.band.limit`.",
            absent=_NO_BAND,
        ),
        "cause": Array(
            "float32", "(u, 3, 3, 3)",
            "Nats that are lost without the concept, the whole neuron, a random direction; by the "
            "concept's own, its siblings' and other samples; value and 95% interval. NaN: unknown.",
            absent=_NOT_ASKED,
        ),
        "cause_above": Array(
            "float32", "(u, 3)", "What own samples lose more than without random directions.",
            absent=_NOT_ASKED,
        ),
        "cause_selectivity": Array(
            "float32", "(u, 3)", "What own samples lose more than siblings'.", absent=_NOT_ASKED
        ),
        "cause_gain": Array(
            "float32", "(v, 3)",
            "Each cut's mean selectivity, less that of random directions.", absent=_NOT_ASKED,
        ),
        **PREVIEWS,
    },
    meta=EvidenceMeta,
)  # fmt: skip

REFINEMENT = Binary(
    trait="_refinement",
    about="The k-means concepts at one threshold. Their previews are in `evidence`.",
    sizes={
        "n": "samples, as in `tree`",
        "d": "true features that drive the neuron",
        **_RETRIEVED_SIZES,
    },
    arrays={
        "concept": Array("int32", "(n,)", "The concept of each sample; -1: none."),
        "mark": Array("int8", "(n,)", "0 as in the tree, 1 reassigned, 2 outlier."),
        "node": Array("int32", "(m,)", "The tree node that each concept matches; -1: none."),
        "truth": Array(
            "float64", "(m, d)", "Cosines of the concept vectors with the true features.",
            absent="no true features",
        ),
        **_RETRIEVED,
    },
    meta=RefinementMeta,
)  # fmt: skip

SPLIT_EXPLORER = WidgetSchema(
    name="SplitExplorer",
    traits=SplitExplorerTraits,
    requests=(
        SplitRequest,
        SamplesSpread,
        TextRead,
        CausesMeasure,
        ConceptKeep,
        GraphOpen,
        GraphFollow,
        GraphSplit,
        GraphClose,
        JobCancel,
        CaptureCancel,
        ViewsCount,
    ),
    messages={
        "tree": TREE,
        "evidence": EVIDENCE,
        "refinement": REFINEMENT,
        "sae": SAE,
        "graph": GRAPH,
    },
)
