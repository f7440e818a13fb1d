"""Labels of words -> labels of tokens."""

from __future__ import annotations

from typing import Any

import datasets as hf
import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from neuronwidgets.data.batch import Batch, WordLabels
from neuronwidgets.data.batches import batches

TEXTS = ["the cat sat", "play", "the 🧠 players, playing 日本"]
WORDS = [text.split() for text in TEXTS]
TAGS = [["D", "N", "V"], ["V"], ["D", "N", "N", "V", "P"]]
PIECES = [
    [("the", "D"), ("cat", "N"), ("sat", "V")],
    [("play", "V")],
    [("the", "D"), ("🧠", "N"), ("play", "N"), ("er", "N"), ("s", "N"), (",", "N"), ("play", "V"),
     ("ing", "V"), ("日本", "P")],
]  # fmt: skip


def batches_of(data: Any, **options: Any) -> list[Batch]:
    return list(batches(data, **({"batch_size": 2} | options)).batches)


def tagged(read: list[Batch]) -> list[list[tuple[str, Any]]]:
    return [
        [
            (text[a:b], labels.labels[word])
            for (a, b), word in zip(spans, words, strict=True)
            if b > a and word >= 0
        ]
        for batch in read
        for text, spans, words, labels in zip(
            batch.texts, batch.spans, batch.words, batch.labels or (), strict=True
        )
    ]


@pytest.mark.parametrize(
    ("data", "given"),
    [
        (list(zip(WORDS, TAGS, strict=True)), None),
        (WORDS, TAGS),
        (TEXTS, TAGS),
        ([{"tokens": w, "ner_tags": t} for w, t in zip(WORDS, TAGS, strict=True)], None),
        (hf.Dataset.from_dict({"words": WORDS, "labels": TAGS}), None),
    ],
)
def test_each_token_has_its_words_label(
    bert_tokenizer: PreTrainedTokenizerBase, data: Any, given: Any
) -> None:
    options = {"processor": bert_tokenizer, "labels": given, "per_word": True}
    assert tagged(batches_of(data, **options)) == PIECES
    # Windows have the labels of their own words.
    split = batches_of(data, **options, max_length=8, windows=0)
    assert [pair for row in tagged(split) for pair in row] == [p for row in PIECES for p in row]


def test_a_space_that_is_a_token_is_of_the_word_after_it() -> None:
    labels = WordLabels(["x", "y"], np.array([[0, 2], [3, 5]], np.int32))
    spans = np.array([[0, 0], [0, 2], [2, 3], [3, 4], [2, 5], [5, 5]], np.int32)
    assert labels.of_tokens(spans).tolist() == [-1, 0, 1, 1, 1, -1]


def test_labels_of_words_that_do_not_fit_are_refused(
    bert_tokenizer: PreTrainedTokenizerBase, slow_tokenizer: PreTrainedTokenizerBase
) -> None:
    options: dict[str, Any] = {"per_word": True, "processor": bert_tokenizer}
    with pytest.raises(
        ValueError, match="sample 0 must have one label for each of its 3 words, got 2"
    ):
        batches_of(WORDS, labels=[["a", "b"], ["a"], ["a"] * 5], **options)
    for labels in (TAGS[:2], [*TAGS, ["a"]]):
        with pytest.raises(ValueError, match=f"labels must .* got {len(labels)} for 3"):
            batches_of(WORDS, labels=labels, **options)
    with pytest.raises(ValueError, match="labels of words need a fast tokenizer"):
        batches_of(WORDS, labels=TAGS, per_word=True, processor=slow_tokenizer)
    with pytest.raises(
        ValueError, match="labels holds a list for each sample, and data has no words"
    ):
        batches_of(torch.rand(3, 4), labels=TAGS, **options)
