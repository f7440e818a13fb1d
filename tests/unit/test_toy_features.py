"""The data of toy models: distributions, embeddings, the best linear map."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuronwidgets.toy.features import FeatureStream, embedding, probabilities
from neuronwidgets.toy.linear import linear_loss

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("count", "eps"), [(512, 1 / 64), (64, 0.3), (10, 0.97), (7, 1.0), (1, 0.2)]
)
@pytest.mark.parametrize("distribution", ["equal", "power_law"])
def test_the_mean_probability_is_eps(count: int, eps: float, distribution: str) -> None:
    made = probabilities(count, eps, distribution)
    assert made.shape == (count,)
    assert made.mean() == pytest.approx(eps, rel=1e-12)
    assert ((made > 0) & (made <= 1)).all()


def test_the_power_law_is_one_below_the_cap() -> None:
    made = probabilities(512, 1 / 64, "power_law")
    free = made < 1
    assert 0 < (~free).sum() < 10
    ranks = np.arange(1, 513.0)
    ratio = made[free] * ranks[free] ** 1.1
    np.testing.assert_allclose(ratio, ratio[0])
    assert (np.diff(made) <= 0).all()


def drawn(
    probability: np.ndarray, signed: bool, count: int, dense: bool = False, seed: int = 0
) -> np.ndarray:
    source = FeatureStream(probability, signed, (seed, 2), CPU)
    out = torch.empty(count, len(probability))
    if dense:  # what runs on an accelerator, here on the CPU
        source._generator = torch.Generator().manual_seed(seed)
        source._low = torch.as_tensor(1 - 1 / source._probability).float()
        source._high = torch.ones_like(source._low)
        source._dense = True
    source.fill(out)
    return out.numpy()


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("distribution", ["equal", "power_law"])
def test_features_come_as_often_as_they_should_and_are_uniform(
    distribution: str, dense: bool
) -> None:
    probability = probabilities(24, 0.2, distribution)
    v = drawn(probability, False, 40_000, dense)
    spread = np.sqrt(probability * (1 - probability) / len(v))
    assert (np.abs((v > 0).mean(axis=0) - probability) <= 5 * spread + 1e-4).all()
    for i in range(24):
        present = v[v[:, i] > 0, i]
        assert ((present > 0) & (present < 1)).all()
        assert abs(present.mean() - 0.5) < 5 * np.sqrt(1 / 12 / len(present))
        assert abs((present**2).mean() - 1 / 3) < 5 * np.sqrt(4 / 45 / len(present))
    # Independent: present together as often as chance has it.
    both = ((v[:, 0] > 0) & (v[:, 1] > 0)).mean()
    assert both == pytest.approx(probability[0] * probability[1], abs=0.012)


@pytest.mark.parametrize("dense", [False, True])
def test_signed_features_are_differences_at_half_the_probability(dense: bool) -> None:
    probability = np.array([0.1, 0.5, 1.0])
    v = drawn(probability, True, 60_000, dense)
    q = probability / 2
    np.testing.assert_allclose((v != 0).mean(axis=0), 1 - (1 - q) ** 2, atol=0.01)
    np.testing.assert_allclose(v.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(
        (v**2).mean(axis=0), probability / 3 - probability**2 / 8, atol=0.005
    )


def test_the_stream_is_the_seeds() -> None:
    probability = probabilities(16, 0.1, "power_law")
    same = [drawn(probability, False, 50, seed=4) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert (drawn(probability, False, 50, seed=5) != same[0]).any()


@pytest.mark.parametrize(("features", "dims"), [(512, 64), (5, 5), (3, 1)])
def test_embeddings_have_unit_columns(features: int, dims: int) -> None:
    made = embedding(features, dims, np.random.default_rng(0))
    assert made.shape == (dims, features)
    assert made.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(made, axis=0), 1, rtol=1e-6)


def test_an_embedding_in_as_many_dimensions_is_a_rotation() -> None:
    made = embedding(6, 6, np.random.default_rng(0))
    np.testing.assert_allclose(made.T @ made, np.eye(6), atol=1e-6)


@pytest.mark.parametrize("task", ["decoder", "reprojector", "absolute"])
@pytest.mark.parametrize("distribution", ["equal", "power_law"])
def test_the_best_linear_map_is_the_one_least_squares_finds(task: str, distribution: str) -> None:
    rng = np.random.default_rng(1)
    probability = probabilities(12, 0.2, distribution)
    W_e, W_o = embedding(12, 4, rng), embedding(12, 4, rng)
    v = drawn(probability, task == "absolute", 200_000).astype(np.float64)
    x = v @ W_e.T
    t = {"decoder": v, "reprojector": v @ W_o.T, "absolute": np.abs(v)}[task]
    M = np.linalg.lstsq(x, t, rcond=None)[0]
    brute = ((x @ M - t) ** 2).sum(axis=1).mean()
    exact = linear_loss(probability, W_e, W_o if task == "reprojector" else None, task)
    assert exact == pytest.approx(brute, rel=0.02)


def test_with_as_many_dimensions_as_features_a_linear_map_does_it() -> None:
    W_e = embedding(6, 6, np.random.default_rng(0))
    assert linear_loss(np.full(6, 0.1), W_e, None, "decoder") == pytest.approx(0, abs=1e-6)
