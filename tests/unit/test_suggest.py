"""Suggested thresholds: each gives the number of concepts that it promises, and its reason."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import silhouette_score

import neuronwidgets as nw
from neuronwidgets.concepts import Split, Tree, linkage
from neuronwidgets.concepts.stability import recurring
from neuronwidgets.concepts.suggest import (
    KINDS,
    MOST_DRAWN,
    MOST_SAMPLES,
    default_threshold,
    stretches,
)

POINTS = st.integers(1, 40).flatmap(
    lambda n: arrays(np.float64, (n, 3), elements=st.integers(-9, 9).map(lambda x: x / 3))
)


def concepts(tree: Tree, threshold: float, min_size: int) -> int:
    return int((tree.size[tree.cut(threshold)] >= min_size).sum())


def planted(clusters: int, apart: float = 20, seed: int = 0) -> Split:
    """Twenty samples around each of some corners."""
    rng = np.random.default_rng(seed)
    points = np.repeat(np.eye(clusters, 8) * apart, 20, axis=0)
    points += rng.normal(size=points.shape)
    return nw.split(points, 7, top=len(points), min_size=5)


@settings(max_examples=150, deadline=None)
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


@settings(max_examples=60, deadline=None)
@given(POINTS, st.integers(1, 8))
def test_the_default_is_in_range_and_gives_concepts_where_there_are_any(
    points: np.ndarray, min_size: int
) -> None:
    tree = Tree.of(linkage(points))
    threshold = default_threshold(tree, min_size)
    assert 0 <= threshold <= tree.top * 1.02
    if tree.n >= min_size:
        assert concepts(tree, threshold, min_size) >= 1


@settings(max_examples=30, deadline=None)
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
        (default,) = [s for s in found if any(r.kind == "gap" and r.best for r in s.reasons)]
        assert default.threshold == made.suggested


@pytest.mark.parametrize("clusters", [2, 3, 5])
def test_all_kinds_agree_on_the_clusters_that_are_there(clusters: int) -> None:
    made = planted(clusters)
    assert len(made.cut()) == clusters
    (best,) = [s for s in made.suggest() if any(r.best for r in s.reasons)]
    assert best.kinds == KINDS[2:-1]
    assert best.threshold == made.suggested
    assert best.reasons[2].value == 1
    assert re.fullmatch(
        rf"widest gap \(times √concepts\): {clusters} concepts over \d\d% of the scale; "
        r"best silhouette: 0\.\d\d; its concepts recur in 100% of 50 resamples",
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
    assert default_threshold(tree, 2) == found[4].threshold


@pytest.mark.parametrize(("method", "metric"), [("ward", "euclidean"), ("average", "cosine")])
def test_the_best_silhouette_is_that_of_scikit_learn(method: str, metric: str) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(90, 5)) + 2 * np.eye(5)[rng.integers(0, 4, 90)]
    made = nw.split(values, 0, top=90, method=method, metric=metric)
    ((best, reason),) = [
        (s, r) for s in made.suggest("silhouette") for r in s.reasons if r.kind == "silhouette"
    ]

    def silhouette(threshold: float) -> float:
        labels = made.cut(threshold).labels
        kept = labels >= 0
        # Samples in no concept count 0.
        points = made.vectors[kept].astype(float)
        return float(silhouette_score(points, labels[kept], metric=metric) * kept.mean())

    every = [silhouette(s.threshold) for s in stretches(made.tree, made.min_size) if s.concepts > 1]
    assert reason.value == pytest.approx(max(every))
    assert silhouette(best.threshold) == pytest.approx(max(every))


def test_the_stablest_cut_says_how_often_its_concepts_recur() -> None:
    made = planted(4, apart=2.5)
    ((best, reason),) = [
        (s, r) for s in made.suggest("stable") for r in s.reasons if r.kind == "stable"
    ]
    labels = made.cut(best.threshold).labels
    groups = labels == np.arange(best.concepts)[:, None]
    steps = recurring(squareform(pdist(made.vectors)), "ward", groups, 50)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            share = done.value
            break
    assert 0.5 < reason.value < 1
    assert reason.value == pytest.approx(share.mean())


def test_nothing_is_stable_in_noise() -> None:
    values = np.random.default_rng(0).normal(size=(100, 64))
    assert nw.split(values, 0).suggest("stable") == []


@pytest.mark.parametrize(("method", "metric"), [("ward", "euclidean"), ("average", "cosine")])
def test_a_cloud_is_one_concept(method: str, metric: str) -> None:
    values = np.random.default_rng(1).normal(size=(100, 24)) + 3
    made = nw.split(values, 0, top=100, method=method, metric=metric)
    (one,) = [s for s in made.suggest() if "chance" in s.kinds]
    assert one.concepts == len(made.cut(one.threshold)) == 1
    (reason,) = [r for r in one.reasons if r.kind == "chance"]
    assert (
        reason.text == f"one concept: chance alone parts samples as well (p = {reason.value:.2f})"
    )
    p = made.scores(which="polysemanticity", draws=39)["geometry_p"]
    assert reason.value == p > 0.05
    assert [s.kinds for s in made.suggest("chance")] == [("chance",)]


def test_clusters_are_not_one_concept() -> None:
    assert planted(3).suggest("chance") == []


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
    for kind in KINDS[3:]:
        with pytest.raises(ValueError, match="2,001 samples takes too long: split with top=2,000"):
            made.suggest(kind)


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(
        ValueError, match="kind 'elbow'; one of 'rest', 'method', 'gap', 'silhouette', 'stable'"
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
