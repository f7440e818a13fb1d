"""The masks on RangeExplorer's screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from neuronwidgets.activations.how_many import how_many
from neuronwidgets.intervals.ranges import Ranges
from neuronwidgets.interventions.masks import NeuronEdit, Replacement, range_edit


def masks(
    found: Ranges, label: str, neuron: int, tau: float, rule: str, top: float | None,
    drawn: np.ndarray, to: Replacement,
) -> dict[str, NeuronEdit]:  # fmt: skip
    """The range mask and the neuron mask: of the label's salient neurons, a share `top`; without,
    of `neuron` alone. `drawn`, `P x 2`, is the range that the user drew on `neuron`; `P` 0: none.
    """
    index = np.array([neuron])
    if top is not None:
        magnitude = found.magnitude[found.label(label)]
        index = np.argsort(-magnitude, kind="stable")[: how_many(top, found.neurons)]
        if len(drawn) and neuron not in index:
            index = np.append(index, neuron)
    whole = range_edit(found, label, float("inf"), neurons=index,
                       replacement="zero" if to == "soft" else to)  # fmt: skip
    if len(drawn) and top is None:
        edit = replace(whole, low=drawn[None, :, 0], high=drawn[None, :, 1], replacement=to)
    else:
        edit = range_edit(found, label, tau, rule=rule, neurons=index, replacement=to)
        if len(drawn):
            edit = _with(edit, int(np.flatnonzero(index == neuron)[0]), drawn)
    return {"range": edit, "neuron": whole}


def pieces(edges: Sequence[float | None]) -> np.ndarray:
    """`[low, high, low, high ...]`, `None` for open ends -> `P x 2`."""
    ends = np.array([np.nan if end is None else end for end in edges], np.float64)
    if len(ends):
        ends[0] = -np.inf if np.isnan(ends[0]) else ends[0]
        ends[-1] = np.inf if np.isnan(ends[-1]) else ends[-1]
    return ends.reshape(-1, 2) if len(ends) % 2 == 0 else ends


def key_of(edit: NeuronEdit) -> bytes:
    """Equal for equal masks."""
    return b"".join(part.tobytes() for part in (edit.neurons, edit.low, edit.high))


def _with(edit: NeuronEdit, place: int, drawn: np.ndarray) -> NeuronEdit:
    """An edit with other pieces for one of its neurons."""
    wide = max(edit.low.shape[1], len(drawn))
    low, high = (
        np.pad(ends, ((0, 0), (0, wide - ends.shape[1])), constant_values=np.nan)
        for ends in (edit.low, edit.high)
    )
    low[place], high[place] = np.nan, np.nan
    low[place, : len(drawn)], high[place, : len(drawn)] = drawn.T
    return replace(edit, low=low, high=high)
