"""Scores by labels."""

from __future__ import annotations

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.scores.neurons import Neurons
from neuronwidgets.concepts.scores.registry import score
from neuronwidgets.core.modes import own_modes

MOST_RANKED = 1 << 28
"""In more numbers than this, no neuron is looked for."""


def entropy(counts: np.ndarray) -> np.ndarray:
    """Shannon entropy in bits of `... x L` counts: `...`; NaN where all counts are zero."""
    counts = np.asarray(counts, np.float64)
    total = counts.sum(axis=-1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    bits = -np.where(share > 0, share * np.log2(np.where(share > 0, share, 1)), 0).sum(axis=-1)
    out: np.ndarray = np.where(total[..., 0] > 0, np.abs(bits), np.nan)
    return out


def majority(labels: np.ndarray) -> tuple[int, float]:
    """The most frequent label and its share among the labelled: `(-1, nan)` if none is."""
    known = labels[labels >= 0]
    if len(known) == 0:
        return -1, float("nan")
    counts = np.bincount(known)
    return int(counts.argmax()), float(counts.max() / len(known))


@own_modes()
def label_entropy(acts: Activations, top: int = 100) -> np.ndarray:
    """How mixed the labels of each neuron's top samples are: float64 `D`, in bits.

    0: one label only; `log2(L)`: all labels alike. A cheap sign of polysemanticity where labels
    exist. Samples on which the neuron is at its minimum are not counted; NaN for a neuron that
    is constant.

    Raises:
        ValueError: the activations have no labels, or fewer samples than `top`.
    """
    import torch

    if acts.labels is None:
        raise ValueError(
            f"layer {acts.layer!r} has no labels: give capture(..., labels=...) or "
            "from_arrays(..., labels=...)."
        )
    top = acts.check_top(top)
    # A row per label; unlabelled samples are in none.
    kinds = torch.from_numpy(acts.labels == np.arange(len(acts.label_names))[:, None]).float()
    counts = np.empty((acts.shape[1], len(kinds)))
    step = max(1, (1 << 24) // len(acts))
    for start in range(0, acts.shape[1], step):
        values = torch.from_numpy(np.array(acts.values[:, start : start + step].T, order="C"))
        # The `top` largest, ties to the smaller index.
        bound = values.topk(top, dim=1).values[:, -1:]
        best = values >= bound
        crowded = best.sum(dim=1) > top
        if crowded.any():
            level = (values == bound)[crowded]
            room = top - (best[crowded] & ~level).sum(dim=1, keepdim=True)
            best[crowded] &= ~level | (level.cumsum(dim=1, dtype=torch.int32) <= room)
        active = best & (values > values.amin(dim=1, keepdim=True))
        counts[start : start + step] = (active.float() @ kinds.T).numpy()
    return entropy(counts)


@score(
    name="label_entropy",
    title="label entropy",
    source="Shannon 1948",
    low=0,
    higher="the top samples are of more labels: rather polysemantic",
    labels=True,
)
def top_entropy(neurons: Neurons) -> np.ndarray:
    """`label_entropy` of a batch: entropy in bits of the labels of each one's top samples.

    0 (one label) to `log2(L)`; higher: more mixed. Needs labels. Samples without a label, and
    those on which the neuron is at its minimum, are not counted; NaN where none is left.
    """
    along, labels = neurons.along, neurons.labels
    assert labels is not None
    values = np.take_along_axis(along, neurons.index, 1)
    counted = (labels >= 0) & (values > along.min(axis=1, keepdims=True))
    row, place = np.nonzero(counted)
    kinds = len(neurons.acts.label_names)
    cell = row * kinds + labels[row, place]
    return entropy(np.bincount(cell, minlength=len(along) * kinds).reshape(-1, kinds))


@own_modes()
def most_mixed(acts: Activations, top: int | None) -> int:
    """The neuron to begin with when none is named: the most mixed of those that fire often."""
    if acts.labels is None or acts.values.size > MOST_RANKED:
        return 0
    k = acts.check_top(min(100, len(acts)) if top is None else top)
    mixed = label_entropy(acts, k)
    # Of a neuron that fires for a few samples only, the others in the top are noise.
    values = np.asarray(acts.values)
    strongest = values.max(axis=0)
    weakest = np.partition(values, len(acts) - k, axis=0)[len(acts) - k]
    often = (weakest > 0.4 * strongest) & (strongest > 0.1 * strongest.max())
    mixed[~often] = np.nan
    return 0 if np.isnan(mixed).all() else int(np.nanargmax(mixed))
