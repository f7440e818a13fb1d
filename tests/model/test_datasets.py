"""The bundled data sets: what they hold, that their cards tell the truth, how they load."""

from __future__ import annotations

import dataclasses
import io
import math
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import AutoTokenizer, GPT2LMHeadModel

from neuronwidgets import datasets
from neuronwidgets.datasets import load

DATA = Path(load.__file__).parent / "data"


@pytest.fixture(scope="module")
def fashion() -> datasets.Fashion:
    return datasets.fashion()


@pytest.fixture(scope="module")
def topics() -> datasets.Topics:
    return datasets.topics()


@pytest.fixture(scope="module")
def stories() -> datasets.Stories:
    return datasets.stories()


@pytest.fixture(scope="module")
def fashion_run(fashion: datasets.Fashion) -> tuple[np.ndarray, np.ndarray]:
    """(predicted class names (10000,), channel means (10000, channels))."""
    hidden: list[torch.Tensor] = []
    hook = fashion.model.get_submodule(fashion.layer).register_forward_hook(
        lambda _module, _inputs, output: hidden.append(output)
    )
    with torch.no_grad():
        pixels = torch.from_numpy(fashion.images).unsqueeze(1).float() / 255
        logits = torch.cat([fashion.model(part) for part in pixels.split(500)])
    hook.remove()
    assert logits.shape == (10000, 10)
    assert all(part.min() >= 0 and part.shape[1:] == (32, 7, 7) for part in hidden)
    names = np.array(fashion.card["classes"])
    return names[logits.argmax(1).numpy()], torch.cat([h.mean((2, 3)) for h in hidden]).numpy()


@pytest.fixture(scope="module")
def topics_run(topics: datasets.Topics) -> tuple[float, float]:
    """(accuracy, perplexity) of the first 1,000 texts, in one pass of the shared body."""
    hidden: list[torch.Tensor] = []
    hook = topics.model.transformer.register_forward_hook(
        lambda _module, _inputs, output: hidden.append(output.last_hidden_state)
    )
    order = sorted(range(1000), key=lambda row: len(topics.texts[row]))
    right, loss, tokens = 0, 0.0, 0
    for start in range(0, len(order), 50):
        rows = order[start : start + 50]
        batch = topics.tokenizer(
            [topics.texts[row] for row in rows],
            truncation=True,
            padding=True,
            return_tensors="pt",
        )
        targets = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)[:, 1:]
        with torch.no_grad():
            predicted = topics.model(**batch).logits.argmax(1).tolist()
            logits = topics.lm.lm_head(hidden.pop()[:, :-1])
            loss += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        tokens += int((targets >= 0).sum())
        names = topics.model.config.id2label
        right += sum(names[p] == topics.labels[row] for p, row in zip(predicted, rows, strict=True))
    hook.remove()
    return right / 1000, math.exp(loss / tokens)


def test_fashion_shapes_and_names(fashion: datasets.Fashion) -> None:
    assert fashion.images.shape == (10000, 28, 28)
    assert fashion.images.dtype == np.uint8
    assert fashion.images.flags.writeable
    assert fashion.labels.shape == (10000,)
    assert fashion.labels.dtype.kind == "U"
    names, counts = np.unique(fashion.labels, return_counts=True)
    assert set(names) == set(fashion.card["classes"]) >= {"Trouser", "Ankle boot", "T-shirt/top"}
    assert set(counts) == {1000}
    # The first test image of Fashion-MNIST is an ankle boot; trousers are tall and narrow.
    assert fashion.labels[0] == "Ankle boot"
    trousers = fashion.images[fashion.labels == "Trouser"].mean(0)
    assert trousers.max(1).min() > 2 * trousers[:, :4].max()
    assert not fashion.model.training
    assert isinstance(fashion.model.get_submodule(fashion.layer), torch.nn.ReLU)


def test_fashion_accuracy_is_the_cards(
    fashion: datasets.Fashion, fashion_run: tuple[np.ndarray, np.ndarray]
) -> None:
    accuracy = (fashion_run[0] == fashion.labels).mean()
    assert accuracy >= 0.90
    assert accuracy == pytest.approx(fashion.card["accuracy"], abs=0.002)


def test_fashion_channels_are_polysemantic(
    fashion: datasets.Fashion, fashion_run: tuple[np.ndarray, np.ndarray]
) -> None:
    entropies = []
    for channel in fashion_run[1].T:
        top = np.argsort(-channel, kind="stable")[:100]
        assert channel[top].min() > 0
        shares = np.unique(fashion.labels[top], return_counts=True)[1] / 100
        entropies.append(-(shares * np.log2(shares)).sum())
    assert sum(entropy > 1 for entropy in entropies) >= 4
    assert entropies == pytest.approx(fashion.card["top_label_entropy_bits"], abs=0.1)


def test_topics_shapes_and_names(topics: datasets.Topics) -> None:
    assert len(topics.texts) == len(set(topics.texts)) == 4000
    assert all(isinstance(text, str) and text for text in topics.texts)
    assert topics.labels.shape == (4000,)
    assert topics.labels.dtype.kind == "U"
    assert set(topics.labels) == set(topics.card["classes"])
    assert set(topics.model.config.label2id) == set(topics.card["classes"])
    # The names fit the texts: each word stands mostly in its class.
    for word, name in [
        (" album", "Album"),
        (" village", "Village"),
        (" politician", "OfficeHolder"),
    ]:
        found = topics.labels[[word in text for text in topics.texts]]
        assert (found == name).mean() > 0.6
    for model in (topics.model, topics.lm):
        assert not any(module.training for module in model.modules())
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        assert {p.device.type for p in model.parameters()} == {"cpu"}


