"""What the concepts of a split do to the model."""

from typing import Annotated, Literal, TypedDict


class EffectsMeta(TypedDict):
    """What the model makes of the concepts."""

    kind: Annotated[Literal["token", "class"], "What the outputs are."]
    lens: Annotated[Literal["logit", "jacobian"], "How effects are read."]
    names: Annotated[list[str], "The outputs that `effect_output` refers to."]
    high: Annotated[
        float | None,
        "The strongest effect that 95% of random directions do not exceed; `None`: not known yet.",
    ]
    note: Annotated[str, "Why there are no effects; empty if there are, or may be."]
