"""Completions under masks, against `generate`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForMaskedLM

import neuronwidgets as nw
from neuronwidgets.interventions.completions import completing
from neuronwidgets.interventions.masks import range_edit


@pytest.fixture(scope="module")
def stories() -> Any:
    return nw.datasets.stories()


@pytest.fixture(scope="module")
def found(stories: Any) -> nw.Ranges:
    texts = ["Once upon a time there was a cat", "One day a big dog ran", "Lily had a red ball",
             "Tom and Ben like to play"]  # fmt: skip
    acts = nw.capture(stories.model, texts, "model.layers.2", "token", ["pet", "pet", "toy", "toy"],
                      stories.tokenizer, progress=False)  # fmt: skip
    return nw.ranges(acts)


def last(*arguments: Any, **options: Any) -> dict[str, str]:
    return list(completing(*arguments, **options))[-1]


def test_greedy_is_generate(stories: Any, found: nw.Ranges) -> None:
    model, tokenizer = stories.model, stories.tokenizer
    prompt = "Once upon a time"
    edits = {"base": None, "mask": range_edit(found, "pet", float("inf"), 0.5)}
    made = last(model, tokenizer, prompt, edits, 24, 0)
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]

    def generated() -> str:
        out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=24,
                             do_sample=False)[0]  # fmt: skip
        whole = tokenizer.decode(out, skip_special_tokens=True)
        return str(whole)[len(tokenizer.decode(ids[0], skip_special_tokens=True)) :]

    assert made["base"] == generated()
    with nw.mask_neurons(model, found, "pet", 0.5, replacement="mean"):
        assert made["mask"] == generated()
    assert made["mask"] != made["base"]


def test_the_same_numbers_are_drawn_for_all(stories: Any, found: nw.Ranges) -> None:
    nothing = range_edit(found, "pet", neurons=[])
    edits = {"base": None, "nothing": nothing, "mask": range_edit(found, "pet", 3.0, 0.9)}
    steps = list(completing(stories.model, stories.tokenizer, "Lily", edits, 20, seed=3))
    assert steps[-1]["base"] == steps[-1]["nothing"]
    assert steps == list(completing(stories.model, stories.tokenizer, "Lily", edits, 20, seed=3))
    # Token by token, all at once.
    lengths = np.array([[len(texts[name]) for name in edits] for texts in steps])
    assert (np.diff(lengths, axis=0) >= 0).all()
    assert (lengths[0] < lengths[-1]).all()
    other = last(stories.model, stories.tokenizer, "Lily", {"base": None}, 20, seed=4)
    assert other["base"] != steps[-1]["base"]
    assert not any(m._forward_hooks for m in stories.model.modules())


class Answer(dict):  # type: ignore[type-arg]
    """A model's output, as transformers': a mapping with attributes."""

    @property
    def logits(self) -> torch.Tensor:
        logits: torch.Tensor = self["logits"]
        return logits


class Summing(nn.Module):
    """The next token is the sum of all tokens so far; the sum is the cache, if that has a name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.config, self.name, self.lengths = SimpleNamespace(), name, []

    def forward(self, input_ids: torch.Tensor, use_cache: bool = False, **cache: Any) -> Answer:
        assert set(cache) <= {self.name}
        self.lengths.append(input_ids.shape[1])
        total = int(input_ids.sum() + cache.get(self.name, 0)) % 500
        logits = torch.nn.functional.one_hot(torch.tensor(total), 512).expand(1, 1, 512)
        return Answer(logits=logits, **({self.name: torch.tensor(total)} if use_cache else {}))


@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_a_cache_is_given_back_under_the_name_it_came_by(stories: Any, name: str) -> None:
    prompt = "Once upon a time"
    model, without = Summing(name), Summing("other")
    made = last(model, stories.tokenizer, prompt, {"base": None}, 6, 0)
    assert made == last(without, stories.tokenizer, prompt, {"base": None}, 6, 0)
    assert len(made["base"]) > 6
    assert model.lengths[1:] == [1] * 5
    # Without a cache that we know of, the whole text is read again.
    assert max(without.lengths) == model.lengths[0] + 5


def test_topics_writes_on_after_its_end_token(stories: Any) -> None:
    topics = nw.datasets.topics()
    made = last(topics.lm, topics.tokenizer, "The company was", {"base": None}, 12)
    assert made["base"].startswith(" ")


@pytest.mark.parametrize(
    ("prompt", "words"),
    [("", "empty"), ("  \n", "empty"), ("cat " * 600, "takes 512: shorten it")],
)
def test_prompts_that_do_not_do(stories: Any, prompt: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        last(stories.model, stories.tokenizer, prompt, {"base": None})


def test_an_encoder_does_not_write(stories: Any) -> None:
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=12)
    with pytest.raises(ValueError, match="does not predict the next token"):
        last(BertForMaskedLM(config), stories.tokenizer, "cat", {"base": None})


def test_in_the_widget(stories: Any) -> None:
    texts = [f"{who} had a {what}" for who in ("Lily", "Tom", "Ben") for what in ("cat", "ball")]
    acts = nw.capture(stories.model, texts, "model.layers.2", "token", ["pet", "toy"] * 3,
                      stories.tokenizer, progress=False)  # fmt: skip
    explorer = nw.RangeExplorer(acts, 3, "pet", model=stories.model, tokenizer=stories.tokenizer)
    seen: list[dict[str, Any]] = []
    explorer.observe(lambda change: seen.append(change["new"]), "completions")
    explorer.complete("Once upon a time")
    assert explorer.wait(60)
    assert seen[-1]["done"]
    assert not seen[0]["done"]
    assert len(seen) > 10
    assert seen[-1]["prompt"] == "Once upon a time"
    before = dict(seen[-1])
    # Another range: the same prompt again, and only the masks can change.
    explorer.tau = 4.0
    explorer.top = 1.0
    assert explorer.wait(60)
    assert explorer.completions["base"] == before["base"]
    assert explorer.completions["range"] != before["range"]
    explorer._on_view_message(None, {"type": "prompt.request", "prompt": " "}, [])
    assert explorer.wait(60)
    assert "the prompt is empty" in explorer.status["text"]
    explorer.close()
