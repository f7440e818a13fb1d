"""What concepts retrieve from the dataset, against plain NumPy over the whole matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuronwidgets import Activations, Concepts, split
from neuronwidgets.activations.retrieval import (
    BY,
    CHUNK,
    Query,
    directions,
    normalized,
    retrieve,
    retrieving,
    scored,
)
from neuronwidgets.activations.store.matrix import Stored
from neuronwidgets.activations.topk import largest
from neuronwidgets.core.steps import drained

CHUNKS = [1, 40, 900, 1 << 23]
GROUPS = [np.arange(9), np.arange(20, 26), np.array([50, 3, 70, 11])]


@pytest.fixture(params=CHUNKS)
def chunk(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def data(dtype: str = "f4", count: int = 97, width: int = 12, seed: int = 0) -> np.ndarray:
    """Samples of very different lengths far from the origin, and a neuron that is constant."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, width)) * np.exp(rng.normal(size=(count, 1))) + 3
    values[:, 4] = 0.7
    return values.astype(dtype)


def lengthened(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)


def plain(
    values: np.ndarray, groups: Sequence[np.ndarray], by: str, mean: np.ndarray | None = None
) -> np.ndarray:
    """The scores of all samples in one go: float64 `S x K`."""
    wide = values.astype(np.float64)
    mean = wide.mean(axis=0) if mean is None else mean
    if by == "cosine":
        centres = np.stack([np.median(wide[group], axis=0) - mean for group in groups])
        return lengthened(wide - mean) @ lengthened(centres).T
    centres = lengthened(np.stack([wide[group].mean(axis=0) for group in groups]))
    return (wide if by == "dot" else lengthened(wide)) @ centres.T


def agree(rows: np.ndarray, scores: np.ndarray, wanted: np.ndarray, k: int) -> None:
    """`k` different samples with the highest scores, best first; equal to rounding."""
    k, near = min(k, len(wanted)), 1e-6 * np.abs(wanted).max()
    assert rows.shape == scores.shape == (wanted.shape[1], k)
    assert rows.dtype == np.int64
    own = np.take_along_axis(wanted.T, rows, axis=1)
    np.testing.assert_allclose(scores, own, rtol=0, atol=near)
    np.testing.assert_allclose(own, -np.sort(-wanted.T, axis=1)[:, :k], rtol=0, atol=near)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert all(len(set(row)) == k for row in rows.tolist())


def looked_up(
    values: Any, groups: Sequence[np.ndarray], by: str, k: int, chunk: int = CHUNK
) -> Any:
    acts = Activations.of(values)
    vectors = directions([acts.rows(group) for group in groups], acts.mean, by)
    return retrieve(acts, vectors, acts.mean, k=k, by=by, chunk=chunk)


# Every reading


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", [1, 20, 96, 97, 300])
def test_chunks_give_what_the_whole_matrix_gives(chunk: int, k: int, dtype: str, by: str) -> None:
    values = data(dtype)
    agree(*looked_up(values, GROUPS, by, k, chunk), plain(values, GROUPS, by), k)


