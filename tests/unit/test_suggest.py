"""Suggested thresholds: each gives the number of concepts that it promises, and its reason."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import adjusted_rand_score, silhouette_score

import neuronwidgets as nw
from neuronwidgets.clustering.linkage.engine import linkage
from neuronwidgets.clustering.stability import recurring
from neuronwidgets.clustering.tree import Tree, Trees
from neuronwidgets.concepts.split import Split
from neuronwidgets.concepts.suggest import (
    KINDS,
    MOST_DRAWN,
    MOST_SAMPLES,
    default_threshold,
    default_thresholds,
    stretches,
)

POINTS = st.integers(1, 40).flatmap(
    lambda n: arrays(np.float64, (n, 3), elements=st.integers(-9, 9).map(lambda x: x / 3))
)


def concepts(tree: Tree, threshold: float, min_size: int) -> int:
    return int((tree.size[tree.cut(threshold)] >= min_size).sum())


def planted(clusters: int, apart: float = 20, seed: int = 0, metric: str | None = None) -> Split:
    """Sixty samples around some corners, which differ by direction and by place."""
    rng = np.random.default_rng(seed)
    points = np.repeat(np.eye(clusters, 8) * apart, 60 // clusters, axis=0)
    points += rng.normal(size=points.shape)
    return nw.split(points, 7, top=len(points), metric=metric, min_size=5)


def linked(made: Split) -> tuple[np.ndarray, np.ndarray]:
    """All distances, and SciPy's linkage of them; Ward by direction is that of unit vectors."""
    points, by = made.vectors.astype(np.float64), made.metric
    if (made.method, by) == ("ward", "cosine"):
        points, by = points / np.linalg.norm(points, axis=1, keepdims=True), "euclidean"
    far = pdist(points, by)
    return squareform(far), hierarchy.linkage(far, made.method)


def by_hand(made: Split, Z: np.ndarray) -> list[tuple[int, float, float]]:
    """Of each stretch of heights with as many concepts the number, the middle and the gap."""
    top = Z[-1, 2]
    root = np.sqrt([0.0, *Z[:, 2] / top, 1.02])
    parts: list[list[float]] = []
    for low, high in pairwise(root.tolist()):
        size = sizes(made, Z, ((low + high) / 2) ** 2 * top)
        many = len(size) if 2 * size.sum() >= len(made.index) else 0
        if parts and parts[-1][0] == many:
            parts[-1][2] = high
        else:
            parts.append([many, low, high])
    return [
        (int(many), ((low + high) / 2) ** 2 * top, high - low)
        for many, low, high in parts
        if 1 <= many <= 10
    ]


def sizes(made: Split, Z: np.ndarray, threshold: float) -> np.ndarray:
    """Samples of each concept, fewest first."""
    size = np.bincount(hierarchy.fcluster(Z, threshold, "distance"))
    return np.sort(size[size >= made.min_size])


def silhouette(made: Split, apart: np.ndarray, Z: np.ndarray, threshold: float) -> float:
    """scikit-learn's, of the samples in concepts; the others count 0."""
    labels = hierarchy.fcluster(Z, threshold, "distance")
    kept = np.bincount(labels)[labels] >= made.min_size
    apart = apart[np.ix_(kept, kept)]
    return float(silhouette_score(apart, labels[kept], metric="precomputed") * kept.mean())


@given(POINTS, st.integers(1, 8))
# Heights that differ by rounding only.
@example(np.arange(10)[:, None] * np.array([[0.1, 0.1, 0.1]]), 1)
def test_each_stretch_gives_its_number_of_concepts(points: np.ndarray, min_size: int) -> None:
    tree = Tree.of(linkage(points))
    found = stretches(tree, min_size)
    heights = [s.threshold for s in found]
    assert heights == sorted(heights, reverse=True)
    assert sum(s.gap for s in found) <= 1.01
    for s in found:
        assert 1 <= s.concepts <= 10
        assert s.gap > 0
        assert concepts(tree, s.threshold, min_size) == s.concepts


