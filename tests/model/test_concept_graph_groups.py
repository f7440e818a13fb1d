"""Groups of neurons that share a concept, and what few neurons keep of a concept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score

import neuronwidgets as nw
from benchmarks.effects.graph import TOPICS, Planted, captured, samples


@pytest.fixture(scope="module")
def planted() -> tuple[Planted, np.ndarray, nw.Activations, nw.Activations]:
    model = Planted().eval()
    x, labels = samples()
    return (model, x, *captured(model, x, labels))


@pytest.fixture(scope="module")
def shared(planted: Any) -> nw.SharedConcepts:
    low = planted[3]
    return nw.shared_concepts(nw.split(low, neuron).cut() for neuron in range(15))


def test_neurons_of_one_topic_are_one_group(shared: nw.SharedConcepts) -> None:
    topics = np.array(shared.names)
    assert len(shared) == 10
    assert adjusted_rand_score(topics, shared.group) == 1
    for group in range(10):
        assert len(shared.neurons(group)) == 3
    frame = shared.to_frame()
    assert len(frame) == 30
    assert set(frame["neurons"]) == {3}
    assert "10 groups, 10 of several neurons" in repr(shared)
    # The control has no groups.
    assert shared.silhouette > 0.8
    assert shared.chance < 0.4


def test_noise_has_groups_of_several_neurons_too() -> None:
    # What the docstring and docs/guide/graph.md say.
    acts = nw.Activations.from_arrays(np.random.default_rng(0).normal(size=(1500, 96)))
    found = nw.shared_concepts(nw.split(acts, neuron, top=100).cut() for neuron in range(12))
    assert round(found.silhouette, 2) == 0.07
    assert round(found.chance, 2) == 0.04
    several = sum(len(found.neurons(group)) > 1 for group in range(len(found)))
    assert several > 0.7 * len(found)


def test_the_silhouette_is_scikit_learns(planted: Any) -> None:
    cuts = [nw.split(planted[3], neuron).cut() for neuron in range(15)]
    points = np.concatenate([cut.differences for cut in cuts])
    for k in (2, 5, 10):
        shared = nw.shared_concepts(cuts, k=k)
        assert len(shared) == k
        assert shared.silhouette == pytest.approx(silhouette_score(points, shared.group), abs=1e-5)
        assert (np.diff(np.bincount(shared.group)) <= 0).all()


def test_groups_that_are_refused(planted: Any) -> None:
    top, low = planted[2:]
    cuts = [nw.split(low, neuron).cut() for neuron in (0, 1)]
    with pytest.raises(ValueError, match="must be of one layer"):
        nw.shared_concepts([*cuts, nw.split(top, 0).cut()])
    with pytest.raises(ValueError, match="at least three"):
        nw.shared_concepts(cuts[:1])
    with pytest.raises(ValueError, match="k must be at most the 4 concepts, got 9"):
        nw.shared_concepts(cuts, k=9)
    with pytest.raises(TypeError, match="got a Split"):
        nw.shared_concepts([nw.split(low, 0)])  # type: ignore[list-item]


def test_three_neurons_are_enough_for_a_planted_concept(planted: Any) -> None:
    model, x, top, low = planted
    cut = nw.split(top, 0).cut()
    graph = nw.concept_graph(
        cut, below=low, model=model, data=x, replacement="zero", progress=False
    )
    found = graph.fidelity(counts=(1, 3, 42))
    assert found.counts.tolist() == [1, 3, 42]
    assert found.overlap[0, 1] > 0.9
    assert found.activation[0, 1] > 0.9
    # One of three is not enough, and random ones are as good as none.
    assert found.activation[0, 0] < 0.3
    assert found.overlap[2, 1] < 0.7
    assert found.activation[2, 1] < 0.3
    # All neurons but one that carries nothing.
    assert found.activation[0, 2] == pytest.approx(1, abs=0.05)
    frame = found.to_frame()
    assert len(frame) == 9
    assert set(frame["way"]) == {"attribution", "gradient", "random"}
    assert "Fidelity(42 neurons" in repr(found)
    assert len(found.to_altair().to_dict()["hconcat"]) == 2
    assert len(TOPICS) == top.shape[1]


def test_fidelity_that_is_refused(planted: Any) -> None:
    model, x, top, low = planted
    cut = nw.split(top, 0).cut()
    graph = nw.concept_graph(cut, below=low, model=model, data=x, progress=False)
    with pytest.raises(ValueError, match="no layer below"):
        graph.fidelity(1)
    with pytest.raises(ValueError, match="counts must be a positive integer"):
        graph.fidelity(counts=(0,))
    with pytest.raises(ValueError, match="at least one number"):
        graph.fidelity(counts=())
