"""Clarity, redundancy and similarity: closed forms, planted neurons, encoders that fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.concepts.scores import Neurons, scores
from neuronwidgets.concepts.scores.embedding import Embedding

S, N = 400, 20
TEXTS = [f"text {i}" for i in range(S)]
COLUMNS = ["clarity", "clarity_z", "clarity_p"]


def layer(seed: int = 0) -> nw.Activations:
    """Neurons 0 and 1 fire for the same 20 samples, which share a direction; neuron 7 is dead."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(S, 8)).astype(np.float32)
    values[:N, :2] += rng.uniform(8, 9, (N, 2))
    values[:N, 6] += 8
    values[:, 7] = 0
    return nw.Activations.from_arrays(values, samples=TEXTS)


@pytest.fixture(scope="module")
def acts() -> nw.Activations:
    return layer()


def one(acts: nw.Activations, neuron: Any) -> Neurons:
    return Neurons.of(nw.split(acts, neuron, top=N).cut())


class Words:
    """An encoder: noise, and one direction for the first texts."""

    def __init__(self, strength: float = 0.0, seed: int = 0) -> None:
        self.vectors = np.random.default_rng(seed).normal(size=(S, 12))
        self.vectors[:N, 0] += strength
        self.asked: list[str] = []

    def __call__(self, samples: list[str]) -> np.ndarray:
        self.asked += samples
        return self.vectors[[int(sample.split()[1]) for sample in samples]]


def test_clarity_is_the_mean_pairwise_cosine(acts: nw.Activations) -> None:
    for neuron in (0, 3):
        batch = one(acts, neuron)
        unit = acts.rows(batch.index[0]) - acts.mean
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        pairs = (unit @ unit.T)[~np.eye(N, dtype=bool)].mean()
        found = scores(batch, "clarity")
        assert list(found) == COLUMNS
        assert found["clarity"][0] == pytest.approx(pairs, abs=1e-6)
        assert found["clarity"][0] == pytest.approx(1 - batch.variety[0], abs=1e-6)
        closed = (np.square(unit.mean(axis=0)).sum() - 1 / N) * N / (N - 1)
        assert found["clarity"][0] == pytest.approx(closed, abs=1e-6)


def test_an_encoder_replaces_the_layers_vectors(acts: nw.Activations) -> None:
    words = Words(strength=5)
    found = scores(one(acts, 0), "clarity", encoder=words)
    unit = words.vectors - words.vectors.mean(axis=0)
    unit = unit[one(acts, 0).index[0]]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert found["clarity"][0] == pytest.approx((unit @ unit.T)[~np.eye(N, dtype=bool)].mean())
    assert found["clarity_p"][0] == 0.01
    assert found["clarity_z"][0] > 5
    assert len(words.asked) == len(set(words.asked)) == S
    blind = scores(one(acts, 0), "clarity", encoder=Words())
    assert abs(blind["clarity_z"][0]) < 3


def test_an_encoder_that_sees_nothing_gives_uniform_p(acts: nw.Activations) -> None:
    from scipy.stats import kstest

    directions = np.random.default_rng(3).normal(size=(60, 8)) * (np.arange(8) < 7)
    p = [scores(one(acts, d), "clarity", encoder=Words(seed=i))["clarity_p"][0]
         for i, d in enumerate(directions)]  # fmt: skip
    assert kstest(p, "uniform").pvalue > 0.01


def test_twins_are_redundant_and_others_are_not(acts: nw.Activations) -> None:
    twin, alone = (scores(one(acts, j), "redundancy") for j in (0, 3))
    assert twin["redundancy"][0] == pytest.approx(1, abs=1e-6)
    assert twin["redundancy_p"][0] == 0.01
    assert alone["redundancy"][0] < 0.5
    assert alone["redundancy_z"][0] < twin["redundancy_z"][0]
    blind = scores(one(acts, 0), "redundancy", encoder=Words())
    assert blind["redundancy"][0] == pytest.approx(1, abs=1e-6)