@given(POINTS.filter(lambda points: len(points) > 1), st.integers(1, 8))
def test_the_default_is_in_range_and_gives_concepts_where_there_are_any(
    points: np.ndarray, min_size: int
) -> None:
    made = nw.split(points, 0, top=len(points), min_size=min_size)
    threshold = default_threshold(made)
    assert threshold == made.suggested
    assert 0 <= threshold <= made.tree.top * 1.02
    many = [s.concepts for s in stretches(made.tree, made.min_size)]
    if made.tree.n >= made.min_size:
        assert concepts(made.tree, threshold, made.min_size) >= min(2, max(many))


@given(POINTS.filter(lambda points: len(points) > 1), st.integers(1, 8))
def test_each_suggestion_gives_its_number_of_concepts(points: np.ndarray, min_size: int) -> None:
    made = nw.split(points, 0, top=len(points), min_size=min_size)
    found = made.suggest()
    assert [s.concepts for s in found] == sorted(s.concepts for s in found)
    assert len({s.threshold for s in found}) == len(found)
    if made.at_rest:
        assert [s.kinds for s in found] == [("rest",)]
        return
    for s in found:
        assert len(made.cut(s.threshold)) == s.concepts
        assert set(s.kinds) <= set(KINDS)
        assert s.reason
    for kind in KINDS[2:]:
        best = [r.value for s in found for r in s.reasons if r.kind == kind and r.best]
        assert len(best) <= 1
        assert all(0 < value <= 1.0001 for value in best)
    if found:
        best = {r.kind: s for s in found for r in s.reasons if r.best}
        # Where no cut has a silhouette above 0, there is none that is compact.
        assert best.get("compact", best["gap"]).threshold == made.suggested


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("clusters", [2, 3, 5])
def test_all_kinds_agree_on_the_clusters_that_are_there(clusters: int, metric: str) -> None:
    made = planted(clusters, metric=metric)
    assert len(made.cut()) == clusters
    (best,) = [s for s in made.suggest() if any(r.best for r in s.reasons)]
    assert best.kinds == KINDS[2:-1]
    assert best.threshold == made.suggested
    assert best.reasons[2].value == 1
    assert re.fullmatch(
        rf"most compact: {clusters} concepts, mean silhouette 0\.\d\d; "
        rf"widest gap for its number: {clusters} concepts over \d\d% of the scale; "
        r"its concepts recur in 100% of 50 resamples",
        best.reason,
    )


