"""How selective a neuron's concepts are at each threshold of its tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from neuronwidgets.concepts.split import Split
from neuronwidgets.concepts.suggest import stretches
from neuronwidgets.core.checks import number
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.progress import progress_line
from neuronwidgets.display.vega import readable
from neuronwidgets.effects.causes import checked
from neuronwidgets.effects.concept_edits import ConceptEdits
from neuronwidgets.effects.concept_effects import ConceptEffects
from neuronwidgets.effects.losses import CONCEPT, RANDOM, Loss, ratio
from neuronwidgets.effects.trial import Trial

ALIKE = 0.8
"""Share of the largest gain: finer cuts that gain no more than this are not worth it."""


@dataclass(frozen=True, repr=False, eq=False)
class Selectivity:
    """The concepts of several cuts of one tree, each taken out of the model.

    Attributes:
        thresholds: float64 `T`, ascending.
        cuts: `T`, what taking out each cut's concepts does.
    """

    thresholds: np.ndarray
    cuts: tuple[ConceptEffects, ...]

    def mean(self, t: int, side: str, way: str = CONCEPT) -> Loss:
        """Nats that "own", "siblings'" or "others'" samples lose, the mean over a cut's concepts
        for which the side has samples."""
        losses = [self.cuts[t].losses(k, way)[side] for k in range(len(self.cuts[t]))]
        kept = [loss for loss in losses if np.isfinite(loss.value)]
        if not kept:
            return Loss(np.nan, np.nan, np.nan, np.full(1, np.nan))
        # A concept without samples in a resample is left out of that resample's mean.
        spreads = np.stack([loss.spread for loss in kept])
        held = np.isfinite(spreads)
        spread = np.where(held, spreads, 0).sum(axis=0) / np.maximum(held.sum(axis=0), 1)
        return Loss.of(float(np.mean([loss.value for loss in kept])), spread)

    def gain(self, t: int) -> Loss:
        """Own less siblings by the concepts, less the same by random edits. A cut into one concept
        has no siblings: others stand for them."""
        other = "siblings" if len(self.cuts[t]) > 1 else "others"
        gaps = [self.mean(t, "own", way) - self.mean(t, other, way) for way in (CONCEPT, RANDOM)]
        return gaps[0] - gaps[1]

    @property
    def best(self) -> float:
        """The threshold of the largest `gain`; of the cuts that gain 80% of it, or that cannot be
        told apart from it, the one with the fewest concepts."""
        gains = [self.gain(t) for t in range(len(self.cuts))]
        values = np.array([gain.value for gain in gains])
        if not np.isfinite(values).any():
            return float(self.thresholds[-1])
        top = gains[int(np.nanargmax(values))]
        alike = [
            t for t, gain in enumerate(gains)
            if gain.value >= ALIKE * top.value > 0 or (top - gain).low <= 0
        ]  # fmt: skip
        return float(self.thresholds[min(alike, key=lambda t: len(self.cuts[t]))])

    @own_modes()
    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each threshold.

        Columns: `threshold`, `concepts`, `kl`; `own`, `siblings`, `others`, the nats lost, means
        over concepts; `random`, what own samples lose by random edits; `ratio`, own over siblings;
        `gain`, see there. All but the first three and `ratio` have 95% intervals (`_low`, `_high`).
        """
        import pandas as pd

        rows = []
        for t, cut in enumerate(self.cuts):
            row: dict[str, Any] = {
                "threshold": float(self.thresholds[t]), "concepts": len(cut),
                "kl": float(cut.kl[:, 0].mean()),
            }  # fmt: skip
            columns = {side: self.mean(t, side) for side in ("own", "siblings", "others")}
            columns |= {"random": self.mean(t, "own", RANDOM), "gain": self.gain(t)}
            for name, loss in columns.items():
                row |= {name: loss.value, f"{name}_low": loss.low, f"{name}_high": loss.high}
            row["ratio"] = ratio(row["own"], row["siblings"])
            rows.append(row)
        return pd.DataFrame(rows)

    def to_altair(self) -> Any:
        """An Altair chart: nats lost against the threshold, own, siblings and random."""
        import altair as alt

        from neuronwidgets.effects.cause_chart import COLORS, MARKS

        frame = self.to_frame()
        colors = {"own": COLORS["own"], "siblings": COLORS["siblings"], "random": MARKS[RANDOM]}
        layers = []
        for name in colors:
            part = frame[["threshold", "concepts"]].assign(
                samples=name, lost=frame[name], low=frame[f"{name}_low"], high=frame[f"{name}_high"]
            )
            base = alt.Chart(part).encode(
                x=alt.X("threshold:Q").title("threshold").scale(zero=False),
                color=alt.Color("samples:N")
                .scale(domain=list(colors), range=list(colors.values()))
                .title(None)
                .legend(symbolOpacity=1),
                tooltip=["threshold", "concepts", "samples", "lost", "low", "high"],
            )
            band = base.mark_area(opacity=0.15).encode(
                y=alt.Y("low:Q").title("nats lost, mean over concepts"), y2="high:Q"
            )
            layers += [band, base.mark_line(point=True).encode(y="lost:Q")]
        page = alt.layer(*layers).properties(width=420, height=220)
        return readable(page)

    def __repr__(self) -> str:
        counts = [len(cut) for cut in self.cuts]
        return (
            f"Selectivity({len(counts)} thresholds, {min(counts)} to {max(counts)} concepts, best "
            f"at {self.best:.4g})"
        )


