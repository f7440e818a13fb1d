"""Suggested thresholds: compact cuts, gaps between heights, stable cuts, and chance."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.clustering.silhouette import silhouettes
from neuronwidgets.clustering.tree import Tree, Trees
from neuronwidgets.core.checks import one_of
from neuronwidgets.core.steps import drained

if TYPE_CHECKING:
    from neuronwidgets.concepts.split import Split

KINDS = ("rest", "method", "compact", "gap", "stable", "chance")
QUICK = KINDS[:4]
"""The kinds that take no time."""
POWER = 0.25
"""Exponent of the number of concepts, by which a cut's mean silhouette is multiplied.

Two concepts far apart have the best silhouette of all, so without this factor the default cut would
be too coarse. Exponents from 0.2 to 0.35 do equally well (docs/decisions/ has the data)."""
MOST = 10
"""Concepts in a suggested cut, at most."""
MOST_SAMPLES = 2_000
"""Samples up to which distances of all pairs are computed; with more, only gaps are suggested."""
MOST_DRAWN = 500
"""Samples up to which "chance" is tested by default: the time of a draw grows with their cube."""
DRAWS, FEWER, SOON = 39, 19, 200
"""Draws of the null: up to `SOON` samples, and of more."""
LIKELY = 0.05
"""With a larger p, samples without clusters separate as well."""
WORK = 20_000_000
"""Limit on samples squared times resamples."""
RESAMPLES = 10, 50
"""The smallest and the largest number of resamples."""
FEWEST_STABLE = 60
"""Samples from which "stable" is tested by default: half of fewer samples hold pairs that recur in
any data."""
AS_STABLE = 0.03
"""Shares of resamples that differ by less count as equal: about their sampling error."""
NARROW = 0.01
"""Gaps below 1% of the axis are too narrow to hit by dragging and are not suggested."""
ROUNDING = 1e-9
"""Relative differences of heights up to this are rounding errors."""


@dataclass(frozen=True)
class Reason:
    """Why a cut is suggested.

    Attributes:
        kind: one of `KINDS`.
        value: "rest", "method": 1; "compact": the mean silhouette, up to 1; "gap": the gap's width
            as a share of the scale; "stable": the share of resamples in which its concepts recur,
            0 to 1; "chance": p of the geometric part of `polysemanticity`.
        best: whether this cut is the best one of its kind.
        text: the reason in words.
    """

    kind: str
    value: float
    best: bool
    text: str


@dataclass(frozen=True)
class Suggestion:
    """A threshold, the number of concepts that it gives, and why it is suggested.

    `gap` is the width of the interval of heights that gives the same number of concepts, on the
    square-root scale, as a share of that scale. `reasons` holds at least one, in the order of
    `KINDS`.
    """

    threshold: float
    concepts: int
    gap: float
    reasons: tuple[Reason, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its reasons, in the order of `KINDS`."""
        return tuple(reason.kind for reason in self.reasons)

    @property
    def reason(self) -> str:
        """All its reasons in words."""
        return "; ".join(reason.text for reason in self.reasons)


@dataclass(frozen=True)
class Stretch:
    """An interval of heights over which the number of concepts does not change."""

    threshold: float
    """Its middle, on the square-root scale."""
    concepts: int
    gap: float
    low: float
    """Its lower end: a merge height, or 0."""

    @property
    def rank(self) -> float:
        """Its width, weighted by the number of concepts: gaps narrow as concepts become more."""
        return self.gap * self.concepts


