"""The neurons of a lower layer that a concept needs, by integrated gradients and overlap."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.methods.method import TopSamples
from neuronwidgets.core.modes import own_modes
from neuronwidgets.effects.graph.passage import Passage, Rerun

SAMPLES = 20
"""Samples of a concept whose gradients are integrated, evenly spaced by rank: twice as many take
twice the time."""
OTHERS = 2
"""Other samples for each of these: at random, a third of the concept's samples stay the strongest.
Half of them are the neuron's strongest samples after its top samples, half are random."""
TOLERANCE = 0.05
"""Overlaps that differ by less count as equal (NeurFlow's)."""
SIZES = (1, 2, 3, 4, 6, 8, 11)
"""Sizes of the core that are tried, beside all candidates."""
FEWEST_STEPS, MOST_STEPS = 4, 32
"""Points of the way from the replacement to the values: doubled until the integral is complete."""
COMPLETE = 0.01
"""Largest error of the integrals, as a share of the change of the activation."""


@dataclass(frozen=True, eq=False)
class CoreNeurons:
    """The neurons of a lower layer that make a neuron fire on the samples of one of its concepts.

    Attributes:
        rows: int64 `n`, the samples (rows of the activations).
        candidates: int64 `C`, neurons of the lower layer, the largest mean |attribution| first.
        count: how many of these are core neurons: the first ones.
        attributions: float64 `n x C`, integrated gradients, in units of the neuron's activation.
        change: float64 `n`, the activation less that with the whole lower layer replaced. The
            attributions of all neurons of the lower layer add up to it.
        share: the core neurons' part of the sum of |attribution| over the lower layer, 0 to 1.
        error: what is missing: the mean of |sum of attributions - change|, over that of |change|.
        without: the share of the samples that stay the strongest of the pool (as many samples and
            `OTHERS` others for each) when the core neurons are replaced.
        without_random: the same with as many random neurons, the control.
        only: the same when all but the core neurons are replaced.
        chance: the share that stays at random.
    """

    rows: np.ndarray
    candidates: np.ndarray
    count: int
    attributions: np.ndarray
    change: np.ndarray
    share: float
    error: float
    without: float
    without_random: float
    only: float
    chance: float

    @property
    def neurons(self) -> np.ndarray:
        """int64 `count`: the core neurons."""
        return self.candidates[: self.count]

    @property
    def as_random(self) -> bool:
        """Whether the concept needs them no more than random neurons, within `TOLERANCE`."""
        return self.without > self.without_random - TOLERANCE


