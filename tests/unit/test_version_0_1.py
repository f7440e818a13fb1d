"""Files that version 0.1 wrote still open. `tests/fixtures/v0_1` was written by it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import neuronwidgets as nw

WRITTEN = Path(__file__).parents[1] / "fixtures" / "v0_1"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A copy: reading a store takes a lock beside it."""
    return Path(shutil.copytree(WRITTEN, tmp_path / "v0_1"))


def test_a_captured_store(written: Path) -> None:
    acts = nw.Activations.load(written / "store")
    expected = json.loads((written / "store.json").read_text("utf-8"))["store"]
    np.testing.assert_array_equal(acts.values, np.asarray(expected, dtype=np.float32))
    assert list(acts.label_names) == ["even", "odd"]
    assert acts.labels.tolist() == [0, 1] * 20


def test_a_saved_store_of_texts_and_one_of_images(written: Path) -> None:
    acts = nw.Activations.load(written / "texts")
    assert acts.samples.texts is not None
    assert acts.samples.texts[3] == "text 3 naïve 🙂"
    assert acts.layer == "mine"
    images = nw.Activations.load(written / "images")
    assert len(images) == 12
    assert images.samples.kind == "image"


def test_a_store_of_tokens(written: Path) -> None:
    acts = nw.Activations.load(written / "tokens")
    assert acts.values.shape[1] == 128
    assert len(acts.samples) == len(acts)


def test_concepts(written: Path) -> None:
    concepts = nw.Concepts.load(written / "concepts")
    acts = nw.Activations.load(written / "texts")
    assert concepts.vectors.shape[1] == 6
    again = nw.split(acts, 2, top=20).cut(concepts.threshold)
    np.testing.assert_allclose(again.vectors, concepts.vectors, atol=1e-5)
    assert concepts.names == ("c", "Concept 2", "b", "a", "Concept 5", "a", "c")


def test_a_layer(written: Path) -> None:
    acts = nw.Activations.load(written / "texts")
    layer = nw.LayerSplit.load(written / "layer", acts)
    assert len(layer) == 6
    assert layer.split(2).index.tolist() == nw.split(acts, 2, top=20).index.tolist()


@pytest.mark.parametrize("name", ["mask", "ablation"])
def test_an_intervention(written: Path, name: str) -> None:
    edit = nw.load_intervention(written / name)
    assert edit.layer == "1"


def test_a_run(written: Path) -> None:
    run = nw.toy.Run.load(written / "toy")
    assert run.config.features == 8
    assert np.isfinite(run.loss).all()
