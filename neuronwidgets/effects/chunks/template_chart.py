"""The chart of a template: its hits at each tolerance, beside both controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuronwidgets.display.palette import COLORS, UNASSIGNED
from neuronwidgets.effects.probing.display import SIZE, styled

if TYPE_CHECKING:
    from neuronwidgets.effects.chunks.template import Template

LINES = {
    "hits": ("this template", COLORS[0]),
    "chance": ("if neurons were independent", COLORS[5]),
    "random": ("about a random sample", UNASSIGNED),
}
"""Column -> its name in the legend, and its colour."""
SHARES = {"precision": COLORS[0], "recall": COLORS[6], "base": UNASSIGNED}


def chart(template: Template, label: Any = None) -> Any:
    """Hits against the tolerance; with a label, beside it precision and recall."""
    import altair as alt
    import pandas as pd

    frame = template.to_frame(label)
    hits = pd.concat(
        [
            frame[["tolerance", "neurons"]].assign(of=name, value=frame[column])
            for column, (name, _) in LINES.items()
        ],
        ignore_index=True,
    )
    rule = alt.Chart(pd.DataFrame({"tolerance": [template.tolerance]})).mark_rule(
        color=UNASSIGNED, strokeDash=[3, 3]
    )
    rule = rule.encode(x=_across(), tooltip=["tolerance"])
    colors = dict(LINES.values())
    title = alt.Y("value:Q").title("more samples").scale(type="symlog", nice=False)
    pages = [(_lines(hits, title, colors) + rule).properties(title="samples in this state", **SIZE)]
    if label is not None:
        shares = pd.concat(
            [frame[["tolerance"]].assign(of=name, value=frame[name]) for name in SHARES],
            ignore_index=True,
        )
        title = alt.Y("value:Q").title("share").scale(domain=[0, 1])
        named = f"how well it finds {label}" if isinstance(label, str) else "how well it finds them"
        pages.append((_lines(shares, title, SHARES) + rule).properties(title=named, **SIZE))
    return styled(alt.hconcat(*pages).resolve_scale(color="independent"))


def _across() -> Any:
    import altair as alt

    across = alt.X("tolerance:Q").title("tolerance (standard deviations)")
    return across.scale(type="log", nice=False)


def _lines(table: Any, y: Any, colors: dict[str, str]) -> Any:
    import altair as alt

    color = alt.Color("of:N").title(None).scale(domain=list(colors), range=list(colors.values()))
    return (
        alt.Chart(table)
        .mark_line(strokeWidth=1.5)
        .encode(x=_across(), y=y, color=color, tooltip=[c for c in table if c != "base"])
    )
