"""Which neurons matter for a label: one small file for each method, one entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations import Activations, how_many
from neuronwidgets.ranges.saliency.max_activation import max_activation
from neuronwidgets.ranges.saliency.probe import probe
from neuronwidgets.ranges.saliency.probeless import probeless

METHODS: dict[str, Callable[[Activations, int], np.ndarray]] = {
    "max": max_activation,
    "probeless": probeless,
    "probe": probe,
}


@dataclass(frozen=True, eq=False)
class Salient:
    """A label's salient neurons.

    Attributes:
        label: the label's name.
        method: how they were ranked.
        neurons: int64 `k`, most salient first.
        scores: float64 `D`, every neuron's score; larger matters more.
    """

    label: str
    method: str
    neurons: np.ndarray
    scores: np.ndarray


def salient(acts: Activations, label: Any, method: str = "max", top: float = 0.3) -> Salient:
    """The neurons that matter most for a label.

    Args:
        acts: labelled activations.
        label: a label's name or number.
        method: "max" (mean absolute activation, the paper's default), "probeless" (Antverg &
            Belinkov 2022) or "probe" (elastic net, Dalvi et al. 2019).
        top: a share of the neurons (the authors: 0.3), or a number of them.

    Ties go to the smaller neuron.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r}; one of {', '.join(map(repr, METHODS))} is needed.")
    if acts.labels is None:
        raise ValueError(f"layer {acts.layer!r} has no labels, so no label has salient neurons.")
    names = acts.label_names
    number = names.index(label) if isinstance(label, str) and label in names else label
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
    if not whole or not 0 <= number < len(names) or not (acts.labels == number).any():
        raise ValueError(f"label {label!r} is not among the data's: {', '.join(names[:14])}.")
    scores = METHODS[method](acts, int(number))
    neurons = np.argsort(-scores, kind="stable")[: how_many(top, len(scores))]
    return Salient(names[int(number)], method, neurons, scores)


def salient_overlap(acts: Activations, method: str = "max", top: float = 0.3) -> np.ndarray:
    """The share of salient neurons that two labels have in common: float64 `C x C`.

    The paper's evidence for polysemanticity: far above the share that chance would give, `top`.
    """
    sets = [set(salient(acts, name, method, top).neurons.tolist()) for name in acts.label_names]
    return np.array([[len(a & b) / len(a) for b in sets] for a in sets])
