"""The paper's membership rule against a straight transcription of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from neuronwidgets import Activations, split
from neuronwidgets.clustering.kmeans import kmeans
from neuronwidgets.concepts.refine import outlier_distance, refine
from neuronwidgets.concepts.split import Split


def mixture(seed: int, scale: float = 2.0) -> Activations:
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 14, (rng.integers(2, 6), 8))
    member = rng.integers(0, len(centres), 120)
    spread = rng.uniform(0.3, scale, 120)[:, None]
    return Activations.from_arrays(centres[member] + rng.normal(size=(120, 8)) * spread)


def by_length(acts: Activations, **options: Any) -> Split:
    """As in the paper: 100 samples, Ward of the layer's own vectors, not of their directions."""
    return split(acts, 0, **{"top": 100, "metric": "euclidean"} | options)


def paper(
    points: np.ndarray, Z: np.ndarray, threshold: float, outlier: float, smallest: int
) -> tuple[set[frozenset[int]], np.ndarray]:
    """METHODS.md, section 1, steps 2 to 4: the concepts as sets of samples, and their vectors."""
    K0 = fcluster(Z, threshold, "distance").max()
    means = KMeans(n_clusters=K0, n_init=5, random_state=0).fit(points)
    # Other starts may end better, and none may end worse: from there it does not move.
    square = cdist(points, points, "sqeuclidean")
    begun = fcluster(Z, threshold, "distance") - 1
    member, far = kmeans(square[None], np.array([K0]), begun[None])
    assert far.sum() <= means.inertia_ * (1 + 1e-9)
    centres = np.stack([points[member[0] == k].mean(axis=0) for k in range(K0)])
    means = KMeans(n_clusters=K0, n_init=1, init=centres).fit(points)
    np.testing.assert_array_equal(means.labels_, member[0])
    concepts, vectors = [], []
    for k in range(K0):
        own = [
            i
            for i in np.flatnonzero(means.labels_ == k)
            if np.sum((points[i] - means.cluster_centers_[k]) ** 2) < outlier
        ]
        if len(own) >= smallest:
            mean = points[own].mean(axis=0)
            concepts.append(frozenset(int(i) for i in own))
            vectors.append(mean / np.linalg.norm(mean))
    order = sorted(range(len(concepts)), key=lambda k: sorted(concepts[k]))
    return set(concepts), np.array([vectors[k] for k in order])


def as_sets(labels: np.ndarray) -> set[frozenset[int]]:
    return {
        frozenset(np.flatnonzero(labels == k).tolist()) for k in range(labels.max(initial=-1) + 1)
    }


@pytest.mark.parametrize("seed", range(8))
def test_the_papers_constants_give_the_papers_concepts(seed: int) -> None:
    made = by_length(mixture(seed), min_size=5)
    refined = made.cut(15).refine(outlier=15)
    concepts, vectors = paper(made.vectors.astype(np.float64), made.Z, 15, 15, 5)
    assert as_sets(refined.assignment) == concepts
    order = sorted(
        range(len(refined)), key=lambda k: np.flatnonzero(refined.assignment == k).tolist()
    )
    np.testing.assert_allclose(refined.vectors[order], vectors.reshape(-1, 8), atol=1e-6)
    assert (refined.sizes >= 5).all()


@pytest.mark.parametrize("seed", range(8))
def test_ward_by_direction_refines_on_unit_vectors(seed: int) -> None:
    made = split(mixture(seed), 0, 100, min_size=5)
    assert (made.method, made.metric) == ("ward", "cosine")
    refined = made.cut(0.6).refine(outlier=0.05)
    points = made.vectors.astype(np.float64)
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    concepts, _ = paper(points / lengths, made.Z, 0.6, 0.05, 5)
    assert as_sets(refined.assignment) == concepts
    # Concept vectors are means of the layer's own vectors.
    means = np.stack([points[refined.assignment == k].mean(axis=0) for k in range(len(refined))])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(refined.vectors, means, atol=1e-6)


@pytest.mark.parametrize(
    ("metric", "threshold", "outlier"), [("euclidean", 15, 15), ("cosine", 0.6, 0.05)]
)
def test_the_rules_bite_in_these_cases(metric: str, threshold: float, outlier: float) -> None:
    """Otherwise the comparisons above would prove little."""
    left_out = dropped = 0
    for seed in range(8):
        made = by_length(mixture(seed), metric=metric, min_size=5)
        refined = made.cut(threshold).refine(outlier=outlier)
        left_out += refined.unassigned
        dropped += len(made.tree.cut(threshold)) - len(refined)
    assert left_out > 20
    assert dropped > 1


def test_the_default_outlier_is_fifteen_at_fifteen() -> None:
    assert outlier_distance(15, "ward", "euclidean") == 15
    made = by_length(mixture(1), min_size=5)
    default, paper = made.cut(15).refine(), made.cut(15).refine(outlier=15)
    np.testing.assert_array_equal(default.assignment, paper.assignment)


def test_the_default_outlier_follows_the_scale_of_the_layer() -> None:
    acts = mixture(2)
    double = Activations.from_arrays(acts.values * 2)
    one, two = (by_length(a, min_size=5) for a in (acts, double))
    np.testing.assert_array_equal(one.cut(15).refine().assignment, two.cut(30).refine().assignment)