class Trials:
    """Passes from a lower layer to a neuron on samples of one of its concepts, and on others.

    Args:
        rerun: the model and the data.
        concepts, concept: the neuron and the concept.
        below: the lower layer's activations.
        replacement: "mean": replaced neurons have their mean over the data (or over the positions
            of the other samples, if the layer was pooled by "max", "last" or "cls"); "zero".
        seed: of the other samples.
    """

    def __init__(
        self, rerun: Rerun, concepts: Concepts, concept: int, below: Activations,
        replacement: str = "mean", seed: int = 0,
    ) -> None:  # fmt: skip
        split = concepts.require_split("concept_graph")
        group = concepts.groups[concept]
        spread = np.linspace(0, len(group) - 1, min(SAMPLES, len(group))).round().astype(int)
        self.rows = concepts.index[group[spread]]
        along = split.acts.along(_target(concepts))
        others = _others(along, concepts.index, OTHERS * len(self.rows), seed)
        self._own = Passage(rerun, _given(split.acts, concepts, self.rows), below)
        self._others = None
        if len(others):
            given = _given(split.acts, concepts, others)
            self._others = Passage(rerun, given, below, self._own)
        self.chance = len(self.rows) / (len(self.rows) + len(others))
        self.values = along[self.rows].astype(np.float64)
        self.start = np.zeros(self._own.width)
        if replacement == "mean":
            # Other poolings have no mean over positions.
            direct = below.pooling in ("mean", "token")
            self.start = below.mean if direct else (self._others or self._own).mean()

    @property
    def width(self) -> int:
        """The number of neurons of the lower layer."""
        return self._own.width

    @own_modes()
    def attributions(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Integrated gradients (Sundararajan et al. 2017): float64 `n x D_below`; the change that
        they should add up to, `n`; and the error, see `CoreNeurons`.

        Gauss-Legendre points are doubled until the error is at most `COMPLETE`, or `MOST_STEPS`.
        """
        none = np.zeros((1, self.width), bool)
        change = self.values - self._own.activations(self.start, none, peaks=True)[0]
        steps = FEWEST_STEPS
        while True:
            nodes, weights = np.polynomial.legendre.leggauss(steps)
            found, _ = self._own.gradients(self.start, (nodes + 1) / 2, weights / 2)
            size = np.abs(change).sum()
            missing = np.abs(found.sum(axis=1) - change).sum()
            error = float(missing / size) if size else 0.0
            if error <= COMPLETE or steps >= MOST_STEPS:
                return found, change, error
            steps *= 2

    def slopes(self) -> np.ndarray:
        """The plain gradients at the samples, float64 `n x D_below`."""
        return self._own.gradients(self.start, np.ones(1), np.ones(1))[1]

    def means(self, kept: np.ndarray) -> np.ndarray:
        """The concept's mean activation with only some neurons of the lower layer left, the others
        replaced: float64 `M`. `kept` is bool `M x D_below`."""
        means: np.ndarray = self._own.activations(self.start, kept).mean(axis=1)
        return means

    def overlap(self, kept: np.ndarray) -> float:
        """The share of the concept's samples that are the strongest of the pool with only some
        neurons of the lower layer left; 1 without other samples. `kept` is bool `D_below`."""
        if self._others is None:
            return 1.0
        own, others = (
            passage.activations(self.start, kept[None])[0] for passage in (self._own, self._others)
        )
        return overlap(own, others)


def overlap(own: np.ndarray, others: np.ndarray) -> float:
    """The share of `own` (`n`) among the `n` largest of `own` and `others`; ties share evenly."""
    pool = np.concatenate([own, others])
    least = np.partition(pool, len(pool) - len(own))[len(pool) - len(own)]
    above, tied = (pool > least).sum(), (pool == least).sum()
    share = (len(own) - above) / tied
    return float(((own > least).sum() + share * (own == least).sum()) / len(own))


def finding_core(
    trials: Trials, most: int = 16, seed: int = 0
) -> Generator[float, None, CoreNeurons]:
    """The core neurons of a concept, after NeurFlow (arXiv 2502.16105, steps 2 to 4).

    The `most` neurons with the largest mean |attribution| are candidates. The core is the smallest
    number of them, the largest first, that do two things within `TOLERANCE`. Replaced, the overlap
    falls as far as without all candidates (NeurFlow's rule, whose core ends too early where several
    neurons are needed at once; the number is found by bisection over `SIZES`). Left alone, with all
    other neurons replaced, the activation rises as far as with any of `SIZES`. If replacing all
    candidates changes the overlap by less than `TOLERANCE`, all are core.

    Args:
        trials: of the concept.
        most: candidates at most.
        seed: of the random neurons.

    Yields:
        The share that is done, 0 to 1.
    """
    found, change, error = trials.attributions()
    yield 0.3
    strength = np.abs(found).mean(axis=0)
    order = np.argsort(-strength, kind="stable")[:most]
    candidates = order[strength[order] > 0]
    total = len(candidates)

    def kept(counts: list[int], only: bool) -> np.ndarray:
        """For each number of candidates the neurons that keep their values: bool `M x D_below`."""
        first = np.zeros((len(counts), trials.width), bool)
        for row, size in zip(first, counts, strict=True):
            row[candidates[:size]] = True
        return first if only else ~first

    without = {total: trials.overlap(kept([total], False)[0])}
    yield 0.4
    count = total
    if without[total] <= 1 - TOLERANCE:
        sizes = [size for size in SIZES if size < total] + [total]
        gained = trials.means(kept(sizes, True)) - (trials.values - change).mean()
        yield 0.55
        enough = gained >= (1 - TOLERANCE) * gained.max()
        # The first size that is enough, by bisection; the last one is.
        low, high = -1, len(sizes) - 1
        while high - low > 1:
            middle = (low + high) // 2
            size = sizes[middle]
            without[size] = trials.overlap(kept([size], False)[0])
            yield 0.7
            fell = without[size] <= without[total] + TOLERANCE
            low, high = (low, middle) if fell else (middle, high)
        count = max(sizes[high], sizes[int(np.argmax(enough))])
    core = candidates[:count]
    idle = np.setdiff1d(np.arange(trials.width), core)
    others = np.ones(trials.width, bool)
    others[np.random.default_rng(seed).permutation(idle)[:count]] = False
    if count not in without:
        without[count] = trials.overlap(kept([count], False)[0])
    yield 0.8
    without_random = trials.overlap(others)
    yield 0.9
    part = float(strength[core].sum() / strength.sum()) if count else 0.0
    return CoreNeurons(
        trials.rows, candidates, count, found[:, candidates], change, part, error, without[count],
        without_random, trials.overlap(kept([count], True)[0]), trials.chance,
    )  # fmt: skip


def _target(concepts: Concepts) -> int | np.ndarray:
    return concepts.direction if concepts.neuron is None else concepts.neuron


def _others(along: np.ndarray, index: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows beside the top samples: half the strongest of them, half at random, in order."""
    rest = np.setdiff1d(np.arange(len(along)), index)
    ranked = rest[np.argsort(-along[rest], kind="stable")]
    strongest, weaker = ranked[: count // 2], ranked[count // 2 :]
    random = np.random.default_rng(seed).permutation(weaker)[: count - len(strongest)]
    return np.sort(np.concatenate([strongest, random]))


def _given(acts: Activations, concepts: Concepts, rows: np.ndarray) -> TopSamples:
    along = acts.along(_target(concepts))[rows]
    direction = np.asarray(concepts.direction, np.float64)
    return TopSamples(acts, concepts.neuron, direction, rows, along, acts.rows(rows))
