"""What the concepts of a split do to the model."""

from typing import Annotated, Literal, TypedDict


class _EffectsMeta(TypedDict):
    kind: Annotated[Literal["token", "class"], "What the outputs are."]
    lens: Annotated[Literal["logit", "jacobian"], "How effects are read."]
    names: Annotated[list[str], "The outputs that `effect_output` refers to."]
    high: Annotated[
        float | None,
        "The strongest effect that 95% of random directions do not exceed; `None`: not known yet.",
    ]
    note: Annotated[str, "Why there are no effects; empty if there are, or may be."]


class EffectsMeta(_EffectsMeta, total=False):
    """What the model makes of the concepts."""

    refined: Annotated[
        float, "The cut's height, of the k-means concepts in `effect_node`. Absent: of none."
    ]


class _CausesMeasure(TypedDict):
    type: Literal["causes.measure"]


class CausesMeasure(_CausesMeasure, total=False):
    """Take the concepts on the screen out of the model. The answer is in `evidence`."""

    every: Annotated[bool, "Whether those of every cut into up to ten concepts. Absent: no."]


class _MeasuredCut(TypedDict):
    nodes: Annotated[list[int], "Its concepts' tree nodes; -1: none, of k-means."]
    findings: Annotated[list[str], "What the numbers do not show by themselves, in sentences."]
    samples: Annotated[int, "Held-out samples."]
    note: Annotated[str, "Why it could not be measured; empty if it was."]


class MeasuredCut(_MeasuredCut, total=False):
    """A cut whose concepts were taken out of the model."""

    refined: Annotated[float, "The cut's height, of k-means membership. Absent: the tree's own."]
    done: Annotated[int, "The concepts, first ones, that are measured so far. Absent: all."]


class CausesMeta(TypedDict):
    """What the model loses without the concepts."""

    able: Annotated[bool, "Whether there are held-out samples to measure it on."]
    kl: Annotated[float, "What every edit costs other samples, in nats."]
    cuts: Annotated[list[MeasuredCut], "In the order of the arrays."]
