"""Texts of unequal length through models whose activations depend on padding on the right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn
from transformers import PreTrainedTokenizerBase

import neuronwidgets as nw
from neuronwidgets.models.outputs import tensor_of

TEXTS = ["the cat sat on the mat", "play", "the cats played on the mats", "sat", "the mat sat"]
SIZES = {
    "vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 24, "max_position_embeddings": 64, "initializer_range": 0.5,
}  # fmt: skip
FSMT = {
    "langs": ["en", "de"], "src_vocab_size": 60, "tgt_vocab_size": 60, "d_model": 16,
    "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "init_std": 0.5,
}  # fmt: skip


class Both(nn.Module):
    """Reads texts in both directions, padding too; needs `shortest` tokens."""

    def __init__(self, shortest: int = 1) -> None:
        super().__init__()
        self.words = nn.Embedding(60, 8)
        self.wide = nn.Conv1d(8, 8, shortest, padding="valid")
        self.lstm = nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        self.passes = 0

    def forward(self, input_ids: Any, attention_mask: Any = None) -> Any:
        self.passes += 1
        words = self.words(input_ids)
        return self.lstm(words + self.wide(words.mT).mean(-1)[:, None])[0]


class PrefixOfMask(nn.Module):
    """Reads texts in one direction if they are padded and in both if they are not, as PaliGemma of
    transformers does."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.mixed = nn.Embedding(60, 8), nn.Identity()

    def forward(self, input_ids: Any, attention_mask: Any = None) -> Any:
        words = self.words(input_ids)
        if attention_mask is None or attention_mask.all():
            return self.mixed(words + words.sum(1, keepdim=True))
        return self.mixed(words + words.cumsum(1))


MODELS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "ConvBert": (lambda: hf.ConvBertModel(hf.ConvBertConfig(**SIZES)), "encoder.layer.1"),
    "Nystromformer": (
        lambda: hf.NystromformerModel(hf.NystromformerConfig(**SIZES)),
        "encoder.layer.1",
    ),
    "FNet": (lambda: hf.FNetModel(hf.FNetConfig(**SIZES)), "encoder.layer.1"),
    "FNet, pooled": (lambda: hf.FNetModel(hf.FNetConfig(**SIZES)), "pooler"),
    "FSMT": (lambda: hf.FSMTModel(hf.FSMTConfig(**FSMT)), "decoder.layers.1"),
    "LSTM": (Both, "lstm"),
}


def made(which: str) -> tuple[nn.Module, str]:
    torch.manual_seed(0)
    make, layer = MODELS[which]
    return make().eval(), layer


def read(model: nn.Module, data: Any, layer: str, **options: Any) -> Any:
    return nw.capture(model, data, layer, progress=False, **options)