def test_cosine_refines_on_unit_vectors() -> None:
    made = split(mixture(3), 0, 100, method="average")
    lengths = 2.0 ** np.random.default_rng(0).integers(-3, 4, (100, 1))
    longer = replace(made, top_samples=replace(made.top_samples, vectors=made.vectors * lengths))
    one, other = made.cut(0.05).refine(), longer.cut(0.05).refine()
    assert len(one) > 1
    assert one.unassigned > 0
    np.testing.assert_array_equal(one.assignment, other.assignment)


@pytest.mark.parametrize("min_size", [None, 3, 5, 12])
@pytest.mark.parametrize("seed", range(4))
def test_moved_and_left_are_what_changed_against_the_cut(seed: int, min_size: int | None) -> None:
    made = by_length(mixture(seed))
    before = made.cut(12.0)
    after = before.refine(outlier=9.0, min_size=min_size)
    assert after.reassigned is not None
    assert after.outlier is not None
    was, now = before.assignment, after.assignment
    np.testing.assert_array_equal(after.outlier, (was >= 0) & (now < 0))
    home = {int(node): k for k, node in enumerate(before.nodes)}
    for sample in range(len(was)):
        same = now[sample] >= 0 and home.get(int(after.nodes[now[sample]])) == was[sample]
        assert after.reassigned[sample] == (now[sample] >= 0 and not (same and was[sample] >= 0))
    # Each concept goes with one cluster of the cut; its colour is that cluster's.
    matched = after.nodes[after.nodes >= 0].tolist()
    assert len(set(matched)) == len(matched)
    assert set(matched) <= set(before.nodes.tolist())


def test_nothing_moves_where_the_clusters_are_far_apart() -> None:
    values = np.repeat(np.eye(3) * 100, 10, axis=0) + np.linspace(0, 0.1, 30)[:, None]
    before = by_length(Activations.from_arrays(values), top=30).cut(50)
    after = before.refine()
    np.testing.assert_array_equal(after.assignment, before.assignment)
    np.testing.assert_array_equal(after.nodes, before.nodes)
    assert after.names == before.names
    assert not after.reassigned.any()
    assert not after.outlier.any()
    assert after.colors == before.colors


def test_fewer_different_samples_than_clusters() -> None:
    values = np.repeat([[0.0, 1e-9], [3.0, 0.0], [3.0, 4.0]], 6, axis=0)
    # One that is lower than all: else the first six are at rest.
    values = np.concatenate([values, [[-1.0, 0.0]]])
    made = by_length(Activations.from_arrays(values), top=19, min_size=2)
    assert made.cut(0.5).refine().sizes.tolist() == [6, 6, 6]
    assert made.cut(0.0).refine(outlier=1).sizes.tolist() == [6, 6, 6]


def test_everything_an_outlier() -> None:
    refined = by_length(mixture(0)).cut(15).refine(outlier=0)
    assert len(refined) == 0
    assert refined.unassigned == 100
    assert refined.vectors.shape == (0, 8)
    assert not refined.reassigned.any()
    assert refined.to_frame()["concept"].eq(-1).all()


def test_every_sample_its_own_cluster() -> None:
    made = by_length(mixture(0), top=20, min_size=1)
    refined = made.cut(0.0).refine(outlier=1)
    assert refined.sizes.tolist() == [1] * 20
    assert len(by_length(mixture(0), top=20).cut(0.0).refine(outlier=1)) == 0


def test_equal_samples_stay_one_concept() -> None:
    values = np.repeat([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]], [10, 2], axis=0)
    made = split(Activations.from_arrays(values), 0)
    assert made.cut().sizes.tolist() == [10]
    assert made.cut().refine(outlier=15).sizes.tolist() == [10]


def test_the_seed_makes_it_repeatable() -> None:
    made = by_length(mixture(4))
    one, other = made.cut(10).refine(seed=3), made.cut(10).refine(seed=3)
    np.testing.assert_array_equal(one.assignment, other.assignment)


def test_names_follow_the_nodes() -> None:
    made = by_length(mixture(1))
    before = made.cut(15)
    refined = before.refine(names={int(before.nodes[0]): "mine"})
    at = refined.nodes.tolist().index(int(before.nodes[0]))
    assert refined.names[at] == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outlier": -1}, "outlier must be .* got -1"),
        ({"outlier": float("nan")}, "outlier must be .* got nan"),
        ({"outlier": "15"}, "outlier must be .* got '15'"),
        ({"min_size": 0}, "min_size must be .* got 0"),
        ({"min_size": 2.5}, "min_size must be .* got 2.5"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        by_length(mixture(0)).cut(15).refine(**arguments)


def test_refined_concepts_are_not_refined_again() -> None:
    refined = by_length(mixture(0)).cut(15).refine()
    assert refined.refined
    with pytest.raises(ValueError, match=r"refined already; refine a cut"):
        refined.refine()


def test_work_of_minutes_is_refused() -> None:
    with pytest.raises(ValueError, match="choose a coarser threshold"):
        refine(by_length(mixture(0)), 1, most_work=100)
