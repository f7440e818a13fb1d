"""Texts in all the forms people have them -> batches."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets as hf
import numpy as np
import pytest
import torch
from tokenizers import normalizers
from torch.utils.data import DataLoader, Dataset, IterableDataset
from transformers import CLIPImageProcessor, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from neuronwidgets.data.batch import Batch
from neuronwidgets.data.batches import batches

TEXTS = ["the cat sat", "play", "the 🧠 players, playing 日本"]
LONG = "the players of the brain game"
WORDS = [text.split() for text in TEXTS]
NAMES = ["b", "a", "b"]
NUMBERS = [1, 0, 1]
TEMPLATE = (
    "{% for m in messages %}{{ '[CLS]' if loop.first else '' }}{{ m['content'] }}[SEP]{% endfor %}"
)


def all_of(data: Any, **options: Any) -> list[Batch]:
    return list(batches(data, **({"batch_size": 2} | options)).batches)


def texts_of(made: list[Batch]) -> list[str]:
    return [text for batch in made for text in batch.texts]


def labels_of(made: list[Batch]) -> list[Any]:
    return [
        label.item() if hasattr(label, "item") else label
        for batch in made
        for label in batch.labels or ()
    ]


class Rows(Dataset):
    """A torch `Dataset` without `__iter__`."""

    def __init__(self, rows: Any) -> None:
        self.rows = list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Any:
        return self.rows[i]


class Streamed(IterableDataset):
    def __init__(self, rows: Any) -> None:
        self.rows = list(rows)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)


def columns(labels: list[Any], content: str = "text", rows: Any = TEXTS) -> list[dict[str, Any]]:
    return [{content: row, "label": label} for row, label in zip(rows, labels, strict=True)]


NAMED = list(zip(TEXTS, NAMES, strict=True))
NUMBERED = list(zip(TEXTS, NUMBERS, strict=True))
INSIDE = [({"text": text, "id": i}, label) for i, (text, label) in enumerate(NUMBERED)]
KINDS: dict[str, Any] = {
    "pairs": NAMED,
    "pairs as lists": [list(pair) for pair in NAMED],
    "labels first": [(label, text) for text, label in NUMBERED],
    "tensors as labels": [(text, torch.tensor(label)) for text, label in NUMBERED],
    "mappings": columns(NAMES),
    "a mapping's only string": columns(NUMBERS, "body"),
    "words": list(zip(WORDS, NAMES, strict=True)),
    "words in arrays": [
        (np.array(words), label) for words, label in zip(WORDS, NAMES, strict=True)
    ],
    "words in mappings": columns(NUMBERS, "tokens", WORDS),
    "a stream": iter(NAMED),
    "a data set": Rows(NAMED),
    "a data set of mappings": Rows(columns(NUMBERS)),
    "an iterable data set": Streamed(NUMBERED),
    "a loader": DataLoader(Rows(NUMBERED), 2),
    "a loader of as many as there are columns": DataLoader(Rows(NAMED[:2] + NAMED[2:]), 2),
    "a loader of mappings": DataLoader(Rows(columns(NUMBERS)), 2),
    "a loader of a stream": DataLoader(Streamed(NAMED), 2),
    "a loader without batches": DataLoader(Rows(NAMED), None),
    "a loader that leaves pairs": DataLoader(Rows(NAMED), 2, collate_fn=list),
    "a loader that leaves words": DataLoader(
        Rows(zip(WORDS, NUMBERS, strict=True)), 2, collate_fn=list
    ),
    "a loader's own batches": DataLoader(
        Rows(NUMBERED), 2, collate_fn=lambda rows: ([t for t, _ in rows], [n for _, n in rows])
    ),
    "mappings beside labels": INSIDE,
    "a loader of mappings beside labels": DataLoader(Rows(INSIDE), 2),
    "batches of columns": [{"text": TEXTS, "label": NAMES}],
    "batches of pairs": [(TEXTS[:2], NUMBERS[:2]), (TEXTS[2:], NUMBERS[2:])],
    "Hugging Face's": hf.Dataset.from_list(columns(NAMES)),
    "Hugging Face's words": hf.Dataset.from_list(columns(NUMBERS, "words", WORDS)),
    "Hugging Face's in a loader": DataLoader(
        hf.Dataset.from_list(columns(NUMBERS)).with_format("torch"), 2
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_texts_and_their_labels_however_people_have_them(
    bert_tokenizer: PreTrainedTokenizerBase, kind: str
) -> None:
    made = all_of(KINDS[kind], processor=bert_tokenizer)
    assert texts_of(made) == TEXTS
    assert labels_of(made) in (NAMES, NUMBERS)


@pytest.mark.parametrize(
    "data",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, object),
        WORDS,
        iter(WORDS),
        Rows(TEXTS),
        DataLoader(Rows(TEXTS), 2),
        [(text, None) for text in TEXTS],
        [(text,) for text in TEXTS],
        [{"document": text} for text in TEXTS],
        hf.Dataset.from_dict({"text": TEXTS})["text"],
    ],
)
def test_texts_without_labels(bert_tokenizer: PreTrainedTokenizerBase, data: Any) -> None:
    made = all_of(data, processor=bert_tokenizer)
    assert texts_of(made) == TEXTS
    assert labels_of(made) == []


def test_a_loaders_own_batch_size_is_kept(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    made = all_of(DataLoader(Rows(NAMED), 1), processor=bert_tokenizer, batch_size=64)
    assert [batch.size for batch in made] == [1, 1, 1]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (
            [("the cat", "sat", 1)],
            ValueError,
            r"must be a text, a list of .* got a tuple of 3 \(str, str, int\)",
        ),
        (
            [["a b", "c", "d e"]],
            ValueError,
            r"a list of 3 texts: pass all texts in one list, or .* as a tuple, \(text, label\)",
        ),
        ([["the cat", LONG]], ValueError, "a list of 2 texts: pass all texts in one list"),
        (
            [["the cat", "a pet"], ["a dog", LONG]],
            TypeError,
            "sample 1 .* not a text and its label",
        ),
        (Rows([("the cat", object())]), ValueError, r"a tuple of 2 \(str, object\)"),
        ([("the", 1), "cat"], TypeError, "sample 1 of data is 'cat', unlike the first one: a str"),
        ([{"text": "a"}, {"body": "b"}], TypeError, "sample 1 of data is .*: no 'text'"),
        ([["the"], "cat"], TypeError, "sample 1 of data is 'cat', .* not of words"),
        ([[1, 2], "cat"], TypeError, "sample 1 of data is 'cat', .* not of ids"),
        ([[1, 2], [0.5]], TypeError, r"sample 1 of data is \[0.5\], .* not of ids"),
        ([["the"], ["cat", 3]], TypeError, "sample 1 of data has 3 among its words"),
        (
            [{"question": "a", "answer": "b"}],
            ValueError,
            "'question', 'answer', of which any may be meant",
        ),
        ([{"role": "user", "content": "a"}], ValueError, r"one conversation: pass .*, \[data\]"),
        ([[{"role": "user", "content": "a"}]], ValueError, "the tokenizer has no chat template"),
        ([(["the", "cat"], ["x", "y"])], ValueError, "a label for each word: pooling='token'"),
        ([None, None], ValueError, "data holds 2 samples, and all are empty"),
        (["the", 5], TypeError, r"a int among its texts \(5, row 1"),
    ],
)
def test_texts_that_are_not_clear_are_refused(
    bert_tokenizer: PreTrainedTokenizerBase, data: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        all_of(data, processor=bert_tokenizer)


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        ("gpt2", r"tokenizer is a str: .*AutoTokenizer.from_pretrained\('gpt2'\)"),
        (Path("folder"), r"tokenizer is a \w+Path: .*from_pretrained\('folder'\)"),
        (PreTrainedTokenizerFast, r"tokenizer is the class \w+: pass an instance"),
    ],
)
def test_what_is_no_tokenizer_is_refused(tokenizer: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        batches(TEXTS, processor=tokenizer)


def test_tokenizers_of_other_kinds_are_refused(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    for tokenizer in (bert_tokenizer.backend_tokenizer, CLIPImageProcessor()):
        kind = type(tokenizer).__name__
        with pytest.raises(
            TypeError, match=f"must be a tokenizer of transformers, .* got a {kind}"
        ):
            batches(TEXTS, processor=tokenizer)


# Conversations


CHATS = [[{"role": "user", "content": text}] for text in TEXTS]
CHATS[0].append({"role": "assistant", "content": "play"})


@pytest.fixture
def chatting(bert_tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    tokenizer = copy.deepcopy(bert_tokenizer)
    tokenizer.chat_template = TEMPLATE
    return tokenizer


@pytest.mark.parametrize(
    "data",
    [
        CHATS,
        Rows(CHATS),
        list(zip(CHATS, NAMES, strict=True)),
        hf.Dataset.from_dict({"messages": CHATS, "label": NAMES}),
        [{"prompt": chat} for chat in CHATS],
        [
            {"conversations": [{"from": "human", "value": m["content"]} for m in chat]}
            for chat in CHATS
        ],
    ],
)
def test_conversations_are_what_the_template_makes_of_them(
    chatting: PreTrainedTokenizerBase, data: Any
) -> None:
    made = all_of(data, processor=chatting, batch_size=1)
    for batch, chat in zip(made, CHATS, strict=True):
        expected = chatting.apply_chat_template(chat, tokenize=True, return_dict=True)
        assert batch.inputs["input_ids"].tolist() == [expected["input_ids"]]
        assert batch.content is not None
        assert not batch.content[torch.isin(batch.inputs["input_ids"], torch.tensor([2, 3]))].any()
    assert made[0].texts == ["[CLS]the cat sat[SEP]play[SEP]"]


def test_a_conversation_that_the_template_refuses_is_named(
    chatting: PreTrainedTokenizerBase,
) -> None:
    chatting.chat_template = "{{ raise_exception('no') if messages|length > 1 else 'the' }}"
    with pytest.raises(ValueError, match=r"sample 0 of data is a conversation .*: no"):
        all_of(CHATS, processor=chatting)


# Texts that are not whole


def test_texts_with_nothing_in_them_are_left_out_and_named(
    gpt2_tokenizer: PreTrainedTokenizerBase, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    texts = ["the", "", "cat", "", "sat", "mat", ""]
    options: dict[str, Any] = {"batch_size": 2}
    for tokenizer in (gpt2_tokenizer, bert_tokenizer):
        for by_length in (False, True):
            pairs = list(zip(texts, range(7), strict=True))
            source = batches(pairs, processor=tokenizer, by_length=by_length, **options)
            assert source.total == 7
            with pytest.warns(UserWarning, match=r"3 of 7 texts are empty .* \(sample 1, 3, 6\)"):
                made = list(source.batches)
            assert sorted(labels_of(made)) == [0, 2, 4, 5]
            for batch in made:
                assert batch.dataset_index is not None
                assert [texts[i] for i in batch.dataset_index] == batch.texts
                assert batch.dataset_index.tolist() == batch.labels
            assert source.expected == 4
    # Where nothing shows, the tokenizer decides.
    unseen = ["the", " \n "]
    assert texts_of(all_of(unseen, processor=gpt2_tokenizer)) == unseen
    with pytest.warns(UserWarning, match=r"1 of 2 texts is empty and was left out \(sample 1\)"):
        assert texts_of(all_of(unseen, processor=bert_tokenizer)) == ["the"]
    with pytest.raises(ValueError, match="data holds 2 samples, and all are empty"):
        all_of([("", 1), ("", 2)], processor=gpt2_tokenizer)
    with pytest.raises(ValueError, match="data holds 2 samples, and all are empty"):
        all_of([([], 1), ([], 2)], processor=gpt2_tokenizer)


def test_a_text_of_which_the_tokenizer_leaves_nothing_is_refused(
    gpt2_tokenizer: PreTrainedTokenizerBase,
) -> None:
    tokenizer = copy.deepcopy(gpt2_tokenizer)
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("x", "")
    with pytest.raises(ValueError, match=r"a text without any token \('x', row 1 of"):
        all_of(["the", "x"], processor=tokenizer)


def test_a_lone_surrogate_becomes_a_replacement_character(
    bert_tokenizer: PreTrainedTokenizerBase,
) -> None:
    bad, good = "the \ud83d cat", "the \ufffd cat"
    for data in ([bad], [bad.split(" ")], [(bad, "a\udc00")], [{"text": bad}]):
        made = all_of(data, processor=bert_tokenizer)
        assert texts_of(made) == [good]
        assert labels_of(made) in ([], ["a\ufffd"])
    # Two halves that belong together are one character.
    assert texts_of(all_of(["the \ud83e\udde0"], processor=bert_tokenizer)) == ["the 🧠"]


# Hugging Face datasets


def test_a_dataset_of_texts_and_named_labels(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    features = hf.Features(
        {
            "id": hf.Value("string"),
            "text": hf.Value("string"),
            "label": hf.ClassLabel(names=["n", "p"]),
        }
    )
    rows = {"id": ["x", "y", "z"], "text": TEXTS, "label": [1, 0, 1]}
    data = hf.Dataset.from_dict(rows, features=features)
    stream = data.to_iterable_dataset()
    tables = [data.with_format("pandas"), data.with_format("arrow"), stream.with_format("pandas")]
    for kind in (data, stream, data.with_format("torch"), *tables):
        source = batches(kind, processor=bert_tokenizer, batch_size=2)
        made = list(source.batches)
        assert source.label_names == ("n", "p")
        assert texts_of(made) == TEXTS
        assert labels_of(made) == [1, 0, 1]
        assert source.total == (None if isinstance(kind, hf.IterableDataset) else 3)


def test_a_stream_without_features(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    data = hf.IterableDataset.from_generator(lambda: ({"sentence": text} for text in TEXTS))
    made = all_of(data, processor=bert_tokenizer)
    assert texts_of(made) == TEXTS
    assert labels_of(made) == []
