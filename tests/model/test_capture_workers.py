"""The same capture by Ray's actors, which run in this process; `test_capture_ray.py` has others."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertModel, PreTrainedTokenizerBase

import neuronwidgets as nw
from neuronwidgets.capturing.engine import Engine

WORDS = ["the", "cat", "sat", "on", "mat", "play"]
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(WORDS, n)) for n in RNG.integers(1, 20, 70)]
LABELS = [str(RNG.choice(["a", "b", "c"])) for _ in TEXTS]
LAYERS = ["encoder.layer.0.intermediate", "encoder.layer.1"]
DATA = RNG.normal(size=(80, 3)).astype("f4")


@pytest.fixture(autouse=True)
def on_ray(ray_here: Any) -> None:
    ray_here()


@pytest.fixture(autouse=True)
def small_shards(shard_limits: Any) -> None:
    shard_limits(batches=3)


def read(model: nn.Module, data: Any, layer: Any, **options: Any) -> Any:
    return nw.capture(model, data, layer, progress=False, **{"batch_size": 4} | options)


@pytest.mark.filterwarnings("ignore:8 of 70 texts are empty")
@pytest.mark.parametrize(
    "labels", ["given", "with the data", "of words", "of empty texts", "of ids"]
)
def test_two_workers_write_what_one_process_writes(
    bert: BertModel,
    bert_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    files: Any,
    labels: str,
) -> None:
    ray = {"engine": "ray", "workers": 2}
    data: Any = TEXTS
    options: dict[str, Any] = {"tokenizer": bert_tokenizer, "pooling": "token"}
    if labels == "given":
        options["labels"] = LABELS
    elif labels == "of words":
        data = [(text.split(), text.split()) for text in TEXTS]
    elif labels == "of empty texts":
        data = [(text if i % 9 else "", label)
                for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))]  # fmt: skip
    elif labels == "of ids":
        data = [(list(range(4, 5 + i % 9)), label) for i, label in enumerate(LABELS)]
    else:
        # Ready batches: their labels show when they are made.
        ids = [bert_tokenizer(TEXTS[i : i + 4], return_tensors="pt", padding=True)
               for i in range(0, 68, 4)]  # fmt: skip
        data = [dict(batch, labels=LABELS[4 * i : 4 * i + 4]) for i, batch in enumerate(ids)]
    expected = read(bert, data, LAYERS, out=tmp_path / "one", **options)
    found = read(bert, data, LAYERS, out=tmp_path / "two", **options, **ray)
    assert files(tmp_path / "two") == files(tmp_path / "one")
    for name in LAYERS:
        np.testing.assert_array_equal(np.asarray(found[name].values), expected[name].values)
    # Complete, it is opened by either.
    again = read(bert, data, LAYERS, out=tmp_path / "two", **options)
    np.testing.assert_array_equal(again[LAYERS[0]].labels, expected[LAYERS[0]].labels)


def test_collectors_merge_to_what_one_process_collects(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    options = {"tokenizer": bert_tokenizer, "pooling": "token", "labels": LABELS}
    collect = [nw.Top(5), nw.Moments(by_label=True), nw.Reservoir(20), nw.Rows()]
    one = read(bert, TEXTS, LAYERS[1], collect=collect, **options)
    two = read(bert, TEXTS, LAYERS[1], collect=collect, engine="ray", workers=2,
               out=tmp_path / "acts", **options)  # fmt: skip
    assert two.samples == one.samples == 70
    np.testing.assert_array_equal(two[0].values, one[0].values)
    np.testing.assert_array_equal(two[0].sample, one[0].sample)
    np.testing.assert_allclose(two[1].variance, one[1].variance, rtol=1e-9)
    np.testing.assert_allclose(two[1].labels.mean, one[1].labels.mean, rtol=1e-9)
    np.testing.assert_array_equal(two[2].values, one[2].values)
    np.testing.assert_array_equal(np.asarray(two[3].values), one[3].values)
    alone = read(bert, TEXTS, LAYERS[1], collect=nw.Top(5), engine="ray", workers=2, **options)
    np.testing.assert_array_equal(alone[0].values, one[0].values)


class Refusing(nn.Module):
    """Refuses sevens."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool((x == 7).any()):
            raise RuntimeError("no sevens")
        return self.fc(x)


def test_collectors_alone_keep_their_state(tmp_path: Path) -> None:
    data = RNG.normal(size=(80, 3)).astype("f4")
    bad = data.copy()
    bad[50, 1] = 7
    model = Refusing()
    options = {"collect": nw.Top(5), "out": tmp_path / "top", "engine": "ray", "workers": 1}
    with pytest.raises(nw.CaptureError, match="samples 48 to 51"):
        read(model, bad, "fc", **options)
    # One process goes on where the actors ended.
    del options["engine"], options["workers"]
    with pytest.raises(nw.CaptureError, match="samples 48 to 51") as error:
        read(model, bad, "fc", **options)
    (top,) = error.value.so_far
    assert top.seen == 48
    whole = read(model, data[:48], "fc", collect=nw.Top(5))
    np.testing.assert_array_equal(top.values, whole[0].values)


class Ticking:
    """A clock of which each look takes 20 seconds, on every machine."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 20
        return self.now


@pytest.mark.parametrize("collect", [None, [nw.Moments(), nw.Rows()]])
def test_windows_end_by_time_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_limits: Any, collect: Any
) -> None:
    options: dict[str, Any] = {"collect": collect, "labels": [i % 3 for i in range(80)]}
    taken: list[int] = []
    take = Engine.take

    def counted(self: Engine, entries: Any, *about: Any) -> None:
        take(self, entries, *about)
        taken.extend(entry["batches"] for entry in entries)

    monkeypatch.setattr(Engine, "take", counted)
    shard_limits(batches=8, clock=Ticking())
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4))
    one = read(model, DATA, "0", **options)
    two = read(model, DATA, "0", out=tmp_path / "two", engine="ray", workers=2, **options)
    # At 20 seconds a batch, the second is past the half minute.
    assert max(taken) == 2
    assert sum(taken) == 20
    shards = json.loads((tmp_path / "two" / "manifest.json").read_text())["shards"]
    first = [shard["first_batch"] for shard in shards]
    assert first == [0, *itertools.accumulate(taken)][:-1]
    if collect:
        np.testing.assert_allclose(two[0].mean, one[0].mean, rtol=1e-12)
        one, two = one[1], two[1]
    np.testing.assert_array_equal(np.asarray(two.values), one.values)
    np.testing.assert_array_equal(two.labels, one.labels)


def test_what_cannot_be_read_is_named_and_what_came_before_kept(tmp_path: Path) -> None:
    data = DATA.copy()
    data[50, 1] = 7
    with pytest.raises(nw.CaptureError, match="samples 48 to 51 could not be read") as error:
        read(Refusing(), data, "fc", out=tmp_path / "acts", engine="ray", workers=2)
    assert 50 in error.value.samples
    # Windows of three batches of four.
    assert len(error.value.so_far) == 48
    assert len(nw.Activations.load(tmp_path / "acts")) == 48


def test_wrong_engines_are_refused(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4))
    for words, options in {
        "engine must be 'local' or 'ray'; got 'spark'": {"engine": "spark"},
        "pass out=..., or collect= without Rows": {"engine": "ray"},
        "workers= works with engine='ray' only": {"workers": 2},
        "workers must be a positive integer, got 0": {"engine": "ray", "workers": 0},
    }.items():
        with pytest.raises(ValueError, match=words):
            read(model, DATA, "0", **options)
