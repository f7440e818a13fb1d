"""Suggested thresholds: each gives the number of concepts that it promises."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neuronwidgets.concepts import Tree, linkage
from neuronwidgets.concepts.suggest import default_threshold, suggestions

POINTS = st.integers(1, 40).flatmap(
    lambda n: arrays(np.float64, (n, 3), elements=st.integers(-9, 9).map(lambda x: x / 3))
)


def concepts(tree: Tree, threshold: float, min_size: int) -> int:
    return int((tree.size[tree.cut(threshold)] >= min_size).sum())


@settings(max_examples=150, deadline=None)
@given(POINTS, st.integers(1, 8))
# Heights that differ by rounding only.
@example(np.arange(10)[:, None] * np.array([[0.1, 0.1, 0.1]]), 1)
def test_each_suggestion_gives_its_number_of_concepts(points: np.ndarray, min_size: int) -> None:
    tree = Tree.of(linkage(points))
    found = suggestions(tree, min_size)
    assert [s.concepts for s in found] == sorted({s.concepts for s in found})
    for s in found:
        assert 1 <= s.concepts <= 10
        assert 0 < s.gap <= 1.01
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


def test_the_default_finds_the_clusters_that_are_there() -> None:
    rng = np.random.default_rng(0)
    for k in (2, 3, 5):
        points = np.repeat(np.eye(k) * 20, 20, axis=0) + rng.normal(size=(20 * k, k))
        tree = Tree.of(linkage(points))
        assert concepts(tree, default_threshold(tree, 5), 5) == k
        assert k in [s.concepts for s in suggestions(tree, 5)]


def test_samples_fewer_than_a_concept_needs_suggest_nothing() -> None:
    tree = Tree.of(linkage([[0.0], [1.0], [5.0]]))
    assert suggestions(tree, 4) == []
    assert default_threshold(tree, 4) == tree.top


def test_equal_samples_are_one_concept_at_zero() -> None:
    tree = Tree.of(linkage(np.ones((6, 2))))
    (only,) = suggestions(tree, 2)
    assert (only.threshold, only.concepts) == (0.0, 1)
    assert default_threshold(tree, 2) == 0.0
