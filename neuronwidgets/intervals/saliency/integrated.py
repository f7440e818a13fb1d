"""Integrated gradients at a layer (Sundararajan, Taly, Yan 2017), from zero."""

from __future__ import annotations

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.intervals.saliency.attribution import GradientSource, attributed

STEPS = 16
"""Points of the Gauss-Legendre quadrature, each a forward and a backward pass."""


def integrated_gradients(
    acts: Activations, label: int, source: GradientSource | None
) -> np.ndarray:
    """`mean_{x in c} h_j int_0^1 dF_c(a h) / dh_j da`, `F_c` the label's logit: float64 `D`.

    By Gauss-Legendre quadrature with 16 points. The sum over the neurons is the drop of the logit
    under zero ablation of the whole layer (completeness). Neurons that lower the logit are negative
    and rank last.
    """
    node, weight = np.polynomial.legendre.leggauss(STEPS)
    scales = zip(((node + 1) / 2).tolist(), (weight / 2).tolist(), strict=True)
    return attributed(acts, label, source, list(scales))
