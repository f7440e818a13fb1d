"""Concepts of tokens are named by their tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.samples import Samples
from neuronwidgets.activations.tokens import Tokens, tokens_of

WORDS = ("The", " the", "cat", "sat")


def spoken(labels: np.ndarray | None = None) -> Activations:
    """100 texts "The the cat sat", with one direction for each word in any case."""
    rng = np.random.default_rng(0)
    text = "".join(WORDS[:2]) + " cat sat"
    spans = np.array([[0, 3], [3, 7], [8, 11], [12, 15]])
    item, token = np.divmod(np.arange(400), 4)
    kind = np.array([0, 0, 1, 2])[token]
    values = (10 * np.eye(8)[kind] + rng.normal(size=(400, 8))).astype("f4")
    values[:, 7] = 5 + 0.1 * rng.random(400)
    samples = Samples(400, texts=[text] * 100, spans=[spans] * 100, item=item, token=token)
    names = () if labels is None else ("news", "sport")
    return Activations("layer", values, samples, labels, names, pooling="token")


def test_the_label_of_the_text_is_no_name() -> None:
    item = np.arange(400) // 4
    of_text = (item % 2).astype(np.int64)
    for labels in (None, of_text, np.zeros(400, np.int64)):
        concepts = nw.split(spoken(labels), 7, top=100).cut()
        assert sorted(concepts.names) == ["“The”", "“cat”", "“sat”"]


def test_labels_of_words_are() -> None:
    of_word = (np.arange(400) % 4 >= 2).astype(np.int64)
    acts = spoken(of_word)
    assert not acts.labels_of_texts
    assert tokens_of(acts, np.arange(10)) is None
    concepts = nw.split(acts, 7, top=100).cut()
    assert set(concepts.names) == {"news", "sport"}


def test_the_layers_table_says_them() -> None:
    frame = nw.split_layer(spoken(), neurons=[7], top=100, progress=False).to_frame()
    assert frame["names"].item() == "“The”, “cat”, “sat”"


@pytest.mark.parametrize(
    ("codes", "name"),
    [
        ([0, 0, 0, 1], "a"),
        ([0, 0, 1, 1], "a, b"),
        ([1, 1, 0, 2, 2], "b, c"),
        ([0, 1, 2, 3, 3, 0], "a, d"),
        ([0, 1, 2, 3, 4, 5, 6], None),
        ([-1, -1, -1, 0], None),
        ([], None),
    ],
)
def test_up_to_three_tokens_that_more_than_half_are(codes: list[int], name: str | None) -> None:
    tokens = Tokens(np.array(codes, np.int32), tuple("abcdefg"))
    assert tokens.name(np.arange(len(codes))) == name


def test_without_texts_there_are_none() -> None:
    acts = spoken()
    bare = replace(acts, samples=replace(acts.samples, spans=[]))
    assert tokens_of(bare, np.arange(5)) is None
    plain = Activations.from_arrays(np.ones((3, 2)))
    assert tokens_of(plain, np.arange(3)) is None
