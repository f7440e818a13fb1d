"""The hidden layer of a toy model as activations, labelled with the features of each sample."""

from __future__ import annotations

import numpy as np
import torch

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.modes import own_modes
from neuronwidgets.toy import Run

SAMPLES = 4096
"""Samples drawn: enough that a rare feature is in some of them."""
MOST_NAMED = 4
"""The most features that are named for a sample."""


@own_modes()
def activations(run: Run, count: int = SAMPLES) -> Activations:
    """The neurons on `count` fresh samples.

    Each sample is shown as its features, strongest first, and labelled with the strongest.
    """
    v, _ = run.sample(count)
    *layers, _out = run.model().children()
    values = torch.as_tensor(v)
    with torch.no_grad():
        for layer in layers:
            values = layer(values)
    order = np.argsort(-np.abs(v), axis=1, kind="stable")[:, :MOST_NAMED]
    texts, labels = [], []
    for row, best in zip(v, order, strict=True):
        strongest = [i for i in best.tolist() if row[i] != 0]
        texts.append(" · ".join(f"feature {i}: {row[i]:.2f}" for i in strongest) or "no feature")
        labels.append(f"feature {strongest[0]}" if strongest else "no feature")
    return Activations.from_arrays(values.numpy(), samples=texts, labels=labels, layer="act")