def test_topics_accuracy_and_perplexity_are_the_cards(
    topics: datasets.Topics, topics_run: tuple[float, float]
) -> None:
    accuracy, perplexity = topics_run
    assert accuracy >= 0.90
    assert accuracy == pytest.approx(topics.card["first_1000"]["accuracy"], abs=0.002)
    assert perplexity == pytest.approx(topics.card["first_1000"]["perplexity"], rel=0.01)
    # All 4,000 take too long here; the first 1,000 must be a fair part of them.
    assert accuracy == pytest.approx(topics.card["accuracy"], abs=0.02)
    assert perplexity == pytest.approx(topics.card["perplexity"], rel=0.1)


def test_topics_heads_share_the_body(topics: datasets.Topics) -> None:
    assert topics.lm.transformer is topics.model.transformer
    assert topics.lm.lm_head.weight is topics.model.transformer.wte.weight
    assert topics.lm.get_submodule(topics.layer) is topics.model.get_submodule(topics.layer)
    hidden: list[torch.Tensor] = []
    hook = topics.model.get_submodule(topics.layer).register_forward_hook(
        lambda _module, _inputs, output: hidden.append(output)
    )
    batch = topics.tokenizer(topics.texts[:2], padding=True, return_tensors="pt")
    with torch.no_grad():
        topics.lm(**batch)
        topics.model(**batch)
    hook.remove()
    assert hidden[0].shape == (2, batch["input_ids"].shape[1], 512)
    assert torch.equal(hidden[0], hidden[1])


def test_topics_lm_continues_a_text(topics: datasets.Topics) -> None:
    batch = topics.tokenizer("The village is located in the", return_tensors="pt")
    with torch.no_grad():
        first, second = (
            topics.lm.generate(**batch, max_new_tokens=20, do_sample=False) for _ in range(2)
        )
    assert torch.equal(first, second)
    assert first.shape[1] > batch["input_ids"].shape[1]


def test_topics_folder_loads_into_both_classes(topics: datasets.Topics) -> None:
    lm = GPT2LMHeadModel.from_pretrained(DATA / "topics", local_files_only=True)
    assert lm.dtype == torch.float32
    expected = topics.lm.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in lm.state_dict().items())
    auto = AutoTokenizer.from_pretrained(DATA / "topics", local_files_only=True)
    assert auto(topics.texts[0])["input_ids"] == topics.tokenizer(topics.texts[0])["input_ids"]


@pytest.mark.parametrize("text", ["Museum (鎌倉文学館) is a museum.", "Słup 🦩\u200e naïve\n x"])
def test_topics_tokenizer_keeps_unicode(topics: datasets.Topics, text: str) -> None:
    encoded = topics.tokenizer(text, return_offsets_mapping=True)
    assert set(encoded) == {"input_ids", "attention_mask", "offset_mapping"}
    ids = encoded["input_ids"]
    assert ids[0] == topics.tokenizer.bos_token_id == topics.model.config.bos_token_id
    assert topics.tokenizer.decode(ids, skip_special_tokens=True) == text
    covered = {at for start, end in encoded["offset_mapping"] for at in range(start, end)}
    assert covered == set(range(len(text)))
    padded = topics.tokenizer([text, "x"], padding=True)
    assert padded["input_ids"][1][-1] == topics.model.config.pad_token_id
    assert padded["attention_mask"][1][:2] == [1, 1]


def test_topics_texts_keep_unicode(topics: datasets.Topics) -> None:
    joined = "".join(topics.texts)
    assert sum(ord(character) > 127 for character in joined) > 1000
    assert "\ufffd" not in joined
    assert "Ã©" not in joined


def test_stories_writes_the_same_story_twice(stories: datasets.Stories) -> None:
    batch = stories.tokenizer("Once upon a time", return_tensors="pt")
    assert batch["input_ids"][0, 0] == stories.model.config.bos_token_id
    with torch.no_grad():
        first, second = (
            stories.model.generate(
                **batch,
                max_new_tokens=40,
                do_sample=False,
                pad_token_id=stories.tokenizer.pad_token_id,
            )
            for _ in range(2)
        )
    assert torch.equal(first, second)
    story = stories.tokenizer.decode(first[0], skip_special_tokens=True)
    assert story.startswith("Once upon a time")
    assert "there was a" in story
    assert not stories.model.training
    assert stories.model.dtype == torch.float32


def test_results_are_frozen(stories: datasets.Stories) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        stories.card = {}  # type: ignore[misc]


@pytest.mark.parametrize("name", ["fashion", "topics", "stories"])
def test_folder_has_licence_and_card(name: str) -> None:
    holder = {"fashion": "Zalando", "topics": "ShareAlike 3.0", "stories": "Andrej Karpathy"}
    assert holder[name] in (DATA / name / "LICENSE").read_text(encoding="utf-8")
    card = load._read_card(DATA / name)
    assert {"what", "source", "licence", "versions", "training"} <= set(card)


def test_data_is_small() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(DATA.rglob("*")):
            archive.write(path, path.relative_to(DATA))
    assert buffer.tell() <= 12e6


QUIET = """
import socket, sys
from neuronwidgets import datasets
datasets.fashion
assert not {"torch", "transformers"} & set(sys.modules), "loaded early"
def refuse(*args, **kwargs):
    raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = refuse
import torch
state = torch.get_rng_state()
datasets.fashion(), datasets.topics(), datasets.stories()
assert torch.equal(state, torch.get_rng_state()), "drew random numbers"
from transformers.utils import logging
assert logging.is_progress_bar_enabled()
"""


def test_loading_is_lazy_quiet_and_offline() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", QUIET], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
