"""Many small trees at once against SciPy, one by one."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from neuronwidgets.clustering.linkage.engine import from_distances
from neuronwidgets.clustering.linkage.small_trees import Linker, can_fuse, linkages

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


def points_of(kind: str, samples: int) -> np.ndarray:
    """float64 `20 x samples x 3`."""
    rng = np.random.default_rng(samples)
    points = rng.normal(size=(20, samples, 3))
    if kind == "ties":
        return points.round()
    if kind == "equal":
        return np.ones_like(points)
    if kind == "grid":
        return rng.integers(0, 2, points.shape).astype(float)
    return points


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("samples", [2, 3, 40])
@pytest.mark.parametrize("kind", ["normal", "ties", "grid", "equal"])
@pytest.mark.parametrize("method", ["ward", "average", "complete", "single"])
def test_as_scipy_to_the_bit(method: str, kind: str, samples: int, device: str) -> None:
    distances = np.stack([pdist(points) for points in points_of(kind, samples)])
    expected = np.stack([from_distances(one, method) for one in distances])
    trees = linkages(torch.from_numpy(distances).to(device), method)
    np.testing.assert_array_equal(trees, expected)


@pytest.mark.parametrize("method", ["ward", "average", "complete"])
def test_the_kernel_as_scipy_to_the_bit(method: str) -> None:
    pytest.importorskip("triton")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    interpreted = device == "cpu"
    if interpreted and os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("TRITON_INTERPRET=1 runs kernels on a CPU")
    # The interpreter takes a second for a tree of 20.
    for samples in (2, 3, 13) if interpreted else (2, 3, 100, 129, 300):
        kinds = ("normal", "ties", "grid", "equal")
        sets = np.stack([pdist(points_of(kind, samples)[0]) for kind in kinds])
        expected = np.stack([from_distances(one, method) for one in sets])
        trees = linkages(torch.from_numpy(sets).to(device), method, fused=True)
        np.testing.assert_array_equal(trees, expected)


def test_the_kernel_is_for_gpus() -> None:
    assert not can_fuse(torch.device("cpu"), 100, "ward")
    assert not can_fuse(torch.device("cuda"), 100, "single")
    assert not can_fuse(torch.device("cuda"), 1025, "ward")


@pytest.mark.parametrize("method", ["ward", "average", "single"])
def test_distances_stay_as_they_were(method: str) -> None:
    distances = torch.rand(3, 45, dtype=torch.float64)
    before = distances.clone()
    linkages(distances, method)
    assert torch.equal(distances, before)


@pytest.mark.parametrize("together", [True, False])
def test_threads_get_their_own_trees(together: bool) -> None:
    parts = [np.random.default_rng(i).random((1 + i % 3, 66)) for i in range(20)]
    linker = Linker("ward", torch.device("cpu"), together)
    with ThreadPoolExecutor(6) as pool:
        trees = list(pool.map(linker, parts))
    for distances, Z in zip(parts, trees, strict=True):
        expected = [from_distances(one, "ward") for one in distances]
        np.testing.assert_array_equal(Z, np.stack(expected))


def test_every_thread_hears_of_an_error() -> None:
    linker = Linker("no method", torch.device("cpu"), False)
    with pytest.raises(ValueError, match="no method"):
        linker(np.random.default_rng(0).random((2, 66)))
    linker = Linker("ward", torch.device("meta"), True)
    with ThreadPoolExecutor(2) as pool:
        failed = [pool.submit(linker, np.ones((2, 66))) for _ in range(4)]
    assert all(future.exception() is not None for future in failed)
