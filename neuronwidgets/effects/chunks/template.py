"""`template`: where else is the layer in the state of these samples?

Wu, Jain, Yerxa et al., *Concept-Guided Interpretability via Neural Chunking* (NeurIPS 2025,
arXiv 2505.11576), population averaging.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.checks import integer, number
from neuronwidgets.core.layer_place import at_of
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.subsample import evenly_spaced
from neuronwidgets.effects.chunks.steady import Steady, chunks, deviation_of_neurons
from neuronwidgets.effects.chunks.template_chart import chart
from neuronwidgets.effects.sets import samples_of
from neuronwidgets.interventions.intervention import applied
from neuronwidgets.interventions.masks import NeuronEdit

TOLERANCE = 0.6
"""Standard deviations of a neuron. The paper's default is 0.6 of the activation's own unit."""
CONTROLS = 2000
"""Samples on which the controls count their hits, at most."""
LEAST = 0.01
"""The smallest tolerance of the table, in standard deviations: below it, neurons are at rest."""
STEPS = 40
"""Tolerances of the table and the chart."""
SHOWN = 8
"""Hits that the notebook shows."""


@dataclass(frozen=True, repr=False, eq=False)
class Template:
    """The state that `n` samples share, and the samples in that state, at any tolerance.

    A *tolerance* keeps the neurons on which all `n` samples are nearer to their mean than the
    tolerance, in the neuron's standard deviations over the data. A sample is a *hit* if its mean
    squared distance from the mean, over the kept neurons, is at most the largest among the `n`.

    Attributes:
        acts: the activations.
        samples: int64 `n`, ascending, the given samples. They are always hits.
        steady: the neurons that vary, by ascending spread; a tolerance keeps the first of them.
        counts: int64 `M`, the hits beyond the given samples, with the first 1 to `M` neurons.
        chance: float64 `M`, the hits to expect if the neurons were independent: each neuron's
            activations are permuted over the samples.
        random: float64 `draws x M`, the hits to expect about a random sample in place of the mean:
            same neurons, same threshold.
        random_spread: float64 `draws x M`, ascending, the spread of the neurons over `n` random
            samples.
        tolerance: the one that methods take if none is given.
    """

    acts: Activations
    samples: np.ndarray
    steady: Steady
    counts: np.ndarray
    chance: np.ndarray
    random: np.ndarray
    random_spread: np.ndarray
    tolerance: float
    _packed: np.ndarray

    def size(self, tolerance: float | None = None) -> int:
        """How many neurons a tolerance keeps."""
        if tolerance is None:
            tolerance = self.tolerance
        else:
            tolerance = number("tolerance", tolerance, above=0, infinite=True)
        return int(np.searchsorted(self.steady.spread, tolerance, side="left"))

    def neurons(self, tolerance: float | None = None) -> np.ndarray:
        """int64: the neurons that a tolerance keeps, the steadiest first."""
        return self.steady.neurons[: self.size(tolerance)]

    def threshold(self, tolerance: float | None = None) -> float:
        """The largest deviation of a hit, in squared standard deviations; NaN without a neuron.

        It is below the tolerance's square. It may fall while the tolerance grows, since a mean over
        more neurons may be smaller; the neurons that are kept only become more."""
        size = self.size(tolerance)
        return float(self.steady.thresholds[size - 1]) if size else np.nan

    def hits(self, tolerance: float | None = None) -> np.ndarray:
        """int64, ascending: the rows of the hits, the given samples among them; none if the
        tolerance keeps no neuron. Nothing is computed: hits of all tolerances are known."""
        size = self.size(tolerance)
        if not size:
            return np.zeros(0, np.int64)
        return np.flatnonzero(np.unpackbits(self._packed[size - 1], count=len(self.acts)))

    @own_modes()
    def deviations(self, rows: Any, tolerance: float | None = None) -> np.ndarray:
        """float64: the deviations of the samples in `rows`, in squared standard deviations; NaN
        without a neuron."""
        rows, size = np.asarray(rows, np.int64), self.size(tolerance)
        if not size:
            return np.full(len(rows), np.nan)
        values = self.acts.rows(rows)[:, self.steady.neurons[:size]].astype(np.float64)
        return self.steady.deviations(values, size)[:, -1]

    def nearest(self, k: int = SHOWN, tolerance: float | None = None) -> np.ndarray:
        """int64: the `k` hits with the least deviation that are not among the given samples."""
        others = np.setdiff1d(self.hits(tolerance), self.samples, assume_unique=True)
        order = np.argsort(self.deviations(others, tolerance), kind="stable")
        return others[order][: integer("k", k, 1)]

    @property
    def tolerances(self) -> np.ndarray:
        """float64: `tolerance` and 40 others, evenly spaced in their logarithm, from 0.01 (or the
        one that keeps the steadiest neuron) to the one that keeps all."""
        low, high = np.nextafter(np.maximum(self.steady.spread[[0, -1]], LEAST), np.inf)
        return np.unique(np.append(np.geomspace(low, high, STEPS), self.tolerance))

    def to_frame(self, label: Any = None) -> Any:
        """A `pandas.DataFrame` with a row for each of `tolerances`.

        Columns: `tolerance`; `neurons` kept, and `neurons_random`, those that as many random
        samples keep; `threshold`; `hits` beyond the given samples; `chance`, the hits if the
        neurons were independent; `random`, the hits about a random sample, a mean. With a label
        also `precision`, the share of the hits that have it, `recall`, the share of the samples
        with the label that are hits, and `base`, the share of all samples that have it, each
        without the given samples.

        Args:
            label: a label's name or number, rows, or a bool for each row.
        """
        import pandas as pd

        wanted = None
        if label is not None:
            wanted = np.zeros(len(self.acts), bool)
            wanted[samples_of(self.acts, label, "label")] = True
            wanted[self.samples] = False
        return pd.DataFrame([self._row(float(t), wanted) for t in self.tolerances])

    def _row(self, tolerance: float, wanted: np.ndarray | None) -> dict[str, Any]:
        size = self.size(tolerance)
        row: dict[str, Any] = {
            "tolerance": tolerance,
            "neurons": size,
            "neurons_random": float((self.random_spread < tolerance).sum(axis=1).mean()),
            "threshold": self.threshold(tolerance),
            "hits": int(self.counts[size - 1]) if size else 0,
            "chance": float(self.chance[size - 1]) if size else 0.0,
            "random": float(self.random[:, size - 1].mean()) if size else 0.0,
        }
        if wanted is not None:
            right = int(wanted[self.hits(tolerance)].sum())
            row["precision"] = right / row["hits"] if row["hits"] else np.nan
            row["recall"] = right / wanted.sum() if wanted.any() else np.nan
            row["base"] = wanted.sum() / max(1, len(wanted) - len(self.samples))
        return row

    @own_modes()
    def around(self, steps: int = 2, tolerance: float | None = None) -> Any:
        """A `pandas.DataFrame` with a row for each step from the given tokens, `-steps` to `steps`.

        Columns: `step`; `tokens`, given ones that have a token so far away in their text; of these
        tokens the mean `deviation`, in squared standard deviations, and the share of `hits`;
        `random`, the share of hits so far from all other tokens.

        Raises:
            ValueError: samples that are no tokens.
        """
        import pandas as pd

        held, steps = self.acts.samples, integer("steps", steps, 1)
        if held.token is None or held.item is None:
            raise ValueError("samples must be tokens, which have others around them in a text.")
        given = np.isin(np.arange(len(self.acts)), self.samples)
        hit = np.isin(np.arange(len(self.acts)), self.hits(tolerance))
        item, token = held.item.astype(np.int64), held.token.astype(np.int64)
        length = int(token.max()) + 2 * steps + 1
        place = item * length + token
        order = np.argsort(place)
        rows = []
        for step in range(-steps, steps + 1):
            at = np.searchsorted(place[order], place + step).clip(max=len(place) - 1)
            there = (place[order[at]] == place + step) & (item[order[at]] == item)
            own, others = order[at[there & given]], order[at[there & ~given]]
            deviation = self.deviations(own, tolerance).mean() if len(own) else np.nan
            rows.append({
                "step": step, "tokens": len(own), "deviation": float(deviation),
                "hits": float(hit[own].mean()) if len(own) else np.nan,
                "random": float(hit[others].mean()) if len(others) else np.nan,
            })  # fmt: skip
        return pd.DataFrame(rows)

    @contextmanager
    def graft(
        self, model: nn.Module, tolerance: float | None = None, *, positions: Any = None,
        neuron_axis: int | None = None,
    ) -> Iterator[NeuronEdit]:  # fmt: skip
        """Set the kept neurons to the mean of the given samples while the `with` lasts: at
        `positions`, or at every token (in the paper graft and freeze).

        Yields the `NeuronEdit`, for `nw.price` and `nw.save_intervention`. Compare with the graft
        of a template of as many random samples.

        Raises:
            ValueError: the tolerance keeps no neuron.
        """
        size, steady = self.size(tolerance), self.steady
        if not size:
            raise ValueError("the tolerance keeps no neuron: choose a larger one.")
        end = np.full(size, np.inf)
        edit = NeuronEdit(
            self.acts.layer, steady.neurons[:size], -end, end, "mean", steady.state[:size],
            neurons_in_layer=self.acts.shape[1], positions=positions, call=self.acts.call,
            at=at_of(self.acts),
        )  # fmt: skip
        with applied(model, edit, neuron_axis):
            yield edit

    def best(self, label: Any) -> float:
        """Of `tolerances`, the one whose hits have most samples with the label, and of equal ones
        the one with the fewest others, as in the paper."""
        frame = self.to_frame(label)
        right = (frame["precision"].fillna(0) * frame["hits"]).round()
        order = np.lexsort((frame["hits"] - right, -right))
        return float(frame["tolerance"].iloc[order[0]])

    def at(self, tolerance: float) -> Template:
        """The same with another tolerance."""
        return replace(self, tolerance=number("tolerance", tolerance, above=0))

    def to_altair(self, label: Any = None) -> Any:
        """An Altair chart: the hits at each tolerance beside both controls, and with a label
        precision and recall."""
        return chart(self, label)

    def __repr__(self) -> str:
        row = self._row(self.tolerance, None)
        return (
            f"Template({len(self.samples):,} samples of layer {self.acts.layer!r}, tolerance "
            f"{self.tolerance:.3g}: {row['neurons']:,} of {self.acts.shape[1]:,} neurons, "
            f"{row['hits']:,} more samples; controls: {row['neurons_random']:,.0f} neurons of "
            f"random samples, {row['random']:,.0f} samples about a random one, "
            f"{row['chance']:,.0f} if neurons were independent)"
        )

    def _repr_html_(self) -> str:
        nearest = self.nearest()
        title = f"<p>{html.escape(repr(self))}</p>"
        if not len(nearest) or self.acts.samples.kind == "none":
            return title
        return f"{title}<p>nearest:</p>{self.acts.samples.take(nearest)._repr_html_()}"


@own_modes()
def template(
    acts: Any, samples: Any, tolerance: float = TOLERANCE, *, draws: int = 20, seed: int = 0
) -> Template:
    """Where else is the layer in the state of these samples?

    With `h` the activations of a sample and `t` the mean of the given samples, both in standard
    deviations of each neuron: the kept neurons are those with `|h_u - t_u| < tolerance` in all
    given samples. The deviation of any sample is the mean of `(h_u - t_u)^2` over kept `u`. The
    threshold is the largest deviation of the given samples (arXiv 2505.11576, population
    averaging; there in the activation's own unit).

    All tolerances are computed at once, as the kept neurons of each are a prefix of the neurons by
    their spread. That takes a bit for each activation of the layer.

    Args:
        acts: the layer's activations, or a plain `S x D` array. The paper has tokens.
        samples: four or five or more samples that share something: rows, a bool for each row, or a
            label. Those of a concept: `concepts.index[concepts.groups[0]]`.
        tolerance: in standard deviations of a neuron.
        draws: permutations, random samples, and sets of random samples, of the controls.
        seed: of the draws.

    Returns:
        a `Template`: `hits(tolerance)`, `to_frame(label)`.

    Raises:
        ValueError, IndexError, TypeError: fewer than two samples, or all of them; no such row or
            label; a layer that is constant.
    """
    acts = Activations.of(acts)
    tolerance = number("tolerance", tolerance, above=0)
    draws, seed = integer("draws", draws, 1), integer("seed", seed, 0)
    given = samples_of(acts, samples, "samples")
    if not 2 <= len(given) < len(acts):
        raise ValueError(
            f"samples must be at least two and not all {len(acts):,} of the data, got "
            f"{len(given):,}: a template keeps what several samples share."
        )
    scale = deviation_of_neurons(acts)
    if not scale.any():
        raise ValueError(f"layer {acts.layer!r} is constant: all samples are in one state.")
    steady = Steady.of(acts.rows(given), scale)
    rng = np.random.default_rng(seed)
    others = np.setdiff1d(np.arange(len(acts)), given)
    packed = np.zeros((len(steady.neurons), -(-len(acts) // 8)), np.uint8)
    counts = np.zeros(len(steady.neurons), np.int64)
    for part, values in chunks(acts):
        inside = steady.inside(values)
        counts += inside.sum(axis=0)
        packed[:, part.start // 8 : -(-part.stop // 8)] = np.packbits(inside.T, axis=1)
    controls = _controls(acts, others, len(given), steady, scale, draws, rng)
    return Template(acts, given, steady, counts - len(given), *controls, tolerance, packed)


def _controls(
    acts: Activations, others: np.ndarray, count: int, steady: Steady, scale: np.ndarray,
    draws: int, rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """`chance`, `random` and `random_spread` of a `Template`, counted among `others`."""
    rows = evenly_spaced(others, CONTROLS)
    values = acts.rows(rows)
    chance, shape = np.zeros(len(steady.neurons)), (draws, len(steady.neurons))
    random, spread = np.zeros(shape), np.zeros(shape)
    for draw in range(draws):
        chance += steady.inside(rng.permuted(values, axis=0)).mean(axis=0)
        own = int(rng.integers(len(rows)))
        about = replace(steady, state=values[own, steady.neurons].astype(np.float64))
        # The sample itself is no hit.
        random[draw] = (about.inside(values).sum(axis=0) - 1) / max(1, len(rows) - 1)
        drawn = rng.choice(others, min(count, len(others)), replace=False)
        spread[draw] = Steady.of(acts.rows(np.sort(drawn)), scale).spread
    return chance / draws * len(others), random * len(others), spread
