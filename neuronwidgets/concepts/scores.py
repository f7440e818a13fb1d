"""Scores of neurons and concepts."""

from __future__ import annotations

import numpy as np

from neuronwidgets.activations import Activations


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
    labels = acts.labels + 1
    width = len(acts.label_names) + 1
    counts = np.empty((acts.shape[1], width - 1))
    step = max(1, (1 << 24) // len(acts))
    for start in range(0, acts.shape[1], step):
        values = torch.from_numpy(np.ascontiguousarray(acts.values[:, start : start + step].T))
        best = values.topk(top, dim=1)
        active = best.values > values.amin(dim=1, keepdim=True)
        codes = np.where(active.numpy(), labels[best.indices.numpy()], 0)
        offset = np.arange(len(codes))[:, None] * width
        flat = np.bincount((codes + offset).ravel(), minlength=len(codes) * width)
        counts[start : start + step] = flat.reshape(len(codes), width)[:, 1:]
    return entropy(counts)
