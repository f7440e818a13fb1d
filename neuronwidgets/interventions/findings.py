"""Sentences about what a report's averages over labels hide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.interventions.setting import NEURON

if TYPE_CHECKING:
    from neuronwidgets.interventions.report import MaskReport

CONSTANT = 0.9
"""Share of the samples: a mask under which the model predicts one class for this many or more, and
`RISE` more than without the mask, makes the model's answer constant. Accuracies then say nothing
about the label."""
RISE = 0.2
"""Share of the samples, see `CONSTANT`."""
EFFECT = 0.05
"""Accuracy: smaller gains and drops under a label's own mask are not reported."""
KEPT = 0.5
"""Share of the accuracy drop: when a retrained head keeps this much of it or more, the layer still
holds the label."""


def findings(report: MaskReport) -> tuple[str, ...]:
    """The sentences of `MaskReport.findings`; the largest effects first."""
    weighted: list[tuple[float, str]] = []
    names = report.class_names
    kinds = max(int(report.predicted.max(initial=0)), int(report.truth.max(initial=0))) + 1
    samples = max(1, len(report.truth))
    shares = np.stack([np.bincount(row, minlength=kinds) for row in report.predicted]) / samples
    count = len(report.label_names)
    for v in range(1, len(report.predicted)):
        setting, label = report.settings[(v - 1) // count], report.label_names[(v - 1) % count]
        kind = f"{setting.rule} range mask (tau {setting.tau:g})"
        mask = f"{setting.name if setting.rule == NEURON else kind} of {label!r}"
        if len({each.saliency for each in report.settings}) > 1:
            mask += f" (neurons by {setting.saliency})"
        most = int(shares[v].argmax())
        rise = shares[v, most] - shares[0, most]
        if shares[v, most] >= CONSTANT and rise >= RISE:
            title = names[most] if most < len(names) else str(most)
            weighted.append((1 + rise, (
                f"Under the {mask} the model predicts {title!r} for {shares[v, most]:.0%} of all "
                f"samples ({shares[0, most]:.0%} without the mask). Accuracies under this mask "
                "measure this shift, not the label."
            )))  # fmt: skip
        mine = report.truth == report.classes[(v - 1) % count]
        if not mine.any():
            continue
        drop, clear = _drop(report.right, v, mine)
        if drop <= -EFFECT and clear:
            weighted.append((-drop, (
                f"Under the {mask} the label's own accuracy rises by {-drop:.2f}: the model takes "
                "the replaced values for the label. Try replacement='mean', or another width."
            )))  # fmt: skip
        if "head" in report.metrics and drop >= EFFECT and clear:
            lost, _ = _drop(report.metrics["head"], v, mine)
            if lost <= (1 - KEPT) * drop:
                weighted.append((drop - lost, (
                    f"Under the {mask} the label's accuracy drops by {drop:.2f} in the model and "
                    f"by {max(lost, 0):.2f} in a retrained linear head: the layer still holds the "
                    "label."
                )))  # fmt: skip
    order = sorted(range(len(weighted)), key=lambda i: -weighted[i][0])
    return tuple(weighted[i][1] for i in order)


def _drop(right: np.ndarray, v: int, mine: np.ndarray) -> tuple[float, bool]:
    """Base minus masked accuracy, and whether it is more than two standard errors from 0."""
    lost = right[0, mine].astype(float) - right[v, mine]
    return float(lost.mean()), abs(lost.mean()) > 2 * lost.std() / np.sqrt(len(lost))
