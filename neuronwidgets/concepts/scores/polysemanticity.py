"""How clearly a neuron's top samples fall into several concepts, calibrated against chance."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuronwidgets.clustering.rotation_null import distances, rotations, separation, separations
from neuronwidgets.concepts.scores.labels import entropy
from neuronwidgets.concepts.scores.neurons import Neurons
from neuronwidgets.concepts.scores.registry import Column, score
from neuronwidgets.core.checks import integer

CERTAIN = 5.0
"""Groups that stand so many standard deviations above chance are there for certain."""
DRAWS, FEWEST = 99, 9
SOON, LATE = 200, 2000
"""Up to 200 top samples take all 99 draws; above 2,000 a single one takes many seconds."""
ACTIVE = 0.9
TIE = 1e-9
"""Values that differ by less are equal: what rounding does."""


@score(
    title="concepts",
    source="arXiv 2304.09707",
    low=0,
    higher="more concepts at the cut",
)
def concepts(neurons: Neurons) -> np.ndarray:
    """How many clusters of at least `min_size` samples the cut has (O'Mahony et al. 2023).

    0 to `n / min_size`; higher: more polysemantic, if the clusters are real (see
    `polysemanticity`).
    """
    return neurons.concepts.astype(np.float64)


@score(
    title="polysemanticity",
    source="after arXiv 2508.16950",
    low=0,
    high=1,
    higher="the top samples have little in common and fall into groups more clearly than chance",
    columns={
        "silhouette": Column("silhouette", 0, 1, "the best cut's concepts are further apart"),
        "geometry": Column("geometric part", 0, 1, "further apart than without clusters"),
        "geometry_z": Column("z of geometry", -np.inf, np.inf, "further above chance"),
        "geometry_p": Column("p of geometry", 0, 1, "chance alone does as well"),
        "alignment": Column("label part", 0, 1, "concepts are of different labels"),
        "alignment_z": Column("z of labels", -np.inf, np.inf, "further above chance"),
        "alignment_p": Column("p of labels", 0, 1, "chance alone does as well"),
    },
)
def polysemanticity(
    neurons: Neurons, draws: int | None = None, seed: int = 0
) -> dict[str, np.ndarray]:
    """How far the top samples are from one concept: several groups, with little in common.

    `variety * min(max(geometry_z, 0), 5) / 5`: how little the top samples have in common, times how
    certain it is that they fall into groups (five standard deviations above chance are certain). It
    uses no labels and does not depend on the cut. Such an index multiplies parts of 0 to 1, as PSI
    does (Gupta & Kumar 2025, arXiv 2508.16950). A product of `geometry` and `alignment`, as it was
    before, hardly ranks neurons as the entropy of their top samples' labels does
    (`benchmarks/polysemanticity.py`).

    *Geometric part.* `silhouette` is the largest mean silhouette of the tree's cuts with 2 to 10
    concepts (0 if none is positive). The null: as many samples with the same mean and covariance,
    and no clusters, from a rotation test (see `rotation`), each with its own tree. `geometry` is
    `max(0, (s - mean) / (1 - mean))`, adjusted for chance as the adjusted Rand index is,
    `geometry_z` is `(s - mean) / deviation`, `geometry_p` is `(1 + #{null >= s}) / (1 + draws)`.
    It does not depend on the cut.

    *Label part.* `alignment` is the adjusted mutual information (Vinh, Epps & Bailey 2010, JMLR 11)
    of the concepts at the cut and the labels, over the samples that have both; at least 0; 0 for
    one concept or one label. z and p by permuting the labels. NaN where fewer than two samples
    have both.

    All are NaN for a neuron that rests on more than a tenth of its top samples (`active`): these
    are samples like any, of many kinds, and would make a dead neuron the most polysemantic.

    0 to 1; higher: more polysemantic. docs/explanation/scores.md says where p holds and
    where it does not.

    Args:
        draws: of each null; 0 for none: then all but `silhouette` and `alignment` is NaN. 99 if
            not given; for more than 200 top samples fewer, for more than 2,000 none.
        seed: of the draws.
    """
    draws = check_draws(draws, neurons.index.shape[1])
    out = {"silhouette": _observed(neurons)}
    out["geometry"], out["geometry_z"], out["geometry_p"] = _geometry(
        neurons, out["silhouette"], draws, seed
    )
    out["alignment"], out["alignment_z"], out["alignment_p"] = _alignment(neurons, draws, seed)
    apart = np.clip(out["geometry_z"], 0, CERTAIN) / CERTAIN
    out = {"polysemanticity": apart * np.clip(neurons.variety, 0, 1), **out}
    resting = neurons.active < ACTIVE
    return {name: np.where(resting, np.nan, column) for name, column in out.items()}


@score(
    title="variety",
    source="ours",
    low=0,
    high=2,
    higher="the top samples have less in common",
)
def variety(neurons: Neurons) -> np.ndarray:
    """How little a neuron's top samples have in common (see `Neurons.variety`).

    0: all in one direction from the layer's mean; 1: as random samples; higher: less in common. It
    does not say whether they fall into groups: noise has 1 as well.
    """
    return neurons.variety


@score(
    title="active",
    source="ours",
    low=0,
    high=1,
    higher="it fires on more of its top samples; below 0.9 they say little of it",
)
def active(neurons: Neurons) -> np.ndarray:
    """The share of a neuron's top samples on which it does not rest (see `Neurons.active`).

    0 (a dead or constant neuron) to 1; higher: its top samples are its own. The others are samples
    like any, of many kinds: below 0.9 `polysemanticity` is NaN.
    """
    return neurons.active


def check_draws(draws: Any, n: int) -> int:
    """`draws` as an int, refused if it is not a whole number of at least 0; `None`: by `n`."""
    if draws is None:
        # A draw costs n cubed.
        return 0 if n > LATE else max(FEWEST, min(DRAWS, int(DRAWS * (SOON / n) ** 3)))
    return integer("draws", draws, 0)


def _observed(neurons: Neurons) -> np.ndarray:
    if neurons.gram is None:
        return np.full(len(neurons), np.nan)
    return separation(
        distances(neurons.gram, neurons.method, neurons.metric), neurons.Z, neurons.min_size
    )


def _geometry(
    neurons: Neurons, observed: np.ndarray, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, z and p of the geometric part: float64 `N` each."""
    if neurons.gram is None:
        value, z, p = np.full((3, len(neurons)), np.nan)
        return value, z, p
    null = np.empty((len(neurons), draws))
    begin = 0
    for turns in rotations(neurons.index.shape[1], draws, seed):
        part = slice(begin, begin + len(turns))
        for i, gram in enumerate(neurons.gram):
            null[i, part] = separations(
                gram, neurons.method, neurons.metric, neurons.min_size, turns
            )
        begin += len(turns)
    mean = null.mean(axis=1) if draws else np.full(len(null), np.nan)
    value = np.maximum((observed - mean) / (1 - mean), 0)
    return value, *_against(observed, null)


def _alignment(
    neurons: Neurons, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, z and p of the label part: float64 `N` each."""
    value, z, p = np.full((3, len(neurons)), np.nan)
    if neurons.labels is None:
        return value, z, p
    n = neurons.index.shape[1]
    shuffles = np.random.default_rng((seed, 1)).random((draws, n))
    for i, (concept, label) in enumerate(zip(neurons.assignment, neurons.labels, strict=True)):
        both = (concept >= 0) & (label >= 0)
        if both.sum() < 2:
            continue
        kinds, label = np.unique(label[both], return_inverse=True)
        groups, concept = np.unique(concept[both], return_inverse=True)
        order = np.concatenate([np.arange(len(label))[None], shuffles[:, both].argsort(axis=1)])
        cells = len(groups) * len(kinds)
        cell = concept * len(kinds) + label[order] + cells * np.arange(1 + draws)[:, None]
        counts = np.bincount(cell.ravel(), minlength=cells * (1 + draws)).reshape(-1, cells)
        sides = np.bincount(concept), np.bincount(label)
        apart = entropy(sides[0]) + entropy(sides[1])
        mutual = apart - entropy(counts)
        chance = expected_mutual(*sides)
        # 0 where there is nothing to gain: one concept, one label, or each sample for itself.
        room = apart / 2 - chance
        value[i] = max(0.0, (mutual[0] - chance) / room) if room > TIE else 0
        z[i : i + 1], p[i : i + 1] = _against(mutual[:1], mutual[None, 1:])
    return value, z, p


def expected_mutual(a: np.ndarray, b: np.ndarray) -> float:
    """Mutual information, in bits, that `K` and `L` clusters of these sizes have by chance.

    Vinh, Epps & Bailey 2010, eq. 24a: over the hypergeometric distribution of each cell.
    """
    from scipy.special import gammaln

    n = int(a.sum())
    log = gammaln(np.arange(n + 1) + 1.0)
    one, other = a[:, None, None], b[:, None]
    both = np.arange(1, min(a.max(), b.max()) + 1)
    rest = n - one - other + both
    possible = (both <= one) & (both <= other) & (rest >= 0)
    log_share = (log[one] + log[other] + log[n - one] + log[n - other] - log[n] - log[both]) - (
        log[np.maximum(one - both, 0)] + log[np.maximum(other - both, 0)] + log[rest.clip(0, n)]
    )
    share = np.exp(np.where(possible, log_share, -np.inf))
    return float((share * both / n * np.log2(n * both / (one * other))).sum())


def _against(observed: np.ndarray, null: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """z and p of `N` observed values against `N x draws`; z is 0 where the null never differs."""
    draws = null.shape[1]
    if draws == 0:
        return np.full(len(observed), np.nan), np.full(len(observed), np.nan)
    above = observed - null.mean(axis=1)
    spread = null.std(axis=1)
    z = np.divide(above, spread, out=np.zeros_like(above), where=spread > TIE)
    p = (1 + (null >= observed[:, None] - TIE).sum(axis=1)) / (1 + draws)
    return z, p
