"""Tokens: where they stand in their texts, which of them count."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import processors
from torch.utils.data import DataLoader, TensorDataset
from transformers import PreTrainedTokenizerBase

from neuronwidgets.data.batch import Batch
from neuronwidgets.data.batches import batches
from neuronwidgets.data.texts import prompt_ids
from neuronwidgets.data.vocabulary import Vocabulary

TEXTS = ["the cat sat", "play", "the 🧠 players, playing 日本"]


def all_of(data: Any, **options: Any) -> list[Batch]:
    return list(batches(data, **({"batch_size": 2} | options)).batches)


def pieces(made: list[Batch]) -> list[list[str]]:
    return [
        [text[a:b] for a, b in spans if b > a]
        for batch in made
        for text, spans in zip(batch.texts, batch.spans, strict=True)
    ]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_spans_cut_the_right_token_strings(
    bert_tokenizer: PreTrainedTokenizerBase, batch_size: int
) -> None:
    made = all_of(TEXTS, processor=bert_tokenizer, batch_size=batch_size)
    assert [text for batch in made for text in batch.texts] == TEXTS
    assert pieces(made) == [
        ["the", "cat", "sat"],
        ["play"],
        ["the", "🧠", "play", "er", "s", ",", "play", "ing", "日本"],
    ]
    for batch in made:
        assert batch.content is not None
        assert batch.mask is not None
        # [CLS] and [SEP] are real, and no content.
        assert (batch.mask.sum(1) - batch.content.sum(1)).tolist() == [2] * batch.size


def test_bytes_of_one_character_share_its_span(gpt2_tokenizer: PreTrainedTokenizerBase) -> None:
    (made,) = all_of(["a 🧠!"], processor=gpt2_tokenizer)
    cut = [made.texts[0][a:b] for a, b in made.spans[0]]
    assert "".join(dict.fromkeys(cut)).replace(" ", "") == "a🧠!"
    assert sum("🧠" in piece for piece in cut) == 4


def test_a_tokenizer_without_padding_pads_with_its_end_and_is_left_alone(
    gpt2_tokenizer: PreTrainedTokenizerBase,
) -> None:
    assert gpt2_tokenizer.pad_token is None
    (made,) = all_of(["the cat sat on", "a"], processor=gpt2_tokenizer)
    assert gpt2_tokenizer.pad_token is None
    assert made.mask is not None
    assert made.mask[1].tolist() == [True] + [False] * (made.mask.shape[1] - 1)
    assert made.content is not None
    assert made.content.tolist() == made.mask.tolist()


def test_padding_is_on_the_right_so_that_positions_are_the_texts_own(
    bert_tokenizer: PreTrainedTokenizerBase,
) -> None:
    bert_tokenizer.padding_side = "left"
    try:
        (made,) = all_of(["the cat sat", "the"], processor=bert_tokenizer)
        assert bert_tokenizer.padding_side == "left"
    finally:
        bert_tokenizer.padding_side = "right"
    assert made.inputs["input_ids"].tolist() == [[2, 4, 5, 6, 3], [2, 4, 3, 0, 0]]


def test_long_texts_are_cut(gpt2_tokenizer: PreTrainedTokenizerBase) -> None:
    (made,) = all_of(["the cat sat on the mat " * 50], processor=gpt2_tokenizer, max_length=6)
    assert made.inputs["input_ids"].shape == (1, 6)
    assert len(made.spans[0]) == 6
    assert made.texts[0].startswith("the cat")


def test_without_offsets_texts_are_put_together_from_tokens(
    slow_tokenizer: PreTrainedTokenizerBase,
) -> None:
    (made,) = all_of(["né 🧠", "a b c d e f g"], processor=slow_tokenizer)
    assert made.texts == ["né 🧠</s>", "a b c d e f g</s>"]
    cut = [made.texts[0][a:b] for a, b in made.spans[0]]
    assert cut == ["n", "é", "é", " ", *["🧠"] * 4, "</s>", *[""] * (len(cut) - 9)]
    assert made.mask is not None
    assert made.mask[0].sum() == 9


def test_token_ids_are_shown_as_words(
    bert_tokenizer: PreTrainedTokenizerBase, gpt2_tokenizer: PreTrainedTokenizerBase
) -> None:
    ids = torch.tensor([[4, 9, 10, 16, 15], [4, 5, 0, 0, 0]])
    made = all_of(ids, processor=bert_tokenizer)
    assert made[0].texts[0] == "the playing , 🧠"
    assert pieces(made)[0] == ["the", "play", "ing", ",", "🧠"]
    mask = (ids > 0).long()
    made = all_of([{"input_ids": ids, "attention_mask": mask}], processor=bert_tokenizer)
    assert made[0].texts == ["the playing , 🧠", "the cat"]
    assert pieces(made)[1] == ["the", "cat"]
    for text in ("the cat 🧠 sat", "a,b", "naïve"):
        ids = torch.tensor([gpt2_tokenizer(text)["input_ids"]])
        assert all_of(ids, processor=gpt2_tokenizer)[0].texts == [text]


# Special tokens


@pytest.fixture
def bos_tokenizer(gpt2_tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """One that puts `<s>` before a text, as Llama's, and knows the turns of a chat."""
    tokenizer = copy.deepcopy(gpt2_tokenizer)
    tokenizer.add_special_tokens({"bos_token": "<s>", "pad_token": "<pad>"})
    tokenizer.add_tokens(["<|user|>"], special_tokens=True)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
    )
    return tokenizer


