"""Arithmetic stays on the device of what it is given, and gives what a CPU gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import neuronwidgets as nw
from neuronwidgets.capturing.collectors import Chunk, Collector
from neuronwidgets.clustering.linkage import engine
from neuronwidgets.clustering.linkage.engine import METRICS
from neuronwidgets.clustering.linkage.tuning import Tuning
from neuronwidgets.layer_splits.candidates import Candidates
from tests.pretended_device import OnDevice, pretended_device

SMALL = Tuning(
    scipy_work=0, matrix_clusters=30, slow_matrix_clusters=40, tile=8, block_numbers=2**12
)
"""Small inputs go to our kernels."""
RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(5, 12))
POINTS = CENTRES[RNG.integers(5, size=70)] + RNG.normal(size=(70, 12))
POINTS[60:] = POINTS[:10]
LAYER = RNG.gamma(1, size=(90, 6)).astype(np.float32)
LAYER[:, 3], LAYER[80:] = 1, LAYER[:10]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def device() -> torch.device:
    return pretended_device()


def test_tensors_of_two_devices_do_not_meet(device: torch.device) -> None:
    there, here = torch.ones(3, device=device), torch.ones(3)
    for mix in (lambda: there + here, lambda: torch.cat([here, there]), lambda: there.add_(here)):
        with pytest.raises(RuntimeError, match="must be on one device"):
            mix()
    assert (there + 1).device == device
    assert torch.equal((there + torch.tensor(2.0)).cpu(), here + 2)


@pytest.mark.parametrize(("method", "metric"), [(a, b) for a in METRICS for b in METRICS[a]])
def test_trees_of_many_samples(device: torch.device, method: str, metric: str) -> None:
    expected = engine.linkage(POINTS, method, metric, tuning=SMALL)
    Z = engine.linkage(torch.tensor(POINTS).to(device), method, metric, tuning=SMALL)
    np.testing.assert_array_equal(Z, expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"threshold": 3.0, "refined": True},
        {"scores": [], "neurons": [1, 3, 4]},
        {"method": "average"},
        {"method": "complete", "metric": "cosine"},
        {"scores": [name for name in nw.SCORES if name != "similarity"]},
    ],
    ids=str,
)
def test_layers(device: torch.device, options: dict[str, Any]) -> None:
    acts = nw.Activations.from_arrays(LAYER, labels=np.arange(90) % 3)
    here, there = (
        nw.split_layer(acts, 40, device=place, progress=False, **options)
        for place in ("cpu", device)
    )
    pd.testing.assert_frame_equal(there.to_frame(), here.to_frame(), rtol=1e-9)
    np.testing.assert_array_equal(there.assignment, here.assignment)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nw.Top(5),
        nw.Moments,
        lambda: nw.Moments(by_label=True),
        lambda: nw.Histogram(16),
        lambda: nw.Reservoir(8),
        nw.Coactivation,
        lambda: Candidates(4),
        nw.Rows,
    ],
    ids=["top", "moments", "by label", "histogram", "reservoir", "pairs", "candidates", "rows"],
)
@pytest.mark.parametrize("seed", range(4))
def test_collectors(
    device: torch.device, rows_of: Callable[..., Chunk], make: Callable[[], Collector], seed: int
) -> None:
    rows = rows_of(seed)

    def result(place: str | torch.device) -> Any:
        collector = make()
        for part in torch.arange(len(rows)).chunk(3):
            columns = (rows.sample, rows.position, rows.label)
            chunk = Chunk(rows.rows[part], *(None if x is None else x[part] for x in columns))
            collector.add(chunk.to(place))
        return collector.result()

    here, there = plain(result("cpu")), plain(result(device))
    assert here.keys() == there.keys()
    for name, value in here.items():
        np.testing.assert_allclose(there[name], value, rtol=1e-12, err_msg=name)


def plain(result: Any) -> dict[str, np.ndarray]:
    """The arrays of a result."""
    assert not isinstance(result, OnDevice)
    parts = result if isinstance(result, dict) else vars(result)
    return {
        name: np.asarray(value)
        for name, value in parts.items()
        if isinstance(value, np.ndarray | torch.Tensor)
    }
