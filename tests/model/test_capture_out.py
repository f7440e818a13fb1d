"""Capture into a folder: the same as in memory, and nobody else's data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets as hf
import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertModel, PreTrainedTokenizerBase

import neuronwidgets as nw
from neuronwidgets.activations.store import writer as writing
from neuronwidgets.capturing.engine import Engine
from neuronwidgets.capturing.rows import ToHost

WORDS = ["the", "cat", "sat", "on", "mat", "play"]
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(WORDS, n)) for n in RNG.integers(1, 20, 70)]
LABELS = [str(RNG.choice(["a", "b", "c"])) for _ in TEXTS]
LAYERS = ["encoder.layer.0.intermediate", "encoder.layer.1"]


@pytest.fixture(autouse=True)
def small_shards(shard_limits: Any) -> None:
    shard_limits(batches=3)


def read(model: nn.Module, data: Any, layer: Any = LAYERS[1], **options: Any) -> Any:
    return nw.capture(model, data, layer, progress=False, **{"batch_size": 4} | options)


@pytest.mark.parametrize("pooling", ["mean", "token"])
@pytest.mark.parametrize("labels", ["given", "found", "numbers", "none"])
def test_a_folder_holds_what_memory_would(
    bert: BertModel,
    bert_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    pooling: str,
    labels: str,
    same: Any,
) -> None:
    numbers = [12 if label == "a" else 3 for label in LABELS]
    column = {"found": LABELS, "numbers": numbers}.get(labels)
    data: Any = TEXTS if column is None else hf.Dataset.from_dict({"text": TEXTS, "label": column})
    options = {"pooling": pooling, "tokenizer": bert_tokenizer}
    options["labels"] = LABELS if labels == "given" else None
    expected = read(bert, data, **options)
    found = read(bert, data, out=tmp_path / "acts", **options)
    same(found, expected)
    again = nw.Activations.load(tmp_path / "acts")
    assert again.tokens is None
    np.testing.assert_array_equal(np.asarray(again.values), expected.values)
    assert len(json.loads((tmp_path / "acts" / "manifest.json").read_text())["shards"]) == 6


def test_several_layers_images_and_batches(bert: BertModel, tmp_path: Path, same: Any) -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 5))
    images = RNG.integers(0, 255, (30, 8, 8, 3)).astype(np.uint8)
    for number, data in enumerate([images, list(images), [torch.rand(4, 3, 8, 8)] * 6]):
        expected = read(model, data, ["1", "3"])
        found = read(model, data, ["1", "3"], out=tmp_path / str(number))
        for name in ("1", "3"):
            same(found[name], expected[name])
        with pytest.raises(nw.StoreError, match=r"holds several: pass layer=, one of '1', '3'"):
            nw.Activations.load(tmp_path / str(number))
    tokens = read(model, images, "1", pooling="token")
    same(read(model, images, "1", pooling="token", out=tmp_path / "map"), tokens)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_narrow_folders(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, dtype: str
) -> None:
    expected = read(bert, TEXTS, tokenizer=bert_tokenizer)
    found = read(bert, TEXTS, tokenizer=bert_tokenizer, out=tmp_path, dtype=dtype)
    expected.save(tmp_path / "saved", dtype)
    saved = nw.Activations.load(tmp_path / "saved")
    np.testing.assert_array_equal(np.asarray(found.values), np.asarray(saved.values))


def test_a_folder_of_something_else_is_refused_with_what_differs(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, files: Any
) -> None:
    options = {"tokenizer": bert_tokenizer, "out": tmp_path / "acts", "labels": LABELS}
    read(bert, TEXTS, **options)
    before = files(tmp_path)
    torch.manual_seed(1)
    other = BertModel(bert.config)
    bert.eval()
    for words, change in {
        r"batch size is 4 there and 5 here": {"batch_size": 5},
        r'pooling is "mean" there and "last" here': {"pooling": "last"},
        r"dtype is \"float32\" there and \"int8\" here": {"dtype": "int8"},
        r"layer is \[\"encoder.layer.1\"\] there and \[\"pooler\"\]": {"layer": "pooler"},
        r"max length is not given there and 7 here": {"max_length": 7},
        "the labels differ": {"labels": LABELS[::-1]},
        r"collect is \[\] there and \[\"Top\(k=5": {"collect": [nw.Top(5), nw.Rows()]},
        "the model's weights differ": {"model": other},
    }.items():
        wanted = {"model": bert, "data": TEXTS} | options | change
        with pytest.raises(nw.StoreError, match=words):
            read(**wanted)
    with (
        nw.ablate(bert, "encoder.layer.0", np.ones(16)),
        pytest.raises(nw.StoreError, match=r"hooks is .* there and \[\"encoder.layer.0\"\] here"),
    ):
        read(bert, TEXTS, **options)
    assert files(tmp_path) == before


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_models_with_the_same_weights_that_are_not_the_same(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 600), nn.ReLU(), nn.LayerNorm(600))
    data = torch.rand(8, 4)
    read(model, data, "2", out=tmp_path)
    words = "the model's modules or their settings differ"
    for part, other in {1: nn.GELU(), 2: nn.LayerNorm(600, eps=0.1)}.items():
        with pytest.raises(nw.StoreError, match=words):
            read(nn.Sequential(*[other if i == part else m for i, m in enumerate(model)]), data,
                 "2", out=tmp_path)  # fmt: skip
    compiled: Any = torch.compile(model)
    assert len(read(compiled, data, "2", out=tmp_path)) == 8
    with torch.no_grad():
        model[0].weight[[3, 5]] = model[0].weight[[5, 3]]
    with pytest.raises(nw.StoreError, match="the model's weights differ"):
        read(model, data, "2", out=tmp_path)


def test_data_that_differ_later_on(tmp_path: Path, files: Any) -> None:
    model = nn.Sequential(nn.Linear(3, 4))
    data = RNG.normal(size=(40, 3)).astype("f4")
    read(model, data, "0", out=tmp_path / "acts")
    before = files(tmp_path)
    other = data.copy()
    other[30, 1] += 1
    for changed, words in (
        (other, "was read from other data: batches 6 to 8 differ"),
        (np.concatenate([data, data]), "is complete with 40 samples, and the data has more"),
        (data[:24], "has 40 samples and the data ended before"),
    ):
        with pytest.raises(nw.StoreError, match=words):
            read(model, changed, "0", out=tmp_path / "acts")
    assert files(tmp_path) == before


class Count(nw.Collector):
    rows = 0

    def add(self, chunk: Any) -> None:
        self.rows += len(chunk)

    def merge(self, other: Any) -> None:
        self.rows += other.rows

    def result(self) -> int:
        return self.rows


class Along(Count):
    def __init__(self, direction: torch.Tensor) -> None:
        self.direction = direction


@pytest.mark.parametrize("way", ["memory", "out", "collect"])
def test_labels_of_the_data_that_are_none_are_refused_early(tmp_path: Path, way: str) -> None:
    model = nn.Sequential(nn.Linear(5, 4))
    options: Any = {"memory": {}, "out": {"out": tmp_path}, "collect": {"collect": Count()}}[way]
    for label, names, words in [
        (lambda i: i, ["a", "b"], "whole numbers from 0 to 1, .* got 2"),
        (lambda i: "ab"[i % 2], ["a", "b"], "whole numbers from 0 to 1, .* got 'a'"),
    ]:
        read_on = []

        class Labelled(torch.utils.data.Dataset):  # type: ignore[type-arg]
            def __len__(self) -> int:
                return 400

            def __getitem__(self, i: int) -> Any:
                read_on.append(i)  # noqa: B023
                return torch.rand(5), label(i)  # noqa: B023

        if way == "out":
            options["out"] = tmp_path / words[:3]
        with pytest.raises(ValueError, match=words):
            read(model, Labelled(), "0", label_names=names, **options)
        assert len(read_on) < 100


def test_collectors_of_other_settings_and_those_that_cannot_be_kept(tmp_path: Path) -> None:
    class Local(Count):
        pass

    model, data = nn.Sequential(nn.Linear(5, 4)), torch.rand(8, 5)
    read(model, data, "0", out=tmp_path, collect=Along(torch.ones(4)))
    assert read(model, data, "0", out=tmp_path, collect=Along(torch.ones(4)))[0] == 8
    with pytest.raises(nw.StoreError, match=r"collect is \[.Along.* there and"):
        read(model, data, "0", out=tmp_path, collect=Along(torch.zeros(4)))
    (state,) = tmp_path.glob("state-*.pickle")
    state.write_bytes(b"damaged")
    for words in ("is not whole: .*", "is not whole: .*No such file"):
        with pytest.raises(nw.StoreError, match=rf"state-00000002.pickle {words}"):
            read(model, data, "0", out=tmp_path, collect=Along(torch.ones(4)))
        state.unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"one cannot be pickled .*Local"):
        read(model, data, "0", out=tmp_path / "local", collect=Local())


def test_rows_that_come_late_as_from_a_gpu_are_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = ToHost.rest

    def late(host: ToHost, ahead: int | None = None) -> Any:
        # `push` gives 0 on a CPU and 1 on a GPU; `Engine` gives nothing.
        return rest(host, 0 if ahead is None else 1)

    monkeypatch.setattr(ToHost, "rest", late)
    model = nn.Sequential(nn.Linear(5, 4))
    batches = [torch.rand(4, 5) for _ in range(10)]
    commits = []
    with monkeypatch.context() as patched:

        def killed(self: Any, *about: Any, **options: Any) -> None:
            commits.append(commit(self, *about, **options))
            raise KeyboardInterrupt

        commit = writing.Writer.commit
        patched.setattr(writing.Writer, "commit", killed)
        patched.setattr(Engine, "stop", lambda _: None)
        with pytest.warns(UserWarning, match="stopped after"):
            read(model, batches, "0", out=tmp_path, collect=[nw.Rows(), Count()])
    assert len(commits) == 1
    rows, count = read(model, batches, "0", out=tmp_path, collect=[nw.Rows(), Count()])
    assert len(rows) == count == 40


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    """A real limit of the operating system on the size of a file. bfloat16 is written by a
    thread."""
    script = """
