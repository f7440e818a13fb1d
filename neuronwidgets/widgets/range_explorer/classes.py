"""The labelled activations that RangeExplorer shows, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.samples import Samples
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.display.palette import COLORS
from neuronwidgets.intervals.ranges import Ranges, labelled, ranges
from neuronwidgets.widgets.range_explorer.picture import Pictures

MOST_RANKED = 1 << 26
"""Activations that ranges are made from: about a second's work. Of more, evenly spaced samples."""


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes of labelled activations.

    Attributes:
        acts: the activations.
        ranges: the ranges of all neurons.
        label_names: the labels that some sample has, in the order of `ranges`.
        pictures: makes the picture of a neuron.
    """

    acts: Activations
    ranges: Ranges
    label_names: tuple[str, ...]
    pictures: Pictures

    @classmethod
    def of(cls, acts: Any, concepts: Concepts | None = None) -> Classes:
        """The classes of `acts`; of `concepts`, in their colours.

        Raises:
            TypeError: `acts` is neither `Activations` nor `Concepts`.
            ValueError: it has no labels.
        """
        acts = labelled(acts)
        assert acts.labels is not None
        present = sorted(set(acts.labels[acts.labels >= 0].tolist()))
        colors = (COLORS[0],) * len(present)
        if concepts is not None:
            colors = tuple(concepts.colors[c] for c in present)
        made = _ranges(acts)
        what = "label" if concepts is None else "concept"
        names = tuple(acts.label_names[c] for c in present)
        return cls(acts, made, names, Pictures(acts, made, colors, what))


def enough(acts: Activations, label: Any = None) -> bool:
    """Whether a running capture has samples enough to open: two of a label, or of `label`."""
    if acts.labels is None:
        return True
    codes, counts = np.unique(acts.labels[acts.labels >= 0], return_counts=True)
    names = [acts.label_names[code] for code in codes]
    if label is None:
        return bool((counts > 1).any())
    if str(label) in names:
        return bool(counts[names.index(str(label))] > 1)
    # A label may also be given by its index, unless the labels are numbers themselves.
    numbers = all(name.isdecimal() for name in names)
    return isinstance(label, int | np.integer) and not numbers and 0 <= int(label) < len(names)


def _ranges(acts: Activations) -> Ranges:
    step = -(-acts.values.size // MOST_RANKED)
    if step <= 1 or acts.labels is None:
        return ranges(acts)
    rows = np.argsort(acts.labels, kind="stable")[::step]
    thinned = replace(
        acts, values=acts.values[rows], labels=acts.labels[rows], samples=Samples(len(rows))
    )
    return replace(ranges(thinned), seen=frozenset(acts.samples.fingerprints()))
