"""Small language models for the tests of lenses."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import transformers as hf
from torch import nn

WORDS, WIDTH, INNER, LAYERS = 40, 16, 24, 2
TEXT = {
    "vocab_size": WORDS, "hidden_size": WIDTH, "intermediate_size": INNER,
    "num_hidden_layers": LAYERS, "num_attention_heads": 2, "num_key_value_heads": 2,
    "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3,
}  # fmt: skip
OF_GPT = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 2, "n_inner": INNER, "vocab_size": WORDS,
          "bos_token_id": 2, "eos_token_id": 3}  # fmt: skip
TEXTS = np.random.default_rng(0).integers(4, WORDS, (6, 9)).tolist()


def language_model(kind: str, seed: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    config = getattr(hf, f"{kind}Config")(**options)
    model = hf.AutoModelForCausalLM.from_config(config).double().eval()
    for name, weight in model.named_parameters():
        # Weights of norms are ones and biases zeros at first, which would hide mistakes.
        if weight.ndim == 1 or "wte" in name or "embed" in name:
            nn.init.normal_(weight.data, 0.5 if "norm" in name or "ln" in name else 0, 0.3)
    return model


def gpt2(seed: int = 0) -> Any:
    return language_model("GPT2", seed, **OF_GPT)


def llama(seed: int = 0) -> Any:
    return language_model("Llama", seed, **TEXT)


def act(i: int) -> str:
    return f"transformer.h.{i}.mlp.act"


def down(i: int) -> str:
    return f"model.layers.{i}.mlp.down_proj"
