"""The null of tokens: texts are no clusters, kinds of texts are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from scipy.stats import kstest

import neuronwidgets as nw
from neuronwidgets.clustering import rotation_null
from neuronwidgets.clustering.device_draws import DeviceDraws
from neuronwidgets.clustering.gram_matrix import gram_and_squares
from neuronwidgets.clustering.nested_rotations import nested_rotations, spread
from neuronwidgets.clustering.rotation_null import distances, null_separations, separation

SIZES = {
    "five texts of ten": np.repeat(np.arange(5), 10),
    "one long, many short": np.repeat(np.arange(24), [14, 7, 4, 3, 2] + 19 * [1] + [1][1:]),
    "pairs": np.repeat(np.arange(25), 2),
}


def gram_of(points: np.ndarray, metric: str = "euclidean") -> np.ndarray:
    return np.asarray(gram_and_squares(torch.from_numpy(points), metric)[0])


def texts(source: np.ndarray, share: float, rng: np.random.Generator, dims: int = 20) -> np.ndarray:
    """Tokens with what their text has in common, as a share of the variance."""
    common = rng.normal(size=(source.max() + 1, dims))[source]
    points = np.sqrt(share) * common + np.sqrt(1 - share) * rng.normal(size=(len(source), dims))
    return np.asarray(points * np.geomspace(1, 0.3, dims))


@pytest.mark.parametrize("source", SIZES.values(), ids=SIZES)
def test_sources_stay_together(source: np.ndarray) -> None:
    n = len(source)
    rng = np.random.default_rng(0)
    order = rng.permutation(n)
    source = source[order]
    gram = gram_of(texts(source, 0.5, rng))
    one_hot = (source == np.unique(source)[:, None]).astype(float)
    mean = one_hot / one_hot.sum(axis=1, keepdims=True)
    inside = np.eye(n) - one_hot.T @ mean
    for turn in np.concatenate(list(nested_rotations(gram, source, 3, 0))):
        np.testing.assert_allclose(turn @ np.ones(n), 1)
        # Means of sources stay means of sources, and differences from them such differences.
        np.testing.assert_allclose(inside @ turn @ one_hot.T, 0, atol=1e-12)
        np.testing.assert_allclose(mean @ turn @ inside, 0, atol=1e-12)
        # Differences are rotated, and means at the scale of their deviations.
        own = inside @ turn @ inside
        np.testing.assert_allclose(own @ own.T, inside, atol=1e-12)
        code, size = np.unique(source, return_inverse=True, return_counts=True)[1:]
        scale = spread(gram, code.ravel(), size)
        between = mean @ turn @ one_hot.T * scale / scale[:, None]
        np.testing.assert_allclose(between @ between.T, np.eye(len(scale)), atol=1e-12)


def test_draws_are_random_and_repeatable() -> None:
    source = SIZES["pairs"]
    gram = gram_of(texts(source, 0.5, np.random.default_rng(0)))
    turns = np.concatenate(list(nested_rotations(gram, source, 200, 0)))
    np.testing.assert_array_equal(
        turns, np.concatenate(list(nested_rotations(gram, source, 200, 0)))
    )
    other = np.concatenate(list(nested_rotations(gram, source, 200, 1)))
    assert np.abs(turns - other).mean() > 0.01
    # Blocks of draws differ.
    assert len(np.unique(turns[:, 0, 0].round(6))) == 200


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_spread_is_that_of_means(share: float) -> None:
    rng = np.random.default_rng(1)
    source = np.repeat(np.arange(120), np.arange(120) % 6 + 1)
    code, size = np.unique(source, return_inverse=True, return_counts=True)[1:]
    found = spread(gram_of(texts(source, share, rng, 200)), code.ravel(), size)
    expected = np.sqrt(share + (1 - share) / size)
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_degenerate_samples() -> None:
    for source in (np.zeros(6, int), np.arange(6), np.array([0, 0, 0, 1, 1, 1])):
        for gram in (np.zeros((6, 6)), gram_of(np.eye(6))):
            turns = np.concatenate(list(nested_rotations(gram, source, 4, 0)))
            assert turns.shape == (4, 6, 6)
            assert np.isfinite(turns).all()
    # The same means as two texts have: there is nothing that chance could do otherwise.
    flat = np.repeat([[0.0], [1.0]], 3, axis=0)
    null = null_separations(
        gram_of(flat)[None], "ward", "euclidean", 2, 9, sources=np.repeat([0, 1], 3)[None]
    )
    np.testing.assert_allclose(null, null[0, 0])


def p_values(
    points: np.ndarray, source: np.ndarray, metric: str, rng: np.random.Generator, nested: bool
) -> np.ndarray:
    """p of data sets `B x n x D` by 19 draws each, spread over the range of its step."""
    grams = np.stack([gram_of(each, metric) for each in points])
    apart = distances(grams, "ward", metric)
    trees = np.stack([linkage(squareform(d, checks=False), "ward") for d in apart])
    seen = separation(apart, trees, 3)
    null = np.stack([
        null_separations(
            gram[None], "ward", metric, 3, 19, seed, sources=source[None] if nested else None
        )[0]
        for seed, gram in enumerate(grams)
    ])  # fmt: skip
    rank = (null >= seen[:, None]).sum(axis=1)
    return np.asarray((1 + rank - rng.random(len(points))) / 20)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("source", SIZES.values(), ids=SIZES)
def test_texts_alone_are_no_concepts(source: np.ndarray, metric: str) -> None:
    rng = np.random.default_rng(2)
    points = np.stack([texts(source, 0.9, rng) for _ in range(150)])
    p = p_values(points, source, metric, rng, True)
    # By cosine the null is exact only for directions without a shape (docs/benchmarks/scores.md).
    assert (p < 0.05).mean() < 0.13
    assert metric == "cosine" or kstest(p, "uniform").pvalue > 0.01
    assert np.median(p_values(points[:40], source, metric, rng, False)) < 0.05


@pytest.mark.parametrize(("kind", "found"), [("pairs", 1.0), ("one long, many short", 0.6)])
def test_kinds_of_texts_and_kinds_of_tokens_are(kind: str, found: float) -> None:
    source = SIZES[kind]
    rng = np.random.default_rng(3)
    of_text = rng.integers(0, 3, source.max() + 1)[source]
    of_token = rng.integers(0, 3, len(source))
    for group in (of_text, of_token):
        points = np.stack([8 * np.eye(20)[group] + texts(source, 0.5, rng) for _ in range(20)])
        assert (p_values(points, source, "euclidean", rng, True) < 0.05).mean() >= found


def test_neurons_without_common_texts_are_as_before() -> None:
    rng = np.random.default_rng(4)
    grams = np.stack([gram_of(rng.normal(size=(30, 8))) for _ in range(6)])
    sources = np.stack([np.arange(30)] * 6)
    plain = null_separations(grams, "ward", "euclidean", 3, 9)
    np.testing.assert_array_equal(
        null_separations(grams, "ward", "euclidean", 3, 9, sources=sources), plain
    )
    sources[4] //= 3
    mixed = null_separations(grams, "ward", "euclidean", 3, 9, sources=sources)
    alone = null_separations(grams[4:5], "ward", "euclidean", 3, 9, sources=sources[4:5])
    np.testing.assert_array_equal(mixed[4], alone[0])
    assert not np.array_equal(mixed[4], plain[4])


@pytest.mark.parametrize("numbers", [0, 20_000, 1 << 20])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_device_makes_the_draws_of_several_neurons_at_once(
    numbers: int, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(6)
    few = np.repeat(np.arange(4), [20, 15, 10, 5])
    sources = np.stack([few, SIZES["pairs"], np.arange(50), np.arange(50) // 10, np.arange(50)])
    grams = np.stack([gram_of(texts(source, 0.5, rng), metric) for source in sources])
    expected = null_separations(grams, "ward", metric, 3, 5, sources=sources)
    blocks = []

    class Draws(DeviceDraws):
        def silhouettes(self, turns: np.ndarray, *args: Any) -> np.ndarray:
            blocks.append(len(turns))
            return super().silhouettes(turns, *args)

    def on_device(*args: Any) -> DeviceDraws:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return Draws(args[0], args[1], args[2], args[3], device)

    monkeypatch.setattr(rotation_null, "_on_device", on_device)
    monkeypatch.setattr(rotation_null, "ON_DEVICE", numbers)
    made = null_separations(grams, "ward", metric, 3, 5, sources=sources)
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-6)
    # Those that share draws, then each of three alone, two together, or all three.
    assert blocks == (
        [5, 5, 5, 5] if numbers == 0 else [5, 10, 5] if numbers == 20_000 else [5, 15]
    )


def test_a_layer_of_tokens() -> None:
    rng = np.random.default_rng(5)
    item = np.repeat(np.arange(60), 10)
    values = texts(item, 0.9, rng, 24).astype(np.float32)
    samples = nw.Samples(600, item=item, token=np.tile(np.arange(10), 60).astype(np.int32))
    tokens = nw.Activations("layer", values, samples)
    apart = nw.split_layer(tokens, 60, draws=19, progress=False).scores["geometry_p"]
    assert np.mean(apart <= 0.05) < 0.3
    taken_alone = nw.split_layer(values, 60, draws=19, progress=False).scores
    assert np.mean(taken_alone["geometry_p"] <= 0.05) > 0.9