def test_redundancy_is_that_of_all_pairs_by_hand(acts: nw.Activations) -> None:
    centred = acts.values - acts.mean
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    means = np.array([unit[acts.top(j, N)].mean(axis=0) for j in range(7)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    cosines = means @ means.T - 2 * np.eye(7)
    whole = nw.split_layer(acts, top=N, scores=["redundancy"], progress=False).scores
    np.testing.assert_allclose(whole["redundancy"][:7], cosines.max(axis=1), atol=1e-6)
    for j in (2, 6):
        found = scores(one(acts, j), "redundancy", draws=0)
        assert found["redundancy"][0] == pytest.approx(cosines[j].max(), abs=1e-6)
        assert np.isnan(found["redundancy_p"][0])


def test_a_direction_may_be_a_neurons_twin(acts: nw.Activations) -> None:
    along_3 = scores(one(acts, np.eye(8)[3] * 2 + 1e-3), "redundancy")
    assert along_3["redundancy"][0] > 0.95


def test_dead_neurons_have_no_score_and_are_nobodys_twin(acts: nw.Activations) -> None:
    dead = scores(one(acts, 7), ["clarity", "redundancy"])
    assert all(np.isnan(column[0]) for column in dead.values())
    values = np.array(acts.values)
    values[:, 6] = 0
    found = scores(one(nw.Activations.from_arrays(values), 3), "redundancy")
    assert found["redundancy"][0] < 0.9
    nothing = nw.Activations.from_arrays(np.zeros((30, 3)))
    assert np.isnan(scores(one(nothing, 0), "redundancy")["redundancy"][0])


def test_a_neuron_is_found_in_another_layer(acts: nw.Activations) -> None:
    rng = np.random.default_rng(5)
    other = nw.Activations.from_arrays(rng.normal(size=(S, 5)).astype(np.float32))
    other.values[:, 3] = acts.neuron(2)
    for encoder in (None, Words()):
        found = scores(one(acts, 2), "similarity", other=other, encoder=encoder)
        assert found["similarity"][0] == pytest.approx(1, abs=1e-6)
        assert found["similarity_match"][0] == 3
        assert found["similarity_p"][0] == 0.01
    missing = scores(one(acts, 4), "similarity", other=other, encoder=Words())
    assert missing["similarity_p"][0] > 0.01
    with pytest.raises(TypeError, match="the score 'similarity' needs other="):
        scores(one(acts, 2), "similarity")
    with pytest.raises(RuntimeError, match="Activations on the same 400 samples, got 30 samples"):
        scores(one(acts, 2), "similarity", other=nw.Activations.from_arrays(other.values[:30]))


def test_they_are_measured_only_where_asked_for(acts: nw.Activations) -> None:
    table = nw.split(acts, 0, top=N).scores(draws=9)
    assert not {"clarity", "redundancy", "similarity"} & set(table)
    assert list(nw.split(acts, 0, top=N).scores(which="clarity", draws=9)) == COLUMNS


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (
            lambda samples: np.zeros((1, 3)),
            r"64 rows of equally many numbers .* got shape \(1, 3\)",
        ),
        (lambda samples: np.zeros(len(samples)), r"got shape \(64,\)"),
        (lambda samples: ["no"] * len(samples), "got 64 of str"),
        (lambda samples: None, "got None"),
        (lambda samples: [[1.0, 2.0], [3.0]], "got 2 of list"),
        (lambda samples: np.full((len(samples), 2), np.nan), "finite numbers, got NaN"),
        (lambda samples: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_broken_encoders(acts: nw.Activations, encoder: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        scores(one(acts, 0), "clarity", encoder=encoder)


def test_encoders_that_change_their_width_are_refused(acts: nw.Activations) -> None:
    widths = iter([3, 4])
    with pytest.raises(ValueError, match="64 rows of 3 numbers"):
        Embedding(acts, lambda samples: np.ones((len(samples), next(widths))))
    with pytest.raises(TypeError, match="encoder must be a callable"):
        Embedding(acts, "gte")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no texts"):
        Embedding(nw.Activations.from_arrays(np.zeros((9, 2))), Words())


def test_an_encoder_may_return_tensors(acts: nw.Activations) -> None:
    import torch

    words = Words(strength=2)
    given = scores(one(acts, 0), "clarity", encoder=words)
    tensors = scores(one(acts, 0), "clarity",
                     encoder=lambda s: torch.tensor(words(s), requires_grad=True))  # fmt: skip
    np.testing.assert_array_equal(list(given.values()), list(tensors.values()))
