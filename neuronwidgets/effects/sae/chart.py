"""The chart of a match: samples in the order of the tree, and features beneath them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.core.subsample import evenly_spaced
from neuronwidgets.display.palette import UNASSIGNED
from neuronwidgets.effects.probing.display import styled

if TYPE_CHECKING:
    from neuronwidgets.effects.sae.match import FeatureMatch

WIDTH, ROW = 460, 22
"""Pixels of the chart's width, and of a feature's row."""
MOST = 230
"""Samples that are drawn: two pixels for each."""
PARTS = 3
"""Features of a concept beside the best one, at most."""


def chart(match: FeatureMatch) -> Any:
    """Dots, and a row for each feature."""
    import altair as alt
    import pandas as pd

    concepts = match.concepts
    split = concepts.require_split("to_altair")
    order = evenly_spaced(split.tree.order, MOST)
    names = [f"{k + 1}. {name}" for k, name in enumerate(concepts.names)]
    known = [*names, "no concept"]
    colors = [*concepts.colors, UNASSIGNED]
    base = pd.DataFrame({
        "place": np.arange(len(order)), "sample": concepts.index[order],
        "concept": [names[k] if k >= 0 else "no concept" for k in concepts.assignment[order]],
    })  # fmt: skip
    rows, titles = [], []
    for feature, concept, title in _rows(match, names):
        strength = match.strength(feature)
        part = base.assign(
            feature=title, strength=strength[order], row=concept,
            share=strength[order] / max(float(strength.max()), 1e-30),
        )  # fmt: skip
        rows.append(part[part["strength"] > 0])
        titles.append(title)
    scale = alt.Scale(domain=known, range=colors)
    across = (
        alt.X("place:Q").title(None).axis(None).scale(domain=[-0.5, len(order) - 0.5], nice=False)
    )
    dots = alt.Chart(alt.InlineData(values=base.to_dict("records"))).mark_circle(size=22, opacity=1)
    dots = dots.encode(
        x=across, color=alt.Color("concept:N").scale(scale).title(None),
        tooltip=["sample:Q", "concept:N"],
    ).properties(width=WIDTH, height=ROW, title="top samples in the order of the tree")  # fmt: skip
    step = WIDTH / len(order)
    marks = alt.Chart(alt.InlineData(values=pd.concat(rows).to_dict("records"))).mark_tick(
        orient="vertical", thickness=max(1.5, step - 0.5), size=ROW - 6
    )
    marks = marks.encode(
        x=across,
        y=alt.Y("feature:N")
        .sort(titles)
        .title(None)
        .scale(domain=titles)
        .axis(labelLimit=340, ticks=False, domain=False),
        color=alt.Color("row:N").scale(scale).legend(None),
        opacity=alt.Opacity("share:Q").scale(domain=[0, 1], range=[0.12, 1]).legend(None),
        tooltip=["feature:N", "sample:Q", "concept:N", "strength:Q"],
    ).properties(width=WIDTH, height=ROW * len(titles), title="features")
    return styled(alt.vconcat(dots, marks, spacing=6).resolve_scale(color="independent"))


def _rows(match: FeatureMatch, names: list[str]) -> list[tuple[int, str, str]]:
    """Feature, concept whose colour it has, title: of each concept the best and others that cover
    it, and a random one as the control."""
    rows: list[tuple[int, str, str]] = []
    for k, name in enumerate(names):
        best = int(match.best[k])
        value = match.auroc[k].max()
        rows.append((best, name, f"feature {best} for {k + 1}, AUROC {value:.2f}"))
        more = [int(f) for f in match.cover[k] if f != best][:PARTS]
        rows += [(feature, name, f"feature {feature}, part of {k + 1}") for feature in more]
    others = np.setdiff1d(match.features, [row[0] for row in rows])
    if len(others):
        random = int(np.random.default_rng(0).choice(others))
        value = match.auroc[:, np.flatnonzero(match.features == random)[0]].max()
        rows.append((random, "no concept", f"random feature {random}, AUROC {value:.2f}"))
    return rows
