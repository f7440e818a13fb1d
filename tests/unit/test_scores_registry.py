"""The registry of scores: a new score is one function."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.concepts.scores import SCORES, Column, Neurons, score, scores


@pytest.fixture
def neurons() -> Neurons:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 4))
    labels = [None if i % 7 == 0 else i % 3 for i in range(60)]
    acts = nw.Activations.from_arrays(values, labels=labels)
    splits = [nw.split(acts, j, top=20) for j in range(3)]
    parts = [Neurons.of(s.cut()) for s in splits]
    names = ("along", "index", "gram", "Z", "assignment")
    joined = [np.concatenate([getattr(p, name) for p in parts]) for name in names]
    one = splits[0]
    return Neurons(acts, *joined, one.method, one.metric, one.min_size)


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    before = dict(SCORES)
    yield
    SCORES.clear()
    SCORES.update(before)


def test_every_score_says_what_it_is(neurons: Neurons) -> None:
    for one in SCORES.values():
        assert one.measure.__doc__
        assert one.source
        assert "higher" in one.measure.__doc__
        for column in one.columns.values():
            assert column.title
            assert column.higher
            assert column.low < column.high


def test_a_batch_is_its_neurons_one_by_one(neurons: Neurons) -> None:
    table = scores(neurons, draws=19)
    usual = [one for one in SCORES.values() if not one.on_request]
    assert [name for one in usual for name in one.columns] == list(table)
    for i in range(3):
        alone = nw.split(neurons.acts, i, top=20).scores(draws=19)
        assert list(alone) == list(table)
        np.testing.assert_allclose([c[i] for c in table.values()], list(alone.values()))
    for name, column in table.items():
        assert column.dtype == np.float64, name
        assert column.shape == (3,)


def test_a_direction_and_a_threshold() -> None:
    acts = nw.Activations.from_arrays(np.random.default_rng(1).normal(size=(80, 3)))
    split = nw.split(acts, [1.0, 2, 0], top=30, method="average")
    fine, coarse = split.scores(0.0, "concepts"), split.scores(split.tree.top, "concepts")
    assert (fine, coarse) == ({"concepts": 0.0}, {"concepts": 1.0})
    along = acts.along([1.0, 2, 0])
    found = split.scores(which=["kurtosis"])["kurtosis"]
    assert found == pytest.approx(((along - along.mean()) ** 4).mean() / along.var() ** 2 - 3)


def test_ones_own_score(neurons: Neurons) -> None:
    @nw.score(title="peak", source="mine", higher="stronger")
    def peak(neurons: Neurons, times: float = 1) -> np.ndarray:
        return neurons.along.max(axis=1) * times

    np.testing.assert_array_equal(nw.scores(neurons, "peak")["peak"], neurons.along.max(axis=1))
    np.testing.assert_array_equal(
        scores(neurons, ["peak", "kurtosis"], times=2)["peak"], 2 * neurons.along.max(axis=1)
    )
    assert "peak" in scores(neurons, draws=0)


def test_several_columns_integers_and_a_tensor(neurons: Neurons) -> None:
    import torch

    @score(title="a", source="mine", higher="", columns={"b": Column("b", 0, 1, "")})
    def a(neurons: Neurons) -> dict[str, object]:
        return {"b": torch.ones(len(neurons)), "a": np.arange(3)}

    found = scores(neurons, "a")
    assert list(found) == ["a", "b"]
    assert found["a"].dtype == found["b"].dtype == np.float64


@pytest.mark.parametrize(
    ("gives", "complaint"),
    [
        (np.zeros(2), r"of the 3 neurons as 'wrong'; it gave a ndarray of shape \(2,\)"),
        (np.zeros((3, 1)), r"of shape \(3, 1\)"),
        (
            1.0,
            "'wrong' must return one number for each of the 3 neurons as 'wrong'; it gave a float",
        ),
        (None, "a NoneType"),
        ("abc", "a str"),
        ([[1], [2, 3]], "a list"),
        (np.array(["a", "b", "c"]), "a ndarray"),
        (np.zeros(3, complex), "a ndarray"),
        ({"other": np.zeros(3)}, "gave other; it was registered with wrong"),
        ({}, "gave nothing"),
    ],
)
def test_what_is_no_score_is_refused(neurons: Neurons, gives: object, complaint: str) -> None:
    score(title="", source="", higher="", name="wrong")(lambda neurons: gives)
    with pytest.raises(ValueError, match=complaint):
        scores(neurons, "wrong")


def test_columns_that_were_promised_are_asked_for(neurons: Neurons) -> None:
    more = {"two": Column("", 0, 1, "")}
    score(title="", source="", higher="", name="one", columns=more)(lambda n: np.zeros(3))
    with pytest.raises(ValueError, match="must return a dictionary with one, two"):
        scores(neurons, "one")


def test_a_failure_says_whose_it_was(neurons: Neurons) -> None:
    @score(title="", source="", higher="")
    def broken(neurons: Neurons) -> np.ndarray:
        return neurons.along[99]

    with pytest.raises(RuntimeError, match=r"the score 'broken' failed on Neurons.*IndexError"):
        scores(neurons)


def test_names_are_ones_own(neurons: Neurons) -> None:
    with pytest.raises(ValueError, match="'polysemanticity' has a column 'geometry' already"):
        score(title="", source="", higher="", name="geometry")(lambda n: np.zeros(3))
    score(title="new", source="", higher="", name="kurtosis")(lambda n: np.zeros(len(n)))
    assert scores(neurons, "kurtosis")["kurtosis"].tolist() == [0, 0, 0]


def test_wrong_questions(neurons: Neurons) -> None:
    with pytest.raises(ValueError, match=r"score must be one of .*'kurtosis'.*, got 'curtosis'"):
        scores(neurons, "curtosis")
    with pytest.raises(TypeError, match=r"drows=5 is not a setting .*, which take draws, seed\."):
        scores(neurons, drows=5)
    with pytest.raises(
        TypeError, match=r"draws=5 is not a setting .*\(kurtosis\), which take none\."
    ):
        scores(neurons, ["kurtosis"], draws=5)
    with pytest.raises(ValueError, match=r"gram must have shape .*, got shape"):
        Neurons(neurons.acts, neurons.along, neurons.index, *[neurons.Z] * 3)


def test_without_labels() -> None:
    acts = nw.Activations.from_arrays(np.random.default_rng(0).normal(size=(50, 3)))
    split = nw.split(acts, 0, top=20)
    found = split.scores(draws=9)
    assert "label_entropy" not in found
    assert np.isnan([found["alignment"], found["alignment_z"], found["alignment_p"]]).all()
    certain = min(max(found["geometry_z"], 0), 5) / 5
    assert found["polysemanticity"] == pytest.approx(min(found["variety"], 1) * certain)
    with pytest.raises(ValueError, match="'label_entropy' needs labels and layer 'values' has"):
        split.scores(which="label_entropy")


def test_the_label_entropy_is_that_of_the_layer(neurons: Neurons) -> None:
    whole = nw.label_entropy(neurons.acts, 20)[:3]
    np.testing.assert_allclose(scores(neurons, "label_entropy")["label_entropy"], whole)
    values = np.zeros((30, 2))
    values[:4, 0] = 1
    acts = nw.Activations.from_arrays(values, labels=np.arange(30) % 2)
    for j in range(2):
        found = nw.split(acts, j, top=10).scores(which="label_entropy")["label_entropy"]
        np.testing.assert_equal(found, nw.label_entropy(acts, 10)[j])