def selectivity(
    split: Split, model: nn.Module, data: Any, labels: Any = None, *,
    thresholds: Sequence[float] | None = None, edit: str = "direction", kl: float | None = 0.01,
    own: str | None = None, k: int = 20, draws: int = 3, tau: float = 2.0, top: float = 0.3,
    seed: int = 0, tokenizer: Any = None, transform: Callable[[Any], Any] | None = None,
    predict: Callable[[Any], Any] | None = None,
    classes: Sequence[str] | Mapping[Any, str] | None = None, batch_size: int = 64,
    max_length: int | None = None, neuron_axis: int | None = None, progress: bool = True,
) -> Selectivity:  # fmt: skip
    """Take out the concepts of several cuts: which granularity matters to the model?

    A concept that stands in several cuts is taken out once, and all cuts share the passes of the
    layers below and of the controls.

    Args:
        split: of a neuron or direction.
        thresholds: heights to cut at. Not given: one for each number of concepts up to ten that the
            tree has.
        edit: "direction", "range" or "members".

    The other arguments are those of `causes`.

    Raises:
        TypeError: something else than a split.
        ValueError: a threshold at which the tree has no concept, and all that `causes` raises.
    """
    if not isinstance(split, Split):
        raise TypeError(
            f"split must be a Split, such as nw.split(acts, 0), got a {type(split).__name__}."
        )
    if thresholds is None:
        heights = [stretch.threshold for stretch in stretches(split.tree, split.min_size)]
    else:
        heights = [number("thresholds", height) for height in thresholds]
    if not heights:
        raise ValueError("the tree has no cut with concepts: split more samples.")
    heights = sorted(set(heights))
    concepts = [split.cut(height) for height in heights]
    for height, cut in zip(heights, concepts, strict=True):
        if not len(cut):
            raise ValueError(f"thresholds has {height:.4g}, at which the tree has no concept.")
    settings = checked(kl, own, k, draws)
    edits = [ConceptEdits(cut, edit, tau, top, seed) for cut in concepts]
    trial = Trial(
        model, data, labels, split.acts, edits[0].layers, **settings, seed=seed, classes=classes,
        tokenizer=tokenizer, transform=transform, predict=predict, batch_size=batch_size,
        max_length=max_length, neuron_axis=neuron_axis,
    )  # fmt: skip
    total = sum(map(len, concepts)) * (2 + draws)
    with progress_line("taking out", total, "edits", progress) as line:
        cuts = [
            trial.measured(cut, of_cut, lambda: line.update(1))
            for cut, of_cut in zip(concepts, edits, strict=True)
        ]
    return Selectivity(np.array(heights), tuple(cuts))