def test_readings_differ() -> None:
    first = {by: looked_up(data(), GROUPS, by, 20)[0].tolist() for by in BY}
    assert len({str(rows) for rows in first.values()}) == 3


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("k", [1, 7, 49, 50, 80])
def test_ties_go_to_the_smaller_row(chunk: int, k: int, by: str) -> None:
    # Lengths of 0, 2 and 4 and numbers that are exact: ties are many.
    rng = np.random.default_rng(0)
    values = rng.choice([-1.0, 1.0], (50, 4)) * rng.integers(0, 3, (50, 1))
    acts = Activations.from_arrays(values)
    vectors = np.array([[1, 0, 0, 0], [0.5, -0.5, 0.5, 0.5], [0, 0, 0, 0]], np.float32)
    rows, scores = retrieve(acts, vectors, np.zeros(4), k=k, by=by, chunk=chunk)
    wanted = (values if by == "dot" else lengthened(values)) @ vectors.T
    order = np.argsort(-wanted, axis=0, kind="stable")[:k].T
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_array_equal(scores, np.take_along_axis(wanted.T, order, 1))


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_twins_come_by_their_row_wherever_chunks_end(chunk: int, dtype: str, by: str) -> None:
    # Whole numbers and whole lengths: 7, 9 and 11.
    rng = np.random.default_rng(0)
    some = np.array([[2, 3, 6], [1, 4, 8], [2, 6, 9]])[rng.integers(0, 3, 97)]
    values = (rng.permuted(some, axis=1) * rng.choice([-1, 1], (97, 3))).astype(dtype)
    # A sample without a direction is no reason to compute its neighbours otherwise.
    values[5] = 0
    acts = Activations.from_arrays(values)
    rows, _ = retrieve(acts, np.eye(3, dtype=np.float32), np.zeros(3), k=40, by=by, chunk=chunk)
    wanted = values if by == "dot" else lengthened(values.astype(np.float64)).astype(np.float32)
    assert rows.tolist() == np.argsort(-wanted, axis=0, kind="stable")[:40].T.tolist()


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("mean", ["none", "another"])
def test_all_queries_are_answered_in_one_pass(
    chunk: int, mean: str, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = data()
    Activations.from_arrays(values).save(tmp_path / "acts")
    acts = Activations.load(tmp_path / "acts")
    about = values.mean(axis=0, dtype=np.float64) + (0 if mean == "none" else 0.5)
    queries = [Query(directions([values[g] for g in GROUPS[:2]], about, by), by)]
    queries += [Query(directions([values[GROUPS[2]]], about, other), other) for other in BY]
    queries.append(Query(np.zeros((0, 12), np.float32), by))
    if mean == "none":
        alone = [retrieve(acts, vectors, k=20, by=one, chunk=chunk) for vectors, one, *_ in queries]
    reads: list[Any] = []
    read = Stored.__getitem__

    def counted(stored: Stored, index: Any) -> np.ndarray:
        reads.append(index)
        return read(stored, index)

    monkeypatch.setattr(Stored, "__getitem__", counted)
    found = drained(retrieving(acts, queries, None if mean == "none" else about, k=20, chunk=chunk))
    step = max(20, chunk // (12 + 5))
    starts = [part.start for part in reads if part.stop - part.start == step]
    assert starts == list(range(0, 97, step))
    assert len(found) == len(queries)
    agree(*found[0], plain(values, GROUPS[:2], by, about), 20)
    for (rows, scores), one in zip(found[1:4], BY, strict=True):
        agree(rows, scores, plain(values, GROUPS[2:], one, about), 20)
    assert found[4][0].shape == found[4][1].shape == (0, 20)
    if mean == "none":
        for (rows, _), (other, _) in zip(found, alone, strict=True):
            np.testing.assert_array_equal(rows, other)


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
def test_a_store_on_disk_is_read_alike(chunk: int, dtype: str, by: str, tmp_path: Path) -> None:
    Activations.from_arrays(data()).save(tmp_path / "acts", dtype)
    acts = Activations.load(tmp_path / "acts")
    assert isinstance(acts.values, Stored)
    agree(*looked_up(acts, GROUPS, by, 20, chunk), plain(acts.values[:], GROUPS, by), 20)


# Degenerate data


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(dtype, 10.0**power) for dtype in ("f4", "f8") for power in (-30, -22, -21, -19, 19, 36)]
    + [("f8", 10.0**power) for power in (-200, -162, -155, 155, 200)],
)
def test_no_scale_is_too_small_or_too_large(scale: float, dtype: str, by: str) -> None:
    values = (data("f8") * scale).astype(dtype)
    rows, scores = looked_up(values, GROUPS, by, 20)
    back = scale if by == "dot" else 1
    agree(rows, scores.astype(np.float64) / back, plain(values / scale, GROUPS, by), 20)