def counted(tokenizer: PreTrainedTokenizerBase, batch: Batch, row: int = 0) -> list[str]:
    assert batch.content is not None
    return tokenizer.convert_ids_to_tokens(batch.inputs["input_ids"][row][batch.content[row]])


def real(batch: Batch, row: int = 0) -> list[int]:
    """A row's tokens without padding."""
    ids = batch.inputs if isinstance(batch.inputs, torch.Tensor) else batch.inputs["input_ids"]
    assert batch.mask is not None
    return ids[row][batch.mask[row]].tolist()


TWICE = "each row of token ids has the tokenizer's special tokens twice"


@pytest.mark.parametrize(
    ("text", "words", "twice"),
    [
        ("[CLS] the [SEP] cat [SEP]", ["the", "cat"], True),
        ("the [PAD] cat", ["the", "cat"], False),
        ("the zebra sat", ["the", "[UNK]", "sat"], False),
        ("[SEP]", [], True),
    ],
)
def test_written_special_tokens_are_special_in_texts_and_in_ids(
    bert_tokenizer: PreTrainedTokenizerBase, text: str, words: list[str], twice: bool
) -> None:
    (made,) = all_of([text], processor=bert_tokenizer)
    assert counted(bert_tokenizer, made) == words
    ids = bert_tokenizer(text)["input_ids"]
    for data in (np.array([ids]), [ids]):
        with pytest.warns(UserWarning, match=TWICE) if twice else nullcontext():
            (made_of_ids,) = all_of(data, processor=bert_tokenizer)
        assert real(made_of_ids) == real(made)
        assert counted(bert_tokenizer, made_of_ids) == words


def test_the_turns_of_a_chat_are_special(bos_tokenizer: PreTrainedTokenizerBase) -> None:
    (made,) = all_of(["<s><|user|>the cat<|endoftext|>"], processor=bos_tokenizer)
    assert "".join(counted(bos_tokenizer, made)) == "theĠcat"
    assert real(made).count(bos_tokenizer.bos_token_id) == 1
    for prompt in ("<s>the cat", "the cat"):
        ids = prompt_ids(bos_tokenizer, prompt).tolist()
        assert ids == [[bos_tokenizer.bos_token_id, *bos_tokenizer("the cat")["input_ids"][1:]]]


def test_unknown_is_special_only_where_it_is_something_else_too(
    bert_tokenizer: PreTrainedTokenizerBase, gpt2_tokenizer: PreTrainedTokenizerBase
) -> None:
    assert 1 not in Vocabulary.of(bert_tokenizer).special
    tokenizer = copy.deepcopy(gpt2_tokenizer)
    tokenizer.unk_token = tokenizer.eos_token
    assert Vocabulary.of(tokenizer).special == (0,)


@pytest.mark.parametrize("side", ["left", "right"])
def test_what_stands_before_and_after_a_text_is_there_once(
    bert_tokenizer: PreTrainedTokenizerBase, side: str
) -> None:
    texts = ["[CLS] the cat [SEP]", "[CLS] sat", "the [SEP]", "the cat"]
    (made,) = all_of(texts, processor=bert_tokenizer, batch_size=4)
    expected = [[2, 4, 5, 3], [2, 6, 3], [2, 4, 3], [2, 4, 5, 3]]
    assert [real(made, row) for row in range(4)] == expected
    assert made.inputs["attention_mask"].shape[1] == 4
    assert [made.texts[0][a:b] for a, b in made.spans[0]] == ["[CLS]", "the", "cat", "[SEP]"]
    # Of ids, where each row has it twice.
    tokenizer = copy.deepcopy(bert_tokenizer)
    tokenizer.padding_side = side
    batch = dict(tokenizer(texts[:2], return_tensors="pt", padding=True))
    assert batch["input_ids"].shape == (2, 6)
    with pytest.warns(UserWarning, match=TWICE):
        (made,) = all_of([batch], processor=bert_tokenizer)
    assert [real(made, row) for row in range(2)] == [[2, 4, 5, 3, 3], [2, 6, 3]]
    assert made.mask is not None
    assert made.inputs["attention_mask"].tolist() == made.mask.long().tolist()
    batch = dict(bert_tokenizer(texts, return_tensors="pt", padding=True))
    (made,) = all_of([batch], processor=bert_tokenizer)
    assert real(made) == [2, 2, 4, 5, 3, 3]


