"""The model that a split's activations are from, and how it is run."""

from __future__ import annotations

from collections.abc import Container
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

    def settings(self, takes: Container[str], layer: str) -> dict[str, Any]:
        """What is known of the settings that a method of splitting takes, for a layer."""
        known = self.reading(*(field.name for field in fields(self) if field.name in takes))
        if "below" in takes and (below := self._below(layer)) is not None:
            known["below"] = below
        config = getattr(self.model, "config", None)
        if "order" in takes and getattr(config, "vocab_size", 0) > MOST:
            # A backward pass for each of so many outputs would be refused.
            known["order"] = "exact"
        return known

    def _below(self, layer: str) -> str | None:
        """The last layer of neurons before `layer`; `None` if there is none."""
        # Imported here: it needs torch, which an explorer of plain arrays does not.
        from neuronwidgets.models.layers import layers

        try:
            rows = list(layers(self.model))
        except (TypeError, ValueError):
            return None
        names = [row.name for row in rows]
        before = rows[: names.index(layer)] if layer in names else []
        return next((row.name for row in reversed(before) if row.neurons), None)