def test_many_clusters_are_not_taken_for_the_few_that_they_form() -> None:
    # Gaps of 0.3 for 2 concepts, 0.25 for 4.
    height = [0.2025, 0.2025, 0.2025, 0.2025, 0.49, 0.49, 1.0]
    Z = [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13]]
    size = [2, 2, 2, 2, 4, 4, 8]
    tree = Tree.of(np.column_stack([Z, height, size]))
    found = {s.concepts: s for s in stretches(tree, 2)}
    assert found[2].gap == pytest.approx(0.3)
    assert found[4].gap == pytest.approx(0.25)
    assert found[4].rank > found[2].rank


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_of_too_many_samples_for_silhouettes_the_default_is_the_widest_gap_times_concepts(
    metric: str,
) -> None:
    rng = np.random.default_rng(3)
    # Two pairs of kinds: the widest gap of all is for two.
    corners = np.zeros((4, 8))
    corners[:2, 0] = corners[2:, 1] = 8
    corners[[0, 1, 2, 3], [2, 3, 4, 5]] = 2.5
    kind = np.arange(MOST_SAMPLES + 4) % 4
    points = corners[kind] + 0.3 * rng.normal(size=(len(kind), 8))
    made = nw.split(points, 0, top=len(points), metric=metric)
    expected = [part for part in by_hand(made, linked(made)[1]) if part[0] > 1]
    assert max(expected, key=lambda part: part[2])[0] == 2
    many, middle, _ = max(expected, key=lambda part: part[2] * part[0])
    assert many == 4
    assert made.suggested == pytest.approx(middle)
    assert made.cut().sizes.tolist() == [len(kind) // 4] * 4


@pytest.mark.parametrize("power", [0.0, 0.25])
def test_more_concepts_may_be_a_little_less_compact(power: float) -> None:
    """Two far groups of three near ones have the best silhouette of all, and are six concepts."""
    rng = np.random.default_rng(0)
    kind = np.arange(90) % 6
    points = 9 * np.eye(8)[kind // 3] + 4 * np.eye(8)[2 + kind] + 0.5 * rng.normal(size=(90, 8))
    made = nw.split(points, 0, top=90, metric="euclidean")
    apart, Z = linked(made)
    middles = {many: middle for many, middle, _ in by_hand(made, Z)}
    two, six = (silhouette(made, apart, Z, middles[many]) for many in (2, 6))
    assert two > six
    assert six * 6**0.25 > two * 2**0.25
    assert len(made.cut(default_threshold(made, power=power))) == (6 if power else 2)
    assert made.suggested == default_threshold(made)


METHODS = [
    ("ward", "cosine"),
    ("ward", "euclidean"),
    ("average", "cosine"),
    ("complete", "euclidean"),
    ("single", "cosine"),
]


@pytest.mark.parametrize("apart", [0.0, 2.0, 4.0])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("method", "metric"), METHODS)
def test_the_default_is_the_most_compact_by_scikit_learn(
    method: str, metric: str, seed: int, apart: float
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(90, 5)) + apart * np.eye(5)[rng.integers(0, 4, 90)]
    made = nw.split(values, 0, top=90, method=method, metric=metric)
    apart, Z = linked(made)
    several = [(many, middle) for many, middle, _ in by_hand(made, Z) if many > 1]
    value, many, middle = max(
        ((silhouette(made, apart, Z, middle), many, middle) for many, middle in several),
        key=lambda cut: cut[0] * cut[1] ** 0.25,
    )
    assert value > 0
    assert made.suggested == pytest.approx(middle)
    assert np.sort(made.cut().sizes).tolist() == sizes(made, Z, middle).tolist()
    ((best, reason),) = [(s, r) for s in made.suggest("compact") for r in s.reasons]
    assert (reason.kind, reason.best, best.threshold) == ("compact", True, made.suggested)
    assert reason.value == pytest.approx(value)
    assert reason.text == f"most compact: {many} concepts, mean silhouette {value:.2f}"


def test_lengths_do_not_part_what_is_one_direction() -> None:
    rng = np.random.default_rng(6)
    kind = rng.integers(0, 3, 90)
    values = (10 * np.eye(8)[kind] + rng.normal(size=(90, 8))) * np.exp(rng.normal(size=(90, 1)))
    made = nw.split(values, 7, top=90)
    assert adjusted_rand_score(made.cut().assignment, kind[made.index]) == 1
    by_length = nw.split(values, 7, top=90, metric="euclidean").cut().assignment
    assert adjusted_rand_score(by_length, kind[made.index]) < 0.9


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_stablest_cut_says_how_often_its_concepts_recur(metric: str) -> None:
    made = planted(4, apart=2.5, metric=metric)
    ((best, reason),) = [
        (s, r) for s in made.suggest("stable") for r in s.reasons if r.kind == "stable"
    ]
    labels = made.cut(best.threshold).assignment
    groups = labels == np.arange(best.concepts)[:, None]
    steps = recurring(linked(made)[0], "ward", groups, 50)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            share = done.value
            break
    assert 0.5 < reason.value < 1
    assert reason.value == pytest.approx(share.mean())


@pytest.mark.parametrize("top", [None, 100])
def test_nothing_is_stable_in_noise(top: int | None) -> None:
    values = np.random.default_rng(0).normal(size=(100, 64))
    made = nw.split(values, 0, top)
    assert not [s for s in made.suggest() if "stable" in s.kinds]


@pytest.mark.parametrize(("method", "metric"), [("ward", "euclidean"), ("average", "cosine")])
def test_a_cloud_is_one_concept(method: str, metric: str) -> None:
    values = np.random.default_rng(1).normal(size=(100, 24)) + 3
    made = nw.split(values, 0, top=100, method=method, metric=metric)
    (one,) = [s for s in made.suggest() if "chance" in s.kinds]
    assert one.concepts == len(made.cut(one.threshold)) == 1
    (reason,) = [r for r in one.reasons if r.kind == "chance"]
    assert (
        reason.text
        == f"one concept: samples without clusters separate as well (p = {reason.value:.2f})"
    )
    p = made.scores(which="polysemanticity", draws=39)["geometry_p"]
    assert reason.value == p > 0.05
    assert [s.kinds for s in made.suggest("chance")] == [("chance",)]


def test_clusters_are_not_one_concept() -> None:
    assert planted(3).suggest("chance") == []


def test_chance_is_asked_of_a_method_that_chose_its_own_cut() -> None:
    values = np.random.default_rng(0).normal(size=(2000, 64))
    made = nw.split(values, 3, top=100, method="kmeans")
    assert [(s.concepts, s.kinds) for s in made.suggest("chance")] == [(1, ("chance",))]


def test_a_dead_neuron_is_not_called_one_concept_by_chance() -> None:
    values = np.random.default_rng(0).normal(size=(200, 24))
    values[:, 0] = 0
    (only,) = nw.split(values, 0, top=100).suggest("chance")
    assert only.kinds == ("rest",)


def test_chance_is_asked_on_request_of_more_samples() -> None:
    values = np.random.default_rng(0).normal(size=(MOST_DRAWN + 1, 3))
    made = nw.split(values, 0, top=len(values))
    assert all("chance" not in s.kinds for s in made.suggest())
    assert [s.kinds for s in made.suggest("chance")] == [("chance",)]


def test_of_many_samples_gaps_only_and_the_others_say_why_not() -> None:
    values = np.random.default_rng(0).normal(size=(MOST_SAMPLES + 1, 2))
    made = nw.split(values, 0, top=len(values))
    assert {kind for s in made.suggest() for kind in s.kinds} == {"gap"}
    for kind in ("compact", "stable", "chance"):
        with pytest.raises(ValueError, match="too long for 2,001 samples: split with top=2,000"):
            made.suggest(kind)


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"kinds must be one of 'rest', 'method', 'compact', 'gap', 'stable', .*got 'elbow'",
    ):
        planted(2).suggest(["gap", "elbow"])


