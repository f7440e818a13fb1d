"""`split_layer`: every neuron at once gives what one at a time gives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from scipy.cluster import hierarchy
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics import adjusted_rand_score

import neuronwidgets as nw
from neuronwidgets.clustering.gram_matrix import gram_and_squares
from neuronwidgets.clustering.tree import Tree, Trees
from neuronwidgets.layer_splits.partial import padded, unpadded
from neuronwidgets.layer_splits.pipeline import Pipeline


def planted(samples: int = 300, neurons: int = 70, seed: int = 0) -> nw.Activations:
    """Samples of five kinds, each with its own direction, behind a ReLU."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 5, samples)
    values = rng.normal(size=(5, neurons))[kind] * 2 + rng.normal(size=(samples, neurons)) * 0.5
    values = np.maximum(values, 0).astype(np.float32)
    return nw.Activations.from_arrays(values, labels=[f"kind {k}" for k in kind], layer="planted")


@pytest.fixture(scope="module")
def acts() -> nw.Activations:
    return planted()


def quietly(acts, **options):
    # A GPU takes more neurons at once.
    given = {"top": 40, "scores": (), "progress": False, "device": "cpu"} | options
    return nw.split_layer(acts, **given)


DATA = {
    "planted": planted().values,
    "sparse": np.maximum(np.random.default_rng(1).normal(size=(200, 70)) - 2, 0),
    "duplicates": np.repeat(np.random.default_rng(2).normal(size=(60, 70)), 4, axis=0),
    "far from the origin": np.random.default_rng(3).normal(size=(200, 70)) + 1e5,
    "float32 far out": (np.random.default_rng(3).normal(size=(200, 70)) + 1e3).astype(np.float32),
    "tiny": np.random.default_rng(4).normal(size=(200, 70)) * 1e-30,
    "whole numbers": np.random.default_rng(5).integers(0, 3, size=(200, 70)).astype(np.float32),
    "two kinds of one point": np.tile(np.eye(2, 70), (100, 1)),
}


@pytest.mark.parametrize("metric", [None, "euclidean"])
@pytest.mark.parametrize("name", DATA)
def test_every_neuron_is_split_as_alone(name: str, metric: str | None) -> None:
    acts = nw.Activations.from_arrays(DATA[name])
    layer = quietly(acts, metric=metric)
    assert layer.done
    assert len(layer) == 70
    for neuron in range(0, 70, 7):
        one = nw.split(acts, neuron, top=40, metric=metric)
        tops = int(layer.tops[neuron])
        assert tops == len(one.index) if not one.at_rest else tops < 2
        assert (layer.index[neuron, tops:] == -1).all()
        assert np.isnan(layer.activations[neuron, tops:]).all()
        assert hierarchy.is_valid_linkage(layer.Z[neuron])
        got = layer.split(neuron)
        assert (got.at_rest, got.min_size) == (one.at_rest, one.min_size)
        np.testing.assert_array_equal(got.index, one.index)
        np.testing.assert_array_equal(got.activations, one.activations)
        np.testing.assert_allclose(
            got.Z[:, 2], one.Z[:, 2], rtol=1e-7, atol=1e-9 * max(one.tree.top, 1e-300)
        )
        np.testing.assert_array_equal(layer.assignment[neuron, :tops], one.cut().assignment[:tops])
        assert (got.neuron, got.method, got.metric) == (neuron, "ward", metric or "cosine")
        np.testing.assert_array_equal(got.vectors, one.vectors)


@pytest.mark.parametrize(
    ("method", "metric"),
    [("ward", "euclidean"), ("ward", "cosine"), ("average", "cosine"),
     ("average", "sqeuclidean"), ("complete", "euclidean"), ("single", "cosine")],
)  # fmt: skip
def test_flat_clusters_and_vectors_are_those_of_scipy(
    acts: nw.Activations, method: str, metric: str
) -> None:
    some = [3, 69, 20]
    whole = quietly(acts, method=method, metric=metric, neurons=some)
    threshold = float(np.median(whole.Z[:, -4, 2])) * 1.001
    layer = quietly(acts, method=method, metric=metric, neurons=some, threshold=threshold)
    assert (layer.threshold == threshold).all()
    assert (layer.neurons == some).all()
    for i, neuron in enumerate(some):
        index = np.argsort(-acts.values[:, neuron], kind="stable")[:40]
        points = acts.values[index].astype(np.float64)
        by_direction = (method, metric) == ("ward", "cosine")
        unit = points / np.linalg.norm(points, axis=1, keepdims=True)
        apart = pdist(unit) if by_direction else pdist(points, metric)
        Z = hierarchy.linkage(apart, method)
        np.testing.assert_allclose(layer.Z[i], Z, rtol=1e-9)
        flat = hierarchy.fcluster(Z, threshold, "distance")
        kept = [np.flatnonzero(flat == c) for c in np.unique(flat) if (flat == c).sum() >= 2]
        mine = [np.flatnonzero(layer.assignment[i] == k) for k in range(layer.counts[i])]
        assert sorted(map(tuple, kept)) == sorted(map(tuple, mine))
        means = np.stack([points[m].mean(0) for m in mine])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        np.testing.assert_allclose(layer.concept_vectors(neuron), means, atol=1e-6)
    assert layer.vectors.shape == (layer.counts.sum(), 70)


