"""Collectors fed by capture: the same as from all rows, without keeping them."""

from __future__ import annotations

from typing import Any

import datasets as hf
import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertModel, PreTrainedTokenizerBase

import neuronwidgets as nw

WORDS = ["the", "cat", "sat", "on", "mat", "play"]
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(WORDS, n)) for n in RNG.integers(1, 20, 70)]
LABELS = [str(RNG.choice(["a", "b", "c"])) for _ in TEXTS]
LAYERS = ["encoder.layer.0.intermediate", "encoder.layer.1", "pooler"]


def read(model: nn.Module, data: Any, layer: Any, **options: Any) -> Any:
    return nw.capture(model, data, layer, progress=False, **{"batch_size": 4} | options)


@pytest.mark.parametrize("pooling", ["token", "mean"])
def test_collectors_find_what_all_rows_say(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, pooling: str
) -> None:
    layer = LAYERS[1]
    acts = read(bert, TEXTS, layer, pooling=pooling, labels=LABELS, tokenizer=bert_tokenizer)
    collect = [nw.Top(5), nw.Moments(by_label=True), nw.Rows(), nw.Histogram(64)]
    found = read(bert, TEXTS, layer, pooling=pooling, labels=LABELS, tokenizer=bert_tokenizer,
                 collect=collect, batch_size=7)  # fmt: skip
    top, moments, rows, histogram = found
    assert found.samples == len(TEXTS)
    assert found.label_names == acts.label_names == ("a", "b", "c")
    # Padding and special tokens are in none: as many rows as the activations have.
    assert top.seen == len(rows) == len(acts)
    np.testing.assert_allclose(rows.values, acts.values, atol=1e-5)
    np.testing.assert_array_equal(rows.labels, acts.labels)
    if pooling == "token":
        np.testing.assert_array_equal(rows.samples.item, acts.samples.item)
        np.testing.assert_array_equal(rows.samples.token, acts.samples.token)
    for j in (0, 7):
        best = acts.top(j, 5)
        np.testing.assert_allclose(top.values[j], acts.values[best, j], atol=1e-5)
    np.testing.assert_allclose(moments.mean, acts.values.mean(axis=0), atol=1e-5)
    one = acts.values[acts.labels == 1]
    np.testing.assert_allclose(moments.labels.variance[1], one.var(axis=0), atol=1e-5)
    spread = acts.values.max(axis=0) - acts.values.min(axis=0)
    middle = np.quantile(acts.values, 0.5, axis=0, method="inverted_cdf")
    assert (np.abs(histogram.quantile(0.5) - middle) <= 2 * spread / 63 + 1e-5).all()


