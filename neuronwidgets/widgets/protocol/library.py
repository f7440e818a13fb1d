"""The library that concepts on the screen are kept in."""

from typing import Annotated, Literal, TypedDict


class PinnedName(TypedDict):
    """A concept of the library."""

    name: str
    layer: Annotated[str, "The layer that it was found in."]
    neuron: Annotated[int | None, "Its neuron; `None` for a direction."]
    samples: Annotated[int, "How many samples it has."]


class ConceptKeep(TypedDict):
    """Keep a concept on the screen of SplitExplorer in the library."""

    type: Literal["concept.keep"]
    concept: Annotated[int, "Its number, from 0, in the order of the cards."]
    size: Annotated[int, "How many samples it has on the screen."]
    name: Annotated[str, "What the screen calls it."]
