"""What the probe is about: a neuron, its concepts, and the data set to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.topk import largest
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.split import split
from neuronwidgets.effects.readings import Axes

TOPS = 20
"""Top samples that a text or image can be started from."""
SCALED = 8
"""Top samples whose largest activation of a token is the end of the scale of colours."""
ROUNDING = 1e-5
"""Differences below this share of the largest activation are rounding in float32."""
TITLE = 60
"""Characters of a text in the list of top samples."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A neuron or direction, and its concepts.

    Attributes:
        neuron: its number; `None` for a direction.
        axes: what readings are projected on.
        concepts: its concepts; `None` where it cannot be split.
        why: why it cannot, a sentence; else empty.
        sorted: float `S`, its activations on the data set, ascending.
        tops: rows of its top samples, strongest first, each of another text or image.
    """

    neuron: int | None
    axes: Axes
    concepts: Concepts | None
    why: str
    sorted: np.ndarray
    tops: tuple[int, ...]

    @classmethod
    def of(cls, acts: Activations, target: Any, concepts: Concepts | None) -> Subject:
        """The subject of a neuron's number or a direction (`D`).

        `concepts` are its own; `None` takes those of the default cut of `neuronwidgets.split`.
        """
        neuron = target if isinstance(target, int) else None
        why = ""
        if concepts is None:
            try:
                concepts = split(acts, target).cut()
            except ValueError as error:
                why = f"No concepts: {error}"
        if not concepts:
            why = why or "No concepts: the top samples form no cluster that is large enough."
            axes = Axes(target)
        else:
            mean = acts.mean if concepts.mean is None else concepts.mean
            axes = Axes.of(target, concepts, mean)
        along = acts.along(target)
        order = largest(along, min(len(along), 8 * TOPS))
        items: dict[int, int] = {}
        for row in order.tolist():
            items.setdefault(acts.samples.item_of(row), row)
        tops = tuple(items.values())[:TOPS]
        return cls(neuron, axes, concepts, why, np.sort(along), tops)

    @property
    def name(self) -> str:
        """The neuron or direction, in words."""
        return "a direction" if self.neuron is None else f"neuron {self.neuron}"

    def percentile(self, activation: float) -> float:
        """The share of the data set's samples whose activation is smaller: 0 to 1."""
        # A sample of the data set is not above itself by the rounding of another batch.
        rounding = ROUNDING * float(np.abs(self.sorted[[0, -1]]).max())
        return float(np.searchsorted(self.sorted, activation - rounding) / len(self.sorted))

    def listed(self, acts: Activations) -> list[dict[str, Any]]:
        """The top samples for the view, see `TopSample` of the protocol."""
        if acts.samples.kind == "none":
            return []
        along = acts.rows(np.array(self.tops))
        target = self.axes.target
        values = along[:, target] if isinstance(target, int) else along @ target
        return [
            {"row": row, "title": _title(acts, row), "activation": float(value)}
            for row, value in zip(self.tops, values.tolist(), strict=True)
        ]


def _title(acts: Activations, row: int) -> str:
    if acts.samples.kind == "text":
        text = " ".join(acts.samples.texts[acts.samples.item_of(row)].split())
        return text if len(text) <= TITLE else text[:TITLE] + "…"
    label = -1 if acts.labels is None else int(acts.labels[row])
    return acts.label_titles[label] if label >= 0 else f"sample {row:,}"
