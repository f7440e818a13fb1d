"""What a layer makes of a new text is what a capture makes of it; a deletion is a plain rerun."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.activations.retrieval import normalized
from neuronwidgets.effects.deletions import deletions, without, words_of
from neuronwidgets.effects.readings import MAX_TOKENS, Axes, SampleReader


@pytest.fixture(scope="module")
def stories() -> Any:
    return nw.datasets.stories()


@pytest.fixture(scope="module")
def topics() -> Any:
    return nw.datasets.topics()


LAYER = "model.layers.2.mlp.act_fn"
TEXTS = [
    "Once upon a time, there was a little girl named Lily.",
    "Tom had a big red ball.",
    "The dog ran to the park and saw a cat 🙂.",
]


def captured(stories: Any, pooling: str, **options: Any) -> nw.Activations:
    return nw.capture(
        stories.model, TEXTS, LAYER, pooling, tokenizer=stories.tokenizer, progress=False, **options
    )


@pytest.mark.parametrize("pooling", ["mean", "max", "last", "cls"])
@pytest.mark.parametrize("first", [True, False])
def test_the_pooled_value_is_that_of_the_capture(stories: Any, pooling: str, first: bool) -> None:
    acts = captured(stories, pooling, first=first)
    reader = SampleReader(acts, stories.model, tokenizer=stories.tokenizer)
    for row, text in enumerate(TEXTS):
        reading = reader.texts([text], Axes(7))[0]
        assert reading.pooled == pytest.approx(acts.values[row, 7], rel=1e-4, abs=1e-6)


def test_each_token_is_that_of_a_capture_of_tokens(stories: Any) -> None:
    acts = captured(stories, "token", first=True)
    reader = SampleReader(acts, stories.model, tokenizer=stories.tokenizer)
    for item, reading in enumerate(reader.texts(TEXTS, Axes(7))):
        rows = np.flatnonzero(acts.samples.item == item)
        assert acts.samples.token is not None
        token = acts.samples.token[rows]
        np.testing.assert_allclose(
            reading.activations[token], acts.values[rows, 7], rtol=1e-4, atol=1e-6
        )
        assert reading.counts.nonzero()[0].tolist() == token.tolist()
        assert reading.pooled == reading.activations[token].max()
        assert reading.pooled == reading.activations[reading.peak]
        assert reading.tokens[reading.peak] == TEXTS[item][slice(*reading.spans[reading.peak])]


def test_shares_are_about_the_layers_mean(topics: Any) -> None:
    acts = nw.capture(
        topics.model, topics.texts[:150], topics.layer, tokenizer=topics.tokenizer, progress=False
    )
    concepts = nw.split(acts, 5).cut()
    axes = Axes.of(5, concepts, acts.mean)
    reader = SampleReader(acts, topics.model, tokenizer=topics.tokenizer)
    row = int(acts.top(5, 1)[0])
    reading = reader.texts([topics.texts[row]], axes)[0]
    means = np.stack([acts.rows(concepts.index[g]).mean(axis=0) for g in concepts.groups])
    np.testing.assert_allclose(axes.concepts, normalized(means - acts.mean), atol=1e-5)
    expected = (acts.rows([row])[0] - acts.mean) @ axes.concepts.T
    np.testing.assert_allclose(reading.pooled_shares, expected, rtol=1e-3, atol=1e-4)
    # The mean of the tokens' shares is the share of their mean.
    np.testing.assert_allclose(
        reading.shares[reading.counts].mean(axis=0), reading.pooled_shares, rtol=1e-3, atol=1e-4
    )
    assert reading.shares.shape == (len(reading.tokens), len(concepts))
    assert reading.control.shape == (len(concepts),)
    np.testing.assert_allclose(np.linalg.norm(axes.control, axis=1), 1, rtol=1e-5)
    direction = np.zeros(acts.shape[1])
    direction[5] = 1
    along = reader.texts([topics.texts[row]], Axes(direction))[0]
    np.testing.assert_allclose(along.activations, reading.activations, rtol=1e-5, atol=1e-6)


class Offset(nn.Module):
    """A layer whose outputs are far from the origin, as those of a ReLU are."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(x.flatten(1) + 9)


