"""Layers split into a folder, continued from it and loaded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file, save_file

import neuronwidgets as nw
from neuronwidgets.activations.store.matrix import Stored
from neuronwidgets.layer_splits import pipeline as pipelines
from neuronwidgets.layer_splits.pipeline import Pipeline


def planted(samples: int = 300, neurons: int = 70, seed: int = 0) -> nw.Activations:
    """Samples of five kinds, each with its own direction, behind a ReLU."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 5, samples)
    values = rng.normal(size=(5, neurons))[kind] * 2 + rng.normal(size=(samples, neurons)) * 0.5
    values = np.maximum(values, 0).astype(np.float32)
    return nw.Activations.from_arrays(values, labels=[f"kind {k}" for k in kind], layer="planted")


@pytest.fixture(scope="module")
def acts() -> nw.Activations:
    return planted()


def quietly(acts, **options):
    # A GPU takes more neurons at once.
    given = {"top": 40, "scores": (), "progress": False, "device": "cpu"} | options
    return nw.split_layer(acts, **given)


def test_on_disk_and_again(acts: nw.Activations, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "layer"
    begun = quietly(acts, out=folder, stream=True)
    assert len(next(begun)) == 64
    begun.close()
    assert len(nw.LayerSplit.load(folder)) == 64
    made = []
    block = Pipeline.block
    monkeypatch.setattr(Pipeline, "block", lambda self, *a: made.append(1) or block(self, *a))
    layer = quietly(acts, out=folder)
    assert len(made) == 1
    assert layer.done
    assert quietly(acts, out=folder).done
    assert len(made) == 1
    there = nw.LayerSplit.load(folder, acts)
    memory = quietly(acts)
    for name in ("index", "activations", "Z", "threshold", "assignment", "vectors", "neurons"):
        np.testing.assert_array_equal(getattr(there, name), getattr(memory, name))
    np.testing.assert_array_equal(there.split(69).index, memory.split(69).index)
    with pytest.raises(ValueError, match="needs the activations"):
        nw.LayerSplit.load(folder).split(0)
    copy = memory.save(tmp_path / "copy")
    assert nw.LayerSplit.load(copy).to_frame().equals(nw.LayerSplit.load(folder).to_frame())


def test_a_folder_of_something_else_is_refused(acts: nw.Activations, tmp_path) -> None:
    folder = tmp_path / "layer"
    quietly(acts, out=folder, neurons=[1, 2])
    with pytest.raises(ValueError, match="with other top: take a new folder"):
        quietly(acts, out=folder, neurons=[1, 2], top=30)
    with pytest.raises(ValueError, match="with other neurons"):
        quietly(acts, out=folder)
    with pytest.raises(ValueError, match="with other activations"):
        nw.LayerSplit.load(folder, planted(seed=1))
    (folder / "00000000.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"is not whole: .*Delete it"):
        nw.LayerSplit.load(folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other files"):
        quietly(acts, out=other)
    with pytest.raises(ValueError, match=r"holds no layer\.json"):
        nw.LayerSplit.load(other)
    with pytest.raises(ValueError, match="cannot be written"):
        quietly(acts, out=other / "notes.txt")


def test_activations_on_disk(
    acts: nw.Activations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = nw.Activations.load(acts.save(tmp_path / "acts"))
    here = quietly(acts, device="cpu")
    pipeline = Pipeline(stored, here.targets, here.settings, torch.device("cpu"), read=1)
    blocks = tuple(pipeline.blocks())
    there = nw.LayerSplit(stored, stored.layer, here.targets, here.settings, blocks)
    for name in ("index", "assignment", "threshold", "vectors"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
    few = [3, 60]
    np.testing.assert_array_equal(quietly(stored, neurons=few).index, here.index[few])
    # As on a GPU with room for the layer.
    monkeypatch.setattr(pipelines, "_fits", lambda _acts, _device: True)
    loaded = quietly(stored, device="cpu")
    for name in ("index", "assignment", "threshold", "vectors"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(here, name))
    # Few neurons need few rows.
    monkeypatch.setattr(Stored, "tensor", None)
    np.testing.assert_array_equal(quietly(stored, neurons=few).index, here.index[few])


def test_blocks_of_another_size_go_on(
    acts: nw.Activations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = quietly(acts, scores=())
    begun = quietly(acts, scores=(), out=tmp_path / "layer", stream=True)
    assert len(next(begun)) == 64
    begun.close()
    monkeypatch.setattr(pipelines, "BLOCK", 5)
    found = quietly(acts, scores=(), out=tmp_path / "layer")
    np.testing.assert_array_equal(found.assignment, whole.assignment)
    np.testing.assert_array_equal(found.vectors, whole.vectors)


def test_a_folder_without_a_block_says_so(acts: nw.Activations, tmp_path: Path) -> None:
    quietly(acts, stream=True, out=tmp_path / "begun")
    begun = nw.LayerSplit.load(tmp_path / "begun", acts)
    assert "0 neurons of 70 so far" in repr(begun)
    assert "0 neurons" in begun._repr_html_()
    with pytest.raises(ValueError, match="none of the 70 neurons is done yet"):
        begun.to_frame()


def test_labels_count_where_scores_were_computed(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(60, 4))
    plain = nw.Activations.from_arrays(values)
    named = nw.Activations.from_arrays(values, labels=["a", "b"] * 30)
    nw.split_layer(plain, 20, scores=(), out=tmp_path / "bare", progress=False)
    opened = nw.LayerSplit.load(tmp_path / "bare", named)
    assert (opened.to_frame()["names"] != "").all()
    nw.split_layer(named, 20, scores=["kurtosis"], out=tmp_path / "scored", progress=False)
    with pytest.raises(nw.StoreError, match="with other labels: take a new folder"):
        nw.LayerSplit.load(tmp_path / "scored", plain)


def test_a_table_is_the_same_from_a_folder_and_for_plain_arrays(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(60, 4))
    made = nw.split_layer(values, 20, draws=1, progress=False)
    written = nw.split_layer(values, 20, draws=1, out=tmp_path / "layer", progress=False)
    loaded = nw.LayerSplit.load(tmp_path / "layer", values)
    for other in (written, loaded):
        pd.testing.assert_frame_equal(other.to_frame(), made.to_frame())
    assert len(loaded.concepts(2)) == made.counts[2]


def test_what_is_no_folder_or_no_layer_is_said() -> None:
    values = np.random.default_rng(0).normal(size=(60, 4))
    with pytest.raises(TypeError, match="the folder must be a path, got 3"):
        nw.split_layer(values, 20, out=3, progress=False)  # type: ignore[call-overload]
    made = nw.split_layer(values, 20, neurons=[1, 2], scores=(), progress=False)
    with pytest.raises(TypeError, match=r"layer\.split\(neuron\), or its activations"):
        nw.split(made, 0)
    with pytest.raises(
        IndexError, match="neuron 0 is not in this split of 'values', which has 1, 2"
    ):
        made.split(0)


def test_a_layer_that_was_split_before_some_neurons_had_fewer_top_samples(
    acts: nw.Activations, tmp_path: Path
) -> None:
    folder = quietly(acts, out=tmp_path / "layer") and tmp_path / "layer"
    about = json.loads((folder / "layer.json").read_text())
    del about["own_size"]
    (folder / "layer.json").write_text(json.dumps(about))
    for path in folder.glob("0*.safetensors"):
        arrays = load_file(path)
        arrays.pop("tops")
        save_file(arrays, path)
    opened = nw.LayerSplit.load(folder, acts)
    assert opened.tops.tolist() == [40] * 70
    assert len(quietly(acts, out=folder)) == 70


def test_an_earlier_null_is_not_mixed_with_this_one(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(60, 4))
    for scores, is_refused in ((["polysemanticity"], True), (["kurtosis"], False)):
        folder = tmp_path / scores[0]
        options = {"scores": scores, "draws": 1, "out": folder, "progress": False}
        nw.split_layer(values, 20, **options)
        about = json.loads((folder / "layer.json").read_text())
        assert about.pop("null") == 1 + 2 * is_refused
        (folder / "layer.json").write_text(json.dumps(about))
        assert nw.LayerSplit.load(folder, values).settings.null == 1
        if is_refused:
            with pytest.raises(nw.StoreError, match="with other null: take a new folder"):
                nw.split_layer(values, 20, **options)
        else:
            assert len(nw.split_layer(values, 20, **options)) == 4
