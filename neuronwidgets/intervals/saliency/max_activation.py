"""Mean absolute activation over the label's samples (arXiv 2502.06809, the authors' default)."""

from __future__ import annotations

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.modes import own_modes


@own_modes()
def max_activation(acts: Activations, label: int) -> np.ndarray:
    """`mean_{x in c} |h_j(x)|` for every neuron `j`: float64 `D`."""
    return np.abs(acts.values[acts.labels == label]).mean(axis=0, dtype=np.float64)
