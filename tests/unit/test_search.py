"""Search of a layer: by name, typed text, samples and contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
from neuronwidgets.core.steps import drained
from neuronwidgets.overviews.search import (
    Match,
    Standard,
    by_contrast,
    by_name,
    by_samples,
    by_text,
    samples_with,
    segments_of,
)

TEXTS = ["The cat sat.", "A dog ran.", "Concatenate!", "CAT food", "猫が好き", "nothing"] * 20
LABELS = ["pet", "pet", "code", "pet", "pet", None] * 20


def layer(texts: Any = TEXTS, labels: Any = LABELS) -> nw.Activations:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((120, 6)).astype("f4")
    values[0::6, 2] += 5
    values[3::6, 2] += 5
    values[2::6, 4] += 5
    values[:, 5] = 1
    return nw.Activations.from_arrays(values, texts, labels)


def found(acts: nw.Activations, name: str) -> Match:
    match: Match = drained(by_name(acts, name))
    return match


def test_a_word_is_found_in_texts() -> None:
    match = found(layer(), " cat ")
    assert match.value.argmax() == 2
    has = np.isin(np.arange(120) % 6, [0, 3])
    assert match.value[2] == roc_auc_score(has, layer().values[:, 2])
    assert match.title == "“cat”"
    assert match.note.startswith("40 samples with the word “cat”: 2 of 6 neurons")
    assert match.contrast is not None
    # A part of a word, where no whole word is there.
    assert samples_with(layer(), "catena").tolist() == list(range(2, 120, 6))
    assert samples_with(layer(), "猫").tolist() == list(range(4, 120, 6))
    assert samples_with(layer(), "(").tolist() == []


def test_a_label_comes_before_a_word() -> None:
    match = found(layer(), "CODE")
    assert match.value.argmax() == 4
    assert match.title == "code"
    # Samples without a label are neither code nor something else.
    labelled = np.arange(120) % 6 != 5
    code = (np.arange(120) % 6 == 2)[labelled]
    assert match.value[4] == roc_auc_score(code, layer().values[labelled, 4])


def test_nothing_is_found() -> None:
    match = found(layer(), "pets")
    assert np.isnan(match.value).all()
    assert match.note == "No label or text has “pets”. Nearest: 'pet'."
    assert "No text has" in found(layer(labels=None), "horse").note
    assert "No label has" in found(layer(texts=None), "horse").note


def test_labels_of_one_kind() -> None:
    match = found(layer(labels=["pet"] * 120), "pet")
    assert match.note == "All 120 samples are labelled pet: there is nothing to compare with."


def test_words_among_tokens() -> None:
    spans = [np.array([[0, 3], [3, 7]], "i4"), np.array([[0, 3], [3, 7]], "i4")]
    samples = Samples(
        4, texts=["the cat", "cat dog"], spans=spans, item=np.array([0, 0, 1, 1]),
        token=np.array([0, 1, 0, 1]),
    )  # fmt: skip
    acts = nw.Activations.from_arrays(np.eye(4), samples)
    assert samples_with(acts, "Cat").tolist() == [1, 2]


@pytest.mark.parametrize(
    ("acts", "name", "words"),
    [
        (layer(), "  ", "nothing was typed"),
        (layer(None, None), "cat", "neither labels nor texts"),
    ],
)
def test_searches_by_name_that_are_refused(acts: nw.Activations, name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        found(acts, name)


def test_samples_give_mean_z() -> None:
    acts = layer()
    match = by_samples(acts, [0, 6, 3], Standard.of(acts))
    values = acts.values.astype("f8")
    with np.errstate(invalid="ignore"):
        z = (values[[0, 6, 3]].mean(0) - values.mean(0)) / values.std(0)
    np.testing.assert_allclose(match.value[:5], z[:5], rtol=1e-6)
    assert match.value[5] == 0
    assert match.title == "3 samples"
    assert "0 ± 0.58" in match.about


def test_a_contrast_is_that_of_nw() -> None:
    acts = layer()
    match = drained(by_contrast(acts, [0, 6, 3], [1, 2]))
    expected = nw.contrast(acts, [0, 6, 3], [1, 2])
    np.testing.assert_array_equal(match.value, expected.auroc)
    assert match.title == "3 against 2"
    assert drained(by_contrast(acts, [0], [])).title == "1 against 119"


def test_segments_join_to_the_text() -> None:
    spans = np.array([[0, 2], [3, 5], [5, 6], [5, 6], [6, 6]])
    text = "ab cd😀x"
    segments = segments_of(text, spans)
    assert segments == ["ab", " cd", "😀", "", "x"]
    assert "".join(segments) == text


@pytest.mark.parametrize(
    ("acts", "text", "model", "words"),
    [
        (layer(), "a cat", None, "pass model="),
        (layer(), " \n", object(), "nothing was typed"),
        (layer(np.zeros((120, 4, 4), np.uint8)), "a cat", object(), "reads images"),
    ],
)
def test_typed_texts_that_are_refused(
    acts: nw.Activations, text: str, model: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        by_text(acts, text, model, None, Standard.of(acts))


@pytest.mark.model
def test_a_typed_text_goes_through_the_model() -> None:
    stories = nw.datasets.stories()
    texts = [f"{who} had a {what}" for who in ("Lily", "Tom", "Ben") for what in ("cat", "ball")]
    acts = nw.capture(
        stories.model, texts, "model.layers.2", "max", tokenizer=stories.tokenizer, progress=False
    )
    text = "One day, Tom saw a 😀 bird."
    match = by_text(acts, text, stories.model, stories.tokenizer, Standard.of(acts))
    read = nw.capture(
        stories.model, [text], "model.layers.2", "token", tokenizer=stories.tokenizer,
        first=acts.first, progress=False,
    )  # fmt: skip
    values = acts.values.astype("f8")
    expected = (read.values.max(0) - values.mean(0)) / values.std(0)
    np.testing.assert_allclose(match.value, expected, rtol=1e-4)
    assert match.token is not None
    assert read.samples.token is not None
    np.testing.assert_array_equal(match.token, read.samples.token[read.values.argmax(0)])
    assert "".join(match.segments) == text
    assert match.token.max() < len(match.segments)
    # The text of a sample has the sample's own activations.
    again = by_text(acts, texts[1], stories.model, stories.tokenizer, Standard.of(acts))
    own = (values[1] - values.mean(0)) / values.std(0)
    np.testing.assert_allclose(again.value, own, atol=1e-3)