@pytest.mark.parametrize("by", BY)
def test_samples_and_concepts_without_a_direction_score_zero(chunk: int, by: str) -> None:
    values = data("f8")
    mean = values.mean(axis=0)
    values[[2, 60]] = mean if by == "cosine" else 0
    vectors = np.zeros((2, 12), np.float32)
    vectors[0] = directions([values[GROUPS[1]]], mean, by)
    acts = Activations.from_arrays(values)
    rows, scores = retrieve(acts, vectors, mean, k=97, by=by, chunk=chunk)
    assert (scores[0][np.isin(rows[0], [2, 60])] == 0).all()
    assert np.isfinite(scores).all()
    assert rows[1].tolist() == list(range(97))
    assert (scores[1] == 0).all()


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("value", [0.0, 1.0, 2.0**-90, -(2.0**90)])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_constant_layer(chunk: int, dtype: str, value: float, by: str) -> None:
    rows, scores = looked_up(np.full((60, 4), value, dtype), [np.arange(4)], by, 9, chunk)
    expected = {"cosine": 0, "cosine-origin": 1, "dot": abs(value) * 2}[by] * (value != 0)
    # In the order of their rows, as they are all alike: each product is exact.
    assert rows.tolist() == [list(range(9))]
    assert scores.tolist() == [[expected] * 9]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_in_words(wrong: float) -> None:
    values = data()
    concepts = split(Activations.from_arrays(values), 0).cut()
    values[7, 3] = wrong
    for call in (concepts.retrieve, concepts.scores_of):
        with pytest.raises(ValueError, match=r"sample 7, neuron 3 is (NaN|infinite)"):
            call(values)


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("k", [1, 20, 60, 97])
def test_what_is_left_out_is_not_retrieved(chunk: int, k: int, by: str) -> None:
    values = data()
    acts = Activations.from_arrays(values)
    own = [np.arange(0, 40), np.array([5]), np.zeros(0, np.int64), np.arange(97)[::-1]]
    vectors = directions([values[:40], values[:5], values[9:], values], acts.mean, by)
    # The same vectors with and without: both are compared once.
    queries = [Query(vectors, by), Query(vectors, by, own), Query(vectors, by)]
    within, outside, again = drained(retrieving(acts, queries, acts.mean, k=k, chunk=chunk))
    whole = retrieve(acts, vectors, acts.mean, k=97, by=by, chunk=chunk)[0]
    np.testing.assert_array_equal(within[0], whole[:, :k])
    np.testing.assert_array_equal(again[0], within[0])
    for rows, scores, every, left_out in zip(*outside, whole, own, strict=True):
        others = every[~np.isin(every, left_out)][:k]
        assert rows[: len(others)].tolist() == others.tolist()
        assert np.isfinite(scores[: len(others)]).all()
        assert (scores[len(others) :] == -np.inf).all()


def test_no_vectors_retrieve_nothing() -> None:
    acts = Activations.from_arrays(np.ones((5, 3)))
    rows, scores = retrieve(acts, directions([], acts.mean, "cosine"), k=4)
    assert rows.shape == scores.shape == (0, 4)
    assert drained(retrieving(acts, [], k=4)) == []


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "3"])
def test_k_is_a_whole_number_of_at_least_one(k: Any) -> None:
    with pytest.raises(ValueError, match=r"k must be a positive integer, got "):
        retrieve(Activations.from_arrays(np.ones((5, 3))), np.eye(3, dtype=np.float32), k=k)


@pytest.mark.parametrize("by", ["euclidean", "", None, 3, "Cosine"])
def test_another_reading_is_refused_in_words(by: Any) -> None:
    acts = Activations.from_arrays(data())
    words = "by must be one of 'cosine', 'cosine-origin', 'dot'; got"
    for call in (split(acts, 0).cut().retrieve, split(acts, 0).cut().scores_of):
        with pytest.raises(ValueError, match=words):
            call(by=by)
    with pytest.raises(ValueError, match=words):
        retrieve(acts, np.eye(12, dtype=np.float32), by=by)


def test_it_reports_how_far_it_is() -> None:
    acts = Activations.from_arrays(np.random.default_rng(0).normal(size=(30, 3)))
    queries = [Query(np.eye(3, dtype=np.float32)[:1], "cosine")]
    shares = list(retrieving(acts, queries, k=2, chunk=40))
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])


# Directions


def test_unit_vectors() -> None:
    made = normalized(np.array([[3.0, 4.0], [0.0, 0.0], [1e-30, 0.0], [-1e300, 0.0]]))
    np.testing.assert_allclose(made, [[0.6, 0.8], [0, 0], [1, 0], [-1, 0]], rtol=1e-6)


def test_one_long_sample_does_not_turn_the_median() -> None:
    rng = np.random.default_rng(0)
    group = rng.normal(0, 0.01, (9, 3)) + np.eye(3)[0]
    group[4] = [0, 500, 0]
    mean = np.zeros(3)
    assert directions([group], mean, "cosine")[0, 0] > 0.999
    for by in ("cosine-origin", "dot"):
        assert directions([group], mean, by)[0, 1] > 0.999


# Of concepts


@pytest.fixture
def concepts() -> Concepts:
    made = split(Activations.from_arrays(data(count=300)), 0, 40, min_size=5).cut()
    assert len(made) > 1
    return made


