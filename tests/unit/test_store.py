"""Activations on disk: what is written is what comes back, to the digits that its dtype has."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from filelock import FileLock
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file as load_torch

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.io import save
from neuronwidgets.activations.samples import Samples
from neuronwidgets.activations.store.encode import encode
from neuronwidgets.activations.store.matrix import Stored
from neuronwidgets.activations.store.shards import StoreError
from neuronwidgets.activations.store.writer import Writer

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(50, 70)).astype(np.float32)
TEXTS = [f"text {i} „é“ 🌍" for i in range(50)]
LABELS = [["b", "a", None][i % 3] for i in range(50)]


def acts(**options: Any) -> Activations:
    given = {"samples": TEXTS, "labels": LABELS, "layer": "block/0.Ünit"} | options
    return Activations.from_arrays(VALUES, **given)


def test_what_was_saved_is_what_is_loaded(tmp_path: Path) -> None:
    made = acts()
    assert made.save(tmp_path / "new" / "acts") == tmp_path / "new" / "acts"
    found = Activations.load(tmp_path / "new" / "acts")
    np.testing.assert_array_equal(found.values, VALUES)
    np.testing.assert_array_equal(found.labels, made.labels)
    assert (found.layer, found.label_names, found.shape) == (made.layer, ("a", "b"), (50, 70))
    assert list(found.samples.texts) == TEXTS
    assert found.samples.texts[-1] == TEXTS[-1]
    assert found.samples.texts[3:5] == TEXTS[3:5]
    assert "float32 on disk" in repr(found)
    assert "on disk" in found._repr_html_()
    for neuron in (0, 69, RNG.normal(size=70)):
        np.testing.assert_array_equal(found.top(neuron, 9), made.top(neuron, 9))
        np.testing.assert_allclose(found.along(neuron), made.along(neuron), rtol=1e-6)
    np.testing.assert_array_equal(found.rows([4, 4, 1]), VALUES[[4, 4, 1]])


def test_images_and_tokens_come_back(tmp_path: Path) -> None:
    images = [RNG.integers(0, 255, (3 + i % 4, 5, 3)).astype(np.uint8) for i in range(50)]
    acts(samples=images, labels=None).save(tmp_path / "images")
    found = Activations.load(tmp_path / "images")
    assert found.labels is None
    assert all((a == b).all() for a, b in zip(found.samples.images, images, strict=True))
    item = np.repeat(np.arange(10), 5)
    token = np.tile(np.arange(5, dtype=np.int32), 10)
    spans = [np.array([[j, j + 1] for j in range(5)], np.int32) for _ in range(10)]
    origin = np.arange(10) // 2
    samples = Samples(50, texts=TEXTS[:10], spans=spans, item=item, token=token, origin=origin)
    left = np.array([[3, 1], [4, -1]])
    made = Activations("tokens", VALUES, samples, item % 2, ("no", "yes"), "token", excluded=left)
    made.save(tmp_path / "tokens")
    found = Activations.load(tmp_path / "tokens")
    for name in ("item", "token", "origin"):
        np.testing.assert_array_equal(getattr(found.samples, name), getattr(samples, name))
    np.testing.assert_array_equal(found.samples.spans[7], spans[7])
    np.testing.assert_array_equal(found.labels, made.labels)
    np.testing.assert_array_equal(found.excluded, left)
    assert found.pooling == "token"
    # And once more, from what was loaded.
    found.save(tmp_path / "again")
    again = Activations.load(tmp_path / "again")
    np.testing.assert_array_equal(again.values, VALUES)
    assert list(again.samples.texts) == TEXTS[:10]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_narrow_values_are_as_near_as_is_said(tmp_path: Path, dtype: str) -> None:
    values = VALUES * np.geomspace(1e-6, 1e4, 70, dtype=np.float32)
    values[0], values[1, 5] = 0, -40_000
    Activations.from_arrays(values).save(tmp_path / dtype, dtype)
    found = np.asarray(Activations.load(tmp_path / dtype).values)
    assert found.dtype == np.float32
    if dtype == "int8":
        blocks = np.abs(np.pad(values, ((0, 0), (0, 58)))).reshape(50, 2, 64).max(2)
        bound = np.repeat(blocks / 254, 64, axis=1)[:, :70] * (1 + 1e-5)
    else:
        bound = np.abs(values) * (2**-11 if dtype == "float16" else 2**-8) + 2**-25
    assert (np.abs(found - values) <= bound).all()
    if dtype != "int8":
        kind = torch.float16 if dtype == "float16" else torch.bfloat16
        np.testing.assert_array_equal(found, torch.from_numpy(values).to(kind).float())


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
def test_all_values_as_a_tensor(tmp_path: Path, dtype: str) -> None:
    save(acts(), tmp_path, dtype, shard_bytes=1000, rows_at_once=8)
    stored = Activations.load(tmp_path).values
    np.testing.assert_array_equal(stored.tensor(torch.device("cpu"), 210), np.asarray(stored))
    order = np.random.default_rng(0).permutation(50)
    moved = Stored(stored._shards, order, dtype)
    np.testing.assert_array_equal(moved.tensor(torch.device("cpu")), np.asarray(moved))


def test_what_float16_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"7e\+04 does not fit in float16.*bfloat16"):
        Activations.from_arrays([[1.0, 7e4]]).save(tmp_path / "x", "float16")
    with pytest.raises(
        ValueError, match=r"dtype must be one of 'float32', 'float16', .* got 'half'"
    ):
        acts().save(tmp_path / "y", "half")
    assert not (tmp_path / "y").exists()
    found = encode(torch.tensor([[torch.inf, torch.nan]]), "float16")
    assert not found["values"].isfinite().any()


def test_the_format_needs_no_package_of_ours(tmp_path: Path) -> None:
    Activations.from_arrays(VALUES[:, :7], TEXTS, LABELS, "block/0.Ünit").save(tmp_path, "int8")
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert manifest["format"] == "neuronwidgets.activations/1"
    assert manifest["complete"] is True
    folder = tmp_path / manifest["layers"]["block/0.Ünit"]["folder"]
    file = folder / f"{manifest['shards'][0]['first_batch']:08d}.safetensors"
    for load in (load_numpy, load_torch):
        found = {name: np.asarray(value) for name, value in load(file).items()}
        values = found["values"] * found["scale"]
        np.testing.assert_allclose(values, VALUES[:, :7], atol=0.02)
        assert found["sample"].tolist() == list(range(50))
    table = pq.read_table(tmp_path / "samples" / "00000000.parquet")
    assert table["text"].to_pylist() == TEXTS
    assert manifest["labels"]["names"] == ["a", "b"]
    assert table["label"].to_pylist() == [[1, 0, -1][i % 3] for i in range(50)]


def test_indexing_is_an_arrays(tmp_path: Path) -> None:
    save(acts(), tmp_path, "float32", shard_bytes=1000, rows_at_once=8)
    stored = Activations.load(tmp_path).values
    assert "7 shards" in repr(stored)
    assert (stored.shape, stored.ndim, stored.size, len(stored)) == ((50, 70), 2, 3500, 50)
    every = VALUES[:, 3] > 0
    for key in (
        3, -1, slice(None), slice(7, 30), slice(40, 3, -3), [4, 49, 0, 0], every, (every, [1]),
        np.array([], np.int64), (slice(5, 9), 6), (slice(None), slice(2, 60, 7)), (3, 4), (-1, -1),
        ([9, 8], -2),
    ):  # fmt: skip
        np.testing.assert_array_equal(stored[key], VALUES[key])
    np.testing.assert_array_equal(np.asarray(stored, np.float64), VALUES.astype(np.float64))
    np.testing.assert_array_equal(stored.mean(axis=0), VALUES.mean(axis=0))
    np.testing.assert_array_equal(np.mean(stored, axis=1), VALUES.mean(axis=1))
    np.testing.assert_array_equal(stored > 0.5, VALUES > 0.5)
    np.testing.assert_array_equal(2 * stored.T + np.exp(stored).T, 2 * VALUES.T + np.exp(VALUES).T)
    np.testing.assert_allclose(stored @ np.ones(70), VALUES.sum(1), atol=1e-4)
    np.testing.assert_array_equal(torch.as_tensor(np.asarray(stored)), torch.from_numpy(VALUES))
    np.testing.assert_array_equal(list(stored)[7], VALUES[7])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(stored))[3], VALUES[3])
    with pytest.raises(AttributeError, match="no attribute 'meen'"):
        stored.meen  # noqa: B018
    for key in (50, -51, (0, 70)):
        with pytest.raises(IndexError):
            stored[key]


def test_folders_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    for folder, words in {
        "none": "does not exist: pass the folder",
        "empty": r"holds no manifest.json",
    }.items():
        if folder == "empty":
            (tmp_path / folder).mkdir()
        with pytest.raises(StoreError, match=words):
            Activations.load(tmp_path / folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match=r"holds other files \(thesis.tex\) and no store"):
        acts().save(tmp_path / "other")
    assert (tmp_path / "other" / "thesis.tex").read_text() == "x"
    assert len(list((tmp_path / "other").iterdir())) == 1
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be written"):
        acts().save(tmp_path / "file")
    acts().save(tmp_path / "full")
    with pytest.raises(StoreError, match="holds activations"):
        acts().save(tmp_path / "full")
    for text, words in {
        "{": "is not a manifest",
        "[]": "is not a manifest",
        '{"format": "neuronwidgets.activations/9"}': "this version reads",
    }.items():
        (tmp_path / "empty" / "manifest.json").write_text(text)
        with pytest.raises(StoreError, match=words):
            Activations.load(tmp_path / "empty")
    with pytest.raises(
        StoreError, match=r"layer 'fc' does not exist in .*: pass layer=, one of 'block/0"
    ):
        Activations.load(tmp_path / "full", "fc")


def test_a_folder_is_where_it_was_whatever_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert acts().save("~/acts") == tmp_path / "acts"
    writer = Writer("open", ["layer"], "float32", {})
    found = Activations.load("acts")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert found.samples.texts[3] == TEXTS[3]
    assert len(Activations.load("~/acts")) == 50
    shard = writer.shard()
    shard.add("layer", VALUES, sample=np.arange(50))
    shard.describe(np.arange(50))
    writer.commit([shard.finish("")], {"names": [], "order": "given"})
    writer.close()
    assert len(Activations.load(tmp_path / "open")) == 50
    assert not list((tmp_path / "elsewhere").iterdir())


def test_what_was_loaded_can_be_pickled(tmp_path: Path) -> None:
    images = [RNG.integers(0, 255, (3 + i % 4, 5, 3)).astype(np.uint8) for i in range(50)]
    acts(samples=images).save(tmp_path / "acts")
    found = pickle.loads(pickle.dumps(Activations.load(tmp_path / "acts")))
    np.testing.assert_array_equal(found.values, VALUES)
    assert all((a == b).all() for a, b in zip(found.samples.images, images, strict=True))


def test_values_on_disk_act_as_an_array_or_say_that_they_do_not(tmp_path: Path) -> None:
    values = np.maximum(VALUES, 0)
    Activations.from_arrays(values).save(tmp_path)
    stored = Activations.load(tmp_path).values
    rows, neurons = np.array([3, -1, 3, 9]), np.array([5, 69, -70, 5])
    for key in [(rows, neurons), (rows, 4), (2, neurons), (rows, [1]), -1, (-50,), [], [True] * 50,
                np.arange(50) % 2 == 0, (slice(40, None, -3), slice(2, 9)), ..., (..., 3), range(4),
                (7, np.arange(70) % 7 == 0),
                np.uint8(7), (slice(3, 3), neurons)]:  # fmt: skip
        np.testing.assert_array_equal(stored[key], values[key], err_msg=str(key))
    for bad in (
        50,
        -51,
        ([1, 2], [1, 2, 3]),
        [0, 50],
        (0, 70),
        None,
        [[1]],
        (1, 2, 3),
        1.5,
        np.ones(49, bool),
    ):
        with pytest.raises(IndexError):
            stored[bad]
    # Never Python's own ==, which is False.
    assert (stored == 0).sum() == (values == 0).sum() > 0
    assert (stored != 0).mean() == (values != 0).mean()
    products = values.astype(np.float64) @ values.T.astype(np.float64)
    # All are at least 0, so the largest error of a float32 sum of 70 is a share of it.
    np.testing.assert_allclose(stored @ values.T, products, rtol=70 * 2**-24)
    np.testing.assert_array_equal(1 - stored, 1 - values)
    np.testing.assert_array_equal(np.sqrt(stored), np.sqrt(values))


def test_more_shards_than_files_may_be_open(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    writer = Writer(tmp_path, ["layer"], "float32", {})
    for i in range(200):
        shard = writer.shard()
        shard.add("layer", VALUES[:2] + i, sample=np.array([2 * i, 2 * i + 1]))
        shard.describe(np.array([2 * i, 2 * i + 1]))
        writer.commit([shard.finish("")], {"names": [], "order": "given"})
    writer.close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 150), hard))
    try:
        found = Activations.load(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    np.testing.assert_array_equal(found.values[-1], VALUES[1] + 199)


def test_damaged_shards_are_refused(tmp_path: Path) -> None:
    acts(layer="fc").save(tmp_path)
    file = tmp_path / "layer-0-fc" / "00000000.safetensors"
    whole = file.read_bytes()
    for damaged in (whole[:-100], whole[:500], b"", b"\xff" * 2000):
        file.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"00000000.safetensors is not whole"):
            Activations.load(tmp_path)
    file.unlink()
    with pytest.raises(StoreError, match=r"is not whole"):
        Activations.load(tmp_path)
    file.write_bytes(whole)
    np.testing.assert_array_equal(Activations.load(tmp_path).values, VALUES)
    table = tmp_path / "samples" / "00000000.parquet"
    table.write_bytes(table.read_bytes()[:-50])
    with pytest.raises(StoreError, match=r"00000000.parquet is not whole"):
        Activations.load(tmp_path)


def test_texts_and_images_are_read_when_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(tmp_path, ["fc"], "float32", {})
    for start in range(0, 50, 10):
        sample = np.arange(start, start + 10)
        shard = writer.shard()
        shard.add("fc", VALUES[sample], sample=sample)
        shard.describe(sample, texts=[TEXTS[i] for i in sample])
        writer.commit([shard.finish("")], {"names": [], "order": "given"})
    writer.close()
    read: list[tuple[str, str]] = []
    table = pq.read_table

    def told(file: Path, columns: list[str]) -> Any:
        read.append((file.name, columns[0]))
        return table(file, columns=columns)

    monkeypatch.setattr(pq, "read_table", told)
    found = Activations.load(tmp_path)
    assert {column for _, column in read} == {"sample", "label"}
    assert found.samples.kind == "text"
    assert not len(found.samples.images)
    read.clear()
    assert [found.samples.texts[i] for i in (31, 38, 2, 31)] == [TEXTS[i] for i in (31, 38, 2, 31)]
    assert read == [("00000003.parquet", "text"), ("00000000.parquet", "text")]


def test_numbers_beyond_float32_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not fit in float32"):
        Activations.from_arrays(np.array([[1e300, 1.0]])).save(tmp_path / "wide")
    with pytest.raises(ValueError, match="does not fit in bfloat16"):
        Activations.from_arrays(np.array([[3.4e38, 1.0]], "f4")).save(tmp_path / "b", "bfloat16")


def test_only_one_writes_a_folder(tmp_path: Path) -> None:
    held = FileLock(tmp_path / ".lock")
    with held, pytest.raises(StoreError, match="is being written by another capture"):
        Writer(tmp_path, ["fc"], "float32", {})
    Writer(tmp_path, ["fc"], "float32", {}).close()
    # And what it began is free for another.
    Writer(tmp_path, ["other"], "int8", {"pooling": "max"}).close()


@pytest.mark.parametrize("name", ["..", "a" * 300, "/", "", ".hidden", "con:\\x"])
def test_any_layer_name_has_a_folder(tmp_path: Path, name: str) -> None:
    acts(layer=name).save(tmp_path / "acts")
    assert Activations.load(tmp_path / "acts").layer == name
    assert [folder.name for folder in tmp_path.iterdir()] == ["acts"]


def test_a_full_disk_leaves_a_store_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(tmp_path, ["fc"], "float32", {})
    sample = np.arange(10)

    def shard(start: int) -> None:
        made = writer.shard()
        try:
            made.add("fc", VALUES[start : start + 10], sample=sample + start)
            made.describe(sample + start, texts=TEXTS[start : start + 10])
            writer.commit([made.finish("")], {"names": [], "order": "given"})
        except StoreError:
            made.discard()
            raise

    shard(0)
    full = OSError(28, "No space left on device")

    def no_room(*_: Any) -> None:
        raise full

    monkeypatch.setattr("os.fsync", no_room)
    with pytest.raises(StoreError, match=r"the disk is full. What was written before is safe"):
        shard(10)
    writer.close()
    assert not list(tmp_path.rglob("*.part"))
    np.testing.assert_array_equal(Activations.load(tmp_path).values, VALUES[:10])
