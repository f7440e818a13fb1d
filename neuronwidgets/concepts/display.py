"""Concepts as text, HTML, a `pandas.DataFrame` and an Altair chart."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.concepts.control import RETRIEVED
from neuronwidgets.concepts.scores import majority
from neuronwidgets.core.modes import own_modes
from neuronwidgets.display.html import table as html_table
from neuronwidgets.display.palette import UNASSIGNED
from neuronwidgets.display.vega import offline

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts


def summary(concepts: Concepts) -> str:
    """The concepts in a line: their cut, names and sizes."""
    target = "a direction" if concepts.neuron is None else f"neuron {concepts.neuron}"
    sizes = zip(concepts.names, concepts.sizes, strict=True)
    named = ", ".join(f"{name} ({size})" for name, size in sizes)
    unassigned = f"; {concepts.unassigned} unassigned" if concepts.unassigned else ""
    refined = "refined, " if concepts.refined else ""
    return (
        f"Concepts({len(concepts)} of {target} in layer {concepts.layer!r} at "
        f"{concepts.threshold:.4g}, {refined}{named or 'none'}{unassigned})"
    )


@own_modes()
def frame(concepts: Concepts) -> Any:
    """A `pandas.DataFrame` with a row per top sample; see `Concepts.to_frame`."""
    import pandas as pd

    projections = np.full(len(concepts.index), np.nan)
    assigned = concepts.assignment >= 0
    vectors = concepts.vectors[concepts.assignment[assigned]]
    projections[assigned] = np.einsum("nd,nd->n", concepts.top_vectors[assigned], vectors)
    own_scores = np.full(len(concepts.index), np.nan)
    if assigned.any() and concepts.mean is not None:
        scores = concepts.scores_of(concepts.top_vectors[assigned])
        own_scores[assigned] = scores[np.arange(len(scores)), concepts.assignment[assigned]]
    columns: dict[str, Any] = {
        "sample": concepts.index,
        "concept": concepts.assignment,
        "name": [concepts.names[k] if k >= 0 else "" for k in concepts.assignment],
        "activation": concepts.activations,
        "projection": projections,
        "score": own_scores,
    }
    if concepts.split is not None and concepts.split.labels is not None:
        names = (*concepts.split.acts.label_names, None)
        columns["label"] = [names[code] for code in concepts.split.labels]
    if concepts.reassigned is not None and concepts.outlier is not None:
        columns |= {"reassigned": concepts.reassigned, "outlier": concepts.outlier}
    return pd.DataFrame(columns)


@own_modes()
def chart(concepts: Concepts) -> Any:
    """An Altair chart: the samples' map by concept, beside each concept's activation range."""
    import altair as alt

    rows = frame(concepts)
    title = "activation" if concepts.neuron is None else f"activation of neuron {concepts.neuron}"
    rows["concept"] = [
        f"{k + 1}. {concepts.names[k]}" if k >= 0 else "no concept" for k in concepts.assignment
    ]
    domain = [f"{k + 1}. {name}" for k, name in enumerate(concepts.names)] + ["no concept"]
    color = alt.Color("concept:N").scale(domain=domain, range=[*concepts.colors, UNASSIGNED])
    if concepts.split is not None:
        rows["x"], rows["y"] = concepts.split.map.T.astype(float)
    # Inline data are not subject to Altair's limit of 5,000 rows.
    data = alt.InlineData(values=rows.to_dict("records"))
    tooltip = ["sample:Q", "concept:N", "activation:Q"]
    base = alt.Chart(data).encode(color=color, tooltip=tooltip)
    ranges = (
        base.mark_tick(thickness=1.5)
        .encode(
            x=alt.X("activation:Q").title(title).scale(zero=False),
            y=alt.Y("concept:N").title(None).sort(domain),
        )
        .properties(width=300)
    )
    if concepts.split is None:
        return offline(ranges)
    plane = (
        base.mark_circle(size=45, opacity=0.9)
        .encode(
            x=alt.X("x:Q").title("first component"),
            y=alt.Y("y:Q").title("second component"),
        )
        .properties(width=300, height=240)
    )
    return offline(plane | ranges)


@own_modes()
def table(concepts: Concepts) -> str:
    """An HTML table: a row for the neuron itself, then one for each concept."""
    labelled = concepts.split is not None and concepts.split.labels is not None
    unknown = np.full(len(concepts), np.nan)
    precision = concepts.precision(RETRIEVED) if labelled else unknown
    chance = concepts.chance(RETRIEVED) if labelled else unknown
    neuron_purity = np.nan
    if concepts.split is not None and concepts.split.labels is not None:
        neuron_purity = majority(concepts.split.labels)[1]
    head = (
        "", "samples", "purity", f"precision of {RETRIEVED} others", "by chance",
        "cos to neuron", "activation",
    )  # fmt: skip
    rows = [
        ("the neuron itself", str(len(concepts.index)), _percent(neuron_purity), "", "", "1.00",
         _range(concepts.activations))
    ]  # fmt: skip
    for k, name in enumerate(concepts.names):
        dot = f"<span style='color:{concepts.colors[k]}'>●</span>"
        rows.append((
            f"{dot} <bdi>{html.escape(name)}</bdi>", str(concepts.sizes[k]),
            _percent(concepts.purity[k]), _percent(precision[k]), _percent(chance[k]),
            f"{concepts.cosines_to_neuron[k]:.2f}",
            _range(concepts.activations[concepts.assignment == k]),
        ))  # fmt: skip
    return (
        f"<p>Concepts: {len(concepts)} at {concepts.threshold:.4g}, {concepts.unassigned} of "
        f"{len(concepts.index)} samples unassigned</p>{html_table(head, rows, {0})}"
    )


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{share:.0%}"


def _range(values: np.ndarray) -> str:
    return f"{values.min():.4g} to {values.max():.4g}"
