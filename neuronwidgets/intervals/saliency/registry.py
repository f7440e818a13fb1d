"""The salient neurons of a label, and the methods that rank them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.how_many import how_many
from neuronwidgets.core.checks import one_of
from neuronwidgets.core.labels import index_of
from neuronwidgets.intervals.saliency.attribution import GradientSource
from neuronwidgets.intervals.saliency.gradient import activation_gradient
from neuronwidgets.intervals.saliency.integrated import integrated_gradients
from neuronwidgets.intervals.saliency.max_activation import max_activation
from neuronwidgets.intervals.saliency.probe import probe
from neuronwidgets.intervals.saliency.probeless import probeless

METHODS: dict[str, Callable[[Activations, int], np.ndarray]] = {
    "max": max_activation,
    "probeless": probeless,
    "probe": probe,
}
"""Methods that rank neurons by their activations: name -> `f(acts, label)`, float64 `D`."""
GRADIENTS: dict[str, Callable[[Activations, int, GradientSource | None], np.ndarray]] = {
    "gradient": activation_gradient,
    "integrated": integrated_gradients,
}
"""Methods that rank neurons by the model's gradients: name -> `f(acts, label, source)`."""


@dataclass(frozen=True, eq=False)
class Salient:
    """A label's salient neurons.

    Attributes:
        label: the label's name.
        method: the method that ranked the neurons.
        neurons: int64 `k`, the most salient first.
        scores: float64 `D`, every neuron's score; larger is more salient.
    """

    label: str
    method: str
    neurons: np.ndarray
    scores: np.ndarray


def salient(
    acts: Activations, label: Any, method: str = "max", top: float = 0.3, *, model: Any = None,
    **source: Any,
) -> Salient:  # fmt: skip
    """The neurons that matter most for a label.

    Args:
        acts: labelled activations.
        label: a label's name or number.
        method: "max" (mean absolute activation, the paper's default), "probeless" (Antverg &
            Belinkov 2022) or "probe" (elastic net, Dalvi et al. 2019); with a model also "gradient"
            (activation times gradient) or "integrated" (integrated gradients).
        top: a share of the neurons (the authors: 0.3), or a number of them.
        model: the classifier, for the gradient methods.
        source: also for the gradient methods: `data=`, what the activations were captured from (not
            needed for texts); `tokenizer=`, `transform=`, `batch_size=`, `max_length=`,
            `neuron_axis=` as in `capture`; `classes=` and `predict=` as in `evaluate_masks`.

    Of neurons with equal scores, the one with the smaller index comes first.
    """
    one_of("method", method, (*METHODS, *GRADIENTS))
    present, names = _with_samples(acts), acts.label_names
    c = index_of(label, names)
    if c not in present:
        shown = ", ".join(names[i] for i in present[:14])
        raise ValueError(f"label {label!r} has no samples; the labels are {shown}.")
    if method in METHODS:
        scores = METHODS[method](acts, c)
    else:
        scores = GRADIENTS[method](
            acts, c, None if model is None else GradientSource(model, **source)
        )
    neurons = np.argsort(-scores, kind="stable")[: how_many(top, len(scores))]
    return Salient(names[c], method, neurons, scores)


def salient_overlap(
    acts: Activations, method: str = "max", top: float = 0.3, **source: Any
) -> np.ndarray:
    """The share of salient neurons that two labels have in common: float64 `C x C`.

    NaN for a label without samples. Neurons at random share `top`. That is no null for labels:
    labels at random share most of their neurons, since their samples are alike, and by "max"
    neurons with large activations are salient for every label. So compare with permuted labels,
    too: shares above `top` are the paper's evidence for polysemanticity, and shares below those of
    permuted labels are evidence that labels have neurons of their own.
    """
    labels = _with_samples(acts)
    share = np.full((len(acts.label_names), len(acts.label_names)), np.nan)
    sets = {
        c: set(salient(acts, acts.label_names[c], method, top, **source).neurons.tolist())
        for c in labels
    }
    for a, b in itertools.product(labels, labels):
        share[a, b] = len(sets[a] & sets[b]) / len(sets[a])
    return share


def _with_samples(acts: Activations) -> list[int]:
    """The labels that some sample has."""
    if hasattr(acts, "so_far"):
        acts = Activations.of(acts)
    if not isinstance(acts, Activations):
        raise TypeError(f"acts must be labelled Activations, got a {type(acts).__name__}.")
    if acts.labels is None:
        raise ValueError(f"layer {acts.layer!r} has no labels, so no label has salient neurons.")
    return [c for c in range(len(acts.label_names)) if (acts.labels == c).any()]
