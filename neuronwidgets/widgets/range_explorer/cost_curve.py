"""What a rule's range mask costs at every width, measured ahead of the hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from neuronwidgets.interventions.masks import NeuronEdit
from neuronwidgets.widgets.base.jobs import JobProgress, Steps, pause
from neuronwidgets.widgets.range_explorer.mask_cost import MaskCost
from neuronwidgets.widgets.range_explorer.range_mask import key_of

TAUS = (0.0, 4.0, 2.0, 1.0, 3.0, *(0.5 + i for i in range(4)), *(0.25 + i / 2 for i in range(8)))
"""Widths, in standard deviations, from coarse to fine: the curve is of use before it is whole."""
SETTING = ("label", "rule", "top", "this_neuron_only")
"""The choices that a curve is for."""
QUANTITIES = ("target", "other", "target_nats", "other_nats")


class CostCurve:
    """The cost of a range mask at each of `TAUS`: the value of the trait `curve`.

    The last curve is kept. A curve that was interrupted goes on where it was.
    """

    def __init__(self) -> None:
        self._for: dict[str, Any] = {}
        self._points: dict[float, dict[str, float | None]] = {}

    def forget(self) -> None:
        """Measure all widths again: the model has changed."""
        self._for, self._points = {}, {}

    def steps(
        self, cost: MaskCost, asked: Mapping[str, Any], edit_at: Callable[[float], NeuronEdit],
        put: Callable[[Mapping[str, Any]], None],
    ) -> Steps:  # fmt: skip
        """Measure what is missing, and publish `curve` after each width.

        Args:
            cost: the meter, whose held-out samples have been read.
            asked: the choices.
            edit_at: the range mask of these choices at a width.
            put: sets traits.
        """
        setting = setting_of(asked)
        if setting != self._for:
            self._for, self._points = setting, {}
        for tau in TAUS:
            if tau in self._points:
                continue
            done = len(self._points)
            yield JobProgress(done / len(TAUS), f"cost curve: {done} of {len(TAUS)} widths")
            edit = edit_at(tau)
            so_far: dict[str, float | None] = {}
            for point in cost.point(asked["label"], edit, key_of(edit)):
                # A newer request takes over after any batch.
                so_far = point
                yield pause
            self._points[tau] = so_far
            yield partial(put, {"curve": self._message()})

    def _message(self) -> dict[str, Any]:
        taus = sorted(self._points)
        values = {name: [self._points[tau].get(name) for tau in taus] for name in QUANTITIES}
        return {"for": self._for, "tau": taus, "of": len(TAUS), **values}


def setting_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a curve is for. The neuron on the screen matters only where it alone is masked."""
    neuron = asked["neuron"] if asked["this_neuron_only"] else None
    return {"neuron": neuron, **{name: asked[name] for name in SETTING}}
