"""The binary messages of NeuronBrowser, packed."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.scores import SCORES
from neuronwidgets.display.palette import COLORS
from neuronwidgets.overviews.forest import Forest
from neuronwidgets.overviews.overview import BINS
from neuronwidgets.overviews.placement import Placement
from neuronwidgets.overviews.search import Match
from neuronwidgets.widgets.neuron_browser.nulls import Nulls
from neuronwidgets.widgets.neuron_browser.rows import Rows
from neuronwidgets.widgets.protocol.buffers import pack

MOST_BYTES = 16_000_000
"""Bytes of the message `trees`, at most: 13,400 trees of 100 labelled samples. A notebook keeps
the message, and a page holds it twice."""
STEPS = 65535
"""The heights that a tree's height can have."""
MAIN = ("polysemanticity", "geometry_p", "active", "label_entropy", "kurtosis")
"""The scores that are shown at first."""


def pack_table(acts: Activations, rows: Rows, forest: Forest, nulls: Nulls) -> bytes:
    """The message `table`."""
    top = 0 if forest.settings is None else forest.settings.top
    count = len(rows.neurons)
    scores = [forest.scores[name] for name in columns(forest)]
    histogram = np.zeros((count, BINS), np.uint8) if rows.histogram is None else rows.histogram
    tensors = {
        "neuron": rows.neurons.astype(np.int32),
        "histogram": histogram,
        "least": rows.least,
        "largest": rows.largest,
        "top": rows.top,
        "concepts": forest.concepts,
        "score": np.stack(scores) if scores else np.zeros((0, count), np.float32),
    }
    if forest.unscored.any():
        tensors["unscored"] = forest.unscored.astype(np.uint8)
    described = [
        {**column(name, nulls.about(name, top) if top else ""), "late": name in forest.late}
        for name in columns(forest)
    ]
    return pack(tensors, {
        "layer": acts.layer,
        "samples": len(acts),
        "split": len(forest),
        "columns": described,
        "words": list(forest.words),
        "labels": list(acts.label_titles),
        "colored": colored(acts),
    })  # fmt: skip


def colored(acts: Activations) -> list[int]:
    """The codes of the labels that have a colour, in the order of the palette: of more labels than
    colours those that most samples have."""
    if acts.labels is None:
        return []
    counts = np.bincount(acts.labels[acts.labels >= 0], minlength=len(acts.label_titles))
    return sorted(np.argsort(-counts, kind="stable")[: len(COLORS)].tolist())


def columns(forest: Forest) -> list[str]:
    """The names of the scores, in the order of the registry."""
    registered = [name for score in SCORES.values() for name in score.columns]
    order = {name: i for i, name in enumerate(registered)}
    return sorted(forest.scores, key=lambda name: order.get(name, len(order)))


def column(name: str, null: str = "") -> dict[str, Any]:
    """The description of a score's column; `null`: what chance gives, a sentence."""
    for score in SCORES.values():
        if name in score.columns:
            found = score.columns[name]
            about = f"{_range(found.low, found.high)}; higher: {found.higher} ({score.source})."
            about = f"{about} {null}" if null else about
            return {"name": name, "title": found.title, "about": about, "main": name in MAIN}
    return {"name": name, "title": name, "about": "", "main": False}


def _range(low: float, high: float) -> str:
    if np.isfinite(low) and np.isfinite(high):
        return f"{low:g} to {high:g}"
    if np.isfinite(low):
        return f"from {low:g}"
    return f"up to {high:g}" if np.isfinite(high) else "any number"


def pack_trees(acts: Activations, forest: Forest, most: int = MOST_BYTES) -> bytes:
    """The message `trees`; of so many that they take more than `most` bytes, only the first."""
    if forest.settings is None or not len(forest):
        return b""
    n, trees = forest.settings.top, forest.trees()
    each = 12 + 6 * (n - 1) + (4 if acts.labels is None else 6) * n
    kept = min(len(forest), max(1, most // each))
    height = trees.height[:kept]
    scale = float(height.max(initial=0)) or 1.0
    sample = trees.sample[:kept]
    own = trees.own[:kept]
    tensors = {
        "neuron": forest.neurons[trees.place[:kept]].astype(np.int32),
        "tops": trees.tops[:kept].astype(np.int32),
        "child": trees.child[:kept],
        "height": np.rint(height * (STEPS / scale)).astype(np.uint16),
        "own": own,
        "sample": sample,
    }
    if acts.labels is not None:
        labels = acts.labels[np.maximum(sample, 0)]
        tensors["label"] = np.where(sample >= 0, labels, -1).astype(np.int16)
    split = own[trees.tops[:kept] > 1]
    unit = forest.unit
    if kept < len(forest):
        unit += f"; the trees of {kept:,} of {len(forest):,} neurons, as more are too large to send"
    return pack(tensors, {
        "scale": scale,
        "unit": unit,
        "minSize": forest.settings.min_size,
        "suggested": float(np.median(split)) if len(split) else 0.0,
        "labels": list(acts.label_titles),
    })  # fmt: skip


def pack_map(place: Placement) -> bytes:
    """The message `map`."""
    return pack({"column": place.column, "row": place.row}, {
        "columns": place.columns,
        "rows": place.rows,
        "shared": place.shared,
        "chance": place.chance,
    })  # fmt: skip


def pack_match(match: Match, neurons: np.ndarray) -> bytes:
    """The message `match`."""
    tensors = {"value": match.value[neurons].astype(np.float32)}
    if match.q is not None:
        tensors["q"] = match.q[neurons].astype(np.float32)
    if match.token is not None:
        tensors["token"] = match.token[neurons].astype(np.int32)
    return pack(tensors, {
        "title": match.title,
        "about": match.about,
        "note": match.note,
        "segments": match.segments,
    })  # fmt: skip
