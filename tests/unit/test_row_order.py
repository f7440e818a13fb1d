"""Data whose samples come in another order than the data set has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import datasets as hf
import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)
from tqdm import tqdm

from neuronwidgets.data.batches import batches
from neuronwidgets.data.row_order import shuffle_reason
from neuronwidgets.data.select import selected

DATA = TensorDataset(torch.arange(6.0)[:, None])
STREAM = hf.Dataset.from_dict({"input_ids": [[i, 1] for i in range(6)]}).to_iterable_dataset()


class Pairs(Sampler[list[int]]):
    """Batches of its own."""

    def __iter__(self) -> Iterator[list[int]]:
        return iter([[0, 5], [1, 4], [2, 3]])

    def __len__(self) -> int:
        return 3


class Counting(IterableDataset):
    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(torch.arange(6.0)[:, None])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (DataLoader(DATA, 2, shuffle=True), "its DataLoader has a RandomSampler"),
        (DataLoader(DATA, None, shuffle=True), "a RandomSampler"),
        (DataLoader(DATA, 2, sampler=SubsetRandomSampler(range(6))), "a SubsetRandomSampler"),
        (DataLoader(DATA, 2, sampler=WeightedRandomSampler([1] * 6, 6)), "a WeightedRandomSampler"),
        (DataLoader(DATA, 2, sampler=[2, 1, 0]), "a sampler of its own"),
        (DataLoader(DATA, batch_sampler=Pairs()), "has a Pairs"),
        (DataLoader(DATA, batch_sampler=[[1, 0], [2, 3]]), "a sampler of its own"),
        (DataLoader(DATA, batch_sampler=BatchSampler(RandomSampler(DATA), 2, False)), "a Random"),
        (tqdm(DataLoader(DATA, 2, shuffle=True), disable=True), "a RandomSampler"),
        (DataLoader(Counting(), 2, num_workers=2), "its 2 workers take turns"),
        ({"the cat", "sat"}, "a set has none"),
        (STREAM.shuffle(seed=0), "a stream that shuffles"),
        (DataLoader(STREAM.shuffle(seed=0).map(lambda row: row), 2), "a stream that shuffles"),
    ],
)
def test_data_that_are_shuffled_say_so(data: Any, why: str) -> None:
    assert why in str(shuffle_reason(data))


def test_what_needs_the_data_sets_order_refuses_another() -> None:
    source = batches(DataLoader(DATA, 2, shuffle=True))
    with pytest.raises(ValueError, match=r"labels= are in the order .* RandomSampler.*shuffle=Fal"):
        source.keep_order("labels= are")
    with pytest.raises(ValueError, match="samples are looked up in the order"):
        next(selected(source, [0]))


@pytest.mark.parametrize(
    "data",
    [
        DATA,
        DataLoader(DATA, 2),
        DataLoader(DATA, None),
        DataLoader(DATA, 2, sampler=SequentialSampler(DATA)),
        DataLoader(DATA, 2, sampler=range(6)),
        DataLoader(DATA, batch_sampler=[[0, 1], [2, 3], [4, 5]]),
        DataLoader(DATA, batch_sampler=BatchSampler(SequentialSampler(DATA), 2, False)),
        DataLoader(Counting(), 2),
        STREAM,
        hf.Dataset.from_dict({"input_ids": [[1, 2]] * 6}).shuffle(seed=0),
        iter(DATA.tensors[0]),
    ],
)
def test_data_in_order_are_taken(data: Any) -> None:
    batches(data).keep_order("labels= are")
    assert shuffle_reason(data) is None


@pytest.mark.filterwarnings("ignore:3 of 9 texts are empty")
@pytest.mark.parametrize("places", [[8, 1, 4, 1], [2], [7, 8, 1]])
def test_samples_are_looked_up_where_they_stand_in_the_data(places: list[int]) -> None:
    rows = [[i + 1] * (i % 3) for i in range(9)]  # 0, 3 and 6 are empty
    found = np.zeros(len(places), int)
    for batch, which in selected(batches(rows, batch_size=2), places, size=2):
        ids = batch.inputs["input_ids"] if isinstance(batch.inputs, dict) else batch.inputs
        found[which] = ids[:, 0]
    assert found.tolist() == [place + 1 for place in places]
    for place in (0, 3, 6):
        with pytest.raises(ValueError, match=f"sample {place} of data is empty"):
            list(selected(batches(rows, batch_size=2), [*places, place]))
    with pytest.raises(ValueError, match=r"data must have sample 9 .*, got 9 samples"):
        list(selected(batches(rows, batch_size=2), [*places, 9]))
