"""Everything that takes activations takes those on disk, and gives the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.activations.io import save

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[nw.Activations, nw.Activations]:
    centres = RNG.normal(size=(5, 24)) * 2
    labels = RNG.integers(0, 5, 700)
    values = (centres[labels] + RNG.normal(size=(700, 24))).clip(0).astype("f4")
    texts = [f"text {i}" for i in range(700)]
    acts = nw.Activations.from_arrays(values, texts, [f"class {i}" for i in labels])
    folder: Path = tmp_path_factory.mktemp("store")
    save(acts, folder / "acts", "float32", shard_bytes=10_000, rows_at_once=64)
    stored = nw.Activations.load(folder / "acts")
    assert "shards" in repr(stored.values)
    return acts, stored


@pytest.mark.parametrize("neuron", [3, RNG.normal(size=24)])
@pytest.mark.parametrize("method", ["ward", "average"])
def test_splits_and_concepts(
    both: tuple[nw.Activations, nw.Activations], neuron: object, method: str
) -> None:
    a, b = (nw.split(acts, neuron, top=80, method=method) for acts in both)
    np.testing.assert_array_equal(a.index, b.index)
    np.testing.assert_allclose(a.Z, b.Z, atol=1e-5)
    left, right = a.cut(), b.cut()
    np.testing.assert_array_equal(left.assignment, right.assignment)
    np.testing.assert_allclose(left.vectors, right.vectors, atol=1e-6)
    assert "<table" in right._repr_html_() or right._repr_html_()


def test_ranges_and_saliency(both: tuple[nw.Activations, nw.Activations]) -> None:
    a, b = (nw.ranges(acts) for acts in both)
    np.testing.assert_array_equal(a.mean, b.mean)
    assert a.interval(2, "class 1", 2.0) == b.interval(2, "class 1", 2.0)
    for method in ("max", "probeless", "probe"):
        x, y = (nw.salient(acts, "class 2", method) for acts in both)
        np.testing.assert_array_equal(x.neurons, y.neurons)
    np.testing.assert_array_equal(*(nw.label_entropy(acts, 50) for acts in both))


def test_widgets(both: tuple[nw.Activations, nw.Activations]) -> None:
    a, b = (nw.SplitExplorer(acts) for acts in both)
    assert a.wait(60)
    assert b.wait(60)
    assert (a.neuron, a.threshold) == (b.neuron, b.threshold)
    assert a._tree == b._tree
    np.testing.assert_array_equal(a.concepts.assignment, b.concepts.assignment)
    x, y = (nw.RangeExplorer(acts, 2) for acts in both)
    assert x.wait(60)
    assert y.wait(60)
    assert x.status["state"] == y.status["state"] == "idle"
    for widget in (a, b, x, y):
        widget.close()
