"""`ConceptEffects` as a chart: three short bars for each concept, with marks of the controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuronwidgets.display.vega import INK, readable
from neuronwidgets.effects.losses import CONCEPT, NEURON, RANDOM, SIDES

if TYPE_CHECKING:
    from neuronwidgets.effects.concept_effects import ConceptEffects

COLORS = {"own": "#4477AA", "siblings": "#CCBB44", "others": "#AAAAAA"}
"""Colours of the sides, seen on white and on black."""
MARKS = {RANDOM: "#EE6677", NEURON: "#AA3377"}
"""Colours of the controls' marks, seen on white and on black."""
WIDTH, BAR = 420, 11
"""Pixels: the chart's width, and the height of a bar."""


def chart(effects: ConceptEffects) -> Any:
    """An Altair chart of the nats that own, siblings' and other samples lose.

    Lines are 95% intervals. A mark across each bar is what the same samples lose by random edits,
    another what they lose without the whole neuron.
    """
    import altair as alt
    import pandas as pd

    rows = []
    for k, name in enumerate(effects.names):
        for way in dict.fromkeys(effects.ways):
            for side, loss in effects.losses(k, way).items():
                rows.append({
                    "concept": f"{k + 1}. {name}", "way": way, "side": side, "lost": loss.value,
                    "low": loss.low, "high": loss.high,
                })  # fmt: skip
    frame = pd.DataFrame(rows)
    order = [f"{k + 1}. {name}" for k, name in enumerate(effects.names)]
    of_concept = frame[frame["way"] == CONCEPT]
    controls = frame[frame["way"] != CONCEPT]
    tip = [
        "concept",
        "way",
        "side",
        *(alt.Tooltip(n, format="+.4f") for n in ("lost", "low", "high")),
    ]
    sides = alt.Color("side:N").scale(domain=list(SIDES), range=[COLORS[s] for s in SIDES])
    base = alt.Chart(of_concept).encode(
        y=alt.Y("concept:N").title(None).sort(order).axis(labelLimit=240, ticks=False),
        yOffset=alt.YOffset("side:N").sort(list(SIDES)).scale(paddingInner=0.15),
        tooltip=tip,
    )
    bars = base.mark_bar().encode(
        x=alt.X("lost:Q").title("nats lost when the concept is taken out"),
        color=sides.title("samples"),
    )
    lines = base.mark_rule(color=INK).encode(x="low:Q", x2="high:Q")
    marks = (
        alt.Chart(controls)
        .mark_tick(thickness=2, size=BAR + 3)
        .encode(
            x="lost:Q",
            y=alt.Y("concept:N").sort(order),
            yOffset=alt.YOffset("side:N").sort(list(SIDES)),
            color=alt.Color("way:N")
            .scale(domain=list(MARKS), range=list(MARKS.values()))
            .title("control"),
            tooltip=tip,
        )
    )
    page = (bars + lines + marks).resolve_scale(color="independent")
    page = page.properties(width=WIDTH, height=alt.Step(BAR))
    return readable(page)
