"""What the masks on the screen do to models: their cost, and what is written under them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from neuronwidgets.interventions.completions import completing
from neuronwidgets.interventions.masks import NeuronEdit
from neuronwidgets.interventions.perplexity import check_causal
from neuronwidgets.interventions.random_bands import random_edit
from neuronwidgets.widgets.base.jobs import JobProgress, Steps
from neuronwidgets.widgets.range_explorer.classes import Classes
from neuronwidgets.widgets.range_explorer.cost_curve import CostCurve
from neuronwidgets.widgets.range_explorer.mask_cost import MaskCost
from neuronwidgets.widgets.range_explorer.range_mask import key_of

DRAWS = 5
"""Masks of random bands: enough for the spread of their places, and less work than the curve."""
Put = Callable[[Mapping[str, Any]], None]
Edits = Mapping[str, NeuronEdit]


class MaskEffects:
    """Measures masks on held-out data, and completes prompts under them.

    Args:
        cost: makes the meter of what masks cost; `None` without held-out data.
        speaker: the language model; `None` without one.
        tokenizer: of the language model.
        neuron_axis: see `evaluate_masks`.
    """

    def __init__(
        self,
        cost: Callable[[Classes], MaskCost] | None = None,
        speaker: Any = None,
        tokenizer: Any = None,
        neuron_axis: int | None = None,
    ) -> None:
        self._make_cost = cost
        self._cost: MaskCost | None = None
        self._speaker, self._tokenizer, self._axis = speaker, tokenizer, neuron_axis
        self._measure: dict[str, Any] = {}
        self._curve = CostCurve()

    @property
    def measures(self) -> bool:
        """Whether there is held-out data to measure masks on."""
        return self._make_cost is not None

    @property
    def completes(self) -> bool:
        """Whether there is a language model with a tokenizer."""
        return self._speaker is not None and self._tokenizer is not None

    def open(self, classes: Classes) -> MaskCost:
        """The meter for these classes, which are final: it reads the held-out data once.

        Raises:
            ValueError, TypeError: the held-out data does not fit.
        """
        if self._cost is None:
            assert self._make_cost is not None
            self._cost = self._make_cost(classes)
        return self._cost

    def close(self) -> None:
        """Let go of what is kept for the next mask."""
        self._make_cost = self._cost = None

    def measuring(self, asked: dict[str, Any], edits: Edits, classes: Classes, put: Put) -> Steps:
        """Measure the masks `edits`, made by the choices `asked`, and publish `measure`."""
        if not self.measures:
            return
        cost = self.open(classes)
        changed = cost.changed()
        if changed:
            self._curve.forget()
        if self._measure.get("done") == asked and not changed:
            return
        keys = {name: key_of(edit) for name, edit in edits.items()}
        total = f" of {cost.total:,}" if cost.total else ""

        bars: dict[str, Any] = {}
        for share, bars in cost.steps(asked["label"], edits, keys):
            yield JobProgress(share, f"measuring the masks on {bars['samples']:,}{total} samples")
            yield partial(self._publish, {"for": asked, **bars}, put)
        alone = len(edits["range"].neurons) == 1
        findings = cost.findings(asked["label"], alone, bars) if bars else []
        done = {"for": asked, "done": asked, **bars, "findings": findings}
        yield partial(self._publish, done, put)

    def controlling(
        self, asked: Mapping[str, Any], edits: Edits, classes: Classes, put: Put
    ) -> Steps:
        """Measure random bands of the share of the range mask, and publish them in `measure`."""
        measure = self._measure
        if not self.measures or measure.get("done") != asked or "random" in measure:
            return
        cost = self.open(classes)
        made = [random_edit(classes.ranges, edits["range"], draw) for draw in range(DRAWS)]
        # Draws of a range that holds nothing are equal, and count all the same.
        bands = {(draw, key_of(edit)): edit for draw, edit in enumerate(made)}
        for share, about in cost.control(asked["label"], edits, bands, key_of(edits["range"])):
            yield JobProgress(share, "measuring random bands of the same share")
            if about:
                findings = [*measure["findings"], *about["findings"]]
                yield partial(self._publish, {**measure, **about, "findings": findings}, put)

    def _publish(self, measure: dict[str, Any], put: Put) -> None:
        self._measure = measure
        put({"measure": measure})

    def curving(
        self, asked: Mapping[str, Any], edit_at: Callable[[float], NeuronEdit], classes: Classes,
        put: Put,
    ) -> Steps:  # fmt: skip
        """Measure the range mask at every width, `edit_at(tau)`, and publish `curve`."""
        if self.measures:
            yield from self._curve.steps(self.open(classes), asked, edit_at, put)

    def completing(self, prompt: str, label: int, edits: Edits, put: Put) -> Steps:
        """Complete `prompt` without a mask and under both, and publish `completions`."""
        if not prompt:
            return
        about = {"prompt": prompt, "label": label}
        yield JobProgress(0.0, "writing")
        texts: dict[str, str] = {"base": "", "range": "", "neuron": ""}
        every = {"base": None, **edits}
        try:
            for texts in completing(
                self._speaker, self._tokenizer, prompt, every, neuron_axis=self._axis
            ):
                yield partial(put, {"completions": {**about, **texts, "done": False}})
        except ValueError:
            # A prompt that is refused is not tried again at the next drag.
            yield partial(put, {"prompt": ""})
            raise
        yield partial(put, {"completions": {**about, **texts, "done": True}})


def speaking(language_model: Any, model: Any) -> Any:
    """The language model: `language_model`, or `model` if it is one; else `None`."""
    if language_model is not None:
        check_causal(language_model)
        return language_model
    can_generate = getattr(model, "can_generate", None)
    return model if can_generate is not None and can_generate() else None
