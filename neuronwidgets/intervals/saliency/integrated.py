"""Integrated gradients at a layer (Sundararajan, Taly, Yan 2017), from zero."""

from __future__ import annotations

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.intervals.saliency.attribution import Answering, attributed

STEPS = 16


def integrated_gradients(acts: Activations, label: int, source: Answering | None) -> np.ndarray:
    """`mean_{x in c} h_j int_0^1 dF_c(a h) / dh_j da`, `F_c` the label's logit: float64 `D`.

    Gauss-Legendre with 16 points. Summed over the neurons it is what the logit loses when the
    whole layer is zero there (completeness). Neurons that speak against the label are negative,
    and rank last.
    """
    place, weight = np.polynomial.legendre.leggauss(STEPS)
    scales = zip(((place + 1) / 2).tolist(), (weight / 2).tolist(), strict=True)
    return attributed(acts, label, source, list(scales))
