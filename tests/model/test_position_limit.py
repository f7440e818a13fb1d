"""How many tokens fit: the longest text that a model may be given runs, and one more is cut."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn
from transformers import PreTrainedTokenizerBase

import neuronwidgets as nw
from neuronwidgets.data.position_limit import positions

SIZES: dict[str, Any] = {
    "vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 24, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
    "sep_token_id": 3, "max_position_embeddings": 34,
}  # fmt: skip
BART = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}  # fmt: skip
OFFSET: dict[str, dict[str, Any]] = {
    "MPNet": {}, "Roberta": {}, "XLMRoberta": {}, "XLMRobertaXL": {}, "Camembert": {},
    "Longformer": {"attention_window": 4}, "Esm": {"mask_token_id": 5, "token_dropout": False},
    "Luke": {"entity_vocab_size": 10, "entity_emb_size": 8},
    "LayoutLMv3": {"coordinate_size": 4, "shape_size": 4, "max_2d_position_embeddings": 20},
    "Data2VecText": {}, "Xmod": {"languages": ["en"], "default_language": "en"}, "IBert": {},
    "RobertaPreLayerNorm": {}, "Lilt": {}, "MarkupLM": {},
}  # fmt: skip
"""Tables that begin with the padding's own row: two tokens less than the config says."""
PLAIN: dict[str, dict[str, Any]] = {
    "Bert": {}, "BigBird": {"attention_type": "original_full"}, "Nystromformer": {},
    "GPT2": {"n_positions": 34, "n_embd": 24, "n_head": 2, "n_layer": 1},
    "OPT": {"ffn_dim": 24, "word_embed_proj_dim": 24}, "Bart": BART, "Pegasus": BART,
}  # fmt: skip


def made(which: str) -> Any:
    kinds = (getattr(transformers, f"{which}{kind}", None) for kind in ("Config", "Model"))
    config, model = kinds
    if config is None or model is None:
        pytest.skip(f"this transformers has no {which}")
    torch.manual_seed(0)
    return model(config(**SIZES | (OFFSET | PLAIN)[which])).eval()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("which", [*OFFSET, *PLAIN])
def test_the_longest_text_runs_and_one_token_more_is_cut(
    which: str, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    model = made(which)
    most = 32 if which in OFFSET else 34
    assert positions(model) == most
    layer = next(n for n, part in model.named_modules() if "LayerNorm" in type(part).__name__)
    texts = [" ".join(["cat"] * n) for n in (most - 2, most - 1, 3)]
    options: dict[str, Any] = {"pooling": "token", "tokenizer": bert_tokenizer, "progress": False}
    acts = nw.capture(model, texts, layer, **options)
    assert np.bincount(acts.samples.item).tolist() == [most - 2, most - 2, 3]
    # Token ids of their own length are cut in the same way.
    ids = [[7] * (most + 3), [8] * 5]
    acts = nw.capture(model, ids, layer, pooling="token", progress=False)
    assert np.bincount(acts.samples.item).tolist() == [most, 5]


def test_the_smaller_of_the_tokenizers_limit_and_the_models(
    bert_tokenizer: PreTrainedTokenizerBase,
) -> None:
    model, tokenizer = made("MPNet"), copy.deepcopy(bert_tokenizer)
    text = [" ".join(["cat"] * 50)]

    def length(**options: Any) -> int:
        layer = "encoder.layer.0"
        options |= {"tokenizer": tokenizer, "progress": False}
        return len(nw.capture(model, text, layer, "token", **options)) + 2

    assert length() == 32
    tokenizer.model_max_length = 512
    assert length() == 32
    tokenizer.model_max_length = 20
    assert length() == 20
    assert length(max_length=30) == 30
    with pytest.raises(
        ValueError, match="max_length must be at most 32, the positions that MPNetModel has, got 33"
    ):
        length(max_length=33)


class Own(nn.Module):
    """Not of transformers."""

    def __init__(self, name: str, rows: int) -> None:
        super().__init__()
        self.words = nn.Embedding(60, 8)
        self.add_module(name, nn.Embedding(rows, 8))
        self.name, self.mix = name, nn.Linear(8, 8)

    def forward(self, input_ids: Any, attention_mask: Any = None) -> Any:
        places = self.get_submodule(self.name)(torch.arange(input_ids.shape[1]))
        return self.mix(self.words(input_ids) + places)


@pytest.mark.parametrize("name", ["wpe", "pos_emb", "position", "embed_positions", "positional"])
def test_tables_of_ones_own_are_known_by_their_name(
    name: str, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    model = Own(name, 12)
    acts = nw.capture(
        model, [" ".join(["cat"] * 50)], "mix", "token", tokenizer=bert_tokenizer, progress=False
    )
    assert len(acts) == 10
    assert positions(nn.Sequential(model)) == 12


@pytest.mark.parametrize("shape", [(12, 8), (1, 12, 8)])
def test_tables_that_are_parameters(shape: tuple[int, ...]) -> None:
    model = nn.Sequential(nn.Linear(8, 8))
    model.register_parameter("pos_embedding", nn.Parameter(torch.zeros(shape)))
    assert positions(model) == 12
    model.register_parameter("visual_pos_embedding", nn.Parameter(torch.zeros(1, 5, 8)))
    model.register_parameter("position_bias", nn.Parameter(torch.zeros(3)))
    assert positions(model) == 12


@pytest.mark.parametrize("name", ["post", "relative_position", "x_position", "compose"])
def test_tables_of_something_else_are_none(name: str) -> None:
    assert positions(Own(name, 12)) is None


def test_ready_ids_that_are_too_long_are_refused_in_words() -> None:
    model, ids = Own("wpe", 12), torch.full((2, 14), 7)
    with pytest.raises(ValueError, match="at most the model's 12 tokens, got 14: cut them"):
        nw.capture(model, [ids], "mix", progress=False)
    with pytest.raises(ValueError, match="long='windows' splits texts only"):
        nw.capture(model, ids.tolist(), "mix", progress=False, long="windows")
    # Padding alone may be longer.
    mask = (torch.arange(14) < 9).long().expand(2, -1)
    batch = {"input_ids": ids, "attention_mask": mask}
    acts = nw.capture(model, [batch], "mix", "token", progress=False)
    assert len(acts) == 18