def test_several_layers_in_one_pass_are_as_each_alone(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    together = read(bert, TEXTS, LAYERS[:2], tokenizer=bert_tokenizer, labels=LABELS)
    assert list(together) == LAYERS[:2]
    for name, acts in together.items():
        alone = read(bert, TEXTS, name, tokenizer=bert_tokenizer, labels=LABELS)
        np.testing.assert_allclose(acts.values, alone.values, atol=1e-6)
        assert acts.layer == name
        assert acts.samples.texts == TEXTS
        np.testing.assert_array_equal(acts.labels, alone.labels)
        direction = np.ones(acts.shape[1])
        for mine, other in zip(acts.tokens([3, 50], direction),
                               alone.tokens([3, 50], direction), strict=True):  # fmt: skip
            np.testing.assert_allclose(mine, other, atol=1e-4)
    tops = read(bert, TEXTS, LAYERS[:2], tokenizer=bert_tokenizer, collect=nw.Top(3))
    for name, found in tops.items():
        (top,) = found
        assert top.values.shape == (together[name].shape[1], 3)
        np.testing.assert_allclose(top.values[:, 0], together[name].values.max(axis=0), atol=1e-6)


def test_layers_that_are_changed_in_place_keep_what_they_gave() -> None:
    model = nn.Sequential(nn.Linear(5, 5), nn.ReLU(inplace=True), nn.Linear(5, 2))
    data = RNG.normal(size=(9, 5)).astype("f4")
    found = read(model, data, ["0", "1"], pooling="mean")
    with torch.no_grad():
        first = model[0](torch.as_tensor(data)).numpy()
    np.testing.assert_allclose(found["0"].values, first, atol=1e-6)
    np.testing.assert_allclose(found["1"].values, first.clip(0), atol=1e-6)


def test_labels_of_the_data_have_codes_while_it_is_read(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    named = hf.Features({"text": hf.Value("string"), "label": hf.ClassLabel(names=["no", "yes"])})
    codes = [i % 2 for i in range(len(TEXTS))]
    data = hf.Dataset.from_dict({"text": TEXTS, "label": codes}, features=named)
    found = read(bert, data, "pooler", tokenizer=bert_tokenizer, collect=nw.Reservoir(99))
    assert found.label_names == ("no", "yes")
    assert found[0].label.tolist() == codes
    plain = hf.Dataset.from_dict({"text": TEXTS, "label": LABELS})
    found = read(bert, plain, "pooler", tokenizer=bert_tokenizer, collect=nw.Reservoir(99))
    assert [found.label_names[code] for code in found[0].label] == LABELS
    found = read(bert, TEXTS, "pooler", tokenizer=bert_tokenizer, collect=nw.Reservoir(99))
    assert (found[0].label == -1).all()


def test_collectors_of_ones_own_and_used_twice() -> None:
    class Active(nw.Collector):
        above, seen = 0, 0

        def add(self, chunk: Any) -> None:
            self.above = self.above + (chunk.rows > 0).sum(0)
            self.seen += len(chunk)

        def merge(self, other: Any) -> None:
            self.above, self.seen = self.above + other.above, self.seen + other.seen

        def result(self) -> Any:
            return (self.above / self.seen).numpy()

    model, data = nn.Sequential(nn.Linear(5, 3)), RNG.normal(size=(50, 5)).astype("f4")
    mine = Active()
    with torch.no_grad():
        share = (model[0](torch.as_tensor(data)) > 0).float().mean(0)
    for _ in range(2):
        (found,) = read(model, data, "0", pooling="mean", collect=mine)
        np.testing.assert_allclose(found, share)
    assert mine.seen == 0


def test_wrong_collectors_layers_and_labels_are_refused() -> None:
    model, data = nn.Sequential(nn.Linear(5, 3), nn.ReLU()), np.zeros((6, 5), "f4")
    with pytest.raises(TypeError, match=r"must be a collector, .*: pass an instance, Top\(\)"):
        read(model, data, "0", collect=[nw.Top])
    with pytest.raises(TypeError, match=r"collect\[1\] must be a collector, got 'top'"):
        read(model, data, "0", collect=[nw.Top(2), "top"])
    with pytest.raises(ValueError, match="collect must hold at least one collector"):
        read(model, data, "0", collect=[])
    for layers in ([], ["0", "0"]):
        with pytest.raises(ValueError, match="several different ones"):
            read(model, data, layers)
    with pytest.raises(ValueError, match="layer '7' does not exist in"):
        read(model, data, ["0", "7"])
    with pytest.raises(ValueError, match="labels must have one entry per sample, got 5"):
        read(model, data, "0", labels=[0] * 5, collect=nw.Top(2))
    for count in (5, 7):
        with pytest.raises(ValueError, match=f"labels must have one entry per sample, got {count}"):
            read(model, iter(data), "0", labels=[0] * count, collect=nw.Top(2))
    with pytest.raises(ValueError, match="data is empty"):
        read(model, data[:0], "0", collect=nw.Top(2))


class Small(nn.Module):
    """Runs out of memory with more than `most` samples; breaks on a negative first number."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.first, self.last, self.most = nn.Linear(5, 4), nn.Linear(4, 2), most
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        if len(x) > self.most:
            raise torch.OutOfMemoryError("the device is full. Try less.")
        self.sizes.append(len(x))
        if (x[:, 0] < 0).any():
            raise RuntimeError("no negative numbers")
        return self.last(y)


DATA = np.abs(RNG.normal(size=(23, 5))).astype("f4")


@pytest.mark.parametrize("layer", ["first", ["first", "last"]])
def test_a_batch_that_does_not_fit_is_halved(layer: Any) -> None:
    model = Small(5)
    name = "last" if isinstance(layer, list) else "first"
    with torch.no_grad():
        y = model.first(torch.as_tensor(DATA))
        expected = (model.last(y) if name == "last" else y).numpy()
    labels = list(range(23))
    if name == "first":
        # Nothing runs after the layer, so it fits.
        acts = read(model, DATA, layer, pooling="mean", batch_size=10, labels=labels)
    else:
        with pytest.warns(UserWarning, match="out of memory with 10 samples at once.*with 5"):
            acts = read(model, DATA, layer, pooling="mean", batch_size=10, labels=labels)["last"]
        assert max(model.sizes) <= 5
    np.testing.assert_allclose(acts.values, expected, atol=1e-6)
    assert acts.labels.tolist() == labels


def test_collectors_see_every_row_once_although_batches_are_halved(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"pooling": "token", "tokenizer": bert_tokenizer, "labels": LABELS}
    rows = read(bert, TEXTS, LAYERS[1], collect=nw.Rows(), **options)[0]
    forward = BertModel.forward

    def full(self: Any, input_ids: Any, **fields: Any) -> Any:
        if len(input_ids) > 5:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return forward(self, input_ids, **fields)

    monkeypatch.setattr(BertModel, "forward", full)
    with pytest.warns(UserWarning, match="out of memory"):
        halved = read(bert, TEXTS, LAYERS[1], collect=nw.Rows(), batch_size=16, **options)[0]
    for name in ("item", "token"):
        same = getattr(halved.samples, name), getattr(rows.samples, name)
        np.testing.assert_array_equal(*same)
    np.testing.assert_array_equal(halved.labels, rows.labels)
    np.testing.assert_allclose(halved.values, rows.values, atol=1e-5)
    with pytest.warns(UserWarning, match="out of memory"):
        acts = read(bert, TEXTS, LAYERS[1], batch_size=16, **options)
    np.testing.assert_allclose(acts.values, rows.values, atol=1e-5)
    assert acts.samples.texts == TEXTS


def test_one_sample_that_does_not_fit_is_said_so() -> None:
    with (
        pytest.raises(RuntimeError, match=r"a single sample does not fit .* the device is full"),
        pytest.warns(UserWarning, match="out of memory"),
    ):
        read(Small(0), DATA, ["first", "last"], pooling="mean")


@pytest.mark.parametrize("collect", [None, nw.Rows()])
def test_what_came_before_a_bad_batch_is_kept(collect: Any) -> None:
    bad = DATA.copy()
    bad[9, 0] = -1
    with pytest.raises(
        nw.CaptureError, match=r"samples 8 to 11 could not be read.*no negative"
    ) as e:
        read(Small(99), bad, ["last"], pooling="mean", collect=collect)
    assert e.value.samples.tolist() == [8, 9, 10, 11]
    before = e.value.so_far["last"]
    values = before.values if collect is None else before[0].values
    whole = read(Small(99), DATA[:8], "last", pooling="mean")
    assert values.shape == whole.values.shape
    # In the first batch there is nothing to keep, and the error is as it came.
    bad[0, 0] = -1
    with pytest.raises(RuntimeError, match=r"^Small could not run"):
        read(Small(99), bad, "last", pooling="mean")


def test_data_that_breaks_off() -> None:
    def rows() -> Any:
        yield from torch.as_tensor(DATA[:6])
        raise OSError("the disk is gone")

    with pytest.raises(nw.CaptureError, match="broke off after 4 samples: the disk") as e:
        read(Small(99), rows(), "first", pooling="mean")
    assert isinstance(e.value.__cause__, OSError)
    assert len(e.value.samples) == 0
    assert len(e.value.so_far) == 4


def test_the_stop_button_keeps_what_was_read(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"tokenizer": bert_tokenizer, "labels": LABELS}
    whole = read(bert, TEXTS, LAYERS[1], **options)
    tokens = read(bert, TEXTS, LAYERS[1], pooling="token", **options)
    forward, calls = BertModel.forward, []

    def stopped(self: Any, *arguments: Any, **fields: Any) -> Any:
        calls.append(1)
        # In the fourth batch: the first that is padded takes two passes more.
        if len(calls) == 6:
            raise KeyboardInterrupt
        return forward(self, *arguments, **fields)

    monkeypatch.setattr(BertModel, "forward", stopped)
    with pytest.warns(UserWarning, match="stopped after 12 of 70 samples"):
        acts = read(bert, TEXTS, LAYERS[1], **options)
    # The longest come first: these are twelve of all over the data, in its order.
    places = [TEXTS.index(text) for text in acts.samples.texts]
    assert len(acts) == 12
    for row, text in enumerate(acts.samples.texts):
        same = [i for i, other in enumerate(TEXTS) if other == text]
        assert any(np.allclose(acts.values[row], whole.values[i], atol=1e-5) for i in same)
    assert [acts.label_names[code] for code in acts.labels] == [LABELS[i] for i in places]
    calls.clear()
    with pytest.warns(UserWarning, match="stopped after 12 samples"):
        stream = read(bert, iter(TEXTS), LAYERS[1], **options)
    np.testing.assert_array_equal(stream.labels, acts.labels)
    calls.clear()
    with pytest.warns(UserWarning, match="stopped after 12"):
        part = read(bert, TEXTS, LAYERS[1], pooling="token", **options)
    for item, text in enumerate(part.samples.texts):
        mine = part.values[part.samples.item == item]
        other = tokens.values[tokens.samples.item == TEXTS.index(text)]
        np.testing.assert_allclose(mine, other, atol=1e-5)
