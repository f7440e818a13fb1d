"""The methods behind `split`: the registry, the linkages, k-means with its tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

import neuronwidgets as nw
from neuronwidgets.clustering.nested import ROOM, nested
from neuronwidgets.clustering.tree import Tree
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.methods.method import Clustering, TopSamples
from neuronwidgets.concepts.methods.registry import METHODS


def planted(samples: int = 200, kinds: int = 4, apart: float = 6, seed: int = 0) -> nw.Activations:
    rng = np.random.default_rng(seed)
    kind = np.arange(samples) % kinds
    values = rng.normal(size=(samples, 10)).astype(np.float32)
    values[np.arange(samples), 1 + kind] += apart
    values[:, 0] += 5
    return nw.Activations.from_arrays(values, labels=kind)


def linked(points: np.ndarray) -> np.ndarray:
    return hierarchy.linkage(points, "ward")


# The registry


@pytest.fixture
def halves() -> Iterator[str]:
    """A user's own method: the stronger half and the weaker half."""

    def halves(given: TopSamples, *, share: float = 0.5) -> Clustering:
        """By activation alone."""
        points = np.arange(len(given.index), dtype=float)[:, None] > share * len(given.index)
        Z, chosen = nested(points.astype(float), points[:, 0].astype(int))
        return Clustering(Z, points, chosen=chosen)

    METHODS["halves"] = halves
    yield "halves"
    del METHODS["halves"]


def test_a_method_of_ones_own_is_one_function(halves: str) -> None:
    made = nw.split(planted(), 0, top=40, method=halves, share=0.25)
    assert (made.method, made.metric, made.settings) == (halves, "euclidean", {"share": 0.25})
    assert sorted(made.cut().sizes) == [11, 29]
    assert nw.split(planted(), 0, 100, method=halves).cut().sizes.tolist() == [51, 49]
    with pytest.raises(TypeError, match=r"shar= does not go .*'halves'.*takes share.*'share'"):
        nw.split(planted(), 0, 100, method=halves, shar=0.25)


def test_a_method_that_returns_something_else_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "odd", lambda given: given.vectors)
    with pytest.raises(TypeError, match=r"method='odd' must return a Clustering.*, got a ndarray"):
        nw.split(planted(), 0, 100, method="odd")
    monkeypatch.setitem(METHODS, "odd", lambda given: Clustering(np.zeros((3, 4))))
    with pytest.raises(TypeError, match="of 100 samples with 99 merges, got a Clustering"):
        nw.split(planted(), 0, 100, method="odd")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"method": "wrad"}, ValueError, "'attribution', 'effect'; got 'wrad'. Nearest: 'ward'"),
        ({"method": None}, ValueError, "method must be one of 'ward', .*; got None"),
        ({"k": 3}, TypeError, "k= does not go with method='ward', which takes metric"),
        ({"method": "kmeans", "metric": "cosine"}, TypeError, "takes k, n_init, seed"),
        ({"method": "kmeans", "ninit": 3}, TypeError, "Nearest: 'n_init'"),
        ({"method": "kmeans", "k": 0}, ValueError, "k must be a positive integer, got 0"),
        ({"method": "kmeans", "k": 2.0}, ValueError, "k must be .* got 2.0"),
        ({"method": "kmeans", "k": True}, ValueError, "k must be a positive integer, got True"),
        ({"method": "kmeans", "n_init": 0}, ValueError, "n_init must be a positive integer, got 0"),
        (
            {"method": "kmeans", "seed": -1},
            ValueError,
            "seed must be an integer of at least 0",
        ),
        ({"method": "attribution"}, TypeError, "needs model= and below="),
        ({"method": "single", "metric": "sqeuclidean"}, ValueError, "does not go with"),
    ],
)
def test_what_does_not_fit_is_refused(
    arguments: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        nw.split(planted(), 0, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "metric"),
    [("ward", "cosine"), ("average", "cosine"), ("complete", "euclidean"), ("single", "euclidean")],
)
def test_the_linkages_are_those_of_nw_linkage(method: str, metric: str) -> None:
    made = nw.split(planted(), 0, 100, method=method)
    assert made.metric == metric
    np.testing.assert_array_equal(made.Z, nw.linkage(made.vectors, method, metric))
    assert (made.points, made.chosen, made.linkage) == (None, None, method)


@pytest.mark.parametrize("method", ["ward", "average", "complete", "single"])
def test_what_was_clustered_is_the_layer_or_its_directions(method: str) -> None:
    plain = nw.split(planted(), 0, 100, method=method, metric="euclidean")
    assert plain.clustered is plain.vectors
    made = nw.split(planted(), 0, 100, method=method, metric="cosine")
    wide = made.vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    np.testing.assert_allclose(made.clustered, wide, atol=1e-6)
    if method == "ward":
        np.testing.assert_allclose(made.Z[:, 2], linked(wide)[:, 2], rtol=1e-6)


# k-means


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8])
def test_the_default_cut_is_sklearns_kmeans(k: int) -> None:
    made = nw.split(planted(), 0, 100, method="kmeans", k=k, seed=3)
    expected = KMeans(k, n_init=10, random_state=3).fit(made.vectors.astype(np.float64))
    concepts = made.cut()
    assert len(concepts) == k
    assert concepts.unassigned == 0
    assert adjusted_rand_score(concepts.assignment, expected.labels_) == 1
    assert made.chosen == made.suggested == concepts.threshold
    (own,) = [s for s in made.suggest() if "method" in s.kinds]
    assert (own.threshold, own.concepts) == (made.chosen, k)
    assert own.gap > 0
    assert f"clusters of kmeans: {k} concept" in own.reason


