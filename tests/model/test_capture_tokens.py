"""`capture` of texts and token ids against a plain forward hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import datasets as hf
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerBase,
)

from neuronwidgets import Activations, capture

RNG = np.random.default_rng(0)
TEXTS = [
    "the cat sat on the mat",
    "play",
    "playing players play",
    "naïve 🧠 日本",
    "the mat, the mat, the mat, the mat sat",
]
Tokenizer = PreTrainedTokenizerBase


def seeded(make: Callable[[], nn.Module]) -> Any:
    torch.manual_seed(0)
    return make()


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def gpt2() -> GPT2LMHeadModel:
    config = GPT2Config(
        vocab_size=400,
        n_positions=32,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return seeded(lambda: GPT2LMHeadModel(config))


@pytest.fixture(scope="module")
def bert() -> BertModel:
    config = BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
    )
    return seeded(lambda: BertModel(config))


@pytest.fixture(scope="module")
def llama() -> LlamaModel:
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    return seeded(lambda: LlamaModel(config))


def read(model: nn.Module, data: Any, layer: str, **options: Any) -> Activations:
    return capture(model, data, layer, **({"progress": False, "batch_size": 2} | options))


def one_by_one(
    hooked: Any, model: nn.Module, layer: str, tokenizer: Tokenizer
) -> list[torch.Tensor]:
    """Each text alone, without any padding."""
    return [hooked(model, layer, **tokenizer(text, return_tensors="pt"))[0] for text in TEXTS]


@pytest.mark.parametrize("pooling", ["mean", "max", "last", "cls", "token"])
@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_texts_in_batches_are_as_each_text_alone(
    gpt2: GPT2LMHeadModel, gpt2_tokenizer: Tokenizer, pooling: str, batch_size: int, hooked: Any
) -> None:
    layer = "transformer.h.1"
    alone = one_by_one(hooked, gpt2, layer, gpt2_tokenizer)
    pick = {
        "mean": lambda x: x.mean(0, keepdim=True),
        "max": lambda x: x.amax(0, keepdim=True),
        "last": lambda x: x[-1:],
        "cls": lambda x: x[:1],
        "token": lambda x: x,
    }[pooling]
    expected = torch.cat([pick(x) for x in alone])
    acts = read(
        gpt2, TEXTS, layer, pooling=pooling, tokenizer=gpt2_tokenizer, batch_size=batch_size
    )
    np.testing.assert_allclose(acts.values, expected, atol=1e-5)
    assert acts.samples.texts == TEXTS


@pytest.mark.parametrize("pooling", ["mean", "cls", "last", "token"])
def test_special_tokens_are_no_content(
    bert: BertModel, bert_tokenizer: Tokenizer, pooling: str, hooked: Any
) -> None:
    layer = "encoder.layer.1"
    alone = one_by_one(hooked, bert, layer, bert_tokenizer)
    pick = {
        "mean": lambda x: x[1:-1].mean(0, keepdim=True),
        "cls": lambda x: x[:1],
        "last": lambda x: x[-1:],
        "token": lambda x: x[1:-1],
    }[pooling]
    expected = torch.cat([pick(x) for x in alone])
    acts = read(bert, TEXTS, layer, pooling=pooling, tokenizer=bert_tokenizer)
    np.testing.assert_allclose(acts.values, expected, atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("which", ["gpt2", "llama"])
def test_a_tokenizer_that_pads_on_the_left_gives_the_same(
    which: str, side: str, gpt2_tokenizer: Tokenizer, request: pytest.FixtureRequest, hooked: Any
) -> None:
    model = request.getfixturevalue(which)
    layer = "transformer.h.1" if which == "gpt2" else "layers.1"
    expected = torch.stack([x.mean(0) for x in one_by_one(hooked, model, layer, gpt2_tokenizer)])
    gpt2_tokenizer.padding_side = side
    try:
        acts = read(model, TEXTS, layer, tokenizer=gpt2_tokenizer, batch_size=5)
    finally:
        gpt2_tokenizer.padding_side = "right"
    np.testing.assert_allclose(acts.values, expected, atol=1e-5)


def test_tokens_know_their_text_and_their_place(bert: BertModel, bert_tokenizer: Tokenizer) -> None:
    acts = read(bert, TEXTS, "encoder.layer.0", pooling="token", tokenizer=bert_tokenizer)
    words = []
    for sample in range(len(acts)):
        item, token = acts.samples.item_of(sample), acts.samples.token_of(sample)
        assert token is not None
        start, end = acts.samples.spans[item][token]
        words.append(acts.samples.texts[item][start:end])
    assert words[:7] == ["the", "cat", "sat", "on", "the", "mat", "play"]
    assert words[7:13] == ["play", "ing", "play", "er", "s", "play"]
    assert words[13:16] == ["naïve", "🧠", "日本"]
    assert repr(acts.samples) == f"Samples({len(words)} tokens of 5 texts)"


@pytest.mark.parametrize("batch_size", [1, 2, 64])
@pytest.mark.parametrize("pooling", ["mean", "token"])
def test_a_texts_tokens_are_read_again_along_a_direction(
    gpt2: GPT2LMHeadModel, gpt2_tokenizer: Tokenizer, pooling: str, batch_size: int, hooked: Any
) -> None:
    layer = "transformer.h.0"
    acts = read(
        gpt2, TEXTS, layer, pooling=pooling, tokenizer=gpt2_tokenizer, batch_size=batch_size
    )
    direction = np.linspace(-1, 1, 16)
    rows = [len(acts) - 1, 0, len(acts) - 1, 2]
    alone = one_by_one(hooked, gpt2, layer, gpt2_tokenizer)
    assert acts.tokens is not None
    for row, found in zip(rows, acts.tokens(rows, direction), strict=True):
        item = acts.samples.item_of(row)
        expected = alone[item] @ torch.tensor(direction, dtype=torch.float32)
        assert found.dtype == np.float32
        assert len(found) == len(acts.samples.spans[item])
        np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-5)
    assert acts.tokens([], direction) == []
    assert len(gpt2.get_submodule(layer)._forward_hooks) == 0


def test_long_texts_are_cut_to_what_the_model_takes(
    gpt2: GPT2LMHeadModel, gpt2_tokenizer: Tokenizer, hooked: Any
) -> None:
    long = "the cat sat on the mat " * 30
    acts = read(gpt2, [long], "transformer.h.1", pooling="token", tokenizer=gpt2_tokenizer)
    ids = torch.tensor([gpt2_tokenizer(long)["input_ids"][:32]])
    np.testing.assert_allclose(acts.values, hooked(gpt2, "transformer.h.1", ids)[0], atol=1e-5)
    short = read(
        gpt2, [long], "transformer.h.1", pooling="token", tokenizer=gpt2_tokenizer, max_length=5
    )
    np.testing.assert_allclose(short.values, acts.values[:5], atol=1e-5)


def test_token_ids_and_ready_batches(
    gpt2: GPT2LMHeadModel, gpt2_tokenizer: Tokenizer, hooked: Any
) -> None:
    layer = "transformer.h.1"
    ids = torch.tensor(RNG.integers(1, 300, (5, 6)))
    expected = hooked(gpt2, layer, ids).mean(1)
    for data in (ids, ids.numpy(), list(ids), TensorDataset(ids, torch.arange(5)), [ids]):
        np.testing.assert_allclose(read(gpt2, data, layer).values, expected, atol=1e-5)
    shown = read(gpt2, ids, layer, tokenizer=gpt2_tokenizer)
    assert shown.samples.kind == "text"
    assert shown.tokens is not None
    padded = gpt2_tokenizer(TEXTS[:2], padding=False)["input_ids"]
    length = max(map(len, padded))
    batch = {
        "input_ids": torch.tensor([row + [0] * (length - len(row)) for row in padded]),
        "attention_mask": torch.tensor(
            [[1] * len(row) + [0] * (length - len(row)) for row in padded]
        ),
        "labels": torch.tensor([1, 0]),
    }
    acts = read(gpt2, [batch], layer)
    alone = torch.stack([x.mean(0) for x in one_by_one(hooked, gpt2, layer, gpt2_tokenizer)[:2]])
    np.testing.assert_allclose(acts.values, alone, atol=1e-5)
    assert acts.labels is not None
    assert acts.labels.tolist() == [1, 0]


def test_class_labels_and_ones_own(bert: BertModel, bert_tokenizer: Tokenizer) -> None:
    features = hf.Features(
        {"text": hf.Value("string"), "label": hf.ClassLabel(names=["no", "yes"])}
    )
    data = hf.Dataset.from_dict({"text": TEXTS, "label": [1, 1, 0, -1, 1]}, features=features)
    for kind in (data, data.to_iterable_dataset()):
        acts = read(bert, kind, "pooler", tokenizer=bert_tokenizer)
        assert acts.labels is not None
        assert (acts.labels.tolist(), acts.label_names) == ([1, 1, 0, -1, 1], ("no", "yes"))
    own = read(bert, data, "pooler", tokenizer=bert_tokenizer, labels=["a", "b", "a", "b", "a"])
    assert own.label_names == ("a", "b")


def test_special_tokens_of_ready_batches_do_not_count() -> None:
    class Toy:
        all_special_ids = (0, 9)

        def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
            return [f"w{i}" for i in ids]

        def decode(self, ids: list[int]) -> str:
            return " ".join(f"w{i}" for i in ids)

    table = nn.Embedding(10, 3)
    ids = torch.tensor([[9, 1, 2, 0], [9, 3, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = table

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.table(input_ids)

    data = [{"input_ids": ids, "attention_mask": mask}]
    acts = capture(Net(), data, "table", tokenizer=Toy(), progress=False)
    expected = torch.stack([table.weight[[1, 2]].mean(0), table.weight[3]])
    np.testing.assert_allclose(acts.values, expected.detach(), rtol=1e-6)
    assert acts.samples.texts == ["w1 w2", "w3"]


def test_datasets_whose_columns_do_not_say_which() -> None:
    rows = {"id": ["d0", "d1"], "body": ["a b", "c d"], "kind": [0, 1]}
    features = hf.Features({"id": hf.Value("string"), "body": hf.Value("string"),
                         "kind": hf.ClassLabel(names=["x", "y"])})  # fmt: skip
    data = hf.Dataset.from_dict(rows, features=features)
    with pytest.raises(ValueError, match="'id', 'body'"):
        capture(nn.Linear(1, 1), data, "", tokenizer=object(), progress=False)


class Prompts(nn.Module):
    """Puts the three tokens of a prompt before its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.act = nn.Embedding(10, 4), nn.ReLU()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.act(self.embed(nn.functional.pad(input_ids, (3, 0))))


class Pads(Prompts):
    """Pads its texts to a multiple of 8, as Longformer does."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        padded = nn.functional.pad(input_ids, (0, -input_ids.shape[1] % 8))
        return self.act(self.embed(padded))[:, : input_ids.shape[1]]


def test_positions_that_are_not_the_tokens_are_warned_of() -> None:
    ids = torch.arange(15).reshape(3, 5) % 10
    data = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    model = seeded(Prompts)
    with pytest.warns(UserWarning, match="'act' has 8 positions for 5 tokens") as seen:
        acts = capture(model, [data, data], "act", "token", progress=False)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    assert len(acts) == 2 * 3 * 8
    # Padding by the model itself is told from that, and left out as that of ready texts.
    model = seeded(Pads)
    assert len(capture(model, [data], "act", "token", progress=False)) == 3 * 5
    ready = {name: nn.functional.pad(values, (0, 3)) for name, values in data.items()}
    assert len(capture(model, [ready], "act", "token", progress=False)) == 3 * 5
