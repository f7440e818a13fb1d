"""Where a layer is read and edited: at its output, or at its input."""

from __future__ import annotations

from typing import Any, Literal

from neuronwidgets.core.checks import one_of

At = Literal["output", "input"]
PLACES: tuple[At, ...] = ("output", "input")


def checked_at(at: Any) -> At:
    """`at`, refused unless it is "output" or "input"."""
    return one_of("at", at, PLACES)


def at_of(given: Any) -> At:
    """Where activations, ranges, concepts or an edit are: their `at`, "output" without one."""
    return checked_at(getattr(given, "at", "output"))


def titled(layer: str, at: str) -> str:
    """A layer's input or output in messages: "the input of layer 'h.0'", or "layer 'h.0'"."""
    return f"layer {layer!r}" if at == "output" else f"the input of layer {layer!r}"


def chosen_at(at: Any, given: Any, what: str) -> At:
    """Where to edit: where `given` is from. `at=` beside it must say the same.

    Raises:
        ValueError: `at` names the other place.
    """
    own = at_of(given)
    if at is not None and checked_at(at) != own:
        raise ValueError(
            f"at={at!r} contradicts the {what}, which are of {titled(given.layer, own)}: leave at "
            "out."
        )
    return own
