"""Reads a lower layer on the samples of activations that were captured without it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.layer_place import At
from neuronwidgets.effects.graph.passage import Rerun
from neuronwidgets.models.layers import find_layer, layers

LOOK = 0.1
"""Seconds between two looks at how far the reading is."""
MOST = 1 << 31
"""Bytes of a layer, 2 GiB: a larger one is not read into memory without being asked for."""


def layer_below(model: Any, layer: str) -> str | None:
    """The last layer of neurons before `layer` in `nw.layers(model)`; `None` if there is none."""
    try:
        rows = list(layers(model))
    except (TypeError, ValueError):
        return None
    names = [row.name for row in rows]
    before = rows[: names.index(layer)] if layer in names else []
    return next((row.name for row in reversed(before) if row.neurons), None)


def reading_lower(
    acts: Activations, layer: str, rerun: Rerun
) -> Generator[float, None, Activations]:
    """Steps that read a layer of the model on the same samples; each is the share that is done.

    Args:
        acts: activations of another layer of the model.
        layer: the name of the layer that is read.
        rerun: the model, and how `acts` were captured.

    Raises:
        ValueError: there is no such layer, no data, or the data has other samples.
    """
    from neuronwidgets.capturing.capture import capture

    find_layer(rerun.model, layer)
    size = 4 * len(acts) * acts.shape[1]
    if size > MOST:
        raise ValueError(
            f"layer {layer!r} of {len(acts):,} samples may take {size / 2**30:.0f} GiB: capture it "
            "with the layer above, and pass it in below=."
        )
    samples, every = acts.samples, np.arange(len(acts))
    data, pairs = rerun.data, samples.dataset_indices(every)
    if data is None:
        data = samples.texts if samples.kind == "text" else samples.images
        item = every if samples.item is None else samples.item
        pairs = np.stack([item, pairs[:, 1]], axis=1)
        if not len(data):
            raise ValueError("reading a layer runs the model: pass data=, what capture read.")
    options: dict[str, Any] = {
        "transform": rerun.transform, "max_length": rerun.max_length, "at": _neurons_at(rerun.model,
        layer), "neuron_axis": rerun.neuron_axis,
    }  # fmt: skip
    if not acts.first:
        options["first"] = False
    running = capture(
        rerun.model, data, layer, acts.pooling or "mean", None, rerun.tokenizer, rerun.batch_size,
        background=True, progress=False, **options,
    )  # fmt: skip
    try:
        while not running.wait(timeout=LOOK):
            total = running.reading.total
            yield running.reading.samples / total if total else 0.0
    finally:
        running.cancel()
    lower: Activations = running.result()
    rows = lower.samples.rows_of(pairs)
    if (rows < 0).any():
        raise ValueError(
            f"the data has no sample {int(pairs[rows < 0][0, 0]):,} of the {len(acts):,} "
            f"samples of layer {acts.layer!r}: pass the data that was captured."
        )
    values = lower.values if np.array_equal(rows, np.arange(len(lower))) else lower.rows(rows)
    return replace(
        lower, values=values, samples=samples, labels=acts.labels, label_names=acts.label_names
    )


def _neurons_at(model: Any, layer: str) -> At:
    """Whether a layer's neurons are its output or its input."""
    return next((row.at for row in layers(model) if row.name == layer and row.neurons), "output")
