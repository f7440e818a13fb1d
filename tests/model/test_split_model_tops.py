"""The collector of top samples chooses what `top_samples` chooses, in whatever parts rows come."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import neuronwidgets as nw
from neuronwidgets.activations.top_samples import top_samples
from neuronwidgets.capturing.collectors.chunk import POSITIONS, Chunk
from neuronwidgets.layer_splits.candidates import Candidates
from neuronwidgets.layer_splits.given_tops import GivenTops
from neuronwidgets.layer_splits.statistics import Mean, score_columns

KINDS = ("normal", "relu", "copies", "few kinds", "rounded", "constant")


def values_of(kind: str, seed: int) -> np.ndarray:
    """float32 200 x 12."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(200, 12)).astype("f4")
    if kind == "normal":
        return values
    values = np.maximum(values - 1, 0)
    values[:, 3:5] = 0
    values[7, 4] = 1
    if kind == "relu":
        return values
    if kind == "rounded":
        values = np.round(3 * values) / 3
        values[random.random(values.shape) < 0.3] *= -1
        return values
    if kind == "constant":
        return np.full_like(values, 2)
    return values[random.integers(0, 40 if kind == "copies" else 5, 200)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_they_are_the_top_samples(kind: str, seed: int) -> None:
    values, random = values_of(kind, seed), np.random.default_rng(seed)
    want, count = top_samples(
        nw.Activations.from_arrays(values), np.ascontiguousarray(values.T), 20
    )
    collectors = [Candidates(20), Candidates(20), Candidates(20)]
    for part in np.array_split(random.permutation(200), 9):
        collector = collectors[int(random.integers(0, 2))]
        collector.add(Chunk(torch.from_numpy(values[part]), torch.from_numpy(part)))
        # A state that is kept and read again goes on alike.
        if random.random() < 0.3:
            collectors[0] = pickle.loads(pickle.dumps(collectors[0]))
    first, second, empty = collectors
    other = copy.deepcopy(second)
    second.merge(first)
    first.merge(other)
    first.merge(empty)
    for merged in (first, second):
        tops = merged.result()
        np.testing.assert_array_equal(np.where(tops.keys < 0, -1, tops.keys // POSITIONS), want)
        np.testing.assert_array_equal((tops.keys >= 0).sum(axis=1), count)
        rows = values[tops.rows // POSITIONS]
        np.testing.assert_array_equal(rows.min(axis=0), values.min(axis=0))
        np.testing.assert_array_equal(tops.minimum, values.min(axis=0))
        np.testing.assert_array_equal(tops.shared, (values == values.min(axis=0)).sum(axis=0) > 1)
        np.testing.assert_array_equal(tops.first // POSITIONS, [0, 1])
        index = tops.index()
        assert (tops.rows[index[index >= 0]] == tops.keys[tops.keys >= 0]).all()
        present = want >= 0
        activations = np.take_along_axis(values.T, np.maximum(want, 0), 1)
        np.testing.assert_array_equal(tops.activations[present], activations[present])
        assert np.isnan(tops.activations[~present]).all()
        assert tops.seen == 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [20, 200])
def test_what_stands_for_the_activations_has_their_minimum(kind: str, k: int) -> None:
    values = values_of(kind, 0)
    top = Candidates(k)
    top.add(Chunk(torch.from_numpy(values), torch.arange(200)))
    tops = top.result()
    given = GivenTops(tops.index(), tops.activations, tops.minimum, tops.shared)
    along = given.along(len(tops.rows))
    least = along.min(axis=1)
    np.testing.assert_array_equal(least, values.min(axis=0))
    active = given.tops > 0
    # A neuron without top samples is constant.
    assert (values[:, ~active] == values[0, ~active]).all()
    shared = (along == least[:, None]).sum(axis=1) > 1
    np.testing.assert_array_equal(shared[active], tops.shared[active])
    for i in np.flatnonzero(active):
        index = given.index[i, : given.tops[i]]
        np.testing.assert_array_equal(along[i, index], given.activations[i, : given.tops[i]])


def test_positions_break_ties_after_samples() -> None:
    # The second neuron tells the rows apart.
    rows = torch.tensor([[1.0, 2, 2, 3, 0, 0], [1, 2, 3, 4, 5, 6]]).T
    sample = torch.tensor([1, 1, 0, 0, 2, 2])
    position = torch.tensor([0, 1, 5, 6, 7, 8], dtype=torch.int32)
    top = Candidates(3)
    top.add(Chunk(rows, sample, position))
    keys = top.result().keys[0]
    assert [(k // POSITIONS, k % POSITIONS) for k in keys.tolist()] == [(0, 6), (0, 5), (1, 1)]


def test_memory_does_not_grow_with_rows() -> None:
    top, random = Candidates(10), torch.Generator().manual_seed(0)
    for i in range(40):
        rows = torch.randn(500, 8, generator=random)
        top.add(Chunk(rows, torch.arange(500 * i, 500 * (i + 1))))
        waiting = sum(len(parts[0]) for parts in top._waiting)
        assert len(top._neuron) + waiting <= 8 * (10 + 10 + 10)
    assert top.result().seen == 20_000


def test_collectors_of_other_settings_and_without_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="k must be"):
        Candidates(0)
    with pytest.raises(ValueError, match="Candidates has seen no rows"):
        Candidates(3).result()
    with pytest.raises(ValueError, match="k must be equal"):
        Candidates(3).merge(Candidates(4))


@pytest.mark.parametrize("kind", KINDS)
def test_scores_from_sums_are_those_of_all_rows(kind: str) -> None:
    values = values_of(kind, 0)
    names = ["kurtosis", "sparsity", "monosemantic_scale"]
    want = nw.split_layer(values, 20, scores=names, progress=False).scores
    moments, absolute = nw.Moments(), [Mean(absolute=True), Mean(absolute=True)]
    for i, part in enumerate(np.array_split(values, 4)):
        chunk = Chunk(torch.from_numpy(part), torch.arange(len(part)))
        moments.add(chunk)
        absolute[i % 2].add(chunk)
    absolute[0].merge(absolute[1])
    columns = score_columns(moments.result(), absolute[0].result())
    assert sorted(columns) == sorted(names)
    for name in names:
        np.testing.assert_allclose(columns[name], want[name], rtol=1e-6, atol=1e-9, err_msg=name)
