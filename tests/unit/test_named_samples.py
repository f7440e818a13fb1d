"""Samples with named fields: dataclasses, named tuples, rows of Arrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from neuronwidgets.data.batches import batches

TEXTS = ["the cat sat", "play", "players"]
LABELS = ["a", "b", "a"]


@dataclass
class Record:
    label: str
    text: str


class LabelFirst(NamedTuple):
    label: str
    text: str


class TextFirst(NamedTuple):
    sentence: str
    topic: str


class WithIndex(NamedTuple):
    index: int
    text: str
    label: str


class Rows(Dataset[Any]):
    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Any:
        return self.rows[i]


@pytest.mark.parametrize(
    "rows",
    [
        [Record(label, text) for text, label in zip(TEXTS, LABELS, strict=True)],
        [LabelFirst(label, text) for text, label in zip(TEXTS, LABELS, strict=True)],
        [TextFirst(*pair) for pair in zip(TEXTS, LABELS, strict=True)],
        [WithIndex(i, *pair) for i, pair in enumerate(zip(TEXTS, LABELS, strict=True))],
    ],
)
def test_fields_tell_the_text_and_its_label(
    rows: list[Any], bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    for data in (rows, iter(rows), Rows(rows)):
        (batch,) = batches(data, processor=bert_tokenizer).batches
        assert batch.texts == TEXTS
        assert list(batch.labels or ()) == LABELS


def test_arrays_and_tables_of_arrow(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    for data in (pa.array(TEXTS), pa.chunked_array([TEXTS[:1], TEXTS[1:]])):
        assert next(batches(data, processor=bert_tokenizer).batches).texts == TEXTS
    table = pa.table({"label": LABELS, "text": TEXTS})
    (batch,) = batches(table, processor=bert_tokenizer).batches
    assert (batch.texts, list(batch.labels or ())) == (TEXTS, LABELS)


def test_images_behind_their_label() -> None:
    class Image(NamedTuple):
        label: int
        image: np.ndarray

    pixels = np.random.default_rng(0).integers(0, 256, (3, 6, 5, 3), dtype=np.uint8)
    (batch,) = batches([Image(i, image) for i, image in enumerate(pixels)]).batches
    torch.testing.assert_close(batch.inputs, next(batches(pixels).batches).inputs)
    assert list(batch.labels or ()) == [0, 1, 2]
