"""Scores that need labels."""

from __future__ import annotations

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.scores.neurons import Neurons
from neuronwidgets.concepts.scores.registry import score
from neuronwidgets.core.modes import own_modes

MOST_RANKED = 1 << 28
"""Activations up to which `most_mixed` ranks neurons: 1 GB in float32."""


def entropy(counts: np.ndarray) -> np.ndarray:
    """Shannon entropy in bits of `... x L` counts: float64 `...`; NaN where all counts are zero."""
    counts = np.asarray(counts, np.float64)
    total = counts.sum(axis=-1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    bits = -np.where(share > 0, share * np.log2(np.where(share > 0, share, 1)), 0).sum(axis=-1)
    out: np.ndarray = np.where(total[..., 0] > 0, np.abs(bits), np.nan)
    return out


def majority(labels: np.ndarray) -> tuple[int, float]:
    """The most frequent label and its share among the labelled samples; `(-1, nan)` if none is
    labelled."""
    labelled = labels[labels >= 0]
    if len(labelled) == 0:
        return -1, float("nan")
    counts = np.bincount(labelled)
    return int(counts.argmax()), float(counts.max() / len(labelled))


@own_modes()
def label_entropy(acts: Activations, top: int = 100) -> np.ndarray:
    """The entropy of the labels of each neuron's top samples: float64 `D`, in bits.

    0: one label only; `log2(L)`: all labels equally often. A cheap measure of polysemanticity if
    there are labels. Samples on which the neuron is at its minimum do not count; NaN for a constant
    neuron.

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
    # A row per label. Unlabelled samples are in no row.
    has_label = torch.from_numpy(acts.labels == np.arange(len(acts.label_names))[:, None]).float()
    counts = np.empty((acts.shape[1], len(has_label)))
    step = max(1, (1 << 24) // len(acts))
    for start in range(0, acts.shape[1], step):
        values = torch.from_numpy(np.array(acts.values[:, start : start + step].T, order="C"))
        # The `top` largest, ties to the smaller index.
        smallest = values.topk(top, dim=1).values[:, -1:]
        is_top = values >= smallest
        has_ties = is_top.sum(dim=1) > top
        if has_ties.any():
            tied = (values == smallest)[has_ties]
            room = top - (is_top[has_ties] & ~tied).sum(dim=1, keepdim=True)
            is_top[has_ties] &= ~tied | (tied.cumsum(dim=1, dtype=torch.int32) <= room)
        active = is_top & (values > values.amin(dim=1, keepdim=True))
        counts[start : start + step] = (active.float() @ has_label.T).numpy()
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
    """The entropy, in bits, of the labels of each neuron's top samples (see `label_entropy`).

    0 (one label) to `log2(L)`; higher: more mixed. Needs labels. Samples without a label, and
    those on which the neuron is at its minimum, do not count; NaN if none counts.
    """
    along, labels = neurons.along, neurons.labels
    assert labels is not None
    values = np.take_along_axis(along, neurons.index, 1)
    counted = (labels >= 0) & (values > along.min(axis=1, keepdims=True))
    rows, columns = np.nonzero(counted)
    count = len(neurons.acts.label_names)
    cells = rows * count + labels[rows, columns]
    return entropy(np.bincount(cells, minlength=len(along) * count).reshape(-1, count))


@own_modes()
def most_mixed(acts: Activations, top: int | None) -> int:
    """The neuron that a widget shows first: the one with the largest label entropy of those that
    are strongly active on all their top samples; 0 without labels."""
    if acts.labels is None or acts.values.size > MOST_RANKED:
        return 0
    k = acts.check_top(min(100, len(acts)) if top is None else top)
    bits = label_entropy(acts, k)
    # The weakest top samples of a neuron that is active on a few samples only are noise.
    values = np.asarray(acts.values)
    strongest = values.max(axis=0)
    weakest = np.partition(values, len(acts) - k, axis=0)[len(acts) - k]
    is_active = (weakest > 0.4 * strongest) & (strongest > 0.1 * strongest.max())
    bits[~is_active] = np.nan
    return 0 if np.isnan(bits).all() else int(np.nanargmax(bits))