def test_labels_of_tokens_move_with_them(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    batch = {
        "input_ids": torch.tensor([[2, 2, 4, 5, 3, 3]]),
        "labels": torch.tensor([[-100, -100, 7, 8, -100, -100]]),
    }
    with pytest.warns(UserWarning, match=TWICE):
        (made,) = all_of([batch], processor=bert_tokenizer, per_word=True)
    assert made.labels is not None
    assert [made.labels[0].labels[i] for i in made.words[0]] == [None, 7, 8, None]


# Padding in ids that come without a mask


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([[2, 4, 3, 0, 0], [2, 4, 5, 6, 3]], [[2, 4, 3], [2, 4, 5, 6, 3]]),
        ([[0, 0, 2, 4, 3], [2, 4, 5, 6, 3]], [[2, 4, 3], [2, 4, 5, 6, 3]]),
        ([[2, 0, 4, 0, 3], [2, 4, 5, 6, 3]], [[2, 0, 4, 0, 3], [2, 4, 5, 6, 3]]),
        ([[2, 4, 3], [2, 4, 5, 6, 3]], [[2, 4, 3], [2, 4, 5, 6, 3]]),
    ],
)
def test_the_mask_of_ids_is_where_they_are_not_padding(
    bert_tokenizer: PreTrainedTokenizerBase, ids: list[list[int]], expected: list[list[int]]
) -> None:
    rows = [torch.tensor(row) for row in ids]
    kinds: list[Any] = [
        ids,
        rows,
        [tuple(row) for row in ids],
        [{"input_ids": row, "label": 1} for row in ids],
    ]
    if len(ids[0]) == len(ids[1]):
        kinds += [np.array(ids), torch.tensor(ids), [torch.tensor(ids)]]
        kinds += [[{"input_ids": torch.tensor(ids)}], [{"input_ids": np.array(ids)}]]
    padded = len(expected[0]) < len(expected[1])
    for data in kinds:
        (made,) = all_of(data, processor=bert_tokenizer)
        assert [real(made, row) for row in range(2)] == expected
        assert ("attention_mask" in made.inputs) == padded


def test_what_comes_beside_ids_and_is_no_input(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    ids = torch.tensor([[2, 4, 3, 0], [2, 4, 5, 3]])
    wide = torch.ones(2, 1, 4, 4)
    batch = {"input_ids": ids, "text": ["a", "b"], "label": ["x", "y"], "attention_mask": wide}
    (made,) = all_of([batch], processor=bert_tokenizer)
    assert set(made.inputs) == {"input_ids", "attention_mask"}
    assert made.inputs["attention_mask"] is wide
    assert made.labels == ["x", "y"]
    assert real(made) == [2, 4, 3]


def test_a_mask_beside_the_ids_is_theirs(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    fields = bert_tokenizer(TEXTS[:2], return_tensors="pt", padding=True)
    ids, mask = fields["input_ids"], fields["attention_mask"]
    labelled = TensorDataset(ids, mask, torch.tensor([1, 0]))
    for data in (TensorDataset(ids, mask), labelled, DataLoader(labelled, 2)):
        (made,) = all_of(data, processor=bert_tokenizer)
        assert made.inputs["attention_mask"].tolist() == mask.tolist()
        assert made.mask is not None
        assert made.mask.tolist() == mask.bool().tolist()
        assert [int(label) for label in made.labels or (1, 0)] == [1, 0]


def test_what_may_be_padding_or_an_end_is_refused(gpt2_tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer = copy.deepcopy(gpt2_tokenizer)
    tokenizer.pad_token = tokenizer.eos_token
    for rows in ([[5, 6, 0, 0], [5, 6, 7, 8]], [[5, 6, 0], [5, 6, 7]], [[0, 0, 7], [5, 6, 7]]):
        with pytest.raises(
            ValueError, match=r"without an attention_mask .* token 0, which both ends"
        ):
            all_of(np.array(rows), processor=tokenizer)
    for rows in ([[5, 6, 7, 0], [5, 6, 8, 0]], [[0, 5, 7, 6], [0, 6, 8, 5]], [[5, 6, 0, 7]] * 2):
        (made,) = all_of(np.array(rows), processor=tokenizer)
        assert real(made) == rows[0]
    # Without a padding token, several at the end of some rows tell.
    assert real(all_of(np.array([[5, 6, 0], [5, 6, 7]]), processor=gpt2_tokenizer)[0]) == [5, 6, 0]
    with pytest.raises(ValueError, match="which both ends"):
        all_of(np.array([[5, 0, 0], [5, 6, 7]]), processor=gpt2_tokenizer)
    # Rows of their own lengths need none.
    (made,) = all_of([[5, 0], [5, 6, 0]], processor=gpt2_tokenizer)
    assert [real(made, row) for row in range(2)] == [[5, 0], [5, 6, 0]]
