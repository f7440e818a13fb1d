"""A small model of texts that several files read."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertModel, PreTrainedTokenizerBase


@pytest.fixture(scope="module")
def bert(bert_tokenizer: PreTrainedTokenizerBase) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(bert_tokenizer), hidden_size=16, num_hidden_layers=3,
        num_attention_heads=2, intermediate_size=24, max_position_embeddings=32,
    )  # fmt: skip
    return BertModel(config)