def stretches(tree: Tree, min_size: int) -> list[Stretch]:
    """The stretches with up to ten concepts that hold at least half of the samples, from the top.

    Concepts are clusters of at least `min_size` samples. Heights that differ by rounding only have
    no stretch between them. A tree of fewer samples than `min_size` has no stretch.
    """
    heights, n = tree.merge_heights, tree.n
    if n < min_size:
        return []
    if n == 1 or tree.top == 0:
        return [Stretch(tree.top, 1, 1.0, 0.0)]

    def sums_down(node_values: np.ndarray) -> np.ndarray:
        # Down the tree each split replaces a node by its two children.
        change = node_values[tree.children].sum(axis=1) - node_values[n:]
        return np.asarray(np.cumsum(np.concatenate([node_values[-1:], change[::-1]])))

    is_concept = tree.size >= min_size
    covers_half = 2 * sums_down(is_concept * tree.size) >= n
    count = np.where(covers_half, sums_down(is_concept.astype(np.int64)), 0)
    roots = np.sqrt(np.concatenate([[tree.top * 1.02], heights[::-1], [0.0]]) / tree.top)
    # A small cluster that splits off does not change the number of concepts: neighbours are joined.
    starts = np.flatnonzero(np.diff(count, prepend=-1))
    intervals = []
    for i, j in zip(starts, np.append(starts[1:], len(count)), strict=True):
        concepts, gap = int(count[i]), float(roots[i] - roots[j])
        if 1 <= concepts <= MOST and gap > ROUNDING:
            middle = float(((roots[i] + roots[j]) / 2) ** 2 * tree.top)
            intervals.append(Stretch(middle, concepts, gap, float(roots[j] ** 2 * tree.top)))
    return intervals


def default_threshold(split: Split, *, power: float = POWER) -> float:
    """The default threshold of a cut.

    Of the middles of all stretches with at least two concepts, the one with the largest
    `silhouette * concepts ** power`; with too many samples for a matrix of distances, the middle of
    the widest gap for its number of concepts.
    """
    intervals = stretches(split.tree, split.min_size)
    return _threshold(split.tree, _leader(intervals, _compactness(split, intervals), power))


def default_thresholds(
    trees: Trees, Z: np.ndarray, distances: np.ndarray, min_size: int
) -> np.ndarray:
    """`default_threshold` of `B` trees at once: float64 `B`.

    Args:
        trees, Z: the trees, and their linkages, float64 `B x (n - 1) x 4`.
        distances: float64 `B x n x n`.
        min_size: smaller clusters are no concept.
    """
    of_cuts = silhouettes(distances, Z, min_size, MOST)
    thresholds = np.empty(len(trees))
    for i in range(len(trees)):
        tree = trees[i]
        intervals = stretches(tree, min_size)
        compact = _in_stretches(of_cuts[i], tree, intervals, min_size)
        thresholds[i] = _threshold(tree, _leader(intervals, compact))
    return thresholds


def _threshold(tree: Tree, leader: Stretch | None) -> float:
    return tree.top if leader is None else leader.threshold


def _leader(
    intervals: list[Stretch], compact: np.ndarray | None, power: float = POWER
) -> Stretch | None:
    """The stretch that the default threshold is in.

    Args:
        intervals: the stretches.
        compact: the mean silhouette in each; `None`: the widest gap decides.
        power: see `POWER`.
    """
    several = [i for i, s in enumerate(intervals) if s.concepts > 1]
    if not several:
        return max(intervals, key=lambda s: s.rank, default=None)
    if compact is None:
        return intervals[max(several, key=lambda i: intervals[i].rank)]
    # Of equally compact cuts the widest.
    rank = [
        (max(float(value), 0.0) * s.concepts**power, s.rank)
        for value, s in zip(compact, intervals, strict=True)
    ]
    return intervals[max(several, key=rank.__getitem__)]


def _compactness(split: Split, intervals: list[Stretch]) -> np.ndarray | None:
    """The mean silhouette in each stretch; `None` for too many samples."""
    if len(split.index) > MOST_SAMPLES:
        return None
    of_cuts = silhouettes(split.distances[None], split.Z[None], split.min_size, MOST)[0]
    return _in_stretches(of_cuts, split.tree, intervals, split.min_size)


