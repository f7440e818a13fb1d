"""`ConceptGraph` as a chart: a row of concepts for each layer, lines between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.display.vega import INK, readable

if TYPE_CHECKING:
    from neuronwidgets.effects.graph.graph import ConceptGraph

POSITIVE, NEGATIVE = "#4477AA", "#EE6677"
"""Colours of edges that raise and that lower the activation, seen on white and on black."""
WIDTH, ROW = 460, 160
"""Pixels: the chart's width, and the distance between layers."""
LETTERS = 24
"""Letters of a name that are shown."""


def places(graph: ConceptGraph) -> np.ndarray:
    """float64 `N x 2`: each node's place across (0 to 1) and its layer's number from the top.

    Nodes of a layer are evenly spaced, in the order of the mean place of what they feed, so that
    few lines cross.
    """
    place = np.zeros((len(graph), 2))
    for row, layer in enumerate(graph.layers):
        nodes = [i for i, node in enumerate(graph.nodes) if node.layer == layer]
        if row:
            nodes.sort(key=lambda i: _mean_place(graph, place, i))
        for rank, node in enumerate(nodes):
            place[node] = (rank + 0.5) / len(nodes), row
    return place


def _mean_place(graph: ConceptGraph, place: np.ndarray, node: int) -> float:
    out = graph.source == node
    weight = np.abs(graph.weight[out])
    return float((weight * place[graph.target[out], 0]).sum() / max(weight.sum(), 1e-12))


def chart(graph: ConceptGraph) -> Any:
    """An Altair chart. A line is as wide as its |weight|; names of a layer stand slanted."""
    import altair as alt
    import pandas as pd

    place = places(graph)
    nodes = pd.DataFrame({
        "x": place[:, 0], "y": place[:, 1], "layer": [node.layer for node in graph.nodes],
        "neuron": [str(node.neuron) for node in graph.nodes],
        "concept": [node.concept + 1 for node in graph.nodes], "name": list(graph.names),
        "label": [
            f"{name[:LETTERS]} ({node.neuron})"
            for name, node in zip(graph.names, graph.nodes, strict=True)
        ],
        "color": [_color(graph, i) for i in range(len(graph))],
    })  # fmt: skip
    lines = pd.DataFrame({
        "x": place[graph.source, 0], "y": place[graph.source, 1],
        "x2": place[graph.target, 0], "y2": place[graph.target, 1],
        "weight": graph.weight, "width": np.abs(graph.weight),
        "from": [graph.names[i] for i in graph.source],
        "to": [graph.names[i] for i in graph.target],
        "does": np.where(graph.weight < 0, "lowers", "raises"),
    })  # fmt: skip
    across = alt.X("x:Q").scale(domain=[0, 1]).axis(None)
    names = ", ".join(f"'{name}'" for name in graph.layers)
    down = (
        alt.Y("y:Q")
        .scale(domain=[len(graph.layers) - 0.4, -0.2], nice=False)
        .axis(
            values=list(range(len(graph.layers))),
            labelExpr=f"[{names}][datum.value]",
            title=None,
            domain=False,
            ticks=False,
            labelLimit=220,
        )
    )
    edges = (
        alt.Chart(lines)
        .mark_rule(opacity=0.7)
        .encode(
            x=across,
            y=down,
            x2="x2:Q",
            y2="y2:Q",
            strokeWidth=alt.StrokeWidth("width:Q")
            .scale(domain=[0, 1], range=[0.5, 12])
            .legend(None),
            color=alt.Color("does:N")
            .scale(domain=["raises", "lowers"], range=[POSITIVE, NEGATIVE])
            .title("activation")
            .legend(orient="top", symbolOpacity=1),
            tooltip=["from", "to", alt.Tooltip("weight", format="+.2f")],
        )
    )
    base = alt.Chart(nodes).encode(x=across, y=down)
    dots = base.mark_circle(size=140, opacity=1).encode(
        color=alt.Color("color:N").scale(None), tooltip=["name", "layer", "neuron", "concept"]
    )
    words = base.mark_text(align="left", angle=35, dx=9, dy=7, color=INK, fontSize=11).encode(
        text="label:N"
    )
    page = alt.layer(edges, dots, words).resolve_scale(color="independent")
    page = page.properties(width=WIDTH, height=ROW * len(graph.layers))
    return readable(page)


def _color(graph: ConceptGraph, node: int) -> str:
    concept = graph.nodes[node].concept
    return INK if concept < 0 else graph.concepts(node).colors[concept]