def test_what_all_samples_share_is_no_concept() -> None:
    rng = np.random.default_rng(0)
    kind = np.arange(240) % 3
    pixels = rng.integers(0, 3, (240, 4, 3))
    pixels[np.arange(240), 1 + kind] += 6
    pixels[:, 0, 0] += 5 * (kind < 2)
    images = pixels.astype(np.uint8)
    model = Offset()
    read = {"transform": lambda image: torch.from_numpy(np.array(image)).float()}
    acts = nw.capture(model, list(images), "act", progress=False, **read)
    made = nw.split(acts, 0, top=80)
    concepts = made.cut(float(made.Z[-2, 2]))
    axes = Axes.of(0, concepts, acts.mean)
    reader = SampleReader(acts, model, **read)
    own = [int(rows[0]) for rows in concepts.exemplars(1)]
    readings = [reader.image(images[row], axes) for row in own]
    shares = np.stack([reading.pooled_shares for reading in readings])
    assert len(concepts) == 2
    # Each sample has most of its own concept, more than of a random direction.
    assert (shares.argmax(axis=1) == np.arange(len(own))).all()
    controls = [float(reading.control[k]) for k, reading in enumerate(readings)]
    assert (np.diag(shares) > 1.2 * np.array(controls)).all()
    # Another kind's sample is on the other side.
    other = reader.image(images[int(np.flatnonzero(kind == 2)[0])], axes)
    assert (other.pooled_shares < 0).all()


def test_a_deletion_is_a_plain_rerun(topics: Any) -> None:
    acts = nw.capture(
        topics.model, topics.texts[:150], topics.layer, tokenizer=topics.tokenizer, progress=False
    )
    concepts = nw.split(acts, 5).cut()
    axes = Axes.of(5, concepts, acts.mean)
    reader = SampleReader(acts, topics.model, tokenizer=topics.tokenizer)
    text = topics.texts[int(acts.top(5, 1)[0])]
    reading = reader.texts([text], axes)[0]
    found = deletions(reader, reading, axes)
    assert found.words == tuple(text.split())
    assert found.concept == int(reading.pooled_shares.argmax())
    for i in (0, 1, len(found.words) - 1):
        kept = " ".join(word for j, word in enumerate(text.split()) if j != i)
        again = nw.capture(
            topics.model, [kept], topics.layer, tokenizer=topics.tokenizer, progress=False
        )
        drop = reading.pooled - float(again.values[0, 5])
        assert found.drops[i] == pytest.approx(drop, rel=1e-3, abs=1e-5)
        share = float((again.values[0] - acts.mean) @ axes.concepts[found.concept])
        share_drop = reading.pooled_shares[found.concept] - share
        assert found.concept_drops[i] == pytest.approx(share_drop, rel=1e-3, abs=1e-4)
    assert found.random_drop == pytest.approx(found.drops.mean())
    assert found.word == found.words[int(found.drops.argmax())]


def test_texts_of_any_kind(stories: Any) -> None:
    acts = captured(stories, "mean")
    reader = SampleReader(acts, stories.model, tokenizer=stories.tokenizer)
    for text in ("a", "😀😀 naïve", "مرحبا بالعالم", "你好世界", "x\ud83d", "\x00 \u200b ok"):
        (reading,) = reader.texts([text], Axes(7))
        assert np.isfinite(reading.pooled)
        assert reading.unread == 0
        assert len(reading.activations) == len(reading.tokens) == len(reading.spans)
    (chinese,) = reader.texts(["你好世界"], Axes(7))
    assert [chinese.text[a:b] for a, b in words_of(chinese)] == ["你", "好", "世", "界"]
    (single,) = reader.texts(["a"], Axes(7))
    with pytest.raises(ValueError, match="fewer than two words"):
        deletions(reader, single, Axes(7))


