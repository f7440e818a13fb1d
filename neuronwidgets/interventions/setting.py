"""One way to mask a label, as a report names it."""

from __future__ import annotations

from dataclasses import dataclass, replace

NEURON = "neuron"
"""The rule of the neuron mask, which replaces every value of its neurons."""

RANDOM = "random"
"""The mask of random bands, which hold as many samples as a range."""


@dataclass(frozen=True)
class Setting:
    """One way to mask.

    Attributes:
        saliency: how the neurons were chosen.
        rule: the range's rule, or "neuron" for the neuron mask.
        tau: the range's width in standard deviations, infinite for the neuron mask.
        draw: the seed of a random band that holds as many samples as this range, a control; `None`
            for the range itself.
    """

    saliency: str
    rule: str
    tau: float
    draw: int | None = None

    @property
    def name(self) -> str:
        """The setting in tables, without the saliency method and the draw."""
        if self.rule == NEURON:
            return "neuron mask"
        return f"{self.rule}, tau {self.tau:g}{'' if self.draw is None else ', random band'}"

    @property
    def mask(self) -> str:
        """The kind of mask: "range", "random" or "neuron"."""
        if self.rule == NEURON:
            return NEURON
        return "range" if self.draw is None else RANDOM

    @property
    def condition(self) -> Setting:
        """The setting that stands for all draws of a random band; of others, itself."""
        return self if self.draw is None else replace(self, draw=0)