@pytest.mark.parametrize("refined", [False, True])
def test_concepts_are_those_of_one_neuron(acts: nw.Activations, refined: bool) -> None:
    layer = quietly(acts, neurons=[5, 11], refined=refined)
    for i, neuron in enumerate((5, 11)):
        alone = nw.split(acts, neuron, top=40).cut()
        alone = alone.refine() if refined else alone
        for concepts in (layer.concepts(neuron), alone):
            tops = layer.tops[i]
            np.testing.assert_array_equal(layer.assignment[i, :tops], concepts.assignment)
            assert (layer.assignment[i, tops:] == -1).all()
            np.testing.assert_allclose(layer.concept_vectors(neuron), concepts.vectors, atol=1e-6)
            assert concepts.refined == refined
        assert layer.threshold[i] == pytest.approx(alone.threshold)


def test_planted_kinds_are_found(acts: nw.Activations) -> None:
    assert acts.labels is not None
    layer = quietly(acts)
    several = pure = of = 0
    for i, tops in enumerate(layer.tops):
        members = layer.assignment[i, :tops]
        kinds = acts.labels[layer.index[i, :tops]]
        planted = (np.bincount(kinds) >= 2).sum()
        if planted > 1:
            several += 1
            assert layer.counts[i] == planted
            assert adjusted_rand_score(kinds, members) > 0.95
        for k in range(layer.counts[i]):
            found = np.bincount(kinds[members == k])
            pure, of = pure + found.max(), of + found.sum()
    assert several == 40
    assert pure >= 0.97 * of
    frame = layer.to_frame()
    assert frame["names"].str.contains("kind").all()
    assert (frame["concepts"].diff().dropna() <= 0).all()


def test_directions(acts: nw.Activations) -> None:
    directions = np.random.default_rng(0).normal(size=(3, 70)) * 7
    layer = quietly(acts, neurons=directions)
    assert layer.kind == "direction"
    assert list(layer.neurons) == [0, 1, 2]
    for i, direction in enumerate(directions):
        one = nw.split(acts, direction, top=40)
        np.testing.assert_array_equal(layer.index[i], one.index)
        np.testing.assert_allclose(layer.split(i).direction, one.direction)
        np.testing.assert_allclose(layer.Z[i], one.Z, rtol=1e-9)
    assert "direction" in layer.to_frame()
    chosen = np.zeros(70, bool)
    chosen[[4, 9]] = True
    assert list(quietly(acts, neurons=chosen).neurons) == [4, 9]


def test_it_comes_bit_by_bit(acts: nw.Activations) -> None:
    sizes = []
    for part in quietly(acts, stream=True):
        sizes.append(len(part))
        assert len(part.to_frame()) == len(part) == len(part.ranked)
    assert sizes == [64, 70]
    assert part.done
    first = next(quietly(acts, stream=True))
    assert not first.done
    assert "64 neurons of 70 so far" in repr(first)
    with pytest.raises(
        IndexError,
        match=r"neuron 69 is not in .* 0, 1, .*; 64 of 70",
    ):
        first.split(69)


def test_interrupted_it_returns_what_is_done(acts: nw.Activations, monkeypatch) -> None:
    whole = Pipeline.blocks

    def broken(self, first=0):
        yield next(whole(self, first))
        raise KeyboardInterrupt

    monkeypatch.setattr(Pipeline, "blocks", broken)
    with pytest.warns(UserWarning, match="stopped after 64 of 70 neurons"):
        assert len(quietly(acts)) == 64


