"""Activation times gradient (Shrikumar et al. 2016; "input x gradient", at a layer)."""

from __future__ import annotations

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.intervals.saliency.attribution import GradientSource, attributed


def activation_gradient(acts: Activations, label: int, source: GradientSource | None) -> np.ndarray:
    """`mean_{x in c} h_j dF_c / dh_j`, `F_c` the label's logit: float64 `D`.

    To first order the drop of the logit under zero ablation of the neuron. Neurons that lower the
    logit are negative and rank last.
    """
    return attributed(acts, label, source, [(1.0, 1.0)])
