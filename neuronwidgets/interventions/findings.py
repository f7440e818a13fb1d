"""Sentences about what a report's averages over labels hide."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.interventions.bootstrap import beyond_draws
from neuronwidgets.interventions.setting import NEURON, RANDOM

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
        if setting.mask == RANDOM:
            continue
        kind = f"{setting.rule} range mask (tau {setting.tau:g})"
        mask = f"{setting.name if setting.rule == NEURON else kind} of {label!r}"
        if len({each.saliency for each in report.settings}) > 1:
            mask += f" (neurons by {setting.saliency})"
        most = int(shares[v].argmax())
        title = names[most] if most < len(names) else str(most)
        sentence = constant_answer(f"the {mask}", title, shares[v, most], shares[0, most])
        if sentence:
            weighted.append((1 + shares[v, most] - shares[0, most], sentence))
        mine = report.truth == report.classes[(v - 1) % count]
        if not mine.any():
            continue
        drop, clear = _drop(report.right, v, mine)
        if drop <= -EFFECT and clear:
            weighted.append((-drop, (
                f"Under the {mask} the label's own accuracy rises by {-drop:.2f}: the model takes "
                "the replaced values for the label. Try replacement='mean', or another width."
            )))  # fmt: skip
        draws = [
            1 + i * count + (v - 1) % count for i, each in enumerate(report.settings)
            if each == replace(setting, draw=each.draw) and each.mask == RANDOM
        ]  # fmt: skip
        if draws and drop >= EFFECT and clear:
            passes = report.right[[0, v, *draws]]
            sentence = no_better_than_random(f"the {mask}", label, passes, mine)
            if sentence:
                weighted.append((drop, sentence))
        if "head" in report.metrics and drop >= EFFECT and clear:
            lost, _ = _drop(report.metrics["head"], v, mine)
            if lost <= (1 - KEPT) * drop:
                weighted.append((drop - lost, (
                    f"Under the {mask} the label's accuracy drops by {drop:.2f} in the model and "
                    f"by {max(lost, 0):.2f} in a retrained linear head: the layer still holds the "
                    "label."
                )))  # fmt: skip
    order = sorted(range(len(weighted)), key=lambda i: -weighted[i][0])
    sentences = [weighted[i][1] for i in order]
    if len({setting.draw for setting in report.settings if setting.mask == RANDOM}) == 1:
        sentences.append(
            "One random band does not tell whether ranges cost more than random bands: pass "
            "random_bands=3 or more."
        )
    return tuple(sentences)


def constant_answer(mask: str, title: str, share: float, before: float) -> str:
    """What a mask does under which the model predicts `title` for `share` of the samples, and for
    `before` without it; empty unless its answer is constant."""
    if share < CONSTANT or share - before < RISE:
        return ""
    return (
        f"Under {mask} the model predicts {title!r} for {share:.0%} of all samples ({before:.0%} "
        "without the mask). Accuracies under this mask measure this shift, not the label."
    )


def no_better_than_random(
    mask: str, name: str, right: np.ndarray, mine: np.ndarray, nats: np.ndarray | None = None
) -> str:
    """What a range mask does whose cost to the label and to all others cannot be told from that of
    random bands of the same share; empty where accuracy shows a difference, and with a single draw,
    which does not tell.

    Args:
        mask: the range mask, in words.
        name: the label.
        right: bool `(2 + draws) x S`: whether samples are predicted rightly without a mask, under
            the range mask and under each draw.
        mine: bool `S`, the label's samples.
        nats: float `(2 + draws) x S`, the log-probability of the right label, which may show a
            difference that accuracy does not.
    """
    sides = [chosen for chosen in (mine, ~mine) if chosen.any()]
    gaps = [difference(right[1, chosen], right[2:, chosen]) for chosen in sides]
    if not mine.any() or len(right) < 3 or not all(low <= 0 <= high for _, low, high in gaps):
        return ""
    shares = 100 * right[:, mine].mean(axis=1)
    gap, low, high = (_points(100 * end) for end in gaps[0])
    others = ", and all others do not tell them apart either" if len(sides) > 1 else ""
    sentence = (
        f"Accuracy does not tell {mask} from random bands of the same share: that of {name!r} "
        f"changes by {_points(shares[1] - shares[0])} points under the range and by "
        f"{_points(shares[2:].mean() - shares[0])} under the bands (difference {gap}, {low} to "
        f"{high}){others}."
    )
    if nats is not None:
        value, least, most = difference(nats[1, mine], nats[2:, mine])
        if not least <= 0 <= most:
            change, least_, most_ = (_signed(v, ".2g") for v in (value, least, most))
            return (
                f"{sentence} The log-probability of the right label does: {change} nats a sample "
                f"under the range, compared with the bands ({least_} to {most_})."
            )
    return f"{sentence} The cost may be that of replacing so many values, wherever they are."


def difference(range_: np.ndarray, draws: np.ndarray) -> tuple[float, float, float]:
    """A range mask's mean less that of random bands: the value, and its 95% interval, over samples
    by a normal distribution and over places as `beyond_draws` has it; NaN for a single draw.

    Args:
        range_, draws: `S` and `K x S`, paired.
    """
    gaps = np.asarray(range_, np.float64) - np.asarray(draws, np.float64)
    value = float(gaps.mean())
    half = 1.96 * float(np.sqrt(gaps.mean(axis=0).var() / gaps.shape[1]))
    low, high = beyond_draws(value, value - half, value + half, gaps.mean(axis=1))
    return value, float(low), float(high)


def one_neuron(name: str, accuracy: list[float | None], nats: list[float | None]) -> str:
    """What a mask of one neuron does where accuracy does not show it; empty where it does.

    Args:
        name: the label.
        accuracy, nats: the change of its accuracy, and of the mean log-probability of the right
            label: value, low and high end of its 95% interval.
    """
    if None in accuracy or None in nats:
        return ""
    change, low, high = (round(100 * float(v or 0), 1) + 0.0 for v in accuracy)
    if not low <= 0 <= high:
        return ""
    seen = float(nats[1] or 0) > 0 or float(nats[2] or 0) < 0
    value, least, most = (_signed(v or 0, ".2g") for v in nats)
    shown = "shows it" if seen else "does not show it either"
    return (
        f"One neuron alone does not show in the accuracy of {name!r}: it changes by "
        f"{_signed(change, '.1f')} points ({_signed(low, '.1f')} to {_signed(high, '.1f')}). The "
        f"log-probability of the right label {shown}: {value} nats a sample ({least} to {most})."
    )


def _points(value: float) -> str:
    return _signed(round(float(value), 1) + 0.0, ".1f")


def _signed(value: float, how: str) -> str:
    """A number with a true minus sign, and no sign of zero."""
    return format(value, "+" + how).replace("-", "\u2212") if value else format(0.0, how)


def _drop(right: np.ndarray, v: int, mine: np.ndarray) -> tuple[float, bool]:
    """Base minus masked accuracy, and whether it is clear by the exact test of McNemar (1947,
    Psychometrika 12): of the samples whose answer is right only with or only without the mask, no
    more were on one side than a fair coin has in 95% of cases."""
    from scipy.stats import binomtest

    before, after = right[0, mine], right[v, mine]
    lost, gained = int((before & ~after).sum()), int((~before & after).sum())
    drop = (lost - gained) / max(1, len(before))
    return drop, lost != gained and binomtest(lost, lost + gained).pvalue <= 0.05
