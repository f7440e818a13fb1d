"""Extremes and histograms of all neurons, against NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.core.steps import drained
from neuronwidgets.overviews import overview
from neuronwidgets.overviews.overview import drawn, extremes, histograms


def layer(samples: int = 300, neurons: int = 20) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = np.maximum(rng.standard_normal((samples, neurons)), 0).round(1).astype("f4")
    values[:, 4] = 3
    values[:, 5] = -np.arange(samples)
    values[:, 6] = 0
    values[17, 6] = 1
    return values


def expected_top(column: np.ndarray, k: int) -> list[int]:
    """By definition: NaN values and a shared minimum do not count, ties go to the smaller row."""
    known = np.flatnonzero(~np.isnan(column))
    least = column[known].min() if len(known) else np.nan
    shared = (column[known] == least).sum() > 1
    order = sorted(
        (-float(column[i]), int(i)) for i in known if not (shared and column[i] == least)
    )
    rows = [i for _, i in order[:k]]
    return [*rows, *[-1] * (k - len(rows))]


@pytest.fixture(params=["one block", "blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "blocks":
        monkeypatch.setattr(overview, "BLOCK", 20 * 64)
        monkeypatch.setattr(overview, "WIDTH", 64 * 7)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("missing", [False, True])
def test_extremes(missing: bool) -> None:
    values = layer()
    if missing:
        values[np.random.default_rng(1).random(values.shape) < 0.1] = np.nan
        values[:, 9] = np.nan
    found = drained(extremes(values, 5))
    lively = np.arange(20) != (9 if missing else -1)
    np.testing.assert_array_equal(found.least[lively], np.nanmin(values[:, lively], axis=0))
    np.testing.assert_array_equal(found.largest[lively], np.nanmax(values[:, lively], axis=0))
    assert np.isnan(found.least[~lively]).all()
    assert found.top.tolist() == [expected_top(column, 5) for column in values.T]


@pytest.mark.usefixtures("blocks")
def test_histograms() -> None:
    values = layer()
    values[3, 2] = np.nan
    found = drained(extremes(values, 5))
    counts = drained(histograms(values, found.least, found.largest))
    for column, counted in zip(values.T, counts, strict=True):
        known = column[~np.isnan(column)].astype("f8")
        span = float(known.max() - known.min())
        place = (known - known.min()) * (32 / span) if span else known * 0
        # Values on an edge may fall to either side by rounding.
        edges = np.abs(place - place.round()) > 1e-4
        sure = np.bincount(np.minimum(place[edges].astype(int), 31), minlength=32)
        assert counted.sum() == len(known)
        assert (counted >= sure).all()
    assert counts[4].tolist() == [300, *[0] * 31]


def test_a_histogram_as_it_is_drawn() -> None:
    assert drawn(np.array([[400, 100, 1, 0]])).tolist() == [[255, 128, 13, 0]]
    assert drawn(np.zeros((2, 3), int)).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_one_sample_and_one_neuron() -> None:
    found = drained(extremes(np.array([[2.0, -1.0]], "f4"), 5))
    assert found.top.tolist() == [[0], [0]]
    assert found.least.tolist() == found.largest.tolist() == [2, -1]
    alone = drained(extremes(np.arange(7, dtype="f4")[:, None], 5))
    assert alone.top.tolist() == [[6, 5, 4, 3, 2]]
    counts = drained(histograms(np.array([[2.0]], "f4"), *2 * (np.array([2], "f4"),)))
    assert counts[0, 0] == counts.sum() == 1


def test_a_layer_on_disk(tmp_path: Path) -> None:
    values = layer()
    nw.Activations.from_arrays(values).save(tmp_path / "a")
    stored = nw.Activations.load(tmp_path / "a").values
    expected, found = (drained(extremes(v, 5)) for v in (values, stored))
    np.testing.assert_array_equal(found.top, expected.top)
    counts = [drained(histograms(v, expected.least, expected.largest)) for v in (values, stored)]
    np.testing.assert_array_equal(*counts)


def test_progress_grows_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "BLOCK", 20 * 64)
    shares = list(extremes(layer(), 5))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) == 5