def test_planted_kinds_are_found() -> None:
    concepts = nw.split(planted(), 0, 100, method="kmeans", k=4).cut()
    assert concepts.purity.tolist() == [1, 1, 1, 1]


def test_small_clusters_are_concepts_too_unless_the_user_says_otherwise() -> None:
    acts = planted()
    values = acts.values.copy()
    values[:2, 5:] = 90
    made = nw.split(values, 0, top=200, method="kmeans", k=3)
    assert made.min_size == min(made.cut().sizes) == 2
    assert len(nw.split(values, 0, top=200, method="kmeans", k=3, min_size=5).cut()) == 2


def test_heights_inside_and_between_are_wards_where_they_can_be() -> None:
    made = nw.split(planted(apart=40), 0, top=200, method="kmeans", k=4)
    np.testing.assert_allclose(np.sort(made.Z[:, 2]), linked(made.vectors)[:, 2], rtol=1e-6)


def test_where_they_cannot_all_of_those_between_are_raised_alike() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(60, 3))
    labels = np.arange(60) % 4
    Z, chosen = nested(points, labels)
    inside, between = Z[:-3, 2], Z[-3:, 2]
    alone = [linked(points[labels == g])[:, 2] for g in range(4)]
    np.testing.assert_allclose(inside, np.sort(np.concatenate(alone)))
    assert between[0] == pytest.approx(ROOM * inside[-1])
    assert inside[-1] < chosen < between[0]

    # Between: as if each cluster's samples stood at its centroid.
    centres = np.stack([points[labels == g].mean(axis=0) for g in labels])
    expected = linked(centres)[-3:, 2]
    np.testing.assert_allclose(np.diff(between), np.diff(expected), rtol=1e-9, atol=1e-12)
    assert expected[0] < inside[-1]


@given(
    st.integers(2, 30),
    st.integers(1, 4),
    st.integers(1, 9),
    st.sampled_from([1e-30, 1.0, 1e30]),
    st.integers(0, 1000),
    st.booleans(),
)
def test_every_tree_is_a_linkage_and_has_the_clusters(
    n: int, width: int, k: int, scale: float, seed: int, coarse: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, width))
    values = (values.round() if coarse else values) * scale
    made = nw.split(values, 0, method="kmeans", k=k, distinct=None)
    if made.at_rest:
        return
    values, n = made.vectors, len(made.index)
    assert hierarchy.is_valid_linkage(made.Z)
    assert hierarchy.is_monotonic(made.Z)
    assert (np.diff(made.Z[:, 2]) >= 0).all()
    distinct = len(np.unique(values, axis=0))
    assert len(made.cut()) == min(k, n, distinct)
    assert made.cut().unassigned == 0
    again = hierarchy.fcluster(made.Z, made.suggested, "distance")
    assert adjusted_rand_score(again, made.cut().assignment) == 1
    assert Tree.of(made.Z).top == pytest.approx(made.Z[:, 2].max())


def test_the_same_input_gives_the_same_tree() -> None:
    one, other = (nw.split(planted(), 0, 100, method="kmeans", k=3) for _ in range(2))
    np.testing.assert_array_equal(one.Z, other.Z)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_equal_samples_are_one_cluster(value: float) -> None:
    values = np.concatenate([np.full((30, 4), value), np.full((2, 4), value - 1)])
    made = nw.split(values, 0, 32, method="kmeans")
    assert made.chosen == 0
    assert made.cut().sizes.tolist() == [30]


def test_refine_keeps_the_clusters_of_kmeans() -> None:
    concepts = nw.split(planted(), 0, 100, method="kmeans", k=4).cut()
    refined = concepts.refine(outlier=np.inf)
    assert adjusted_rand_score(refined.assignment, concepts.assignment) == 1


# What was clustered, where it is not the layer


def test_map_refine_and_distances_are_in_the_space_of_the_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    place = rng.normal(size=(100, 2)) + 20 * (np.arange(100) % 2)[:, None]

    def elsewhere(given: TopSamples) -> Clustering:
        points = place[given.index]
        return Clustering(linked(points), points)

    monkeypatch.setitem(METHODS, "elsewhere", elsewhere)
    made = nw.split(rng.normal(size=(100, 6)), 0, 100, method="elsewhere")
    concepts = made.cut()
    kind = made.index % 2
    assert adjusted_rand_score(concepts.assignment, kind) == 1
    assert made.map.shape == (100, 2)
    assert len(np.unique(np.sign(made.map[kind == 0, 0]))) == 1
    assert adjusted_rand_score(concepts.refine(outlier=np.inf).assignment, kind) == 1
    assert concepts.between[0, 1] > 4 * concepts.within.max()
    # Concept vectors stay directions of the layer.
    assert concepts.vectors.shape == (2, 6)
    mean = made.vectors[concepts.assignment == 0].mean(axis=0)
    np.testing.assert_allclose(concepts.vectors[0], mean / np.linalg.norm(mean), rtol=1e-5)
    again = Concepts.load(concepts.save(tmp_path / "concepts"))
    np.testing.assert_array_equal(again.distances, concepts.distances)
