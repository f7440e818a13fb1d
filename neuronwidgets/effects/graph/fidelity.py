"""How many neurons of the layer below are enough for a concept, beside random and gradient ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.core.checks import integer
from neuronwidgets.display.vega import INK, readable
from neuronwidgets.effects.graph.core import Trials

if TYPE_CHECKING:
    from neuronwidgets.effects.graph.graph import ConceptGraph

COUNTS = (1, 2, 4, 8, 16, 32)
WAYS = ("attribution", "gradient", "random")
COLORS = {"attribution": "#4477AA", "gradient": "#CCBB44", "random": INK}
"""Colours of the ways, seen on white and on black."""


@dataclass(frozen=True, repr=False, eq=False)
class Fidelity:
    """What is left of a concept with only some neurons of the layer below, the others replaced.

    Attributes:
        counts: int64 `C`, neurons that keep their values.
        ways: how they are chosen: the largest mean |integrated gradient|, the largest mean
            |gradient|, at random (mean over draws).
        overlap: float64 `W x C`, the share of the concept's samples that stay the strongest.
        activation: float64 `W x C`, the concept's mean activation, as a share of the way from that
            with the whole layer replaced (0) to that of the plain model (1). NaN if these are
            equal.
        chance: the overlap at random.
    """

    counts: np.ndarray
    ways: tuple[str, ...]
    overlap: np.ndarray
    activation: np.ndarray
    chance: float

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each way and count: `way`, `neurons`, `overlap`,
        `activation`."""
        import pandas as pd

        return pd.DataFrame({
            "way": np.repeat(self.ways, len(self.counts)),
            "neurons": np.tile(self.counts, len(self.ways)),
            "overlap": self.overlap.ravel(), "activation": self.activation.ravel(),
        })  # fmt: skip

    def to_altair(self) -> Any:
        """An Altair chart: the overlap and the activation against the number of neurons."""
        import altair as alt

        base = alt.Chart(self.to_frame()).encode(
            x=alt.X("neurons:Q").scale(type="log", base=2).title("neurons that keep their values"),
            color=alt.Color("way:N")
            .scale(domain=list(COLORS), range=list(COLORS.values()))
            .title("chosen by"),
            tooltip=["way", "neurons", "overlap", "activation"],
        )
        charts = [
            base.mark_line(point=True)
            .encode(y=alt.Y(f"{column}:Q").title(title))
            .properties(width=260, height=200)
            for column, title in (
                ("overlap", "samples that stay the strongest"),
                ("activation", "share of the activation"),
            )
        ]
        return readable(alt.hconcat(*charts))

    def __repr__(self) -> str:
        cells = ", ".join(
            f"{w} {o:.2f}" for w, o in zip(self.ways, self.overlap[:, -1], strict=True)
        )
        return f"Fidelity({self.counts[-1]} neurons keep an overlap of: {cells})"


def fidelity(
    graph: ConceptGraph, node: int = 0, counts: tuple[int, ...] = COUNTS, draws: int = 3
) -> Fidelity:
    """See `ConceptGraph.fidelity`."""
    draws = integer("draws", draws, 1)
    wanted = sorted({integer("counts", count, 1) for count in counts})
    if not wanted:
        raise ValueError("counts must have at least one number, got none.")
    search, found = graph.search, graph.nodes[graph.check_node(node)]
    layer = search.below(found.layer)
    if layer is None or found.concept < 0:
        raise ValueError(f"node {node} has no layer below it that was given.")
    concepts = graph.concepts(node)
    trials = Trials(
        search.rerun, concepts, found.concept, layer.acts, search.replacement, search.seed
    )
    sizes = [count for count in wanted if count < trials.width]
    sizes = sizes or [trials.width]
    attributions, change, _ = trials.attributions()
    rng = np.random.default_rng(search.seed)
    orders = {
        "attribution": [np.argsort(-np.abs(attributions).mean(axis=0), kind="stable")],
        "gradient": [np.argsort(-np.abs(trials.slopes()).mean(axis=0), kind="stable")],
        "random": [rng.permutation(trials.width) for _ in range(draws)],
    }
    nothing, whole = float((trials.values - change).mean()), float(trials.values.mean())
    overlap, activation = np.zeros((2, len(WAYS), len(sizes)))
    for i, way in enumerate(WAYS):
        for order in orders[way]:
            kept = np.zeros((len(sizes), trials.width), bool)
            for row, size in zip(kept, sizes, strict=True):
                row[order[:size]] = True
            overlap[i] += np.array([trials.overlap(row) for row in kept]) / len(orders[way])
            activation[i] += trials.means(kept) / len(orders[way])
    span = whole - nothing
    share = (activation - nothing) / span if span else np.full(activation.shape, np.nan)
    return Fidelity(np.array(sizes), WAYS, overlap, share, trials.chance)
