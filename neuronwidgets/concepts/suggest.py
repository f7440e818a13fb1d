"""Suggested thresholds: compact cuts, gaps between heights, stable cuts, and chance."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.clustering.silhouette import silhouettes
from neuronwidgets.clustering.tree import Tree, Trees
from neuronwidgets.concepts.stretches import MOST, POWER, Stretch, Stretches, compactness, leaders
from neuronwidgets.core.checks import one_of
from neuronwidgets.core.steps import drained

if TYPE_CHECKING:
    from neuronwidgets.concepts.split import Split

KINDS = ("rest", "method", "compact", "gap", "stable", "chance")
QUICK = KINDS[:4]
"""The kinds that take no time."""
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


def stretches(tree: Tree, min_size: int) -> list[Stretch]:
    """The stretches of one tree, from the top; see `Stretches.of`."""
    return Stretches.of(Trees.single(tree), min_size).listed()


def default_threshold(split: Split, *, power: float = POWER) -> float:
    """The default threshold of a cut.

    Of the middles of all stretches with at least two concepts, the one with the largest
    `silhouette * concepts ** power`; with too many samples for a matrix of distances, the middle of
    the widest gap for its number of concepts.
    """
    trees = Trees.single(split.tree)
    of_cuts = _of_cuts(split) if len(split.index) <= MOST_SAMPLES else None
    return float(_thresholds(trees, of_cuts, split.min_size, power)[0])


def default_thresholds(trees: Trees, Z: Any, distances: Any, min_size: int) -> np.ndarray:
    """`default_threshold` of `B` trees at once: float64 `B`.

    Args:
        trees, Z: the trees, and their linkages, float64 `B x (n - 1) x 4`.
        distances: float64 `B x n x n`, an array, or a tensor as `Z` then is.
        min_size: smaller clusters are no concept.
    """
    return _thresholds(trees, silhouettes(distances, Z, min_size, MOST), min_size)


def _thresholds(
    trees: Trees, of_cuts: np.ndarray | None, min_size: int, power: float = POWER
) -> np.ndarray:
    """float64 `B`: the default thresholds; a tree without stretches has its top."""
    found = Stretches.of(trees, min_size)
    compact = None
    if of_cuts is not None:
        compact = compactness(trees, of_cuts, min_size, found.tree, found.threshold, found.concepts)
    chosen = leaders(found.tree, found.concepts, found.gap, compact, power)
    thresholds = trees.height[:, -1].copy()
    thresholds[found.tree[chosen]] = found.threshold[chosen]
    return thresholds


def _leader(intervals: list[Stretch], compact: np.ndarray | None) -> Stretch | None:
    """The stretch of `leaders`, of one tree."""
    concepts, gap = _column(intervals, "concepts"), _column(intervals, "gap")
    chosen = leaders(np.zeros(len(intervals), np.int64), concepts, gap, compact)
    return intervals[chosen[0]] if len(chosen) else None


def _compactness(split: Split, intervals: list[Stretch]) -> np.ndarray:
    """`compactness` of one tree."""
    return compactness(
        Trees.single(split.tree), _of_cuts(split), split.min_size,
        np.zeros(len(intervals), np.int64), _column(intervals, "threshold"),
        _column(intervals, "concepts"),
    )  # fmt: skip


def _column(intervals: list[Stretch], field: str) -> np.ndarray:
    kind = np.int64 if field == "concepts" else np.float64
    return np.array([getattr(s, field) for s in intervals], kind)


def _of_cuts(split: Split) -> np.ndarray:
    """float64 `1 x (n - 1)`: the mean silhouettes of all cuts."""
    return silhouettes(split.distances[None], split.Z[None], split.min_size, MOST)


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
    source = split.acts.samples.sources(split.index)
    share = yield from recurring(split.distances, split.linkage, groups, resamples, source=source)
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


def _concepts(s: Stretch) -> str:
    return f"{s.concepts} concept{'' if s.concepts == 1 else 's'}"
