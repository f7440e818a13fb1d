"""What a report's averages over labels hide, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.interventions.report import NEURON

if TYPE_CHECKING:
    from neuronwidgets.interventions.report import MaskReport

FLIPPED = 0.9
"""A mask under which the model says one class for so many of the samples..."""
RISEN = 0.2
"""... and for so many more of them than without, leaves no decision to be measured."""
GAIN = 0.05
KEPT = 0.5
"""A label of which a retrained head keeps so much of what the mask takes is still in the layer."""


def findings(report: MaskReport) -> tuple[str, ...]:
    """See `MaskReport.findings`; the widest effects first."""
    found: list[tuple[float, str]] = []
    names = report.class_names
    kinds = max(int(report.predicted.max(initial=0)), int(report.truth.max(initial=0))) + 1
    samples = max(1, len(report.truth))
    said = np.stack([np.bincount(row, minlength=kinds) for row in report.predicted]) / samples
    count = len(report.label_names)
    for v in range(1, len(report.predicted)):
        setting, label = report.settings[(v - 1) // count], report.label_names[(v - 1) % count]
        kind = f"{setting.rule} range mask (tau {setting.tau:g})"
        mask = f"{setting.name if setting.rule == NEURON else kind} of {label!r}"
        if len({each.saliency for each in report.settings}) > 1:
            mask += f" (neurons by {setting.saliency})"
        most = int(said[v].argmax())
        rise = said[v, most] - said[0, most]
        if said[v, most] >= FLIPPED and rise >= RISEN:
            title = names[most] if most < len(names) else str(most)
            found.append((1 + rise, (
                f"Under the {mask} the model says {title!r} for {said[v, most]:.0%} of all samples "
                f"({said[0, most]:.0%} without): accuracies tell of that and not of the label."
            )))  # fmt: skip
        mine = report.truth == report.classes[(v - 1) % count]
        if not mine.any():
            continue
        drop, clear = _drop(report.right, v, mine)
        if drop <= -GAIN and clear:
            found.append((-drop, (
                f"Under the {mask} its own accuracy rises by {-drop:.2f}: what the mask writes "
                "reads as the label. Try to='mean', or another width."
            )))  # fmt: skip
        if "head" in report.metrics and drop >= GAIN and clear:
            lost, _ = _drop(report.metrics["head"], v, mine)
            if lost <= (1 - KEPT) * drop:
                found.append((drop - lost, (
                    f"Under the {mask} the model loses {drop:.2f} of the label and a retrained "
                    f"linear head {max(lost, 0):.2f}: the layer still holds it."
                )))  # fmt: skip
    order = sorted(range(len(found)), key=lambda i: -found[i][0])
    return tuple(found[i][1] for i in order)


def _drop(right: np.ndarray, v: int, mine: np.ndarray) -> tuple[float, bool]:
    """Base minus masked, and whether that is more than two standard errors from 0."""
    lost = right[0, mine].astype(float) - right[v, mine]
    return float(lost.mean()), abs(lost.mean()) > 2 * lost.std() / np.sqrt(len(lost))