def test_samples_fewer_than_a_concept_needs_suggest_nothing() -> None:
    made = nw.split([[0.0], [1.0], [5.0]], 0, min_size=4)
    assert made.suggest() == []
    assert made.suggested == made.tree.top


def test_equal_samples_are_one_concept_at_zero() -> None:
    made = nw.split(np.repeat([[1.0, 1.0], [0.0, 0.0]], [6, 2], axis=0), 0)
    (only,) = made.suggest()
    assert (only.threshold, only.concepts, only.kinds) == (0.0, 1, ("gap",))
    assert made.suggested == 0.0


@pytest.mark.parametrize("min_size", [1, 3, 8])
@pytest.mark.parametrize("samples", [1, 2, 6, 40])
def test_many_trees_have_the_thresholds_of_each_alone(samples: int, min_size: int) -> None:
    rng = np.random.default_rng(samples)
    sets = [
        *rng.normal(size=(5, samples, 3)),
        *rng.integers(0, 3, (5, samples, 2)).astype(float),
        *(rng.normal(size=(5, samples, 3)) + 9 * rng.integers(0, 4, (5, samples, 1))),
        np.ones((samples, 2)),
    ]
    Z = np.stack([linkage(points) for points in sets])
    distances = np.stack([squareform(pdist(points)) for points in sets])
    together = default_thresholds(Trees.of(Z), Z, distances, min_size)
    alone = [
        default_thresholds(Trees.of(Z[i : i + 1]), Z[i : i + 1], distances[i : i + 1], min_size)[0]
        for i in range(len(sets))
    ]
    np.testing.assert_array_equal(together, alone)
    for threshold, of_tree in zip(together, Z, strict=True):
        tree = Tree.of(of_tree)
        middles = [s.threshold for s in stretches(tree, min_size)]
        assert threshold in (middles or [tree.top])
