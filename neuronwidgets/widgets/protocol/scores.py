"""What a split is compared with: scores, suggested cuts, true features, the top samples."""

from typing import Annotated, TypedDict


class SuggestedCut(TypedDict):
    """A suggested cut."""

    threshold: Annotated[float, "The height of the cut."]
    concepts: Annotated[int, "How many concepts it gives."]
    best: Annotated[
        list[str],
        'The kinds of reason ("gap", "compact", "stable", "chance") by which no other cut is '
        "better; often none.",
    ]
    reasons: Annotated[list[str], "The reasons in words."]


class NeuronScore(TypedDict):
    """A score of the neuron as a whole, at the suggested cut."""

    name: Annotated[str, "The column of the registry."]
    title: Annotated[str, "The name for people."]
    value: Annotated[float | None, "`None` where the score failed; `about` has the error."]
    about: Annotated[str, "The range, what a higher value means, and the source."]
    main: Annotated[bool, "Whether it is a score itself and not a part of one."]


class BandMeta(TypedDict):
    """How concepts of a band are compared with those of the top samples."""

    limit: Annotated[float, "The cosine below which a concept is in the band only."]
    missed: Annotated[
        float | None, "The share of concepts that sampling alone would mark; `None`: not known."
    ]


class TruthMeta(TypedDict):
    """The true features that drive the neuron."""

    names: Annotated[list[str], "Their names."]
    recovered: Annotated[float, "The least cosine of a concept vector that recovers a feature."]


class AgreementMeta(TypedDict):
    """How far a split agrees with the default one, Ward's linkage by cosine."""

    index: Annotated[float, "The adjusted Rand index at both suggested cuts."]
    chance: Annotated[float, "The index that 97.5% of permutations of the samples do not exceed."]
    clusters: Annotated[list[int], "Clusters of this split and of the default one."]
    samples: Annotated[int, "Samples that both have."]


class HalvesOfCut(TypedDict):
    """How far the concepts of a cut come back from another half of the top samples."""

    nodes: Annotated[list[int], "Its concepts' tree nodes."]
    agreement: Annotated[
        list[float | None],
        "The cosine of each concept's directions from two halves, each clustered anew: the mean "
        "over divisions. `None`: no half has it.",
    ]
    chance: Annotated[
        list[float | None], "The same with the samples of all clusters permuted, on average."
    ]
    high: Annotated[list[float | None], "What 95% of these permutations have at most."]