import resource, signal, sys
from functools import partial
import numpy as np, torch
from torch import nn
import neuronwidgets as nw
from neuronwidgets.capturing import capture as capture_module
from neuronwidgets.capturing.engine import Engine
from neuronwidgets.capturing.to_disk import ShardLimits
capture_module.Engine = partial(Engine, limits=ShardLimits(batches=2))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
torch.manual_seed(0)
model = nn.Linear(12, 400)
model = nn.Sequential(model)
data = np.zeros((4, 12), "f4")
big = [data] * 3 + [np.zeros((100, 12), "f4")]
for dtype, limit in ("float32", 100_000), ("bfloat16", 50_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        nw.capture(model, big, "0", progress=False, out=f"{sys.argv[1]}/{dtype}", dtype=dtype)
    except nw.StoreError as error:
        print(error)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("the disk is full. What was written before is safe in it") == 2
    assert [len(nw.Activations.load(tmp_path / dtype)) for dtype in ("float32", "bfloat16")] == [
        8,
        8,
    ]
    assert not list(tmp_path.rglob("*.part"))


def test_two_captures_do_not_write_one_folder(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4))
    data = RNG.normal(size=(40, 3)).astype("f4")

    def rows() -> Any:
        for i, row in enumerate(torch.from_numpy(data)):
            if i == 20:
                with pytest.raises(nw.StoreError, match="is being written by another capture"):
                    read(model, data, "0", out=tmp_path)
            yield row

    assert len(read(model, rows(), "0", out=tmp_path)) == 40


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(nw.StoreError, match="cannot be written: Permission denied"):
        read(nn.Sequential(nn.Linear(3, 4)), np.zeros((4, 3), "f4"), "0", out=tmp_path / "acts")


def test_shards_end_where_they_are_large(
    bert: BertModel,
    bert_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    shard_limits: Any,
    same: Any,
) -> None:
    shard_limits(batches=3, bytes=2000)
    options = {"tokenizer": bert_tokenizer, "pooling": "token"}
    found = read(bert, TEXTS, out=tmp_path, **options)
    same(found, read(bert, TEXTS, **options))
    assert len(json.loads((tmp_path / "manifest.json").read_text())["shards"]) > 10
