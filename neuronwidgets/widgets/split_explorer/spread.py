"""Samples of the whole layer that a concept or the neuron selects, over their activation range."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.retrieval import CHUNK, directions, scored
from neuronwidgets.core.subsample import between_ends
from neuronwidgets.widgets.base.jobs import JobProgress
from neuronwidgets.widgets.split_explorer.retrieved import Retrieval

NEAR = 0.75
"""The share of the median cosine of a concept's own samples from which on samples are selected.
Its own are the strongest, hence the nearest: a bound among them would select hardly any others."""
NEURON = -1
"""Stands for the neuron itself, where others are tree nodes."""


@dataclass(frozen=True, eq=False)
class Spread:
    """Samples that a concept or the neuron selects, spread over their activation range.

    Attributes:
        rows: int64, of the activations: evenly spaced quantiles, the most activating first.
        selected: how many samples are selected.
    """

    rows: np.ndarray
    selected: int


def spreading(
    retrieval: Retrieval, node: int, most: int, *, chunk: int = CHUNK
) -> Generator[Any, None, Spread]:
    """Steps that return the `Spread` of a tree node, or of the neuron itself (`NEURON`).

    The neuron selects the samples that activate it above 0, or all if none does. A concept selects
    those whose cosine with it, about the layer's mean, is at least `NEAR` times the median of its
    own samples.

    Args:
        retrieval: of the split; it knows the layer's mean and the neuron's activations.
        node: the tree node.
        most: how many samples are shown.
        chunk: numbers read and scored at once.
    """
    split, acts, along = retrieval.split, retrieval.split.acts, retrieval.along
    if node == NEURON:
        chosen = np.flatnonzero(along > 0)
        chosen = chosen if len(chosen) else np.arange(len(along))
    else:
        own = split.tree.samples_of(node)
        vector = directions([split.vectors[own]], retrieval.mean, "cosine")
        step = max(1, chunk // max(1, acts.shape[1]))
        scores = np.zeros(len(acts), np.float32)
        for start in range(0, len(acts), step):
            yield JobProgress(start / len(acts), f"comparing {len(acts):,} samples")
            part = acts.values[start : start + step]
            scores[start : start + step] = scored(part, vector, retrieval.mean, "cosine")[:, 0]
        chosen = np.flatnonzero(scores >= NEAR * np.median(scores[split.index[own]]))
    falling = chosen[np.argsort(-along[chosen], kind="stable")]
    return Spread(between_ends(falling, most), len(chosen))


def pack_spread(
    retrieval: Retrieval, spreads: dict[int, Spread], most: int
) -> dict[str, np.ndarray]:
    """The arrays of the `evidence` message about spread samples; empty if none were asked for."""
    if not spreads:
        return {}
    rows = np.full((len(spreads), most), -1, np.int32)
    for line, spread in zip(rows, spreads.values(), strict=True):
        line[: len(spread.rows)] = spread.rows
    labels = retrieval.split.acts.labels
    label = np.full(rows.shape, -1) if labels is None else np.where(rows < 0, -1, labels[rows])
    return {
        "spread_node": np.array(list(spreads), np.int32),
        "spread": rows,
        "spread_activation": retrieval.along[rows].astype(np.float32),
        "spread_label": label.astype(np.int32),
        "spread_selected": np.array([one.selected for one in spreads.values()], np.int32),
    }
