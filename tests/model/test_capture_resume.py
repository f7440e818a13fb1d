"""A capture into a folder that stops goes on: the result is as if it had never stopped."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets as hf
import numpy as np
import pytest
from torch import nn
from transformers import BertModel, PreTrainedTokenizerBase

import neuronwidgets as nw

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


class Stop(Exception):
    pass


class Faulty(nn.Module):
    """Breaks at one of its calls."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.calls, self.at = model, 0, 10**9
        self.error: BaseException = Stop("broken")

    def forward(self, **inputs: Any) -> Any:
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return self.model(**inputs)


@pytest.mark.parametrize("error", [Stop("broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("pooling", ["mean", "token"])
def test_a_cut_off_capture_keeps_what_it_has_and_goes_on(
    bert: BertModel,
    bert_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    error: BaseException,
    pooling: str,
    files: Any,
    same: Any,
) -> None:
    model = Faulty(bert)
    layers = [f"model.{name}" for name in LAYERS]
    options = {"tokenizer": bert_tokenizer, "labels": LABELS, "pooling": pooling, "layer": layers}
    whole = read(model, TEXTS, out=tmp_path / "whole", **options)
    calls, stopped = model.calls, 0
    folder = tmp_path / "cut"
    # The first two calls find out whether padding matters.
    for at in (4, 6, 7, 6, 5):
        model.calls, model.at, model.error = 0, at, error
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "stopped after")
                part = read(model, TEXTS, out=folder, **options)
        except nw.CaptureError as failure:
            part = failure.so_far
        stopped = len(part[layers[0]].samples.texts)
        # What was read before the break is there, in this process and in the next.
        again = nw.Activations.load(folder, layers[0])
        assert list(again.samples.texts) == list(part[layers[0]].samples.texts)
        np.testing.assert_array_equal(np.asarray(again.values), np.asarray(part[layers[0]].values))
    assert 0 < stopped < len(TEXTS)
    model.calls, model.at = 0, 10**9
    resumed = read(model, TEXTS, out=folder, **options)
    assert 0 < model.calls < calls
    assert files(folder) == files(tmp_path / "whole")
    for name in layers:
        same(resumed[name], whole[name])
    # Complete: it is opened, and the model does not run.
    model.calls = 0
    same(read(model, TEXTS, out=folder, **options)[layers[1]], whole[layers[1]], direction=False)
    assert model.calls == 0


EMPTY = [text if i % 9 else "" for i, text in enumerate(TEXTS)]
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "words and their labels": ([(t.split(), [w[0] for w in t.split()]) for t in TEXTS], {}),
    "labels of words, some without": (
        [(t.split(), [w[0] for w in t.split()] if i > 30 else None) for i, t in enumerate(TEXTS)],
        {},
    ),
    "windows of words": (
        [t.split() for t in TEXTS],
        {"labels": [t.split() for t in TEXTS], "long": "windows", "max_length": 6, "overlap": 1},
    ),
    "ids and their labels": (
        [(list(range(4, 5 + i % 9)), list(range(1 + i % 9))) for i in range(70)],
        {},
    ),
    "empty texts": (EMPTY, {"labels": LABELS}),
    "windows of empty texts": (EMPTY, {"labels": LABELS, "long": "windows", "max_length": 6}),
}


@pytest.mark.filterwarnings("ignore:8 of 70 texts are empty")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_texts_is_the_same_in_a_folder_in_parts_and_in_the_background(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, kind: str, same: Any
) -> None:
    data, more = KINDS[kind]
    options = {"pooling": "token", "tokenizer": bert_tokenizer, **more}
    expected = read(bert, data, **options)
    assert expected.labels is not None
    same(read(bert, data, out=tmp_path / "whole", **options), expected)
    same(read(bert, data, background=True, **options).result(), expected)
    # Broken off and gone on with.
    model = Faulty(bert)
    model.at, model.error = 8, Stop("broken")
    layer = f"model.{LAYERS[1]}"
    with pytest.raises(nw.CaptureError, match="broken"):
        read(model, data, layer, out=tmp_path / "parts", **options)
    model.calls, model.at = 0, 10**9
    found = read(model, data, layer, out=tmp_path / "parts", **options)
    same(replace(found, layer=LAYERS[1]), expected)
    # Written anew, it is the same but for the tokens that are read again.
    again = nw.Activations.load(expected.save(tmp_path / "saved"))
    np.testing.assert_array_equal(again.labels, expected.labels)
    assert again.label_names == expected.label_names


def test_what_was_stopped_stays_until_it_is_read_again(tmp_path: Path, files: Any) -> None:
    model = Faulty(nn.Linear(3, 4))
    model.forward = lambda x: Faulty.forward(model, input=x)  # type: ignore[method-assign]
    data = RNG.normal(size=(60, 3)).astype("f4")
    model.at = 6
    with pytest.raises(nw.CaptureError):
        read(model, data, "model", out=tmp_path / "acts")
    before = files(tmp_path)
    assert len(nw.Activations.load(tmp_path / "acts")) == 20
    other = data.copy()
    other[5] += 1
    with pytest.raises(nw.StoreError, match="was read from other data"):
        read(model, other, "model", out=tmp_path / "acts")
    assert files(tmp_path) == before
    model.at = 10**9
    assert len(read(model, data, "model", out=tmp_path / "acts")) == 60


def test_streams_are_skipped_to_where_the_folder_ends(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, same: Any
) -> None:
    data = hf.Dataset.from_dict({"text": TEXTS, "label": LABELS}).to_iterable_dataset()
    model = Faulty(bert)
    model.at = 9
    layer = f"model.{LAYERS[1]}"
    options = {"tokenizer": bert_tokenizer, "layer": layer}
    with pytest.raises(nw.CaptureError):
        read(model, data, out=tmp_path, **options)
    same(read(model, data, out=tmp_path, **options), read(model, data, **options))


def test_collectors_alone_keep_their_state(tmp_path: Path) -> None:
    model = Faulty(nn.Linear(3, 4))
    model.forward = lambda x: Faulty.forward(model, input=x)  # type: ignore[method-assign]
    data = RNG.normal(size=(60, 3)).astype("f4")
    expected = read(model, data, "model", collect=[nw.Top(3), nw.Moments()])
    model.calls, model.at = 0, 11
    options = {"collect": [nw.Top(3), nw.Moments()], "out": tmp_path}
    with pytest.raises(nw.CaptureError) as failure:
        read(model, data, "model", **options)
    assert failure.value.so_far.samples == 40
    model.at = 10**9
    top, moments = read(model, data, "model", **options)
    np.testing.assert_array_equal(top.values, expected[0].values)
    np.testing.assert_array_equal(moments.variance, expected[1].variance)
    assert model.calls == 11 + 6
    kinds = {path.suffix for path in tmp_path.iterdir() if path.name != ".lock"}
    assert kinds == {".json", ".pickle"}
