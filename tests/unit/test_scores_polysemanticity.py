"""The index of polysemanticity: its null holds, and it finds what was planted."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import linkage
from scipy.stats import kstest
from sklearn.metrics import adjusted_mutual_info_score, roc_auc_score

import neuronwidgets as nw
from neuronwidgets.clustering.gram_matrix import gram_and_squares
from neuronwidgets.clustering.rotation_null import TAIL_RATIO, heavy_tailed, rotated, rotations
from neuronwidgets.concepts.scores import Neurons
from neuronwidgets.concepts.scores.polysemanticity import check_draws, polysemanticity


def batch(
    points: Iterable[np.ndarray],
    members: np.ndarray | None = None,
    labels: list[int] | None = None,
    min_size: int = 2,
    method: str = "ward",
    metric: str = "euclidean",
) -> Neurons:
    """Neurons whose top samples are `points`, `N x n x D`."""
    vectors = np.stack(list(points))
    count, n, _ = vectors.shape
    acts = nw.Activations.from_arrays(np.zeros((n, 1)), labels=labels)
    linked, by = vectors, metric
    if (method, metric) == ("ward", "cosine"):
        linked, by = vectors / np.linalg.norm(vectors, axis=2, keepdims=True), "euclidean"
    return Neurons(
        acts,
        np.tile(np.arange(n, 0.0, -1), (count, 1)),
        np.tile(np.arange(n), (count, 1)),
        np.stack(
            [gram_and_squares(torch.from_numpy(x.astype(np.float64)), metric)[0] for x in vectors]
        ),
        np.stack([linkage(x, method, by) for x in linked]),
        np.zeros((count, n), np.int64) if members is None else members,
        method,
        metric,
        min_size,
    )


def uniform(p: np.ndarray, draws: int) -> float:
    """How well `1 / (1 + draws)`, ..., 1 in equal shares fits p: that of Kolmogorov and Smirnov."""
    spread = np.random.default_rng(0).random(len(p)) / (1 + draws)
    return float(kstest(p - spread, "uniform").pvalue)


def cloud(rng: np.random.Generator, n: int, dims: int) -> np.ndarray:
    """Gaussian samples with a random covariance, some directions much longer than others."""
    return rng.normal(size=(n, dims)) @ (rng.normal(size=(dims, dims)) / np.arange(1, dims + 1))


def tail(rng: np.random.Generator, n: int, dims: int) -> np.ndarray:
    """Heavy tails: multivariate t with three degrees of freedom."""
    return cloud(rng, n, dims) / np.sqrt(rng.chisquare(3, (n, 1)))


@pytest.mark.parametrize("dims", [4, 30])
def test_p_is_uniform_without_structure(dims: int) -> None:
    rng = np.random.default_rng(dims)
    found = polysemanticity(batch(cloud(rng, 24, dims) for _ in range(500)), draws=19)
    assert uniform(found["geometry_p"], 19) > 0.01
    assert abs(found["geometry_z"].mean()) < 0.15


def test_p_is_uniform_for_top_samples_without_structure() -> None:
    rng = np.random.default_rng(2)
    layers = (cloud(rng, 240, 10) for _ in range(300))
    found = polysemanticity(batch(x[np.argsort(-x[:, 3])[:24]] for x in layers), draws=19)
    assert uniform(found["geometry_p"], 19) > 0.01


def test_p_is_not_too_small_for_heavy_tails() -> None:
    rng = np.random.default_rng(3)
    found = polysemanticity(batch(tail(rng, 30, 20) for _ in range(200)), draws=19)
    # A rotation alone, without the distances from the mean, gives 0.6 here.
    assert (found["geometry_p"] <= 0.05).mean() < 0.08


@pytest.mark.parametrize("method", ["average", "ward"])
def test_p_is_uniform_for_directions(method: str) -> None:
    rng = np.random.default_rng(5)
    points = rng.normal(size=(200, 24, 6))
    found = polysemanticity(batch(points, method=method, metric="cosine"), draws=19)
    # Without bringing the rotated samples to unit length: 1e-47 for average.
    assert uniform(found["geometry_p"], 19) > 0.01


def test_p_of_labels_is_uniform_when_they_mean_nothing() -> None:
    rng = np.random.default_rng(4)
    members = rng.integers(-1, 3, (200, 30))
    found = polysemanticity(
        batch(np.zeros((200, 30, 1)), members, rng.integers(0, 4, 30).tolist()), draws=19
    )
    # Equal values count as at least as large, so p is a little too large.
    assert 0.5 < found["alignment_p"].mean() < 0.6
    assert (found["alignment_p"] <= 0.05).mean() < 0.08
    assert found["alignment"].mean() < 0.05


@pytest.mark.parametrize("kinds", [2, 3, 5])
def test_planted_concepts_are_found_by_direction(kinds: int) -> None:
    rng = np.random.default_rng(kinds)
    kind = np.arange(60) % kinds
    # Of lengths that differ more than the kinds do.
    noise = rng.normal(size=(4, 60, 20))
    length = np.exp(rng.normal(size=(60, 1)))
    far = [0, 4, 8, 16]
    points = ((x + d * np.eye(20)[kind]) * length for x, d in zip(noise, far, strict=True))
    found = polysemanticity(batch(points, min_size=3, metric="cosine"))
    assert found["geometry"][0] < 0.02
    assert found["geometry_p"][0] > 0.05
    assert found["polysemanticity"][0] < 0.5
    assert (np.diff(found["geometry"]) > 0).all()
    assert (np.diff(found["polysemanticity"]) >= 0).all()
    assert found["polysemanticity"][3] > 0.7
    assert (found["geometry_z"][2:] > 5).all()
    assert (found["geometry_p"][2:] == 0.01).all()


@pytest.mark.parametrize("kinds", [2, 3, 5])
def test_planted_concepts_are_found(kinds: int) -> None:
    rng = np.random.default_rng(kinds)
    kind = np.arange(60) % kinds
    noise = rng.normal(size=(4, 60, 20))
    far = [0, 4, 8, 16]
    neurons = batch((x + d * np.eye(20)[kind] for x, d in zip(noise, far, strict=True)), min_size=3)
    found = polysemanticity(neurons)
    index = found["polysemanticity"]
    assert found["geometry"][0] < 0.02
    assert found["geometry_p"][0] > 0.05
    assert index[0] < 0.5
    assert (np.diff(found["geometry"]) > 0).all()
    assert (np.diff(index) >= 0).all()
    assert index[3] > 0.7
    assert (found["geometry_z"][2:] > 5).all()
    assert (found["geometry_p"][2:] == 0.01).all()
    certain = np.clip(found["geometry_z"], 0, 5) / 5
    np.testing.assert_allclose(index, np.minimum(neurons.variety, 1) * certain)


def test_variety_is_one_minus_the_mean_cosine_about_the_layers_mean() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 12)) + 5
    values[:40, 0] += 30
    values[40] = values.mean(axis=0)
    acts = nw.Activations.from_arrays(values)
    split = nw.split(acts, 0, top=30)
    own = values[split.index] - values.mean(axis=0)
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    pairs = (own @ own.T)[np.triu_indices(30, 1)]
    found = split.scores(which="variety")["variety"]
    assert found == pytest.approx(1 - pairs.mean())
    assert found < 0.2
    # Random samples have nothing in common, however far the layer's mean is from the origin.
    noise = nw.Activations.from_arrays(rng.normal(size=(300, 12)) + 5)
    other = nw.split(noise, rng.normal(size=12), top=300, distinct=None).scores(which="variety")
    assert other["variety"] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_variety_does_not_depend_on_the_scale(scale: float) -> None:
    values = np.random.default_rng(0).normal(size=(200, 12)) + 1
    one, scaled = (
        nw.split_layer(
            nw.Activations.from_arrays(each), 30, scores=["variety"], progress=False
        ).scores["variety"]
        for each in (values, values * scale)
    )
    np.testing.assert_allclose(scaled, one, rtol=1e-9)


def test_all_samples_at_two_points() -> None:
    two = np.repeat([[0.0, 0], [3, 4]], [12, 18], axis=0)
    found = polysemanticity(batch([two]), draws=19)
    assert found["silhouette"] == pytest.approx(1)
    assert found["geometry"] == pytest.approx(1)
    assert found["geometry_p"] == 1 / 20


@pytest.mark.parametrize("points", [np.zeros((9, 3)), np.full((2, 3), 0.1), [[0.0], [1]]])
def test_too_little_to_split(points: np.ndarray) -> None:
    found = polysemanticity(batch([np.asarray(points)]), draws=9)
    assert found["silhouette"] == found["geometry"] == found["polysemanticity"] == 0
    assert found["geometry_p"] == 1
    assert found["geometry_z"] == 0


@pytest.mark.parametrize("scale", [1e-60, 1e60, 1e120])
def test_the_scale_does_not_matter(scale: float) -> None:
    points = tail(np.random.default_rng(0), 30, 4)
    one, other = (polysemanticity(batch([points * s]), draws=9) for s in (1, scale))
    for name in ("silhouette", "geometry", "geometry_z", "geometry_p"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6)


def test_duplicates_and_chains() -> None:
    rng = np.random.default_rng(0)
    crowd = np.concatenate([np.zeros((20, 4)), rng.normal(size=(10, 4))])
    for method in ("single", "complete", "average"):
        found = polysemanticity(batch([crowd, rng.normal(size=(30, 4))], method=method), draws=9)
        for name in ("polysemanticity", "silhouette", "geometry", "geometry_p"):
            assert ((found[name] >= 0) & (found[name] <= 1)).all()
        assert np.isfinite(found["geometry_z"]).all()


def test_labels() -> None:
    labels = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, -1, -1]
    members = np.array(
        [
            [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 0, 1],  # the labels themselves
            [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0],  # across them
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],  # one concept
            [0, 0, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1],  # one label
            [-1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0],  # one sample with both
            [0, 0, 0, 0, 0, 1, 1, 1, 1, -1, -1, -1],
        ]
    )
    two = np.repeat([[0.0], [9]], 6, axis=0)
    found = polysemanticity(batch([two] * 6, members, labels), draws=199)
    last = adjusted_mutual_info_score(labels[:9], members[5, :9])
    np.testing.assert_allclose(found["alignment"], [1, 0, 0, 0, np.nan, last], atol=1e-12)
    # Labels say nothing of whether there are groups.
    assert len(set(found["polysemanticity"].round(12).tolist())) == 1
    p, z = found["alignment_p"], found["alignment_z"]
    assert p[0] < 0.02
    assert z[0] > 3
    assert p[1] > 0.5
    assert p[2:4].tolist() == [1, 1]
    assert z[2:4].tolist() == [0, 0]
    assert np.isnan([p[4], z[4]]).all()


@pytest.mark.parametrize("n", [2, 3, 20, 100])
def test_chance_is_that_of_scikit_learn(n: int) -> None:
    rng = np.random.default_rng(n)
    for most in (1, 2, 5, n):
        one, other = (rng.integers(0, most, n).tolist() for _ in range(2))
        neurons = batch([np.zeros((n, 1))], np.array([one]), other)
        expected = max(0, adjusted_mutual_info_score(other, one))
        # scikit-learn has 1 for what cannot be told from chance.
        if {len(set(one)), len(set(other))} <= {1, n}:
            expected = 0
        found = polysemanticity(neurons, draws=0)["alignment"]
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_the_same_seed_gives_the_same() -> None:
    neurons = batch([cloud(np.random.default_rng(0), 30, 5)], np.arange(30)[None] % 3, [0, 1] * 15)
    first, again = (polysemanticity(neurons, draws=9) for _ in range(2))
    other = polysemanticity(neurons, draws=9, seed=1)
    for name, column in first.items():
        np.testing.assert_array_equal(column, again[name])
    for name in ("geometry_z", "alignment_z"):
        assert first[name] != other[name]
    assert first["silhouette"] == other["silhouette"]


def test_so_many_draws_as_there_is_time_for() -> None:
    assert [check_draws(None, n) for n in (2, 200, 300, 2000, 2001)] == [99, 99, 29, 9, 0]
    assert check_draws(np.int64(7), 5000) == 7


def test_without_draws_only_what_needs_none() -> None:
    neurons = batch([cloud(np.random.default_rng(0), 30, 5)], np.arange(30)[None] % 3, [0, 1] * 15)
    found = polysemanticity(neurons, draws=0)
    known = [name for name, column in found.items() if not np.isnan(column).any()]
    assert known == ["silhouette", "alignment"]
    for wrong in (-1, 2.5, True, "9"):
        with pytest.raises(ValueError, match="draws must be an integer of at least 0"):
            polysemanticity(neurons, draws=wrong)  # type: ignore[arg-type]


def test_rotations() -> None:
    turns = np.concatenate(list(rotations(5, 400, 0)))
    centre = np.eye(5) - 1 / 5
    np.testing.assert_allclose(
        turns @ turns.swapaxes(1, 2), np.tile(centre, (400, 1, 1)), atol=1e-9
    )
    np.testing.assert_allclose(turns.sum(axis=2), 0, atol=1e-9)
    # Haar: the entries have mean 0 and variance ((n - 1) / n)^2 / (n - 1).
    assert np.abs(turns.mean(axis=0)).max() < 0.12
    np.testing.assert_allclose(np.square(turns).mean(axis=0), 0.8**2 / 4, atol=0.04)
    assert (turns.trace(axis1=1, axis2=2) < 0).mean() == pytest.approx(0.5, abs=0.1)
    # The stream does not depend on how many are asked for.
    np.testing.assert_array_equal(next(rotations(5, 3, 0)), turns[:3])


def test_the_spread_after_a_rotation_is_known() -> None:
    one, _ = gram_and_squares(torch.from_numpy(cloud(np.random.default_rng(0), 12, 4)))
    turns = np.concatenate(list(rotations(12, 4000, 0)))
    spread = np.diagonal(turns @ one @ turns.swapaxes(1, 2), axis1=1, axis2=2).var(axis=1).mean()
    far = np.diag(np.diag(one))
    for factor in (0.9, 1.1):
        # Diagonals that vary by just under and over what `heavy` allows, all else equal.
        target = np.sqrt(TAIL_RATIO * factor * spread / np.diag(one).var())
        moved = one - far + np.diag(one.trace() / 12 + (np.diag(one) - one.trace() / 12) * target)
        assert heavy_tailed(moved) == (factor > 1)


def test_what_has_tails_keeps_its_distances_from_the_mean() -> None:
    points = cloud(np.random.default_rng(1), 12, 4)
    points[5] *= 9
    one, _ = gram_and_squares(torch.from_numpy(points.copy()))
    assert heavy_tailed(one)
    for made in rotated(one, next(rotations(12, 5, 0))):
        np.testing.assert_allclose(np.sort(made.diagonal()), np.sort(one.diagonal()))
        assert np.linalg.matrix_rank(made, tol=1e-9) == 4


def test_directions_stay_directions() -> None:
    points = cloud(np.random.default_rng(0), 12, 8)
    one, _ = gram_and_squares(torch.from_numpy(points.copy()), "cosine")
    assert not heavy_tailed(one)
    turns = next(rotations(12, 5, 0))
    made = rotated(one, turns, "cosine")
    np.testing.assert_allclose(np.diagonal(made, axis1=1, axis2=2), 1)
    # In coordinates: about the mean, rotated, about the origin, of unit length.
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    moved = turns @ unit + unit.mean(axis=0)
    moved /= np.linalg.norm(moved, axis=2, keepdims=True)
    np.testing.assert_allclose(made, moved @ moved.swapaxes(1, 2), atol=1e-12)


def test_it_tells_polysemantic_from_monosemantic_neurons_of_a_toy_model() -> None:
    rng = np.random.default_rng(0)
    features, neurons = 40, 40
    config = nw.toy.Config(features=features, dims=features, neurons=neurons, eps=0.03, steps=1)
    W1 = np.zeros((1, neurons, features), np.float32)
    for j in range(neurons):
        some = rng.choice(features, 1 + (j % 2) * (1 + j % 3), replace=False)
        W1[0, j, some] = rng.uniform(0.7, 1, len(some))
    nothing = np.zeros(0, np.int64)
    run = nw.toy.Run(
        config,
        np.eye(features, dtype=np.float32),
        None,
        np.zeros(1, np.int64),
        W1,
        np.full((1, neurons), -0.05, np.float32),
        W1.swapaxes(1, 2),
        nw.toy.Log(nothing, nothing * 1.0, nothing * 1.0, nothing),
    )
    features_there, x = run.sample(3000)
    hidden = np.maximum(x @ W1[0].T - 0.05, 0)
    acts = nw.Activations.from_arrays(hidden + 0.05 * rng.normal(size=hidden.shape))
    # By direction (0.8) other features leave tails, for which rotations on a sphere do not allow.
    splits = [nw.split(acts, j, top=60, metric="euclidean") for j in range(neurons)]
    found = [split.scores(which="polysemanticity", draws=39) for split in splits]
    index = [row["polysemanticity"] for row in found]
    assert features_there.shape == (3000, features)
    assert run.monosemantic.sum() == neurons // 2
    assert roc_auc_score(~run.monosemantic, index) > 0.95
