"""Probeless: differences of class means (Antverg & Belinkov, ICLR 2022)."""

from __future__ import annotations

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.modes import own_modes


@own_modes()
def probeless(acts: Activations, label: int) -> np.ndarray:
    """`sum_{c' != c} |mean_c - mean_c'|` for every neuron: float64 `D`."""
    assert acts.labels is not None
    present = [c for c in range(len(acts.label_names)) if (acts.labels == c).any()]
    means = {c: acts.values[acts.labels == c].mean(axis=0, dtype=np.float64) for c in present}
    gaps = [np.abs(means[label] - mean) for mean in means.values()]
    return np.sum(gaps, axis=0)
