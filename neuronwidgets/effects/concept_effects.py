"""What a model loses without each concept of a neuron, with bootstrap intervals and controls."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from neuronwidgets.core.layer_place import At, titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.display.html import table
from neuronwidgets.effects.losses import CONCEPT, NEURON, RANDOM, SIDES, Loss, interval, ratio
from neuronwidgets.interventions.bootstrap import beyond_draws, resampled

RESAMPLES = 1000
"""Bootstrap resamples: the usual number for 95% intervals."""
MEASURES = ("nats", "accuracy")


@dataclass(frozen=True, repr=False, eq=False)
class ConceptEffects:
    """`K` concepts, each taken out of the model in `V` ways, on `S` held-out samples.

    The `V` ways are the concept, the whole neuron, and each draw of the random control.

    Attributes:
        layer, at, neuron: what the concepts are of; `neuron` is `None` for a direction.
        names: `K`, the concepts'.
        ways: `V` of "concept", "neuron" and "random".
        edit: what was taken out of each concept: "direction", "range", "members" or "own edits".
        wanted: the mean KL on other samples, in nats, to which every strength was set; `None`:
            each edit as it is.
        strength: float64 `K x V`; 1 is the edit as it is, more goes beyond it.
        kl: float64 `K x V`, the mean KL on other samples at that strength; on the siblings'
            where there are no others.
        nats: float32 `K x V x S`, the log-probability of the right answer that is lost.
        right: float32 `K x V x S`, the same of accuracy: 1 where a right answer became a wrong one,
            -1 the other way.
        own, siblings, others: bool `K x V x S`, disjoint: the samples of the concept, of the
            neuron's other concepts, and others, see `causes`.
        own_by: `K` of "label" and "retrieved", how the own samples were found.
        accuracy: the plain model's on all samples.
        remarks: sentences about the layer that are true of all concepts.
        ran: passes over all samples that the measurement took.
        seed: of the random directions and of the bootstrap.
    """

    layer: str
    at: At
    neuron: int | None
    names: tuple[str, ...]
    ways: tuple[str, ...]
    edit: str
    wanted: float | None
    strength: np.ndarray
    kl: np.ndarray
    nats: np.ndarray
    right: np.ndarray
    own: np.ndarray
    siblings: np.ndarray
    others: np.ndarray
    own_by: tuple[str, ...]
    accuracy: float
    remarks: tuple[str, ...] = ()
    ran: int = 0
    seed: int = 0

    def __len__(self) -> int:
        return len(self.names)

    def only(self, k: int) -> ConceptEffects:
        """Concept `k` alone."""
        one = slice(k, k + 1)
        return replace(
            self, names=self.names[one], own_by=self.own_by[one], strength=self.strength[one],
            kl=self.kl[one], nats=self.nats[one], right=self.right[one], own=self.own[one],
            siblings=self.siblings[one], others=self.others[one],
        )  # fmt: skip

    def losses(self, k: int, way: str = CONCEPT, measure: str = "nats") -> dict[str, Loss]:
        """What is lost when concept `k` is taken out in one way: own, siblings, others.

        Of the random control, the mean over its draws; its interval covers the draws too.
        """
        return self._losses[k, way, measure]

    @cached_property
    def _losses(self) -> dict[tuple[int, str, str], dict[str, Loss]]:
        return {
            (k, way, measure): {side: self._loss(k, way, measure, side) for side in SIDES}
            for k in range(len(self)) for way in dict.fromkeys(self.ways) for measure in MEASURES
        }  # fmt: skip

    @cached_property
    def _draws(self) -> np.ndarray:
        # A resample of few samples may hold none of a concept: `_loss` leaves it out.
        return resampled(self.nats.shape[2], RESAMPLES, self.seed).astype(np.float32)

    def _means(
        self, k: int, way: str, measure: str, side: str
    ) -> tuple[list[float], list[np.ndarray]]:
        """Each draw's mean over the samples of a side, and the same in each resample."""
        values = self.nats if measure == "nats" else self.right
        exact, spreads = [], []
        for v in [v for v, each in enumerate(self.ways) if each == way]:
            mask = getattr(self, side)[k, v]
            kept = values[k, v, mask]
            weight = self._draws[:, mask]
            total = weight.sum(axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                spreads.append(np.where(total > 0, weight @ kept / total, np.nan))
            exact.append(float(kept.mean(dtype=np.float64)) if len(kept) else np.nan)
        return exact, spreads

    @own_modes()
    def _loss(self, k: int, way: str, measure: str, side: str) -> Loss:
        exact, spreads = self._means(k, way, measure, side)
        count = len(exact)
        if count == 1:
            return Loss.of(exact[0], spreads[0])
        # Draws are resampled too: another few might have done more or less.
        rng = np.random.default_rng(self.seed + 1)
        share = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)
        spread = (np.stack(spreads, axis=1) * share / count).sum(axis=1)
        return Loss.of(float(np.mean(exact)), spread)

    def selectivity(self, k: int, way: str = CONCEPT, measure: str = "nats") -> Loss:
        """Own less siblings of concept `k`. Without siblings' samples, own less others."""
        losses = self.losses(k, way, measure)
        other = "siblings" if np.isfinite(losses["siblings"].value) else "others"
        return losses["own"] - losses[other]

    def above_random(self, k: int, measure: str = "nats") -> Loss:
        """What the own samples lose by the concept, less what they lose by random edits.

        Its interval allows for samples and for how much random edits differ: if the concept's edit
        were one more of them, it would hold 0 in 95% of cases, somewhat fewer where a few random
        edits do far more than the others; NaN for a single draw.
        """
        return self._above_random(k, CONCEPT, measure)

    @own_modes()
    def _above_random(self, k: int, way: str, measure: str = "nats") -> Loss:
        (value,), (spread,) = self._means(k, way, measure, "own")
        draws, spreads = self._means(k, RANDOM, measure, "own")
        gap = Loss.of(value - float(np.mean(draws)), spread - np.mean(spreads, axis=0))
        low, high = beyond_draws(gap.value, gap.low, gap.high, np.array(draws))
        return replace(gap, low=float(low), high=float(high))

    @property
    def findings(self) -> tuple[str, ...]:
        """Sentences about what the numbers do not show by themselves, such as concepts that
        are not clearly above a random direction."""
        from neuronwidgets.effects.cause_words import findings

        return findings(self)

    @own_modes()
    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each concept and way to take it out.

        Columns: `concept`, `name`, `way` ("concept", "neuron" or "random", the mean over draws);
        `samples`, its own ones; `own_by`; `strength` and `kl` (means over draws); `own`,
        `siblings`, `others`, the nats lost; `own_accuracy` and so on, the accuracy lost;
        `selectivity`, own less siblings in nats; `ratio`, own over siblings, where siblings lose;
        `above_random`, own less what random edits cost the same samples. Losses and `selectivity`
        have a 95% bootstrap interval over samples and draws (`_low`, `_high`), `above_random` that
        of the method.
        """
        import pandas as pd

        rows = []
        for k, name in enumerate(self.names):
            for way in dict.fromkeys(self.ways):
                chosen = np.array(self.ways) == way
                row: dict[str, Any] = {
                    "concept": k, "name": name, "way": way,
                    "samples": int(self.own[k, chosen].sum(axis=-1)[0]), "own_by": self.own_by[k],
                    "strength": float(self.strength[k, chosen].mean()),
                    "kl": float(self.kl[k, chosen].mean()),
                }  # fmt: skip
                for measure in MEASURES:
                    for side, loss in self.losses(k, way, measure).items():
                        row |= _columns(side + ("" if measure == "nats" else "_accuracy"), loss)
                row |= _columns("selectivity", self.selectivity(k, way))
                row["ratio"] = ratio(row["own"], row["siblings"])
                if way != RANDOM:
                    row |= _columns("above_random", self._above_random(k, way))
                rows.append(row)
        return pd.DataFrame(rows)

    def to_altair(self) -> Any:
        """An Altair chart: three short bars for each concept, with marks of the controls."""
        from neuronwidgets.effects.cause_chart import chart

        return chart(self)

    def __repr__(self) -> str:
        whose = "a direction" if self.neuron is None else f"neuron {self.neuron}"
        cost = "as they are" if self.wanted is None else f"at KL {self.wanted:g}"
        return (
            f"ConceptEffects({len(self)} concepts of {whose} in {titled(self.layer, self.at)}, "
            f"{self.nats.shape[2]:,} held-out samples, {self.edit} {cost})"
        )

    def _repr_html_(self) -> str:
        head = ("concept", "own lose", "siblings lose", "others lose", "neuron: own", "random: own")
        rows = []
        for k, name in enumerate(self.names):
            cells = [_cell(loss) for loss in self.losses(k).values()]
            controls = [_cell(self.losses(k, way)["own"]) for way in (NEURON, RANDOM)]
            rows.append([html.escape(name), *cells, *controls])
        notes = "".join(f"<li dir='auto'>{html.escape(line)}</li>" for line in self.findings)
        shown = table(head, rows, range(1))
        return f"<p>{html.escape(repr(self))}, nats lost</p>{shown}<ul>{notes}</ul>"


def _columns(name: str, loss: Loss) -> dict[str, float]:
    return {name: loss.value, f"{name}_low": loss.low, f"{name}_high": loss.high}


def _cell(loss: Loss) -> str:
    return "" if np.isnan(loss.value) else interval(loss)