def test_scores_rank_the_table(acts: nw.Activations) -> None:
    layer = quietly(acts, scores=("concepts", "kurtosis"))
    assert set(layer.scores) >= {"concepts", "kurtosis"}
    full = nw.split_layer(acts, top=30, neurons=[0, 1, 2], progress=False, draws=9)
    frame = full.to_frame()
    assert {"neuron", "concepts", "polysemanticity", "label_entropy", "threshold"} <= set(frame)
    values = frame["polysemanticity"].dropna()
    assert (values.diff().dropna() <= 0).all()
    text = full._repr_html_()
    assert "polysemanticity" in text
    assert "LayerSplit(3 neurons" in text


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"top": 301}, ValueError, "top must be at most 300, got 301"),
        ({"top": 1}, ValueError, r"top must be at least 2 to split a neuron, got 1\."),
        ({"method": "kmens"}, ValueError, "got 'kmens'"),
        ({"method": "kmeans"}, ValueError, "one neuron at a time: nw.split"),
        ({"neurons": [70]}, IndexError, "neuron 70 is not in layer 'planted'"),
        ({"neurons": [1, 1]}, ValueError, "more than once"),
        ({"neurons": []}, ValueError, "a list of neurons"),
        ({"neurons": 3}, ValueError, r"a list of neurons, or directions \(N x 70 numbers\), got 3"),
        ({"neurons": np.zeros((1, 70))}, ValueError, "must be finite and not zero"),
        (
            {"neurons": np.zeros(70, bool)},
            ValueError,
            "each of the 70 .* got 70 of which 0 are true",
        ),
        ({"threshold": -1.0}, ValueError, "0 or more"),
        ({"threshold": "15"}, TypeError, "must be a number"),
        ({"threshold": np.nan}, ValueError, "a height of the tree"),
        ({"scores": ["kurtsis"]}, ValueError, "score must be one of .* got 'kurtsis'"),
        ({"draws": -1}, ValueError, "draws must be an integer of at least 0, got -1"),
        ({"seed": 0.5}, ValueError, "seed must be .* got 0.5"),
        ({"min_size": 0}, ValueError, "min_size must be .* got 0"),
        ({"device": "mps"}, ValueError, "no float64"),
    ],
)
def test_refused_in_words(acts: nw.Activations, options, error, words) -> None:
    with pytest.raises(error, match=words):
        quietly(acts, **options)


def test_neurons_at_rest_do_not_lead_the_table(acts: nw.Activations) -> None:
    values = acts.values.copy()
    values[:, 0] = 0
    values[:, 1] = np.arange(300) % 50 == 0
    layer = nw.split_layer(
        nw.Activations.from_arrays(values, labels=acts.labels), 40, progress=False, draws=9
    )
    frame = layer.to_frame()
    assert set(frame["neuron"][:2]).isdisjoint({0, 1})
    for neuron, tops in ((0, 0), (1, 6)):
        row = frame[frame["neuron"] == neuron].iloc[0]
        assert np.isnan(row["polysemanticity"]) == (tops == 0)
        assert row["top"] == tops
        assert row["unassigned"] <= tops
    first = frame.iloc[0]
    assert first["polysemanticity"] > 0.2
    assert first["top"] == 40


def test_many_top_samples_have_no_matrix_of_pairs() -> None:
    values = np.random.default_rng(0).normal(size=(2100, 2))
    found = nw.split(values, 0, top=2001).scores()
    layer = nw.split_layer(values, 2001, progress=False)
    for scores in (found, {name: column[0] for name, column in layer.scores.items()}):
        assert np.isnan([scores["polysemanticity"], scores["silhouette"]]).all()
        assert np.isfinite([scores["concepts"], scores["kurtosis"]]).all()
    assert nw.split_layer(values, 1000, progress=False, scores=()).Z.shape == (2, 999, 4)
    with pytest.raises(ValueError, match="top must be at most 5,000 for a whole layer, got 5,001"):
        nw.split_layer(np.zeros((5002, 2)), 5001)


def test_degenerate_layers() -> None:
    two = quietly(np.array([[1.0, 0.0], [0.0, 1.0]]), top=None)
    np.testing.assert_allclose(two.Z[:, 0, 2], np.sqrt(2))
    same = quietly(np.ones((10, 3)), top=None)
    assert (same.Z[:, :, 2] == 0).all()
    assert (same.counts == 0).all()
    assert same.split(1).at_rest
    assert len(same.concepts(2)) == 0
    zero = np.array([[0.0, 0], [-1, -3], [-2, -1]])
    with pytest.raises(ValueError, match="all zeros"):
        quietly(zero, top=None, method="average")
    # Ward by direction leaves it at the origin: the two others are nearer to each other.
    unit = zero / np.array([[1], [np.sqrt(10)], [np.sqrt(5)]])
    expected = hierarchy.linkage(unit, "ward")[:, 2]
    for Z in quietly(zero, top=None).Z:
        np.testing.assert_allclose(Z[:, 2], expected)
    with pytest.raises(ValueError, match="at least two"):
        quietly(np.ones((1, 3)), top=None)


