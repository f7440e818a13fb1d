"""Ready batches that are padded on the left, for models that count positions in every way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BloomConfig,
    BloomModel,
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    GPT2Model,
    LlamaConfig,
    LlamaModel,
    OPTConfig,
    OPTModel,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
)

import neuronwidgets as nw

RNG = np.random.default_rng(0)
ROWS = [RNG.integers(5, 40, n).tolist() for n in (3, 9, 6)]
SIZES = {
    "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 24, "max_position_embeddings": 24, "pad_token_id": 1,
}  # fmt: skip
GPT2 = {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 24}


class Placed(nn.Module):
    """Positions of its own, with and without being told."""

    def __init__(self, told: bool) -> None:
        super().__init__()
        self.words, self.places, self.told = nn.Embedding(40, 8), nn.Embedding(24, 8), told
        self.mix = nn.Linear(8, 8)
        if told:
            self.forward = self._told  # type: ignore[method-assign]

    def _told(self, input_ids: Any, attention_mask: Any, position_ids: Any = None) -> Any:
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1]).expand(input_ids.shape)
        return self.mix(self.words(input_ids) + self.places(position_ids))

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        return self._told(input_ids, attention_mask)


MODELS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "gpt2": (lambda: GPT2Model(GPT2Config(**GPT2, pad_token_id=1)), "h.1"),
    "bert": (lambda: BertModel(BertConfig(**SIZES)), "encoder.layer.1"),
    "roberta": (lambda: RobertaModel(RobertaConfig(**SIZES)), "encoder.layer.1"),
    "llama": (lambda: LlamaModel(LlamaConfig(**SIZES)), "layers.1"),
    "opt": (
        lambda: OPTModel(OPTConfig(**SIZES, ffn_dim=24, word_embed_proj_dim=16)),
        "decoder.layers.1",
    ),
    "bloom": (lambda: BloomModel(BloomConfig(vocab_size=40, hidden_size=16, n_layer=2, n_head=2)),
              "h.1"),
    "t5": (
        lambda: T5EncoderModel(T5Config(vocab_size=40, d_model=16, d_kv=8, d_ff=24, num_layers=2,
                                        num_heads=2)),
        "encoder.block.1",
    ),
    "told": (lambda: Placed(True), "mix"),
}  # fmt: skip


def padded(rows: list[list[int]], side: str = "left") -> dict[str, torch.Tensor]:
    width = max(map(len, rows))
    fill = [[1] * (width - len(row)) for row in rows]
    parts = [f + r if side == "left" else r + f for r, f in zip(rows, fill, strict=True)]
    mask = [[0] * len(f) + [1] * len(r) if side == "left" else [1] * len(r) + [0] * len(f)
            for r, f in zip(rows, fill, strict=True)]  # fmt: skip
    return {"input_ids": torch.tensor(parts), "attention_mask": torch.tensor(mask)}


def read(model: nn.Module, data: Any, layer: str, **options: Any) -> Any:
    return nw.capture(model, data, layer, progress=False, **options)


@pytest.mark.parametrize("pooling", ["last", "mean", "token"])
@pytest.mark.parametrize("which", MODELS)
def test_padding_on_the_left_changes_nothing(which: str, pooling: str) -> None:
    torch.manual_seed(0)
    make, layer = MODELS[which]
    model = make().train()
    alone = read(model, [padded([row]) for row in ROWS], layer, pooling=pooling).values
    found = read(model, [padded(ROWS)], layer, pooling=pooling).values
    np.testing.assert_allclose(found, alone, atol=1e-5)
    assert model.training
    # Also where only a later batch is padded so, or the mask has to be found.
    later = read(model, [padded(ROWS[1:2]), padded(ROWS[::2])], layer, pooling="last").values
    one_by_one = read(model, [padded([row]) for row in ROWS], layer, pooling="last").values
    np.testing.assert_allclose(later[[1, 0, 2]], one_by_one, atol=1e-5)
    if getattr(getattr(model, "config", None), "pad_token_id", None) == 1:
        bare = read(model, [padded(ROWS)["input_ids"]], layer, pooling=pooling).values
        np.testing.assert_allclose(bare, alone, atol=1e-5)


def test_texts_are_read_again_without_their_padding(gpt2_tokenizer: Any) -> None:
    torch.manual_seed(0)
    model = GPT2Model(GPT2Config(**GPT2, pad_token_id=1)).eval()
    batch = padded(ROWS)
    acts = read(model, [batch], "h.1", tokenizer=gpt2_tokenizer)
    direction = RNG.normal(size=16).astype("f4")
    for row, found in enumerate(acts.tokens([0, 1, 2], direction)):
        expected = read(model, [padded([ROWS[row]])], "h.1", pooling="token").values @ direction
        np.testing.assert_allclose(found[-len(expected) :], expected, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("which", ["gpt2", "llama"])
def test_narrow_models_are_told_apart_from_their_rounding(which: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    make, layer = MODELS[which]
    model = make().to(dtype)
    alone = read(model, [padded([row]) for row in ROWS], layer, pooling="last").values
    found = read(model, [padded(ROWS)], layer, pooling="last").values
    np.testing.assert_allclose(found, alone, atol=0.05)


class Recurrent(nn.Module):
    """Reads its padding as if it were text."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.lstm = nn.Embedding(40, 8), nn.LSTM(8, 8, batch_first=True)

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        return self.lstm(self.words(input_ids))[0]


def test_models_that_cannot_be_told_are_refused() -> None:
    torch.manual_seed(0)
    for model, layer in ((Recurrent(), "lstm"), (Placed(False), "mix")):
        with pytest.raises(
            ValueError, match=r"padded on the left, which changes the output of \w+ .*on the right"
        ):
            read(model, [padded(ROWS)], layer)
        read(model, [padded(ROWS, "right")], layer)
        # What comes before positions does not depend on them.
        read(model, [padded(ROWS)], "words")


def test_what_edits_cost_is_measured_as_without_padding() -> None:
    torch.manual_seed(0)
    config = GPT2Config(**GPT2, pad_token_id=1, num_labels=3)
    model = GPT2ForSequenceClassification(config).eval()
    data = [padded(ROWS), padded([ROWS[2], ROWS[0], ROWS[1]])]
    alone = [padded([ROWS[i]]) for i in (0, 1, 2, 2, 0, 1)]
    acts = read(model, alone, "transformer.h.0", labels=[0, 1, 2] * 2)
    options: dict[str, Any] = {"labels": [0, 1, 2] * 2, "top": 4, "progress": False}
    ranges = nw.Ranges(**{**nw.ranges(acts).__dict__, "seen": frozenset()})
    lm = GPT2LMHeadModel(GPT2Config(**GPT2, pad_token_id=1)).eval()
    found, expected = (
        nw.evaluate_masks(model, d, ranges, texts=d, language_model=lm, **options)
        for d in (data, alone)
    )
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-5)
    np.testing.assert_allclose(found.nats, expected.nats, atol=1e-3)
    scores = [
        nw.salient(acts, 1, method, model=model, data=d).scores
        for method in ("gradient", "integrated") for d in (data, alone)
    ]  # fmt: skip
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)
    np.testing.assert_allclose(scores[2], scores[3], atol=1e-5)
    # BERT's classifier reads the first position, which is padding here.
    bert = BertForSequenceClassification(BertConfig(**SIZES, num_labels=3)).eval()
    of_bert = nw.ranges(read(bert, alone, "bert.encoder.layer.0", labels=[0, 1, 2] * 2))
    with pytest.raises(ValueError, match="padded on the left"):
        nw.evaluate_masks(bert, data, of_bert, **options)
