"""Collectors fed by capture: the same as from all rows, without keeping them."""

from __future__ import annotations

from typing import Any

import datasets as hf
import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerBase

import neuronwidgets as nw

WORDS = ["the", "cat", "sat", "on", "mat", "play"]
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(WORDS, n)) for n in RNG.integers(1, 20, 70)]
LABELS = [str(RNG.choice(["a", "b", "c"])) for _ in TEXTS]
LAYERS = ["encoder.layer.0.intermediate", "encoder.layer.1", "pooler"]


@pytest.fixture(scope="module")
def bert(bert_tokenizer: PreTrainedTokenizerBase) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(bert_tokenizer), hidden_size=16, num_hidden_layers=3,
        num_attention_heads=2, intermediate_size=24, max_position_embeddings=32,
    )  # fmt: skip
    return BertModel(config)


def read(model: nn.Module, data: Any, layer: Any, **options: Any) -> Any:
    return nw.capture(model, data, layer, progress=False, **{"batch_size": 4} | options)


@pytest.mark.parametrize("unit", ["token", "mean"])
def test_collectors_find_what_all_rows_say(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, unit: str
) -> None:
    layer = LAYERS[1]
    acts = read(bert, TEXTS, layer, unit=unit, labels=LABELS, tokenizer=bert_tokenizer)
    collect = [nw.Top(5), nw.Moments(by_label=True), nw.Rows(), nw.Histogram(64)]
    found = read(bert, TEXTS, layer, unit=unit, labels=LABELS, tokenizer=bert_tokenizer,
                 collect=collect, batch_size=7)  # fmt: skip
    top, moments, rows, histogram = found
    assert found.samples == len(TEXTS)
    assert found.label_names == acts.label_names == ("a", "b", "c")
    # Padding and special tokens are in none: as many rows as the activations have.
    assert top.seen == rows.seen == len(acts)
    np.testing.assert_allclose(rows.values, acts.values, atol=1e-5)
    np.testing.assert_array_equal(rows.label, acts.labels)
    if unit == "token":
        np.testing.assert_array_equal(rows.sample, acts.samples.item)
        np.testing.assert_array_equal(rows.position, acts.samples.token)
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
    found = read(model, data, ["0", "1"], unit="mean")
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
    found = read(bert, data, "pooler", tokenizer=bert_tokenizer, unit="mean", collect=nw.Rows())
    assert found.label_names == ("no", "yes")
    assert found[0].label.tolist() == codes
    plain = hf.Dataset.from_dict({"text": TEXTS, "label": LABELS})
    found = read(bert, plain, "pooler", tokenizer=bert_tokenizer, unit="mean", collect=nw.Rows())
    assert [found.label_names[code] for code in found[0].label] == LABELS
    found = read(bert, TEXTS, "pooler", tokenizer=bert_tokenizer, unit="mean", collect=nw.Rows())
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
        (found,) = read(model, data, "0", unit="mean", collect=mine)
        np.testing.assert_allclose(found, share)
    assert mine.seen == 0


def test_wrong_collectors_layers_and_labels_are_refused() -> None:
    model, data = nn.Sequential(nn.Linear(5, 3), nn.ReLU()), np.zeros((6, 5), "f4")
    with pytest.raises(TypeError, match=r"no collector: Top\(\) makes one"):
        read(model, data, "0", collect=[nw.Top])
    with pytest.raises(TypeError, match=r"collect\[1\] is 'top'"):
        read(model, data, "0", collect=[nw.Top(2), "top"])
    with pytest.raises(ValueError, match="collect is empty"):
        read(model, data, "0", collect=[])
    for layers in ([], ["0", "0"]):
        with pytest.raises(ValueError, match="several different ones"):
            read(model, data, layers)
    with pytest.raises(ValueError, match="layer '7' is not in"):
        read(model, data, ["0", "7"])
    with pytest.raises(ValueError, match="labels has 5 entries"):
        read(model, data, "0", labels=[0] * 5, collect=nw.Top(2))
    for count in (5, 7):
        with pytest.raises(ValueError, match=f"labels has {count} entries"):
            read(model, iter(data), "0", labels=[0] * count, collect=nw.Top(2))
    with pytest.raises(ValueError, match="data is empty"):
        read(model, data[:0], "0", collect=nw.Top(2))