@pytest.mark.parametrize("by", BY)
def test_concepts_retrieve_about_the_mean_of_their_own_layer(concepts: Concepts, by: str) -> None:
    own = concepts.split.acts.values  # type: ignore[union-attr]
    groups = [concepts.index[group] for group in concepts.groups]
    rows = np.arange(300)
    wanted = plain(own, groups, by)
    agree(concepts.retrieve(k=11, by=by), -np.sort(-wanted.T, axis=1)[:, :11], wanted, 11)
    np.testing.assert_allclose(concepts.scores_of(by=by), wanted, rtol=1e-5, atol=1e-6)
    some = np.array([250, 3, 3, 77])
    np.testing.assert_array_equal(
        concepts.scores_of(by=by, rows=some), concepts.scores_of(by=by)[rows][some]
    )
    other = data(count=80, seed=1) + 5
    mean = own.mean(axis=0, dtype=np.float64)
    both = np.concatenate([own, other])
    wanted = plain(both, groups, by, mean)[300:]
    agree(concepts.retrieve(other, 9, by), -np.sort(-wanted.T, axis=1)[:, :9], wanted, 9)
    np.testing.assert_allclose(concepts.scores_of(other, by), wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="4 neurons and the concept vectors 12"):
        concepts.retrieve(np.zeros((2, 4)), by=by)


def test_cosine_is_what_is_taken_unless_said(concepts: Concepts) -> None:
    assert concepts.retrieve().tolist() == concepts.retrieve(k=20, by="cosine").tolist()
    assert concepts.retrieve().tolist() != concepts.retrieve(by="dot").tolist()
    np.testing.assert_array_equal(concepts.scores_of(), concepts.scores_of(by="cosine"))


def test_former_names_work_and_say_the_new_ones(concepts: Concepts) -> None:
    with pytest.warns(DeprecationWarning, match=r"use Concepts\.retrieve\(k=k, by='dot'\)"):
        rows = concepts.found(7)
    assert rows.tolist() == concepts.retrieve(k=7, by="dot").tolist()
    labels = np.arange(300) % 3
    acts = Activations.from_arrays(concepts.split.acts.values, labels=labels)  # type: ignore[union-attr]
    labelled = split(acts, 0, 40, min_size=5).cut()
    with pytest.warns(DeprecationWarning, match=r"use Concepts\.retrieved_purity\(k, by='dot'\)"):
        purity = labelled.found_purity(7)
    np.testing.assert_array_equal(purity, labelled.retrieved_purity(7, by="dot"))


def test_no_concepts_have_no_scores(concepts: Concepts) -> None:
    none = concepts.split.cut(0.0)  # type: ignore[union-attr]
    assert len(none) == 0
    for by in BY:
        assert none.retrieve(by=by).shape == (0, 20)
        assert none.scores_of(by=by).shape == (300, 0)
    assert concepts.scores_of(rows=np.zeros(0, np.int64)).shape == (0, len(concepts))
    assert scored(np.zeros((0, 12)), np.zeros((0, 12)), np.zeros(12), "cosine").shape == (0, 0)


# The largest of many


@pytest.mark.parametrize("k", [0, 1, 5, 39, 40, 41])
def test_the_largest_values_are_a_stable_argsort(k: int) -> None:
    for seed in range(20):
        values = np.random.default_rng(seed).integers(0, 5, 40).astype(float)
        assert largest(values, k).tolist() == np.argsort(-values, kind="stable")[:k].tolist()


@pytest.mark.parametrize("k", [1, 7, 100, 2400])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_of_rows_of_every_kind(k: int, dtype: type) -> None:
    rng = np.random.default_rng(k)
    size = 5000
    rows = np.stack(
        [
            rng.normal(size=size),
            rng.integers(0, 9, size),
            np.maximum(rng.normal(size=size) - 2, 0),
            np.maximum(rng.normal(size=size) - 9, 0),
            np.arange(size),
            np.arange(size)[::-1],
            np.tile(np.arange(50), 100),
            # All large values where the others' guess looks, and none.
            np.where(np.arange(size) % max(1, k // 8) == 0, 5, rng.random(size)),
            np.where(np.arange(size) % max(1, k // 8) == 0, -5, rng.random(size)),
            rng.choice([-np.inf, 0, 1, np.inf], size),
            rng.standard_cauchy(size),
        ]
    ).astype(dtype)
    wanted = np.argsort(-rows, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(largest(rows, k), wanted)
    for row, index in zip(rows, wanted, strict=True):
        np.testing.assert_array_equal(largest(row, k), index)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_only_dot_products_keep_float64(dtype: str) -> None:
    values = data(dtype)
    scores = {by: split(values, 0, top=20).cut().scores_of(by=by).dtype for by in BY}
    assert scores == {"cosine": "f4", "cosine-origin": "f4", "dot": dtype}
