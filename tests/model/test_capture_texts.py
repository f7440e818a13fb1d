"""Texts and token ids of every kind, from capture to labels."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import processors
from torch import nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, TensorDataset
from transformers import (
    BertModel,
    CLIPConfig,
    CLIPModel,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerBase,
)

import neuronwidgets as nw

LAYER = "encoder.layer.1"
TEXTS = ["the cat sat", "play", "the cat on the mat sat", "players", "mat"]
LABELS = ["a", "b", "a", "c", "b"]
TAGS = [[f"{word[0]}{i % 2}" for word in text.split()] for i, text in enumerate(TEXTS)]


def read(model: nn.Module, data: Any, layer: Any = LAYER, **options: Any) -> Any:
    return nw.capture(model, data, layer, progress=False, **{"batch_size": 2} | options)


def labels_of(acts: Any) -> list[str | None]:
    return [acts.label_names[code] if code >= 0 else None for code in acts.labels]


@pytest.mark.parametrize("kind", ["pairs", "words", "ids", "mappings", "a loader", "given"])
def test_every_kind_is_read_as_the_texts_are(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, kind: str
) -> None:
    expected = read(bert, TEXTS, tokenizer=bert_tokenizer)
    pairs = list(zip(TEXTS, LABELS, strict=True))
    ids = [bert_tokenizer(text)["input_ids"] for text in TEXTS]
    data: Any = {
        "pairs": pairs,
        "words": [(text.split(), label) for text, label in pairs],
        "ids": list(zip(ids, LABELS, strict=True)),
        "mappings": [{"input_ids": torch.tensor(i), "label": y} for i, y in zip(ids, LABELS,
                                                                               strict=True)],
        "a loader": DataLoader(pairs, 3),
        "given": DataLoader(TEXTS, 3),
    }[kind]  # fmt: skip
    acts = read(bert, data, tokenizer=bert_tokenizer, labels=LABELS if kind == "given" else None)
    np.testing.assert_allclose(acts.values, expected.values, atol=1e-6)
    assert labels_of(acts) == LABELS
    # Without a tokenizer, too, where there are ids.
    if kind in ("ids", "mappings"):
        last = read(bert, data, pooling="last").values
        np.testing.assert_allclose(
            last, read(bert, TEXTS, pooling="last", tokenizer=bert_tokenizer).values, atol=1e-6
        )


def test_tokens_have_the_labels_of_their_words(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    words = [text.split() for text in TEXTS]
    options: dict[str, Any] = {"pooling": "token", "tokenizer": bert_tokenizer}
    for acts in (
        read(bert, list(zip(words, TAGS, strict=True)), **options),
        read(bert, words, labels=TAGS, **options),
        read(bert, words, labels=TAGS, **options, collect=[nw.Rows(), nw.Top(2)])[0],
    ):
        samples = acts.samples
        for row, label in enumerate(labels_of(acts)):
            item, token = samples.item_of(row), samples.token_of(row)
            before = samples.texts[item][: samples.spans[item][token][1]]
            assert label == TAGS[item][len(before.split()) - 1]
        assert list(acts.label_names) == sorted({tag for row in TAGS for tag in row})
    found = read(bert, words, labels=TAGS, **options, collect=nw.Moments(by_label=True))
    assert dict(zip(found.label_names, found[0].labels.count[:, 0], strict=True)) == {
        name: labels_of(acts).count(name) for name in acts.label_names
    }
    # Numbers with names; a token without a label.
    numbers = [[i % 3 - 1 for i in range(len(row))] for row in words]
    acts = read(bert, words, labels=numbers, label_names=["x", "y"], **options)
    assert labels_of(acts)[:3] == [None, "x", "y"]
    assert acts.label_names == ("x", "y")
    with pytest.raises(ValueError, match=r"lists of different lengths.*pooling='token'"):
        read(bert, words, labels=TAGS, tokenizer=bert_tokenizer)
    with pytest.raises(ValueError, match="a label for each word: pooling='token' gives"):
        read(bert, list(zip(words, TAGS, strict=True)), tokenizer=bert_tokenizer)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
@pytest.mark.parametrize("form", ["list", "pairs", "mappings", "column"])
def test_missing_texts_are_left_out_as_empty_ones_are(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, form: str, missing: Any
) -> None:
    texts, labels = [missing, *TEXTS[:2], missing, *TEXTS[2:]], ["x", *LABELS[:2], "y", *LABELS[2:]]
    pairs = list(zip(texts, labels, strict=True))
    data: Any = {
        "list": texts,
        "pairs": pairs,
        "mappings": [{"text": text, "label": label} for text, label in pairs],
        "column": pd.Series(texts, index=range(50, 50 + len(texts)), dtype=object),
    }[form]
    given = labels if form in ("list", "column") else None
    with pytest.warns(UserWarning, match=r"2 of \d texts are empty .* \(sample 0, 3\)"):
        acts = read(bert, data, tokenizer=bert_tokenizer, labels=given)
    expected = read(bert, TEXTS, tokenizer=bert_tokenizer)
    np.testing.assert_allclose(acts.values, expected.values, atol=1e-6)
    assert labels_of(acts) == LABELS


@pytest.mark.filterwarnings("ignore:2 of 7 texts are empty")
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_labels_stay_in_step_when_empty_texts_are_left_out(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, given: bool, stream: bool
) -> None:
    texts, labels = [*TEXTS[:2], "", *TEXTS[2:], ""], [*LABELS[:2], "x", *LABELS[2:], "y"]
    expected = read(bert, TEXTS, tokenizer=bert_tokenizer)
    data: Any = texts if given else list(zip(texts, labels, strict=True))
    options = {"tokenizer": bert_tokenizer, "labels": labels if given else None}
    acts = read(bert, iter(data) if stream else data, **options)
    np.testing.assert_allclose(acts.values, expected.values, atol=1e-6)
    assert labels_of(acts) == LABELS
    assert acts.samples.dataset_indices(range(5))[:, 0].tolist() == [0, 1, 3, 4, 5]
    if given:
        for wrong in (labels[:-1], [*labels, "z"]):
            with pytest.raises(ValueError, match=f"labels must .* got {len(wrong)} for 7"):
                read(bert, iter(data) if stream else data, **options | {"labels": wrong})


@pytest.mark.parametrize("which", ["bert", "bos"])
def test_the_same_tokens_are_the_same_as_texts_and_as_ids(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, which: str
) -> None:
    tokenizer = copy.deepcopy(bert_tokenizer)
    if which == "bos":
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A", special_tokens=[("[CLS]", 2)]
        )
    texts = ["[CLS] the cat [SEP] [CLS] sat on [SEP]", "[CLS] the mat [SEP] play"]
    for pooling in ("mean", "max", "last", "cls"):
        as_text = read(bert, texts, tokenizer=tokenizer, pooling=pooling).values
        rows = []
        for text in texts:
            ids = np.array([tokenizer(text)["input_ids"]])
            with pytest.warns(UserWarning, match="special tokens twice"):
                rows.append(read(bert, ids, tokenizer=tokenizer, pooling=pooling).values)
        np.testing.assert_allclose(as_text, np.concatenate(rows), atol=1e-5)
        # As the tokens that are written there, and no others.
        written = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        if which == "bert":
            written[1].append(3)
        alone = [read(bert, [ids], tokenizer=tokenizer, pooling=pooling).values for ids in written]
        np.testing.assert_allclose(as_text, np.concatenate(alone), atol=1e-5)


def test_shuffled_data_and_labels_given_apart_are_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    rows, labels = torch.rand(8, 4), list(range(8))
    loader = DataLoader(TensorDataset(rows), 2, shuffle=True)
    with pytest.raises(ValueError, match=r"labels= are in the order .* has a RandomSampler"):
        read(model, loader, "1", labels=labels)
    assert read(model, loader, "1").labels is None
    assert labels_of(read(model, DataLoader(TensorDataset(rows), 2), "1", labels=labels)) == [
        str(label) for label in labels
    ]
    # Labels that come along are each row's own.
    data = TensorDataset(torch.eye(4).repeat(2, 1), torch.arange(4).repeat(2))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(4))
        model[0].bias.zero_()
    acts = read(model, DataLoader(data, 2, shuffle=True), "1")
    assert acts.values.argmax(1).tolist() == acts.labels.tolist()


def test_lone_surrogates_reach_no_library(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    texts, labels = ["the cat", "mat \ud83d", "sat"], ["a", "b\udc00", "a"]
    acts = read(bert, texts, tokenizer=bert_tokenizer, labels=labels, out=tmp_path / "acts")
    assert list(acts.samples.texts) == ["the cat", "mat \ufffd", "sat"]
    assert acts.label_names == ("a", "b\ufffd")
    ready = [{"input_ids": torch.tensor([[2, 4, 3]]), "label": labels[i : i + 1]} for i in range(3)]
    found = read(bert, ready, tokenizer=bert_tokenizer, out=tmp_path / "ready")
    assert found.label_names == acts.label_names
    again = nw.Activations.from_arrays(np.eye(3), texts, labels)
    assert again.label_names == acts.label_names
    assert list(nw.Activations.load(again.save(tmp_path / "saved")).samples.texts) == list(
        acts.samples.texts
    )


def test_texts_alone_for_a_model_of_texts_and_images(
    bert_tokenizer: PreTrainedTokenizerBase,
) -> None:
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 24, "projection_dim": 8}  # fmt: skip
    config = CLIPConfig(
        text_config={**small, "vocab_size": 20, "max_position_embeddings": 9, "eos_token_id": 3},
        vision_config={**small, "image_size": 16, "patch_size": 8},
    )
    model = CLIPModel(config).eval()
    with pytest.raises(ValueError, match=r"CLIPModel could not run on input_ids without pixel_val"
                       r".*read the part of it that takes them, model\.text_model"):  # fmt: skip
        read(model, TEXTS, "text_model.encoder.layers.0", tokenizer=bert_tokenizer)
    acts = read(model.text_model, [*TEXTS, "cat " * 20], "encoder.layers.0", pooling="token",
                tokenizer=bert_tokenizer)  # fmt: skip
    assert acts.samples.token.max() == 7


@pytest.mark.parametrize("way", ["alone", "in a list", "in a loader"])
def test_packed_sequences_are_refused(way: str) -> None:
    packed = pack_sequence([torch.rand(3, 4), torch.rand(2, 4)])
    loader = DataLoader([packed], 1, collate_fn=lambda rows: (rows[0], torch.arange(2)))
    data = {"alone": packed, "in a list": [packed], "in a loader": loader}[way]
    with pytest.raises(TypeError, match=r"data holds a PackedSequence.*pad_packed_sequence"):
        read(nn.Sequential(nn.LSTM(4, 5)), data, "0")


def test_models_that_take_no_mask_are_not_given_one() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(10, 3)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.table(tokens)

    model, rows = Net(), [[5, 6, 7], [8]]
    acts = read(model, rows, "table")
    expected = [model.table.weight[row].mean(0).tolist() for row in rows]
    np.testing.assert_allclose(acts.values, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["input_ids", "x"])
def test_models_of_ones_own_that_take_token_ids_alone(
    name: str, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.mix = nn.Embedding(60, 8), nn.Linear(8, 8)

        def run(self, ids: torch.Tensor) -> torch.Tensor:
            return self.mix(self.words(ids))

    class ByKeyword(Words):
        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            return self.run(input_ids)

    class ByPosition(Words):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.run(x)

    torch.manual_seed(0)
    model = (ByKeyword if name == "input_ids" else ByPosition)()
    texts = ["the cat sat", "play", "the cats played on the mat"]
    acts = nw.capture(model, texts, "mix", tokenizer=bert_tokenizer, progress=False)
    for text, row in zip(texts, acts.values, strict=True):
        with torch.no_grad():
            expected = model(bert_tokenizer(text, return_tensors="pt")["input_ids"])[0, 1:-1]
        np.testing.assert_allclose(row, expected.mean(0), atol=1e-6)
    encoded = bert_tokenizer(texts, add_special_tokens=False, return_token_type_ids=True)
    padded = bert_tokenizer.pad(encoded, return_tensors="pt")
    rows = [{name: encoded[name][i] for name in encoded} for i in range(3)]
    for data in (encoded["input_ids"], rows, [dict(padded)]):
        again = nw.capture(model, data, "mix", progress=False)
        np.testing.assert_allclose(again.values, acts.values, atol=1e-6)


def test_no_keys_and_values_are_kept() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=60, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2,
    )  # fmt: skip
    model = LlamaModel(config).eval()
    given: list[Any] = []
    model.register_forward_pre_hook(
        lambda _model, _args, inputs: given.append(inputs.get("use_cache")), with_kwargs=True
    )
    rows = torch.randint(3, 60, (3, 5))
    acts = read(model, rows, "layers.1.mlp.act_fn")
    cached = read(model, [{"input_ids": rows, "use_cache": True}], "layers.1.mlp.act_fn")
    assert given == [False, False, True]
    np.testing.assert_allclose(acts.values, cached.values, atol=1e-6)
    model.config.use_cache = False
    read(model, rows, "layers.1.mlp.act_fn")
    assert given[3:] == [None, None]