@pytest.mark.parametrize("which", MODELS)
def test_a_text_is_read_as_if_it_were_alone(
    which: str, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    model, layer = made(which)
    for pooling in ("mean",) if layer == "pooler" else ("mean", "last", "token"):
        options = {"pooling": pooling, "tokenizer": bert_tokenizer}
        alone = [read(model, [text], layer, **options).values for text in TEXTS]
        together = read(model, TEXTS, layer, **options)
        np.testing.assert_allclose(together.values, np.concatenate(alone), atol=1e-5)
    # Ready batches, too, in which lengths are in no order.
    ids = bert_tokenizer(TEXTS, padding=True, return_tensors="pt")
    ready = read(model, [dict(ids)], layer, **options).values
    np.testing.assert_allclose(ready, np.concatenate(alone), atol=1e-5)


def test_tokens_are_read_again_as_if_alone(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    model, layer = made("ConvBert")
    acts = read(model, TEXTS, layer, tokenizer=bert_tokenizer)
    rows = read(model, TEXTS, layer, pooling="token", tokenizer=bert_tokenizer)
    direction = np.linspace(-1, 1, 16, dtype=np.float32)
    for i, tokens in enumerate(acts.tokens(range(len(TEXTS)), direction)):
        expected = rows.values[rows.samples.item == i] @ direction
        np.testing.assert_allclose(tokens[1:-1], expected, atol=1e-4)


def test_a_text_of_one_token_beside_longer_ones() -> None:
    model, layer = made("FNet, pooled")
    rows = [[5], [5, 6, 7, 8], [9, 8, 7]]
    alone = [read(model, [row], layer).values for row in rows]
    np.testing.assert_allclose(read(model, rows, layer).values, np.concatenate(alone), atol=1e-5)


def test_labels_of_words_stay_with_their_tokens(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    model, layer = made("ConvBert")
    words = [text.split() for text in TEXTS]
    labels = [[word[:3] for word in text] for text in words]
    options = {"pooling": "token", "tokenizer": bert_tokenizer}
    acts = read(model, words, layer, labels=labels, **options)
    alone = [read(model, [w], layer, labels=[n], **options) for w, n in zip(words, labels)]  # noqa: B905
    names = [name for part in alone for name in np.array(part.label_names)[part.labels]]
    assert np.array(acts.label_names)[acts.labels].tolist() == names


def test_texts_of_one_length_share_a_pass() -> None:
    model = Both()
    rows = torch.tensor([[5, 6, 7, 0], [8, 9, 10, 0], [5, 6, 7, 8], [8, 9, 7, 5]])
    data = [{"input_ids": rows, "attention_mask": (rows > 0).long()}]
    read(model, data, "lstm")
    assert model.passes == 2 + 3  # two parts; three to find out


def test_a_model_that_cannot_read_short_texts() -> None:
    torch.manual_seed(0)
    model = Both(shortest=5)
    rows = [[5, 6], [7], [5, 6, 7, 8, 9, 10], [8, 9, 10, 11, 12]]
    acts = read(model, rows, "lstm")
    for i in (2, 3):
        np.testing.assert_allclose(
            acts.values[i], read(model, [rows[i]], "lstm").values[0], atol=1e-5
        )
    # Shorter ones have the padding that the model needs, whatever is beside them.
    few = read(model, [rows[0], rows[1], rows[3]], "lstm")
    np.testing.assert_allclose(few.values[:2], acts.values[:2], atol=1e-5)


OWN_PADDING: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "Longformer": (
        lambda: hf.LongformerModel(hf.LongformerConfig(**SIZES, attention_window=8)),
        "encoder.layer.1",
    ),
    "Reformer": (
        lambda: hf.ReformerModel(
            hf.ReformerConfig(
                vocab_size=60, hidden_size=16, attn_layers=["local", "local"],
                num_attention_heads=2, attention_head_size=8, feed_forward_size=24,
                axial_pos_embds=False, max_position_embeddings=64, local_attn_chunk_length=6,
            )
        ),
        "encoder.layers.1.feed_forward",
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", OWN_PADDING)
def test_padding_by_the_model_itself_is_left_out(
    which: str, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    torch.manual_seed(0)
    make, layer = OWN_PADDING[which]
    model = make().eval()
    seen: list[torch.Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(
        lambda _module, _args, output: seen.append(tensor_of(output, layer).detach())
    )
    with torch.no_grad():
        for text in TEXTS:
            model(**bert_tokenizer(text, return_tensors="pt", return_token_type_ids=False))
    handle.remove()
    lengths = [len(bert_tokenizer(text)["input_ids"]) for text in TEXTS]
    assert any(rows.shape[1] > length for rows, length in zip(seen, lengths, strict=True))
    options = {"tokenizer": bert_tokenizer}
    for pooling, first, last in (("mean", 1, -1), ("token", 1, -1), ("last", -1, None)):
        own = [rows[0, :n][first:last] for rows, n in zip(seen, lengths, strict=True)]
        expected = [rows.mean(0, keepdim=True) if pooling == "mean" else rows for rows in own]
        found = read(model, TEXTS, layer, pooling=pooling, **options).values
        np.testing.assert_allclose(found, torch.cat(expected), atol=1e-4)


def test_layers_that_sample_down_have_no_position_of_padding() -> None:
    torch.manual_seed(0)
    model = hf.CanineModel(
        hf.CanineConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
            max_position_embeddings=64, num_hash_buckets=64,
            local_transformer_stride=16, initializer_range=0.5,
        )
    ).eval()  # fmt: skip
    rows = [list(range(60, 70)), list(range(70, 100))]
    for layer in ("encoder.layer.0", "final_char_encoder.layer.0"):
        for pooling in ("mean", "token"):
            both = read(model, rows, layer, pooling=pooling)
            alone = [read(model, [row], layer, pooling=pooling).values for row in rows]
            np.testing.assert_allclose(both.values, np.concatenate(alone), atol=1e-5)


def test_positions_of_an_image_beside_a_text_are_no_padding() -> None:
    torch.manual_seed(0)
    text = {k: v for k, v in SIZES.items() if k != "initializer_range"}
    config = hf.CLIPConfig(
        text_config={**text, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
        vision_config={**SIZES, "image_size": 16, "patch_size": 4}, projection_dim=8,
    )  # fmt: skip
    ids = torch.tensor([[1, 5, 6, 7, 2], [1, 8, 2, 0, 0]])
    data = {"pixel_values": torch.rand(2, 3, 16, 16), "input_ids": ids, "attention_mask": ids > 0}
    model = hf.CLIPModel(config).eval()
    layer = next(row.name for row in nw.layers(model) if row.name.endswith("layers.1.mlp"))
    vision = next(
        row.name
        for row in nw.layers(model)
        if row.name.startswith("vision") and row.name.endswith("layers.1.mlp")
    )
    with pytest.warns(UserWarning, match="has 17 positions for 5 tokens"):
        acts = read(model, [data], vision, pooling="token")
    assert len(acts) == 2 * 17
    assert len(read(model, [data], layer, pooling="token")) == 4 + 2 + 2


def test_a_graph_of_a_model_that_pads_reads_what_was_captured(
    bert_tokenizer: PreTrainedTokenizerBase,
) -> None:
    torch.manual_seed(0)
    model = OWN_PADDING["Longformer"][0]().eval()
    upper, below = (f"encoder.layer.{i}.intermediate" for i in (1, 0))
    acts = read(model, TEXTS * 6, upper, tokenizer=bert_tokenizer)
    concepts = nw.split(acts, 3, top=20, distinct=None).cut()
    options = {"model": model, "tokenizer": bert_tokenizer, "progress": False}
    assert below in nw.concept_graph(concepts, below=below, **options).layers


def test_a_text_of_one_token_does_not_decide() -> None:
    torch.manual_seed(0)
    model, ids = PrefixOfMask(), [[5], [5, 6, 7], [8, 9, 10, 11, 12], [13, 14]]
    together = read(model, ids, "mixed", pooling="token")
    alone = [read(model, [row], "mixed", pooling="token").values for row in ids]
    np.testing.assert_allclose(together.values, np.concatenate(alone), atol=1e-6)
