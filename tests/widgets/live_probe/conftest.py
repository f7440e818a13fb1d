"""A model whose neurons fire for one word each, and a probe on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.widgets.protocol.buffers import unpack

WAIT = 60
WORDS = ["dog", "cat", "ran", "park", "sun", "moon", "the", "a"]


class Bags(nn.Module):
    """Eight words in, eight neurons out: neuron `i` fires for word `i`."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self.embed, self.act = nn.Embedding(len(tokenizer), 8), nn.ReLU()
        with torch.no_grad():
            self.embed.weight.fill_(0.1)
            for i, word in enumerate(WORDS):
                self.embed.weight[tokenizer(word)["input_ids"][0], i] = 4 + i
        self.fails, self.passes = False, 0
        self.gate = threading.Event()
        self.gate.set()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        self.gate.wait(WAIT)
        if self.fails:
            raise RuntimeError("broken")
        return self.act(self.embed(input_ids))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", model_max_length=12
    )


@pytest.fixture
def bags(tokenizer: Any) -> Bags:
    return Bags(tokenizer).eval()


TEXTS = [f"{a} {b} {c}" for a in WORDS[:4] for b in WORDS[4:] for c in ("the", "a", "dog")]


@pytest.fixture
def acts(bags: Bags, tokenizer: Any) -> nw.Activations:
    return nw.capture(bags, TEXTS, "act", tokenizer=tokenizer, progress=False)


@pytest.fixture
def probe(bags: Bags, acts: nw.Activations, tokenizer: Any) -> Iterator[nw.LiveProbe]:
    made = nw.LiveProbe(acts, bags, 0, tokenizer=tokenizer)
    yield made
    bags.gate.set()
    made.close()


def shown(traits: Mapping[str, Any]) -> dict[str, Any]:
    return unpack(traits["_readings"])[1]
