"""Models of many kinds: what is marked as neurons can be read, and padding changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn
from transformers import PreTrainedTokenizerBase

import neuronwidgets as nw

TEXTS = ["the cat sat on the mat", "play", "the cats played on the mats and the mats played"]
IMAGES = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3), dtype=np.uint8)
TEXT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 64, "pad_token_id": 0}  # fmt: skip
IMAGE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 24, "image_size": 32, "patch_size": 8}  # fmt: skip
DECODER = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
           "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24,
           "max_position_embeddings": 64, "pad_token_id": 0,
           "decoder_start_token_id": 1}  # fmt: skip
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2,
      "decoder_start_token_id": 0}  # fmt: skip
MOE = {"num_key_value_heads": 1, "num_experts": 2, "num_experts_per_tok": 1,
       "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8}  # fmt: skip
OPT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 24,
       "max_position_embeddings": 64, "word_embed_proj_dim": 16, "pad_token_id": 0}  # fmt: skip
READERS = {
    "Bert": TEXT, "Roberta": TEXT, "Electra": {**TEXT, "embedding_size": 8}, "DebertaV2": TEXT,
    "OPT": OPT, "GPTNeoX": TEXT, "Llama": TEXT, "Mistral": {**TEXT, "num_key_value_heads": 1},
    "Qwen2": {**TEXT, "num_key_value_heads": 1}, 
    "Gemma": {**TEXT, "head_dim": 8, "num_key_value_heads": 1},
    "Phi": TEXT, "Bloom": {"hidden_size": 16, "n_layer": 2, "n_head": 2},
    "Starcoder2": TEXT, "Qwen2Moe": {**TEXT, **MOE}, "T5": T5, "Bart": DECODER, "Marian": DECODER,
}  # fmt: skip
SEERS = {
    "ViT": IMAGE, "Dinov2": IMAGE, "CLIPVision": IMAGE,
    "ConvNext": {"hidden_sizes": [8] * 4, "depths": [1] * 4},
    "ResNet": {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1]},
}  # fmt: skip


def build(kind: str, options: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    config = getattr(hf, f"{kind}Config")(**options)
    return hf.AutoModel.from_config(config).eval()


def read(model: Any, data: Any, layer: str, unit: str = "mean", **options: Any) -> Any:
    return nw.capture(model, data, layer, unit, progress=False, **options)


@pytest.mark.parametrize("kind", READERS)
def test_neurons_of_language_models(kind: str, gpt2_tokenizer: PreTrainedTokenizerBase) -> None:
    model = build(kind, {**READERS[kind], "vocab_size": len(gpt2_tokenizer) + 4})
    rows = [row for row in nw.layers(model) if row.neurons and "pooler" not in row.name]
    marked = [row.name for row in rows]
    assert len(marked) >= 2
    for row in rows:
        options: Any = {"at": row.at, "tokenizer": gpt2_tokenizer}
        acts = read(model, TEXTS, row.name, "token", **options)
        assert row.width in (None, acts.shape[1])
        for i, text in enumerate(TEXTS):
            alone = read(model, [text], row.name, "token", **options)
            mine = acts.values[acts.samples.item == i]
            np.testing.assert_allclose(mine, alone.values, atol=1e-5)
    together = read(model, TEXTS, marked, tokenizer=gpt2_tokenizer)
    assert list(together) == marked


@pytest.mark.parametrize("kind", SEERS)
def test_neurons_of_vision_models(kind: str) -> None:
    model = build(kind, SEERS[kind])
    marked = [row for row in nw.layers(model) if row.neurons]
    assert len(marked) >= 2
    for row in marked:
        acts = read(model, IMAGES, row.name, batch_size=2, at=row.at)
        alone = read(model, IMAGES[3:4], row.name, at=row.at)
        np.testing.assert_allclose(acts.values[3], alone.values[0], atol=1e-5)


def test_a_decoder_holds_the_state_that_predicts_each_token(
    gpt2_tokenizer: PreTrainedTokenizerBase,
) -> None:
    model = build("Bart", {**DECODER, "vocab_size": len(gpt2_tokenizer) + 4})
    ids = gpt2_tokenizer(TEXTS[:1], return_tensors="pt")["input_ids"]
    shifted = torch.cat([torch.ones_like(ids[:, :1]), ids[:, :-1]], dim=1)
    with torch.no_grad():
        expected = model(input_ids=ids, decoder_input_ids=shifted).last_hidden_state[0]
    acts = read(model, TEXTS, "decoder.layers.1", "token", tokenizer=gpt2_tokenizer)
    np.testing.assert_allclose(acts.values[acts.samples.item == 0], expected, atol=1e-5)


def test_rows_of_experts_are_refused(gpt2_tokenizer: PreTrainedTokenizerBase) -> None:
    model = build("Qwen2Moe", {**TEXT, **MOE, "vocab_size": len(gpt2_tokenizer) + 4})
    layer = "layers.0.mlp.experts"
    # transformers 4 has a module for each expert.
    several = isinstance(model.get_submodule(layer), nn.ModuleList)
    layer += ".0" if several else ".act_fn"
    assert not any(".experts." in name for name in nw.layers(model).neurons)
    with pytest.raises(ValueError, match="not in the order of the tokens"):
        read(model, TEXTS, layer, tokenizer=gpt2_tokenizer)
    around = read(model, TEXTS, "layers.0.mlp", tokenizer=gpt2_tokenizer)
    assert around.shape == (3, 16)


def test_all_experts_of_all_tokens() -> None:
    if not hasattr(hf, "Llama4TextModel"):
        pytest.skip("this transformers has no Llama 4")
    options = {**TEXT, "vocab_size": 60, "num_key_value_heads": 1, "num_local_experts": 4,
               "intermediate_size_mlp": 24, "head_dim": 8}  # fmt: skip
    torch.manual_seed(0)
    model = hf.Llama4TextModel(hf.Llama4TextConfig(**options)).eval()
    layer = "layers.0.feed_forward.experts.act_fn"
    kept: list[torch.Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda m, i, out: kept.append(out))
    for samples in (4, 3):  # as many as the experts, or fewer
        ids = torch.randint(3, 60, (samples, 10))
        with torch.no_grad():
            model(input_ids=ids)
        expected = kept[-1].reshape(4, samples, 10, 24).permute(1, 2, 0, 3).mean(1).flatten(1)
        np.testing.assert_allclose(read(model, ids, layer, first=True).values, expected, atol=1e-6)
    handle.remove()


def test_an_experts_rows_that_are_as_many_as_the_samples() -> None:
    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = x.flatten(0, 1)
            chosen = torch.tensor([0, 5, 6, 9])  # as a router does
            out = torch.zeros_like(tokens)
            out[chosen] = self.experts[0](tokens[chosen])
            return out.view_as(x)

    model, x = nn.Sequential(nn.Linear(8, 8), Mixture()), torch.randn(4, 3, 8)
    with pytest.raises(ValueError, match="not in the order of the tokens"):
        read(model, x, "1.experts.0")


def test_activation_functions_beside_experts_and_in_routers_hold_no_neurons() -> None:
    class Router(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.score_fn = nn.Linear(8, 2), nn.Sigmoid()

    class ParallelExperts(nn.Module):
        """The weights of all experts, as JetMoe's."""

    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.router, self.activation = Router(), nn.SiLU()
            self.input_linear, self.output_linear = ParallelExperts(), ParallelExperts()

    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), Mixture())
    assert nw.layers(model).neurons == ("1",)


def test_a_layer_without_an_axis_of_samples_says_so() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places, self.mix = nn.Embedding(7, 8), nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.mix(x + self.places(torch.arange(7)[None]))

    with pytest.raises(ValueError, match="no axis has the size of the batch"):
        read(Table(), torch.randn(4, 7, 8), "places")
