"""`Top` against sorting each neuron's rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuronwidgets.capturing.collectors import Chunk, Top, Tops


def sorted_out(chunk: Chunk, k: int) -> Tops:
    """What `Top` should find, a neuron at a time."""
    assert chunk.position is not None
    rows, place = chunk.rows.numpy(), chunk.key.numpy()
    count, neurons = rows.shape
    width = min(k, count)
    values = np.full((neurons, width), np.nan, np.float32)
    sample, position = np.full((2, neurons, width), -1)
    for j in range(neurons):
        real = np.flatnonzero(~np.isnan(rows[:, j]))
        found = real[np.lexsort((place[real], -rows[real, j]))][:width]
        values[j, : len(found)] = rows[found, j]
        sample[j, : len(found)] = chunk.sample.numpy()[found]
        position[j, : len(found)] = chunk.position.numpy()[found]
    return Tops(values, sample, position, np.isnan(rows).sum(0), count)


def same(a: Tops, b: Tops) -> None:
    for name in ("values", "sample", "position", "nan"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.seen == b.seen


def stream(rows: np.ndarray, k: int, batch: int, order: np.ndarray | None = None) -> Top:
    top = Top(k)
    index = torch.arange(len(rows)) if order is None else torch.from_numpy(order)
    for part in index.split(batch):
        top.add(Chunk(torch.from_numpy(rows)[part], part // 7, part % 7))
    return top


def whole(rows: np.ndarray) -> Chunk:
    index = torch.arange(len(rows))
    return Chunk(torch.from_numpy(rows), index // 7, index % 7)


@given(seed=st.integers(0, 10**9), cut=st.integers(0, 10**9), k=st.integers(1, 30))
def test_as_sorting_in_any_batches(rows_of: Any, tear: Any, seed: int, cut: int, k: int) -> None:
    rows = rows_of(seed)
    same(tear(lambda: Top(k), rows, cut).result(), sorted_out(rows, k))


@pytest.mark.parametrize(("k", "batch"), [(1, 13), (7, 64), (50, 5000)])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(
    "kind", ["normal", "relu", "dead", "rising", "falling", "coarse", "nan", "all nan", "low"]
)
def test_long_streams(k: int, batch: int, shuffled: bool, kind: str) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 9)).astype(np.float32)
    time = np.arange(3000, dtype=np.float32)[:, None]
    rows = {
        "normal": rows,
        "relu": rows.clip(0),
        "dead": np.where(rng.random(rows.shape) < 0.005, rows, 0).clip(0),
        "rising": rows + time,
        "falling": rows - time,
        "coarse": rows.round(),
        "nan": np.where(rng.random(rows.shape) < 0.3, np.nan, rows),
        "all nan": np.where(np.arange(9) % 2, np.nan, rows),
        "low": np.where(rng.random(rows.shape) < 0.99, -np.inf, rows),
    }[kind].astype(np.float32)
    order = rng.permutation(3000) if shuffled else None
    same(stream(rows, k, batch, order).result(), sorted_out(whole(rows), k))


def test_whole_samples_have_no_position() -> None:
    top = Top(2)
    top.add(Chunk(torch.tensor([[1.0], [3.0], [2.0]]), torch.tensor([5, 1 << 35, 0])))
    result = top.result()
    assert result.position is None
    np.testing.assert_array_equal(result.sample, [[1 << 35, 0]])
    assert list(result.to_frame().columns) == ["neuron", "rank", "value", "sample"]


def test_the_last_position_keeps_its_sample() -> None:
    top = Top(1)
    top.add(Chunk(torch.ones(1, 1), torch.tensor([(1 << 38) + 1]), torch.tensor([(1 << 24) - 1])))
    result = top.result()
    assert result.position is not None
    assert (result.sample.item(), result.position.item()) == ((1 << 38) + 1, (1 << 24) - 1)


def test_a_frame_leaves_out_what_is_not_there() -> None:
    top = Top(2)
    top.add(Chunk(torch.tensor([[1.0, torch.nan], [2.0, 5.0]]), torch.arange(2), torch.arange(2)))
    frame = top.result().to_frame()
    assert frame.to_numpy().tolist() == [[0, 0, 2, 1, 1], [0, 1, 1, 0, 0], [1, 0, 5, 1, 1]]


def test_only_nan() -> None:
    top = Top(3)
    top.add(Chunk(torch.full((5, 2), torch.nan), torch.arange(5)))
    result = top.result()
    assert np.isnan(result.values).all()
    assert (result.sample == -1).all()
    assert result.nan.tolist() == [5, 5]
    assert len(result.to_frame()) == 0


def test_a_tie_that_comes_after_merging_later_rows() -> None:
    top, other = Top(1), Top(1)
    top.add(Chunk(torch.zeros(5, 1), torch.arange(5)))
    other.add(Chunk(torch.ones(5, 1), torch.arange(50, 55)))
    top.merge(other)
    top.add(Chunk(torch.ones(1, 1), torch.tensor([20])))
    assert top.result().sample.tolist() == [[20]]


def test_narrow_rows_get_no_float32_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32)
    narrow = torch.from_numpy(values).bfloat16()
    expected = sorted_out(whole(narrow.float().numpy()), 5)

    def refuse(_chunk: Chunk) -> torch.Tensor:
        raise AssertionError("a float32 copy was made")

    monkeypatch.setattr(Chunk, "rows", property(refuse))
    top, index = Top(5), torch.arange(500)
    for part in index.split(60):
        top.add(Chunk(narrow[part], part // 7, part % 7))
    same(top.result(), expected)
