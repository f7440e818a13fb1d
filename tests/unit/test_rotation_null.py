"""The draws of the null: which neurons share them, and in which precision they are made."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from scipy.stats import kstest

import neuronwidgets as nw
from neuronwidgets.clustering.device_draws import DeviceDraws
from neuronwidgets.clustering.gram_matrix import gram_and_squares
from neuronwidgets.clustering.rotation_null import (
    LIKE,
    TOGETHER,
    alike,
    distances,
    heavy_tailed,
    null_separations,
    rotated,
    rotations,
    separation,
)

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


def grams_of(points: np.ndarray, metric: str = "euclidean") -> np.ndarray:
    return np.stack(
        [gram_and_squares(torch.from_numpy(x.astype(np.float64)), metric)[0] for x in points]
    )


def own(gram: np.ndarray, method: str, metric: str, draws: int) -> np.ndarray:
    """The draws of one neuron in float64, one by one."""
    turns = np.concatenate(list(rotations(len(gram), draws, 0)))
    apart = distances(rotated(gram, turns, metric), method, metric)
    exact = [squareform(d, checks=False) for d in apart]
    return separation(apart, np.stack([linkage(d, method) for d in exact]), 3)


def clouds() -> list[tuple[np.ndarray, str]]:
    """Samples, float64 `40 x 12`, and the metric of their trees."""
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(40, 12))
    tails = cloud / np.sqrt(rng.chisquare(2, (40, 1)))
    return [
        (cloud, "euclidean"),
        (cloud * 1e-60, "euclidean"),
        (tails, "euclidean"),
        (cloud, "cosine"),
        (tails + 1, "cosine"),
        # Directions within ten degrees, within one, and within a thousandth of one.
        (cloud + 10, "cosine"),
        (cloud + 100, "cosine"),
        (cloud + 1e5, "cosine"),
    ]


@pytest.mark.parametrize("method", ["ward", "average", "complete", "single"])
def test_draws_in_float32_are_those_in_float64(method: str) -> None:
    for points, metric in clouds():
        gram = grams_of(points[None], metric)
        made = null_separations(gram, method, metric, 3, 15)[0]
        np.testing.assert_allclose(made, own(gram[0], method, metric, 15), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", ["ward", "average", "complete", "single"])
def test_draws_on_a_device_are_those_on_the_host(method: str, device: str) -> None:
    for metric in ("euclidean", "cosine"):
        points = np.stack([points for points, by in clouds() if by == metric])
        grams = grams_of(points, metric)
        tails = np.array([heavy_tailed(gram) for gram in grams])
        (turns,) = rotations(40, 5, 0)
        owner, turn = np.repeat(np.arange(len(grams)), 5), np.tile(np.arange(5), len(grams))
        made = DeviceDraws(grams, tails, method, metric, torch.device(device))
        found = np.fmax.reduce(made.silhouettes(turns, owner, turn, 3, 10), axis=1, initial=0)
        expected = [own(gram, method, metric, 5) for gram in grams]
        np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["ward", "single"])
def test_a_gpu_makes_the_same_null(method: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    grams = grams_of(np.random.default_rng(0).normal(size=(9, 40, 12)))
    on_host, on_device = (
        null_separations(grams, method, "euclidean", 3, 19, device=device)
        for device in (None, torch.device("cuda"))
    )
    np.testing.assert_allclose(on_device, on_host, rtol=1e-4, atol=1e-6)


def test_alike_keeps_unlike_nulls_apart() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(8, 60, 30))
    kinds = {
        "30 dimensions": noise,
        "one long direction": noise * np.r_[6, np.ones(29)],
        "5 dimensions": np.concatenate([noise[:, :, :5], np.zeros((8, 60, 25))], axis=2),
        "tails": noise / np.sqrt(rng.chisquare(2, (8, 60, 1))),
    }
    grams = grams_of(np.concatenate(list(kinds.values())))
    tails = np.array([heavy_tailed(gram) for gram in grams])
    kind = np.repeat(np.arange(4), 8)
    group = alike(grams, tails, "euclidean", 0.1)
    assert all(len(set(kind[group == g])) == 1 for g in set(group))
    assert np.bincount(group).max() == TOGETHER
    # Whatever their scale, and their order in the sample.
    order = rng.permutation(60)
    scaled = grams[:, order][:, :, order] * 1e-40
    np.testing.assert_array_equal(alike(scaled, tails, "euclidean", 0.1), group)
    # The mean direction is no part of the dot products about the mean, but of a null by cosine.
    near = np.concatenate([noise + 0.5, noise + 3])
    group = alike(grams_of(near, "cosine"), np.zeros(16, bool), "cosine", 0.1)
    assert set(group[:8]).isdisjoint(group[8:])


def test_samples_at_one_point() -> None:
    group = alike(np.zeros((3, 5, 5)), np.zeros(3, bool), "euclidean", 0.1)
    np.testing.assert_array_equal(group, 0)
    np.testing.assert_array_equal(null_separations(np.zeros((3, 5, 5)), "ward", "cosine", 2, 4), 0)


def test_neurons_that_share_draws_have_a_uniform_p() -> None:
    rng = np.random.default_rng(0)
    count, draws = 600, 19
    # Gaussian samples, for which the null is exact.
    grams = grams_of(rng.normal(size=(count, 24, 6)))
    tails = np.array([heavy_tailed(gram) for gram in grams])
    sizes = np.bincount(alike(grams, tails, "euclidean", LIKE / np.sqrt(draws)))
    assert (sizes > 1).mean() > 0.9
    apart = distances(grams, "ward", "euclidean")
    trees = np.stack([linkage(squareform(d, checks=False), "ward") for d in apart])
    seen = separation(apart, trees, 3)
    null = null_separations(grams, "ward", "euclidean", 3, draws)
    rank = (null >= seen[:, None]).sum(axis=1)
    p = (1 + rank - rng.random(count)) / (1 + draws)
    assert kstest(p, "uniform").pvalue > 0.01
    z = (seen - null.mean(axis=1)) / null.std(axis=1)
    assert abs(z.mean()) < 0.15


def test_shared_draws_are_as_good_as_own_ones() -> None:
    rng = np.random.default_rng(1)
    # Shapes from round to long, so that neighbours are alike and others are not.
    points = (
        rng.normal(size=(48, 40, 12)) * np.geomspace(1, np.geomspace(0.05, 1, 48), 12).T[:, None]
    )
    grams = grams_of(points)
    truth = np.stack([own(gram, "ward", "euclidean", 150) for gram in grams])
    shared = null_separations(grams, "ward", "euclidean", 3, 19, seed=5)
    assert len(np.unique(shared, axis=0)) < 40
    spread = truth.std(axis=1)
    error = (shared.mean(axis=1) - truth.mean(axis=1)) / spread
    # 19 draws of one's own leave 0.24: a root of 1 / 19 + 1 / 150.
    assert np.sqrt(np.square(error).mean()) < 0.3
    assert np.sqrt(np.square(shared.std(axis=1) / spread - 1).mean()) < 0.25


def test_the_number_of_threads_does_not_matter() -> None:
    values = np.random.default_rng(0).normal(size=(200, 150))
    threads = torch.get_num_threads()
    made = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            made.append(nw.split_layer(values, 20, draws=3, progress=False).scores)
    finally:
        torch.set_num_threads(threads)
    for name, column in made[0].items():
        np.testing.assert_array_equal(column, made[1][name])
