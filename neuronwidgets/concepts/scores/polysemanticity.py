"""How clearly a neuron's top samples fall into several concepts, calibrated against chance."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuronwidgets.clustering.rotation_null import TIE, distances, null_separations, separation
from neuronwidgets.concepts.scores.labels import entropy
from neuronwidgets.concepts.scores.neurons import Neurons
from neuronwidgets.concepts.scores.registry import Column, score
from neuronwidgets.core.checks import integer

CERTAIN = 5.0
"""z of the geometric part from which groups are certain."""
DRAWS, FEWEST = 99, 9
"""The default numbers of draws: for few top samples, and at least."""
SOON, LATE = 200, 2000
"""Top samples up to which all 99 draws are made, and up to which any is made: above 2,000 a single
draw takes many seconds."""
ACTIVE = 0.9
"""Share of the top samples on which a neuron must be active to get a score."""


@score(
    title="concepts",
    source="arXiv 2304.09707",
    low=0,
    higher="more concepts at the cut",
)
def concepts(neurons: Neurons) -> np.ndarray:
    """The number of clusters of at least `min_size` samples at the cut (O'Mahony et al. 2023).

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
    """How clearly the top samples fall into several groups that have little in common.

    `variety * min(max(geometry_z, 0), 5) / 5`: how little the top samples have in common, times how
    certain it is that they fall into groups (five standard deviations above chance are certain). It
    uses no labels and does not depend on the cut. Like PSI (Gupta & Kumar 2025, arXiv 2508.16950)
    it multiplies parts between 0 and 1. An earlier form, the product of `geometry` and `alignment`,
    hardly agreed with the label entropy of the top samples in ranking neurons
    (`benchmarks/polysemanticity.py`).

    *Geometric part.* `silhouette` is the largest mean silhouette of the tree's cuts with 2 to 10
    concepts (0 if none is positive). The null is a rotation test (see `clustering.rotation_null`):
    as many samples with the same mean and covariance and no clusters, each draw with a tree of its
    own. Tokens of one text stay together, so that a text is no concept by itself. Up to four
    neurons of a batch whose nulls are nearly the same share their draws. `geometry` is
    `max(0, (s - mean) / (1 - mean))`, adjusted for chance like the adjusted Rand index,
    `geometry_z` is `(s - mean) / deviation`, `geometry_p` is `(1 + #{null >= s}) / (1 + draws)`. It
    does not depend on the cut.

    *Label part.* `alignment` is the adjusted mutual information (Vinh, Epps & Bailey 2010, JMLR 11)
    of the concepts at the cut and the labels, over the samples that have both; at least 0; 0 for
    one concept or one label. The permutation null of the labels gives z and p; where tokens of one
    text share its label, whole texts are permuted. NaN if fewer than two samples have both.

    All columns are NaN for a neuron that is at rest on more than a tenth of its top samples (see
    `active`): samples at rest are of many kinds and would make a dead neuron the most polysemantic.

    0 to 1; higher: more polysemantic. docs/explanation/scores.md says when p is valid.

    Args:
        draws: draws of each null; with 0 all columns but `silhouette` and `alignment` are NaN. Not
            given: 99; fewer for more than 200 top samples, none for more than 2,000.
        seed: of the draws.
    """
    draws = check_draws(draws, neurons.index.shape[1])
    out = {"silhouette": _observed(neurons)}
    out["geometry"], out["geometry_z"], out["geometry_p"] = _geometry(
        neurons, out["silhouette"], draws, seed
    )
    out["alignment"], out["alignment_z"], out["alignment_p"] = _alignment(neurons, draws, seed)
    certainty = np.clip(out["geometry_z"], 0, CERTAIN) / CERTAIN
    out = {"polysemanticity": certainty * np.clip(neurons.variety, 0, 1), **out}
    at_rest = neurons.active < ACTIVE
    return {name: np.where(at_rest, np.nan, column) for name, column in out.items()}


@score(
    title="variety",
    source="ours",
    low=0,
    high=2,
    higher="the top samples have less in common",
)
def variety(neurons: Neurons) -> np.ndarray:
    """How little a neuron's top samples have in common (see `Neurons.variety`).

    0: all in one direction from the layer's mean; 1: like random samples; higher: less in common.
    It does not show whether they fall into groups: noise has 1, too.
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
    """The share of a neuron's top samples on which it is not at rest (see `Neurons.active`).

    0 (a dead or constant neuron) to 1; higher: it is active on more of its top samples. Below 0.9
    `polysemanticity` is NaN.
    """
    return neurons.active


def check_draws(draws: Any, n: int) -> int:
    """`draws` as an int of at least 0; `None`: the default for `n` top samples."""
    if draws is None:
        # The time of a draw grows with the cube of `n`.
        return 0 if n > LATE else max(FEWEST, min(DRAWS, int(DRAWS * (SOON / n) ** 3)))
    return integer("draws", draws, 0)


def _observed(neurons: Neurons) -> np.ndarray:
    """float64 `N`: the silhouette of each neuron's tree."""
    if neurons.gram is None:
        return np.full(len(neurons), np.nan)
    return separation(
        distances(neurons.gram, neurons.method, neurons.metric), neurons.Z, neurons.min_size
    )


def _geometry(
    neurons: Neurons, observed: np.ndarray, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, z and p of the geometric part: float64 `N` each."""
    value, z, p = np.full((3, len(neurons)), np.nan)
    awake = np.flatnonzero(neurons.active >= ACTIVE)
    if neurons.gram is None or draws == 0 or len(awake) == 0:
        return value, z, p
    grams, s = neurons.gram[awake], observed[awake]
    sources = neurons.acts.samples.sources(neurons.index[awake])
    null = null_separations(
        grams, neurons.method, neurons.metric, neurons.min_size, draws, seed, neurons.device,
        sources,
    )  # fmt: skip
    mean = null.mean(axis=1)
    value[awake] = np.maximum((s - mean) / (1 - mean), 0)
    z[awake], p[awake] = against(s, null)
    return value, z, p


def _alignment(
    neurons: Neurons, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, z and p of the label part: float64 `N` each."""
    value, z, p = np.full((3, len(neurons)), np.nan)
    if neurons.labels is None:
        return value, z, p
    n = neurons.index.shape[1]
    shuffles = np.random.default_rng((seed, 1)).random((draws, n))
    sources = neurons.acts.samples.sources(neurons.index)
    for i, (concept, label) in enumerate(zip(neurons.assignment, neurons.labels, strict=True)):
        has_both = (concept >= 0) & (label >= 0)
        if has_both.sum() < 2:
            continue
        kinds, label = np.unique(label[has_both], return_inverse=True)
        groups, concept = np.unique(concept[has_both], return_inverse=True)
        texts, text = np.unique(sources[i, has_both], return_inverse=True)
        of_text = np.zeros(len(texts), np.int64)
        of_text[text] = label
        if len(texts) < len(text) and (of_text[text] == label).all():
            order = of_text[shuffles[:, : len(texts)].argsort(axis=1)][:, text]
            labels = np.concatenate([label[None], order])
        else:
            labels = np.concatenate([label[None], label[shuffles[:, has_both].argsort(axis=1)]])
        # A contingency table of concepts and labels for the data and for each permutation.
        cells = len(groups) * len(kinds)
        cell = concept * len(kinds) + labels + cells * np.arange(1 + draws)[:, None]
        counts = np.bincount(cell.ravel(), minlength=cells * (1 + draws)).reshape(-1, cells)
        sizes = np.bincount(concept), np.bincount(label)
        of_labels = entropy(counts.reshape(-1, len(groups), len(kinds)).sum(axis=1))
        entropies = entropy(sizes[0]) + entropy(sizes[1])
        mutual = entropy(sizes[0]) + of_labels - entropy(counts)
        chance = expected_mutual(*sizes)
        # There is no room for one concept, one label, or a concept and label for each sample.
        room = entropies / 2 - chance
        value[i] = max(0.0, (mutual[0] - chance) / room) if room > TIE else 0
        z[i : i + 1], p[i : i + 1] = against(mutual[:1], mutual[None, 1:])
    return value, z, p


def expected_mutual(a: np.ndarray, b: np.ndarray) -> float:
    """The expected mutual information, in bits, of `K` and `L` random clusters of these sizes.

    Vinh, Epps & Bailey 2010, eq. 24a: over the hypergeometric distribution of each cell of the
    contingency table.

    Args:
        a, b: int `K` and `L`, the sizes of the clusters.
    """
    from scipy.special import gammaln

    n = int(a.sum())
    log_factorial = gammaln(np.arange(n + 1) + 1.0)
    rows, columns = a[:, None, None], b[:, None]
    cell = np.arange(1, min(a.max(), b.max()) + 1)
    rest = n - rows - columns + cell
    is_possible = (cell <= rows) & (cell <= columns) & (rest >= 0)
    numerator = (
        log_factorial[rows]
        + log_factorial[columns]
        + log_factorial[n - rows]
        + log_factorial[n - columns]
    )
    log_probability = (numerator - log_factorial[n] - log_factorial[cell]) - (
        log_factorial[np.maximum(rows - cell, 0)]
        + log_factorial[np.maximum(columns - cell, 0)]
        + log_factorial[rest.clip(0, n)]
    )
    probability = np.exp(np.where(is_possible, log_probability, -np.inf))
    return float((probability * cell / n * np.log2(n * cell / (rows * columns))).sum())


def against(observed: np.ndarray, null: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """z and p of `N` observed values against a null, `N x draws`; z is 0 for a constant null."""
    draws = null.shape[1]
    if draws == 0:
        return np.full(len(observed), np.nan), np.full(len(observed), np.nan)
    above = observed - null.mean(axis=1)
    spread = null.std(axis=1)
    z = np.divide(above, spread, out=np.zeros_like(above), where=spread > TIE)
    p = (1 + (null >= observed[:, None] - TIE).sum(axis=1)) / (1 + draws)
    return z, p
