"""The masks that RangeExplorer shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from neuronwidgets.activations.how_many import how_many
from neuronwidgets.intervals.bands import carried
from neuronwidgets.intervals.ranges import Ranges
from neuronwidgets.interventions.masks import NeuronEdit, Replacement, range_edit


def masks(
    found: Ranges, label: str, neuron: int, tau: float, rule: str, top: float | None,
    drawn: np.ndarray, to: Replacement,
) -> dict[str, NeuronEdit]:  # fmt: skip
    """The range mask and the neuron mask of a label.

    Args:
        found: the ranges of all neurons.
        label, neuron, tau, rule, to: what is chosen on the screen.
        top: the share of the label's salient neurons to edit; `None`: only `neuron`.
        drawn: float64 `P x 2`, the band that the user drew on `neuron`, which every masked neuron
            gets by `carried`; `P` is 0 without one.
    """
    index = np.array([neuron])
    if top is not None:
        magnitude = found.magnitude[found.label(label)]
        index = np.argsort(-magnitude, kind="stable")[: how_many(top, found.neurons)]
        if len(drawn) and neuron not in index:
            index = np.append(index, neuron)
    whole = range_edit(found, label, float("inf"), neurons=index,
                       replacement="zero" if to == "soft" else to)  # fmt: skip
    if len(drawn):
        low, high = np.moveaxis(carried(found, label, neuron, drawn, rule)[index], -1, 0)
        edit = replace(whole, low=low, high=high, replacement=to)
    else:
        edit = range_edit(found, label, tau, rule=rule, neurons=index, replacement=to)
    return {"range": edit, "neuron": whole}


def pieces(edges: Sequence[float | None]) -> np.ndarray:
    """`[low, high, low, high ...]`, `None` for open ends, as float64 `P x 2`."""
    ends = np.array([np.nan if end is None else end for end in edges], np.float64)
    if len(ends):
        ends[0] = -np.inf if np.isnan(ends[0]) else ends[0]
        ends[-1] = np.inf if np.isnan(ends[-1]) else ends[-1]
    return ends.reshape(-1, 2) if len(ends) % 2 == 0 else ends


def key_of(edit: NeuronEdit) -> bytes:
    """A key that is equal for equal masks."""
    return b"".join(part.tobytes() for part in (edit.neurons, edit.low, edit.high))
