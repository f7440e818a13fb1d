"""The model that a split's activations are from, and how it is run."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, fields
from typing import Any

MOST = 1024
"""Outputs of which `effect` takes a gradient each, at most."""


@dataclass(frozen=True, eq=False)
class ModelUse:
    """What SplitExplorer needs to run the model.

    Attributes:
        model: with its head.
        held_out: samples that were not captured and their labels, `(data, labels)`; `None` without.
        data: what `capture` read. Not needed for texts and plain images, which activations hold.
        tokenizer, transform, batch_size, max_length, neuron_axis: see `capture`.
        below: layers below, from top to bottom: activations of the same samples, split layers, or
            names; one, or several.
        predict: the model's output -> logits.
        classes: the names of a classifier's outputs in order.
    """

    model: Any
    held_out: tuple[Any, Any] | None = None
    data: Any = None
    tokenizer: Any = None
    transform: Any = None
    predict: Any = None
    classes: Any = None
    batch_size: int | None = None
    max_length: int | None = None
    neuron_axis: int | None = None
    below: Any = None

    @classmethod
    def of(cls, **given: Any) -> ModelUse | None:
        """The arguments of SplitExplorer about the model; `None` without one.

        Raises:
            ValueError: they are given without a model, or `held_out` is no pair.
        """
        named = {name: value for name, value in given.items() if value is not None}
        if "model" not in named:
            if named:
                raise ValueError(f"{next(iter(named))}= is there to run a model: pass model=, too.")
            return None
        held_out = named.get("held_out")
        if held_out is not None and not (isinstance(held_out, tuple) and len(held_out) == 2):
            raise ValueError(
                "held_out must be samples and their labels, (data, labels), got a "
                f"{type(held_out).__name__}; without labels pass (data, None)."
            )
        return cls(**named)

    def reading(self, *names: str) -> dict[str, Any]:
        """Some of the attributes as keyword arguments, without those that were not given."""
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @property
    def given(self) -> dict[str, Any]:
        """The arguments of SplitExplorer that were given."""
        return self.reading(*(field.name for field in fields(self)))

    @property
    def layers_below(self) -> tuple[Any, ...]:
        """The layers of `below`, from top to bottom."""
        below = self.below
        if below is None:
            return ()
        several = isinstance(below, Sequence) and not isinstance(below, str)
        return tuple(below) if several else (below,)

    def settings(self, takes: Container[str], layer: str) -> dict[str, Any]:
        """What is known of the settings that a method of splitting takes, for a layer."""
        known = self.reading(*(field.name for field in fields(self) if field.name in takes))
        known.pop("below", None)
        if "below" in takes and (below := self.layer_below(layer)) is not None:
            known["below"] = below
        config = getattr(self.model, "config", None)
        if "order" in takes and getattr(config, "vocab_size", 0) > MOST:
            # A backward pass for each of so many outputs would be refused.
            known["order"] = "exact"
        return known

    def layer_below(self, layer: str) -> str | None:
        """The name of the layer below `layer`, which is split: as given, else the last layer of
        neurons before it; `None` if there is none."""
        # Imported here: it needs torch, which an explorer of plain arrays does not.
        from neuronwidgets.effects.graph.lower import layer_below

        given = self.layers_below
        return name_of(given[0]) if given else layer_below(self.model, layer)


def name_of(layer: Any) -> str:
    """The name of a layer: of activations, of a layer that was split, or itself."""
    name: str = layer if isinstance(layer, str) else getattr(layer, "acts", layer).layer
    return name
