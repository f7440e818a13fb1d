"""One way to mask a label, as a report names it."""

from __future__ import annotations

from dataclasses import dataclass

NEURON = "neuron"
"""The rule of the neuron mask, which replaces every value of its neurons."""


@dataclass(frozen=True)
class Setting:
    """One way to mask.

    Attributes:
        saliency: how the neurons were chosen.
        rule: the range's rule, or "neuron" for the neuron mask.
        tau: the range's width in standard deviations, infinite for the neuron mask.
    """

    saliency: str
    rule: str
    tau: float

    @property
    def name(self) -> str:
        """The setting in tables, without the saliency method."""
        return "neuron mask" if self.rule == NEURON else f"{self.rule}, tau {self.tau:g}"