def test_an_endless_text_is_read_up_to_the_models_limit(stories: Any) -> None:
    acts = captured(stories, "mean")
    reader = SampleReader(acts, stories.model, tokenizer=stories.tokenizer)
    text = "The dog ran. " * 20_000
    (reading,) = reader.texts([text], Axes(7))
    assert 100 < len(reading.tokens) <= 512
    assert reading.spans[:, 1].max() + reading.unread == len(text)
    short = SampleReader(acts, stories.model, tokenizer=stories.tokenizer, max_length=8)
    (reading,) = short.texts([text], Axes(7))
    assert len(reading.tokens) == 8


class Words(nn.Module):
    """A model without a limit of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.act = nn.Embedding(600, 4), nn.ReLU()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.act(self.embed(input_ids))


def test_a_model_without_a_limit_reads_as_much_as_keeps_up_with_typing(stories: Any) -> None:
    model, tokenizer = Words().eval(), copy.deepcopy(stories.tokenizer)
    tokenizer.model_max_length = int(1e30)
    acts = nw.capture(model, TEXTS, "act", tokenizer=tokenizer, progress=False)
    reader = SampleReader(acts, model, tokenizer=tokenizer)
    (reading,) = reader.texts(["The dog ran. " * 5000], Axes(1))
    assert len(reading.tokens) == MAX_TOKENS
    assert reading.unread > 0


def test_images_are_read_as_they_were_captured() -> None:
    fashion = nw.datasets.fashion()
    acts = nw.capture(fashion.model, fashion.images[:40], fashion.layer, progress=False)
    reader = SampleReader(acts, fashion.model)
    for row in range(3):
        reading = reader.image(fashion.images[row], Axes(4))
        assert reading.pooled == pytest.approx(acts.values[row, 4], rel=1e-4, abs=1e-6)
        assert reading.activations.shape == (49,)
        assert reading.tokens == ()
    with pytest.raises(RuntimeError, match="takes 1 channel"):
        reader.image(np.zeros((28, 28, 3), np.uint8), Axes(4))


def test_what_cannot_be_read_is_refused(stories: Any) -> None:
    acts = captured(stories, "mean")
    with pytest.raises(ValueError, match="no capture made them: pass pooling='mean'"):
        SampleReader(nw.Activations.from_arrays(acts.values, layer=LAYER), stories.model)
    with pytest.raises(ValueError, match="does not exist"):
        SampleReader(acts, stories.model, "nowhere")
    other = SampleReader(acts, stories.model, "model.layers.2", tokenizer=stories.tokenizer)
    with pytest.raises(ValueError, match=r"has 64 neurons, and acts have 172: pass the model"):
        other.texts(["a dog"], Axes(0))
    with pytest.raises(ValueError, match="pooling must be one of"):
        SampleReader(acts, stories.model, tokenizer=stories.tokenizer, pooling="median")


@pytest.mark.parametrize(
    ("text", "span", "left"),
    [
        ("a b c", (0, 1), "b c"),
        ("a b c", (2, 3), "a c"),
        ("a b c", (4, 5), "a b"),
        ("  a  b", (2, 3), "  b"),
        ("a\nb", (2, 3), "a"),
    ],
)
def test_a_word_goes_with_its_space(text: str, span: tuple[int, int], left: str) -> None:
    assert without(text, *span) == left


def test_the_model_is_left_as_it_was(stories: Any) -> None:
    acts = captured(stories, "mean")
    stories.model.train()
    threads = torch.get_num_threads()
    reader = SampleReader(acts, stories.model, tokenizer=stories.tokenizer)
    # The first text is read twice at once, to learn the axes, which may change its rounding.
    _, one, other = (reader.texts(["a dog ran"], Axes(7))[0].pooled for _ in range(3))
    assert one == other
    assert stories.model.training
    assert torch.get_num_threads() == threads
    stories.model.eval()
