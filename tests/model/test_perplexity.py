"""Perplexity under masks is the language model's own, with an interval over texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

import neuronwidgets as nw
from neuronwidgets.interventions.perplexity import check_causal, losses
from neuronwidgets.interventions.report import MaskReport
from neuronwidgets.interventions.setting import Setting

WORDS = ["the", "cat", "dog", "sat", "on", "a", "mat", "red", "blue", "ran"]


@pytest.fixture(scope="module")
def speaking() -> dict[str, Any]:
    """A tiny GPT-2 as a classifier and as a language model with the same body."""
    torch.manual_seed(0)
    vocabulary = {word: i + 1 for i, word in enumerate(WORDS)} | {"[PAD]": 0, "[UNK]": 11}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16,
        model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip
    config = GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=12, n_positions=16, num_labels=2,
                        pad_token_id=0, id2label={0: "cats", 1: "dogs"},
                        label2id={"cats": 0, "dogs": 1}, bos_token_id=1,
                        eos_token_id=1)  # fmt: skip
    model = GPT2ForSequenceClassification(config).eval()
    lm = GPT2LMHeadModel(config).eval()
    lm.transformer = model.transformer
    rng = np.random.default_rng(0)
    made = [" ".join(rng.choice(WORDS, rng.integers(3, 12))) for _ in range(80)]
    texts = [*list(dict.fromkeys(made))[:59], "mat"]
    labels = np.array(["cats", "dogs"] * 30)
    acts = nw.capture(model, texts[:40], "transformer.h.1", "last", labels[:40], tokenizer,
                      progress=False)  # fmt: skip
    return {"model": model, "lm": lm, "tokenizer": tokenizer, "ranges": nw.ranges(acts),
            "texts": texts[40:], "labels": labels[40:]}  # fmt: skip


def test_perplexity_is_the_model_s_own_loss(speaking: dict[str, Any]) -> None:
    texts = [t for t in speaking["texts"] if " " in t]
    for resume in (True, False):
        report = nw.evaluate_masks(
            speaking["model"], speaking["texts"], speaking["ranges"], 1.0, 5,
            labels=speaking["labels"], tokenizer=speaking["tokenizer"], texts=speaking["texts"],
            language_model=speaking["lm"], batch_size=7, resume=resume, progress=False,
        )  # fmt: skip
        assert report.nats is not None
        assert report.tokens is not None
        nats, count = 0.0, 0
        for text in texts:
            ids = speaking["tokenizer"](text, return_tensors="pt")["input_ids"]
            with torch.no_grad():
                nats += float(speaking["lm"](ids, labels=ids).loss) * (ids.shape[1] - 1)
            count += ids.shape[1] - 1
        assert report.tokens.sum() == count
        assert report.nats[0].sum() == pytest.approx(nats, rel=1e-5)
        # The neuron mask of the last label, by hand.
        with (
            nw.mask_neurons(speaking["lm"], speaking["ranges"], "dogs", 5, replacement="mean"),
            torch.no_grad(),
        ):
            ids = speaking["tokenizer"](texts[0], return_tensors="pt")["input_ids"]
            loss = float(speaking["lm"](ids, labels=ids).loss) * (ids.shape[1] - 1)
        place = speaking["texts"].index(texts[0])
        assert report.nats[-1, place] == pytest.approx(loss, rel=1e-5)
        frame = report.to_frame(resamples=50)
        assert frame["perplexity"].iloc[0] == pytest.approx(np.exp(nats / count), rel=1e-5)
        assert (frame["perplexity_low"] <= frame["perplexity_high"]).all()
        assert "perplexity" in report._repr_html_()
        report.to_altair().to_dict()


def test_perplexity_of_random_bands_is_the_mean_of_their_draws(speaking: dict[str, Any]) -> None:
    report = nw.evaluate_masks(
        speaking["model"], speaking["texts"], speaking["ranges"], 1.0, 5, random_bands=2,
        labels=speaking["labels"], tokenizer=speaking["tokenizer"], texts=speaking["texts"],
        language_model=speaking["lm"], progress=False,
    )  # fmt: skip
    assert report.nats is not None
    assert report.tokens is not None
    labels = len(report.label_names)
    row = report.to_frame(resamples=20).query("mask == 'random'").iloc[0]
    draws = report.nats[[1 + labels, 1 + 2 * labels]].sum(axis=1).mean()
    assert row["perplexity"] == pytest.approx(np.exp(draws / report.tokens.sum()))
    assert report.frontier(resamples=20)["mask"].tolist() == ["range", "random", "neuron"]


def test_no_perplexity_of_an_encoder(speaking: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="GPT2ForSequenceClassification does not predict the next"):
        nw.evaluate_masks(speaking["model"], speaking["texts"], speaking["ranges"],
                          labels=speaking["labels"], tokenizer=speaking["tokenizer"],
                          texts=speaking["texts"], progress=False)  # fmt: skip
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=12)
    with pytest.raises(ValueError, match="BertForMaskedLM does not predict the next"):
        check_causal(BertForMaskedLM(config))


def test_a_model_in_training_mode(speaking: dict[str, Any]) -> None:
    model = speaking["model"].train()
    try:
        with (
            pytest.warns(UserWarning, match="in training mode"),
            nw.mask_range(model, speaking["ranges"], "cats"),
        ):
            pass
        once, again = (
            nw.evaluate_masks(model, speaking["texts"], speaking["ranges"],
                              labels=speaking["labels"], tokenizer=speaking["tokenizer"],
                              progress=False)
            for _ in range(2)
        )  # fmt: skip
        assert model.training
        np.testing.assert_array_equal(once.confidence, again.confidence)
    finally:
        model.eval()


def test_nan_at_padding_is_no_loss() -> None:
    logits = torch.randn(2, 4, 7)
    logits[1, 2:] = torch.nan
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    nats, tokens = losses(logits, torch.zeros(2, 4, dtype=torch.long), mask)
    assert tokens.tolist() == [3, 1]
    assert torch.isfinite(nats).all()


def test_the_perplexity_interval_is_the_mean_s_own() -> None:
    rng = np.random.default_rng(0)
    ways = (Setting("max", "gaussian", 1.0), Setting("max", "neuron", np.inf))
    base = rng.normal(30, 10, 400)
    nats = np.stack([base] + [base + rng.normal(0.05, 0.3, 400) for _ in range(4)])
    report = MaskReport("l", ("a", "b"), ways, np.arange(10) % 2, np.array([0, 1]),
                        np.ones((5, 10), bool), np.ones((5, 10), "f4"), nats=nats,
                        tokens=np.full(400, 12))  # fmt: skip
    row = report.frontier().iloc[0]
    mean = np.exp(nats[1:3].sum(1) / 4800 - nats[0].sum() / 4800).mean()
    assert row["perplexity_ratio"] == pytest.approx(mean)
    assert row["perplexity_ratio_high"] - row["perplexity_ratio_low"] < 0.01
