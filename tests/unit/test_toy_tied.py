"""The tied model of Elhage et al. 2022: geometry by hand, and what training finds."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from neuronwidgets import toy
from neuronwidgets.toy.features import FeatureStream

SMALL = toy.TiedConfig(features=5, dims=2, batch=256, steps=1500, learning_rate=0.01)


pytestmark = pytest.mark.usefixtures("one_thread")


def model(W: np.ndarray) -> toy.Superposition:
    config = toy.TiedConfig(features=W.shape[1], dims=W.shape[0])
    return toy.Superposition(config, W.astype("f4"), np.zeros(W.shape[1], "f4"), np.zeros(1))


def test_a_dimension_of_its_own_and_an_antipodal_pair() -> None:
    made = model(np.array([[1.0, 0, 0, 0], [0, 1, -1, 0]]))
    np.testing.assert_allclose(made.dimensionality, [1, 0.5, 0.5, 0])
    np.testing.assert_allclose(made.norms, [1, 1, 1, 0])
    np.testing.assert_allclose(made.interference, [0, 1, 1, 0])
    assert made.dims_per_feature == pytest.approx(2 / 3)


@pytest.mark.parametrize(("corners", "share"), [(3, 2 / 3), (5, 2 / 5), (7, 2 / 7)])
def test_features_on_a_polygon_share_two_dimensions(corners: int, share: float) -> None:
    angle = 2 * np.pi * np.arange(corners) / corners
    made = model(0.7 * np.stack([np.cos(angle), np.sin(angle)]))
    np.testing.assert_allclose(made.dimensionality, share, rtol=1e-6)


def test_dense_features_get_dimensions_and_sparse_ones_superpose() -> None:
    dense, sparse = toy.superpose(
        [replace(SMALL, sparsity=0.0, importance=0.8), replace(SMALL, sparsity=0.95)]
    )
    # Elhage et al., "Superposition as a phase change": two orthogonal features, or a pentagon.
    assert (dense.norms > 0.5).sum() == 2
    np.testing.assert_allclose(dense.dimensionality[:2], 1, atol=0.02)
    assert (sparse.norms > 0.5).sum() > 2
    assert sparse.dims_per_feature < 0.6
    assert sparse.loss[-1] < sparse.loss[0]
    assert "features represented" in repr(sparse)


def test_together_as_alone_whatever_the_rates() -> None:
    sweep = [replace(SMALL, steps=60), replace(SMALL, steps=60, seed=1, learning_rate=0.002)]
    for run, config in zip(toy.superpose(sweep), sweep, strict=True):
        alone = toy.superpose(config)
        np.testing.assert_allclose(run.W, alone.W, atol=1e-5)
        np.testing.assert_allclose(run.loss, alone.loss, atol=1e-6)


@pytest.mark.parametrize(
    ("knobs", "error", "words"),
    [
        ({"dims": 30}, ValueError, "dims must be at most .* got 30"),
        (
            {"sparsity": 1.0},
            ValueError,
            "sparsity must be a number of at least 0 and below 1",
        ),
        ({"sparsity": math.nan}, ValueError, "got nan"),
        (
            {"importance": 0.0},
            ValueError,
            "importance .* above 0 and at most 1, got 0.0",
        ),
        ({"learning_rate": -1.0}, ValueError, "learning_rate must be a positive number, got -1.0"),
        ({"features": True}, TypeError, "features must be a positive integer, got True"),
    ],
)
def test_bad_knobs(knobs: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        toy.TiedConfig(**knobs)


def test_bad_lists() -> None:
    with pytest.raises(TypeError, match="at least one"):
        toy.superpose([])
    with pytest.raises(TypeError, match="TiedConfig"):
        toy.superpose([3])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="2 shapes"):
        toy.superpose([SMALL, replace(SMALL, steps=7)])


def test_interrupted_it_returns_the_models_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(SMALL, steps=40)
    fill, calls = FeatureStream.fill, []

    def stopped(self: FeatureStream, out: torch.Tensor) -> None:
        calls.append(1)
        if len(calls) == 31:
            raise KeyboardInterrupt
        fill(self, out)

    monkeypatch.setattr(FeatureStream, "fill", stopped)
    with pytest.warns(UserWarning, match="stopped after 30 of 40 steps"):
        made = toy.superpose(config, progress=False)
    monkeypatch.undo()
    np.testing.assert_array_equal(made.W, toy.superpose(replace(config, steps=30)).W)
    assert len(made.loss) == 30