def _in_stretches(
    of_cuts: np.ndarray, tree: Tree, intervals: list[Stretch], min_size: int
) -> np.ndarray:
    """The mean silhouette in the middle of each stretch, -1 to 1.

    Samples in no concept count 0: otherwise cuts that leave most samples out would win.

    Args:
        of_cuts: float64 `n - 1`, the mean silhouettes of all cuts, see `silhouettes`.
    """
    if not intervals or not len(of_cuts):
        return np.full(len(intervals), -1.0)
    middles = [s.threshold for s in intervals]
    cuts = np.minimum(np.searchsorted(tree.merge_heights, middles, side="right"), len(of_cuts) - 1)
    covered = [_covered(tree, s, min_size) for s in intervals]
    # Above the last merge there is one cluster, which has no silhouette.
    single = np.array([s.concepts < 2 for s in intervals])
    return np.where(single, -1.0, np.nan_to_num(of_cuts[cuts] * covered, nan=-1.0))


def suggest(split: Split, kinds: Sequence[str] | None = None) -> list[Suggestion]:
    """What `suggesting` returns."""
    return drained(suggesting(split, kinds))


def suggesting(
    split: Split, kinds: Sequence[str] | None = None
) -> Generator[float, None, list[Suggestion]]:
    """`Split.suggest` as a generator: yields the share done, returns the suggestions."""
    kinds = check_kinds(kinds, len(split.index))
    if split.at_rest:
        text = "one group: the neuron is at rest on all samples"
        return [Suggestion(0.0, 1, 1.0, (Reason("rest", 1.0, True, text),))]
    intervals = stretches(split.tree, split.min_size)
    reasons: dict[Stretch, list[Reason]] = {}
    if split.chosen is not None and "method" in kinds:
        by_method = _chosen(split, intervals)
        intervals = [by_method, *(s for s in intervals if s.low != by_method.low)]
        text = f"clusters of {split.method}: {_concepts(by_method)}"
        reasons[by_method] = [Reason("method", 1.0, True, text)]
    several = [s for s in intervals if s.concepts > 1]
    compact = None
    if "compact" in kinds and len(split.index) <= MOST_SAMPLES:
        compact = _compactness(split, intervals)
    leader = _leader(intervals, compact)
    if "compact" in kinds and compact is not None and leader is not None and several:
        value = float(compact[intervals.index(leader)])
        if value > 0:
            text = f"most compact: {_concepts(leader)}, mean silhouette {value:.2f}"
            reasons.setdefault(leader, []).append(Reason("compact", value, True, text))
    if "gap" in kinds:
        widest = _leader(intervals, None)
        by_count = {s.concepts: s for s in sorted(intervals, key=lambda s: s.gap)}
        for s in by_count.values():
            if s.gap < NARROW and s is not widest:
                continue
            title = "widest gap for its number" if s is widest else "gap"
            text = f"{title}: {_concepts(s)} over {s.gap:.0%} of the scale"
            reasons.setdefault(s, []).append(Reason("gap", s.gap, s is widest, text))
    if several and "stable" in kinds:
        yield 0.1
        share, resamples = yield from _stability(split, several)
        best = _finest(several, share)
        if best >= 0:
            text = f"its concepts recur in {share[best]:.0%} of {resamples} resamples"
            reason = Reason("stable", float(share[best]), True, text)
            reasons.setdefault(several[best], []).append(reason)
    single = next((s for s in intervals if s.concepts == 1), None)
    if several and "chance" in kinds and single is not None:
        yield 0.9
        p = _chance(split)
        if p > LIKELY:
            text = f"one concept: samples without clusters separate as well (p = {p:.2f})"
            reasons.setdefault(single, []).append(Reason("chance", p, True, text))
    order = sorted(reasons, key=lambda s: (s.concepts, -s.threshold))
    return [Suggestion(s.threshold, s.concepts, s.gap, tuple(reasons[s])) for s in order]


