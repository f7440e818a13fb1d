"""Features of a sparse autoencoder beside the concepts on the cards."""

from typing import Annotated, TypedDict

from neuronwidgets.widgets.protocol.binary import Array, Binary


class SAEMeta(TypedDict):
    """The features that are compared."""

    features: Annotated[int, "How many there are."]
    active: Annotated[
        int | None, "How many are active on two top samples or more; `None`: not computed yet."
    ]
    explained: Annotated[
        float | None,
        "The share of the top samples' variance that the autoencoder has; `None`: not known.",
    ]
    note: Annotated[str, "Why the comparison may be void, or failed; often empty."]
    failed: Annotated[bool, "Whether nothing can be compared."]


SAE = Binary(
    trait="_sae",
    about="Features beside the concepts.",
    module="sae",
    sizes={
        "q": "nodes whose features are known",
        "i": "features of a node that are listed, at most",
        "y": "2, and random directions",
        "z": "bytes of a bit for each top sample",
    },
    arrays={
        "node": Array("int32", "(q,)", "The tree nodes."),
        "feature": Array(
            "int32", "(q,)",
            "The feature that tells its samples from the other top samples best; -1: it has them "
            "all.",
        ),
        "auroc": Array(
            "float32", "(q, 3)",
            "AUROC of the best feature of one half on the other half; the same of as many random "
            "directions, their mean and what 95% have at most. NaN: unknown.",
        ),
        "cover": Array(
            "int32", "(q, i)", "Features that together make it; -1: there are no more."
        ),
        "cover_size": Array("int32", "(q,)", "How many there are."),
        "covered": Array(
            "float32", "(q, 2)",
            "The share of its samples that they cover, and as many random directions (at least "
            "one).",
        ),
        "branch": Array(
            "int32", "(q,)", "The feature that tells its two branches apart; -1: it has none."
        ),
        "branch_auroc": Array(
            "float32", "(q, 2)",
            "Its AUROC, held out, and that of random directions. NaN: unknown.",
        ),
        "active": Array(
            "uint8", "(q, y, z)",
            "A bit for each top sample, the lowest first: whether the feature is active, one of "
            "`cover` is, each random direction is that is active as often as the feature.",
        ),
    },
    meta=SAEMeta,
)  # fmt: skip
