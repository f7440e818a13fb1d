"""A `MaskReport` as charts: what the masked label loses against what all others lose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.display.vega import readable
from neuronwidgets.interventions.setting import RANDOM

if TYPE_CHECKING:
    from neuronwidgets.interventions.report import MaskReport

RULES = {"gaussian": "#4477AA", "quantile": "#CCBB44", "discriminative": "#EE6677",
         "neuron": "#AA3377", "random band": "#999999"}  # fmt: skip
"""Colours in the frontiers: of the rules, and of random bands. They are seen on white and black."""
MASKS = {"base": "#AAAAAA", "range": "#4477AA", "random": "#999933", "neuron": "#AA3377"}
"""Colours of the masks in the bars of each label, seen on white and on black."""
SIZE = 300
"""Pixels, width and height of a chart."""


def charts(report: MaskReport) -> Any:
    """One page of Altair charts: frontiers of accuracy, confidence, perplexity, and each label.

    A frontier has what the masked label loses upwards and what all others lose to the right, so
    good masks are at the upper left. A line joins the widths of one rule; random bands of the same
    shares have a line of their own for each rule. Below, each label under the width with the
    largest target drop minus other drop.
    """
    import altair as alt

    table = report.frontier()
    # Vega-Lite has no infinity.
    table["range"] = table["rule"].where(table["mask"] != RANDOM, "random band")
    table["name"] = ["whole" if np.isinf(t) else f"{t:g}" for t in table["tau"]]
    table = table.replace(np.inf, None)
    panels = [
        _frontier(table, "other_drop", "target_drop", "accuracy lost on all other labels",
                  "accuracy lost on the masked label"),
        _frontier(table, "other_confidence_drop", "target_confidence_drop",
                  "confidence lost on all other labels", "confidence lost on the masked label"),
    ]  # fmt: skip
    if report.nats is not None:
        panels.append(_frontier(table, "perplexity_ratio", "target_drop",
                                "perplexity, times the base's",
                                "accuracy lost on the masked label"))  # fmt: skip
    page = alt.vconcat(alt.hconcat(*panels), _labels(report, table))
    # Rules and masks are different things: on one scale, "base" would take a rule's colour.
    page = page.resolve_scale(color="independent", shape="independent")
    return readable(page, axis={"labelOverlap": True, "tickCount": 5})


def _frontier(table: Any, x: str, y: str, across: str, up: str) -> Any:
    import altair as alt

    rules = [rule for rule in RULES if rule in set(table["range"])]
    color = alt.Color("range:N").scale(domain=rules, range=[RULES[r] for r in rules]).title("range")
    base = alt.Chart(table).encode(
        x=alt.X(f"{x}:Q").title(across).scale(zero=False),
        y=alt.Y(f"{y}:Q").title(up).scale(zero=False),
        color=color,
        tooltip=["saliency", "mask", "rule", "name", f"{x}:Q", f"{y}:Q"],
    )
    shaped = base.encode(shape=alt.Shape("saliency:N").title("neurons by"))
    lines = base.mark_line(strokeWidth=1.5).encode(detail=["saliency:N", "rule:N"], order="tau:Q")
    across_ends = base.mark_rule(opacity=0.35).encode(x=f"{x}_low:Q", x2=f"{x}_high:Q")
    up_ends = base.mark_rule(opacity=0.35).encode(y=f"{y}_low:Q", y2=f"{y}_high:Q")
    dots = shaped.mark_point(size=45, filled=True, opacity=1)
    text = base.mark_text(dx=7, dy=8, align="left", fontSize=9).encode(text="name")
    layered = across_ends + up_ends + lines + dots + text
    return layered.properties(width=SIZE, height=SIZE)


def _labels(report: MaskReport, table: Any) -> Any:
    import altair as alt

    narrow = table[table["mask"] == "range"]
    if not len(narrow):
        narrow = table
    best = narrow.loc[(narrow["target_drop"] - narrow["other_drop"]).fillna(-9).idxmax()]
    frame = report.to_frame()
    same = (frame["rule"] == best["rule"]) & (frame["tau"] == best["tau"])
    keep = same | (frame["mask"] == "neuron")
    keep = (frame["mask"] == "base") | (keep & (frame["saliency"] == best["saliency"]))
    frame = frame[keep].replace(np.inf, None)
    masks = [mask for mask in MASKS if mask in set(frame["mask"])]
    color = alt.Color("mask:N").scale(domain=masks, range=[MASKS[m] for m in masks]).title("mask")
    panels = []
    for part, title in (("target", "accuracy on the masked label"),
                        ("other", "accuracy on all others")):  # fmt: skip
        base = alt.Chart(frame).encode(
            y=alt.Y("label:N").title(None).sort(list(report.label_names)),
            yOffset=alt.YOffset("mask:N").sort(masks),
            color=color,
        )
        bars = base.mark_bar().encode(
            x=alt.X(f"{part}:Q").title(title).scale(domain=[0, 1]),
            tooltip=["label", "mask", f"{part}:Q", f"{part}_low:Q", f"{part}_high:Q"],
        )
        intervals = base.mark_rule(color="#888", strokeWidth=1).encode(
            x=f"{part}_low:Q", x2=f"{part}_high:Q", color=alt.value("#888")
        )
        panels.append((bars + intervals).properties(width=SIZE, height=alt.Step(8)))
    name = f"{best['rule']} range, tau {best['name']}, neurons by {best['saliency']}"
    return alt.hconcat(*panels).properties(title=f"Each label: {name}")