def _chosen(split: Split, intervals: list[Stretch]) -> Stretch:
    """The stretch around the threshold that the method chose, with that threshold."""
    threshold, tree = float(split.chosen or 0), split.tree
    below = [s for s in intervals if s.low <= threshold]
    concepts = int((tree.size[tree.cut(threshold)] >= split.min_size).sum())
    # A cut with more than ten concepts is in no stretch.
    if below and max(below, key=lambda s: s.low).concepts == concepts:
        return replace(max(below, key=lambda s: s.low), threshold=threshold)
    heights = np.concatenate([[0.0], tree.merge_heights, [tree.top * 1.02]])
    i = int(np.searchsorted(heights, threshold, side="right"))
    low, high = np.sqrt(heights[i - 1 : i + 1] / (tree.top or 1))
    return Stretch(threshold, concepts, float(high - low), float(heights[i - 1]))


def check_kinds(kinds: Any, samples: int) -> tuple[str, ...]:
    """The kinds to test with this number of samples.

    Raises:
        ValueError: an unknown kind, or one that would take too long.
    """
    if kinds is None:
        left_out = {"chance"} if samples > MOST_DRAWN else set()
        if samples > MOST_SAMPLES:
            left_out |= {"compact", "stable"}
        if samples < FEWEST_STABLE:
            left_out.add("stable")
        return tuple(kind for kind in KINDS if kind not in left_out)
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    for kind in kinds:
        one_of("kinds", kind, KINDS)
        if kind in ("compact", "stable", "chance") and samples > MOST_SAMPLES:
            raise ValueError(
                f"kind {kind!r} compares all pairs, which takes too long for {samples:,} samples: "
                f"split with top={MOST_SAMPLES:,} or less."
            )
    return kinds


def _stability(
    split: Split, intervals: list[Stretch]
) -> Generator[float, None, tuple[np.ndarray, int]]:
    """The mean share of resamples in which the concepts of each stretch recur, and the number of
    resamples."""
    from neuronwidgets.clustering.stability import recurring

    tree = split.tree
    nodes = [_nodes(split, s) for s in intervals]
    distinct = np.unique(np.concatenate(nodes))
    groups = np.zeros((len(distinct), tree.n), bool)
    for group, node in zip(groups, distinct, strict=True):
        group[tree.samples_of(int(node))] = True
    resamples = resamples_of(tree.n)
    share = yield from recurring(split.distances, split.linkage, groups, resamples)
    shares = [share[np.searchsorted(distinct, concepts)] for concepts in nodes]
    return np.array([s[~np.isnan(s)].mean() if (s >= 0).any() else 0 for s in shares]), resamples


def resamples_of(samples: int) -> int:
    """The number of resamples: fewer for more samples, so that the time is bounded."""
    least, most = RESAMPLES
    return int(np.clip(WORK // samples**2, least, most))


def _chance(split: Split) -> float:
    """p of the null of samples with the same covariance and no clusters; NaN where the neuron is at
    rest on many samples."""
    from neuronwidgets.concepts.scores.neurons import Neurons
    from neuronwidgets.concepts.scores.polysemanticity import polysemanticity

    draws = DRAWS if len(split.index) <= SOON else FEWER
    columns = polysemanticity(Neurons.of(split.cut()), draws=draws)
    return float(columns["geometry_p"][0])


def _finest(intervals: list[Stretch], share: np.ndarray) -> int:
    """Of the most stable cuts the one with most concepts; -1 if all recur in half of the resamples
    or fewer.

    Few concepts recur more easily than many, so the largest share alone would be too coarse.
    """
    if share.max() <= 0.5:
        return -1
    as_stable = np.flatnonzero(share >= share.max() - AS_STABLE)
    return int(max(as_stable, key=lambda i: (intervals[i].concepts, intervals[i].gap)))


def _nodes(split: Split, s: Stretch) -> np.ndarray:
    """The nodes of the concepts in the middle of a stretch."""
    cut = split.tree.cut(s.threshold)
    return cut[split.tree.size[cut] >= split.min_size]


def _covered(tree: Tree, s: Stretch, min_size: int) -> float:
    """The share of the samples that are in concepts, in the middle of a stretch."""
    cut = tree.cut(s.threshold)
    return float(tree.size[cut][tree.size[cut] >= min_size].sum() / tree.n)


def _concepts(s: Stretch) -> str:
    return f"{s.concepts} concept{'' if s.concepts == 1 else 's'}"