def test_many_trees_are_as_one(acts: nw.Activations) -> None:
    layer = quietly(acts)
    trees = Trees.of(layer.Z)
    assert len(trees) == 70
    for share, size in itertools.product((0, 0.1, 0.5, 0.9, 1.0, 2.0), (1, 2, 5, 50)):
        thresholds = layer.Z[:, -1, 2] * share
        members = trees.assignment(thresholds, size)
        for i in range(0, 70, 9):
            one = Tree.of(layer.Z[i])
            np.testing.assert_array_equal(members[i], one.concepts(thresholds[i], size)[1])


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("shift", [0, 1e6])
def test_gram(metric: str, shift: float) -> None:
    import torch

    rng = np.random.default_rng(0)
    points = rng.normal(size=(50, 20))
    points[10:20] = points[0]
    points[20:30] = points[1] + rng.normal(size=(10, 20)) * 1e-7
    points += shift
    products, square = gram_and_squares(torch.from_numpy(points.copy()), metric)
    if metric == "cosine":
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
    centred = points - points.mean(0)
    np.testing.assert_allclose(products, centred @ centred.T, atol=1e-9 * np.abs(products).max())
    exact = cdist(points, points, "sqeuclidean")
    np.testing.assert_allclose(square, exact, rtol=1e-9, atol=1e-28)
    assert (square[10:20, 0] == 0).all()
    assert (np.diagonal(square) == 0).all()


@pytest.mark.parametrize(
    "options", [{"metric": "cosine"}, {"method": "average"}, {"refined": True}]
)
@pytest.mark.parametrize("name", DATA)
def test_pairs_as_tensors_give_the_same_trees(name: str, options: dict[str, Any]) -> None:
    if "method" in options and (DATA[name] == 0).all(axis=1).any():
        pytest.skip("zeros have no direction")
    layer = quietly(nw.Activations.from_arrays(DATA[name]), **options)
    pipeline = Pipeline(
        layer.acts, layer.targets, layer.settings, torch.device("cpu"), tensors=True
    )
    made = list(pipeline.blocks())
    Z, threshold = (np.concatenate([getattr(b, f) for b in made]) for f in ("Z", "threshold"))
    np.testing.assert_allclose(Z, layer.Z, rtol=1e-9)
    np.testing.assert_allclose(threshold, layer.threshold, rtol=1e-9)
    assignment = np.concatenate([block.assignment for block in made])
    np.testing.assert_array_equal(assignment, layer.assignment)


@pytest.mark.skipif("not __import__('torch').cuda.is_available()")
def test_on_a_gpu(acts: nw.Activations) -> None:
    there, here = quietly(acts, device="cuda"), quietly(acts, device="cpu")
    np.testing.assert_allclose(there.Z, here.Z, rtol=1e-9)
    np.testing.assert_array_equal(there.assignment, here.assignment)


def test_views_and_read_only_arrays_are_split_as_they_are() -> None:
    values = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    for view in (values[::-1], values[:, ::-1], values[::2], np.asfortranarray(values)):
        made = nw.split_layer(view, 20, scores=(), progress=False)
        for neuron in (0, 5):
            np.testing.assert_array_equal(made.index[neuron], nw.split(view, neuron, 20).index)
    values.flags.writeable = False
    assert nw.split_layer(values, 20, scores=(), progress=False).done


def test_labels_that_are_all_missing_are_none() -> None:
    values = np.random.default_rng(0).normal(size=(60, 4))
    acts = nw.Activations.from_arrays(values, labels=[None] * 60)
    assert acts.labels is None
    assert "label_entropy" not in nw.split_layer(acts, 20, draws=1, progress=False).scores


@pytest.mark.parametrize(("m", "n"), [(0, 3), (1, 2), (2, 3), (4, 9), (7, 8), (5, 5)])
def test_a_linkage_of_few_among_many(m: int, n: int) -> None:
    points = np.random.default_rng(0).normal(size=(m, 3))
    Z = hierarchy.linkage(points, "ward") if m > 1 else np.zeros((0, 4))
    out = padded(Z, n) if m else padded(np.zeros((0, 4)), n)
    assert hierarchy.is_valid_linkage(out)
    np.testing.assert_array_equal(unpadded(out, m), Z)
    if m > 2:
        height = Z[-1, 2] * 0.99
        flat = hierarchy.fcluster(out, height, "distance")[:m]
        assert adjusted_rand_score(flat, hierarchy.fcluster(Z, height, "distance")) == 1
