"""Which window is blamed when actors are lost, on a Ray that runs in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.capturing import ray as ray_engine

DATA = np.random.default_rng(0).normal(size=(80, 3)).astype("f4")
DATA[50, 1] = 7  # a worker dies of it


@pytest.fixture(autouse=True)
def small_shards(shard_limits: Any) -> None:
    shard_limits(batches=3)


@pytest.fixture(autouse=True)
def two_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "RETRIES", 2)


def read(here: Any, out: Path, workers: int) -> Any:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4))
    options: dict[str, Any] = {"progress": False, "batch_size": 4, "workers": workers}
    try:
        return nw.capture(model, DATA, "0", out=out, engine="ray", **options)
    finally:
        assert all(actor.dead for actor in here.actors)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_window_that_kills_is_blamed_and_no_other(
    ray_here: Any, tmp_path: Path, workers: int
) -> None:
    with pytest.raises(nw.CaptureError, match="a worker was lost 3 times") as error:
        read(ray_here(100), tmp_path, workers)
    # Windows of three batches of four: 48 to 59.
    np.testing.assert_array_equal(error.value.samples, np.arange(48, 60))
    assert len(error.value.so_far) == 48


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("deaths", [1, 2])
def test_lost_windows_are_read_again(
    ray_here: Any, tmp_path: Path, deaths: int, workers: int
) -> None:
    found = read(ray_here(deaths), tmp_path / "ray", workers)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4))
    np.testing.assert_allclose(found.values, nw.capture(model, DATA, "0").values, rtol=1e-6)
