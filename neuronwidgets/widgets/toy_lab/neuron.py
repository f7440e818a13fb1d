"""A toy model's hidden layer as activations that say which features were there."""

from __future__ import annotations

import numpy as np
import torch

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.modes import own_modes
from neuronwidgets.toy import Run

SAMPLES = 4096
MOST_NAMED = 4


@own_modes()
def activations(run: Run, count: int = SAMPLES) -> Activations:
    """The neurons on `count` fresh samples; each shown as its features, strongest first, and
    labelled with the strongest."""
    v, _ = run.sample(count)
    *layers, _out = run.model().children()
    values = torch.as_tensor(v)
    with torch.no_grad():
        for layer in layers:
            values = layer(values)
    order = np.argsort(-np.abs(v), axis=1, kind="stable")[:, :MOST_NAMED]
    texts, labels = [], []
    for row, best in zip(v, order, strict=True):
        there = [i for i in best.tolist() if row[i] != 0]
        texts.append(" · ".join(f"feature {i}: {row[i]:.2f}" for i in there) or "no feature")
        labels.append(f"feature {there[0]}" if there else "no feature")
    return Activations.from_arrays(values.numpy(), samples=texts, labels=labels, layer="act")
