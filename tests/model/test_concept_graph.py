"""`nw.concept_graph`: planted edges, complete integrals, controls, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from benchmarks.effects.graph import (
    TOPICS,
    Planted,
    captured,
    f1,
    found_edges,
    permuted,
    samples,
    truth,
)
from neuronwidgets.effects.graph.core import Trials, overlap
from neuronwidgets.effects.graph.edges import Layer, concept_of
from neuronwidgets.effects.graph.graph import Node
from neuronwidgets.effects.graph.passage import Rerun

LAYERS = ["act2", "act1", "act0"]


class Deep(nn.Module):
    """Three layers of convolutions, with in-place activations."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.three = (
            nn.Conv2d(a, b, 3, padding=1) for a, b in ((1, 6), (6, 8), (8, 5))
        )
        self.act0, self.act1, self.act2 = nn.ReLU(inplace=True), nn.GELU(), nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.act2(self.three(self.act1(self.two(self.act0(self.one(x))))))
        return out


@pytest.fixture(scope="module")
def planted() -> tuple[Planted, np.ndarray, np.ndarray]:
    return (Planted().eval(), *samples())


@pytest.fixture(scope="module")
def deep() -> tuple[Deep, np.ndarray, dict[str, nw.Activations]]:
    model, x = Deep().eval(), np.random.default_rng(0).normal(size=(120, 1, 6, 6))
    data = x.astype(np.float32)
    acts: Any = nw.capture(model, data, LAYERS, "mean", progress=False)
    return model, data, acts


@pytest.fixture(scope="module")
def graph(deep: Any) -> nw.ConceptGraph:
    model, data, acts = deep
    cut = nw.split(acts["act2"], 1, 40).cut()
    return nw.concept_graph(
        cut, below=[acts["act1"], acts["act0"]], model=model, data=data, onwards=2, progress=False
    )


def test_planted_edges_are_found_and_permuted_ones_are_wrong(planted: Any) -> None:
    found = found_edges(*planted)
    assert f1(found, truth())[2] >= 0.9
    assert f1(permuted(found), truth())[2] < 0.3


def test_permuted_topics_give_no_planted_edge(planted: Any) -> None:
    model, x, labels = planted
    shuffled = np.random.default_rng(0).permutation(labels)
    top, low = captured(model, x, shuffled)
    cut = nw.split(top, 0).cut()
    frame = nw.concept_graph(cut, below=low, model=model, data=x, progress=False).to_frame()
    names = set(zip(frame["target_name"], frame["neuron"], frame["name"], strict=True))
    assert len(frame)
    assert not names & {edge[1:] for edge in truth()}


def test_without_core_neurons_the_samples_are_no_longer_the_strongest(planted: Any) -> None:
    model, x, labels = planted
    top, low = captured(model, x, labels)
    cut = nw.split(top, 0).cut()
    core = nw.concept_graph(cut, below=low, model=model, data=x, progress=False).cores[0]
    assert core.count == 3
    assert core.without < 0.3
    assert core.without_random > 0.8
    assert core.only > 0.9
    assert 0.5 < core.share <= 1
    assert core.chance == pytest.approx(1 / 3)


@pytest.mark.parametrize("replacement", ["mean", "zero"])
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_attributions_add_up_to_the_change(deep: Any, pooling: str, replacement: str) -> None:
    model, data, _ = deep
    acts: Any = nw.capture(model, data, LAYERS, pooling, progress=False)
    cut = nw.split(acts["act2"], 2, 40).cut()
    trials = Trials(Rerun(model, data), cut, 0, acts["act0"], replacement)
    found, change, error = trials.attributions()
    assert error < 0.02
    np.testing.assert_allclose(found.sum(1), change, atol=0.03 * np.abs(change).max())
    assert trials.values == pytest.approx(acts["act2"].along(2)[trials.rows])


def test_a_linear_layer_gives_input_times_weight() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    x = torch.randn(80, 4)
    acts: Any = nw.capture(model, x, ["1", "2"], progress=False)
    cut = nw.split(acts["2"], 1, 30).cut()
    trials = Trials(Rerun(model, x), cut, 0, acts["1"])
    found, change, error = trials.attributions()
    lower = acts["1"]
    weight = model[2].weight[1].detach().numpy()
    np.testing.assert_allclose(found, (lower.rows(trials.rows) - lower.mean) * weight, atol=1e-5)
    assert error < 1e-5
    # Replaced values are the mean, and kept ones are their own.
    kept = np.array([[True] * 6, [False] * 6])
    all_kept, none_kept = trials.means(kept)
    assert all_kept == pytest.approx(trials.values.mean(), abs=1e-5)
    assert none_kept == pytest.approx((trials.values - change).mean(), abs=1e-5)
    np.testing.assert_allclose(trials.slopes(), np.tile(weight, (len(found), 1)), atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "token", "last"])
def test_texts_of_a_transformer(bert: Any, bert_tokenizer: Any, pooling: str) -> None:
    texts = ["the cat sat on the mat", "the mat", "cat play player plays", "on the cat", "player",
             "the the cat", "mat on mat on mat", "cat, cat"] * 3  # fmt: skip
    layers = ["encoder.layer.2", "encoder.layer.0"]
    acts: Any = nw.capture(bert, texts, layers, pooling, None, bert_tokenizer, progress=False)
    cut = nw.split(acts[layers[0]], 3, 8).cut()
    graph = nw.concept_graph(
        cut, below=acts[layers[1]], model=bert, tokenizer=bert_tokenizer, batch_size=5,
        progress=False,
    )  # fmt: skip
    assert 1 <= len(graph.source) <= 16
    assert graph.cores[0].error < 0.02


def test_weights_of_a_node_add_up_to_one(graph: nw.ConceptGraph) -> None:
    assert graph.layers == tuple(LAYERS)
    assert set(graph.cores) >= {0}
    assert len(graph.cores) == 3
    for node in graph.cores:
        edges = graph.edges(node)
        assert 1 <= len(edges) <= 16
        assert np.abs(graph.weight[edges]).sum() == pytest.approx(1)
        np.testing.assert_array_equal(np.sign(graph.weight), np.sign(graph.attribution))
        assert (np.diff(np.abs(graph.weight[edges])) <= 0).all()
    for source, target in zip(graph.source, graph.target, strict=True):
        above = graph.layers.index(graph.nodes[target].layer)
        assert graph.layers.index(graph.nodes[source].layer) == above + 1
    assert graph.strength[0] == 1
    assert len(set(graph.nodes)) == len(graph.nodes)


def test_a_node_is_followed_once_and_opens_its_split(graph: nw.ConceptGraph, deep: Any) -> None:
    node = next(i for i in range(len(graph)) if graph.can_follow(i) and i not in graph.cores)
    larger = graph.follow(node)
    assert len(larger.edges(node))
    assert not len(graph.edges(node))
    assert larger.follow(node) is larger
    concepts = larger.concepts(node)
    assert concepts.neuron == graph.nodes[node].neuron
    assert concepts.layer == "act1"
    again = nw.concept_graph(
        concepts, graph.nodes[node].concept, below=deep[2]["act0"], model=deep[0], data=deep[1],
        progress=False,
    )  # fmt: skip
    np.testing.assert_allclose(again.weight, larger.weight[larger.edges(node)])


def test_results_are_shown(graph: nw.ConceptGraph) -> None:
    frame = graph.to_frame()
    assert len(frame) == len(graph.source)
    assert set(frame["target_layer"]) == {"act2", "act1"}
    assert "ConceptGraph(" in repr(graph)
    assert "<table" in graph._repr_html_()
    assert len(graph.findings) == 3
    assert "random ones" in graph.findings[0]
    one = replace(graph, cores={0: replace(graph.cores[0], count=1)})
    assert one.findings[0].startswith("Without its core neuron, ")
    assert "; without a random one " in one.findings[0]
    chart = graph.to_altair().to_dict()
    lines, dots, _ = chart["layer"]
    assert len(chart["datasets"][lines["data"]["name"]]) == len(graph.source)
    assert len(chart["datasets"][dots["data"]["name"]]) == len(graph)


def test_samples_belong_to_the_concepts_of_a_lower_neuron(planted: Any) -> None:
    _, low = captured(*planted)
    layer = Layer(low)
    cut = layer.concepts(0)
    np.testing.assert_array_equal(concept_of(layer, 0, cut.index), cut.assignment)
    rest = np.flatnonzero(low.neuron(0) < low.mean[0])
    assert set(concept_of(layer, 0, rest)) == {-2}
    given = nw.split_layer(low, neurons=range(3), progress=False)
    assert Layer(given).concepts(1).assignment.shape == cut.assignment.shape
    assert Layer(given).concepts(7).neuron == 7


def test_overlap_by_hand() -> None:
    assert overlap(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 1
    assert overlap(np.array([3.0, 0.0]), np.array([1.0, 2.0])) == 0.5
    assert overlap(np.zeros(2), np.zeros(4)) == pytest.approx(1 / 3)


def test_what_is_refused(deep: Any, graph: nw.ConceptGraph) -> None:
    model, data, acts = deep
    cut = nw.split(acts["act2"], 1, 40).cut()

    def run(**changes: Any) -> Any:
        given: Any = {"below": acts["act1"], "model": model, "data": data, "progress": False}
        return nw.concept_graph(cut, **{**given, **changes})

    with pytest.raises(IndexError, match="concept must be less than"):
        run(concept=99)
    with pytest.raises(TypeError, match="below must be Activations"):
        run(below=3)
    with pytest.raises(TypeError, match="model must be a torch"):
        run(model="x")
    with pytest.raises(ValueError, match="below must be at least one layer"):
        run(below=[])
    with pytest.raises(ValueError, match="each once"):
        run(below=[acts["act1"], acts["act1"]])
    with pytest.raises(ValueError, match="each once"):
        run(below=acts["act2"])
    with pytest.raises(ValueError, match="replacement must be"):
        run(replacement="soft")
    with pytest.raises(ValueError, match="edges must be a positive integer"):
        run(edges=0)
    fewer: Any = nw.capture(model, data[:100], "act1", progress=False)
    with pytest.raises(ValueError, match="capture both layers at once"):
        run(below=fewer)
    with pytest.raises(ValueError, match="other activations than those that were captured"):
        run(data=data[::-1].copy())
    upward = nw.split(acts["act1"], 1, 40).cut()
    with pytest.raises(ValueError, match="choose a layer below it"):
        nw.concept_graph(upward, below=acts["act2"], model=model, data=data, progress=False)
    lowest = next(i for i, node in enumerate(graph.nodes) if node.layer == "act0")
    with pytest.raises(ValueError, match="no layer below that was given"):
        graph.follow(lowest)
    with pytest.raises(IndexError, match="node must be less than"):
        graph.follow(999)
    assert graph.nodes[0] == Node("act2", 1, 0)


def test_a_layer_that_the_neuron_does_not_depend_on() -> None:
    class Apart(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.one, self.two = nn.Linear(3, 4), nn.Linear(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.one(x)
            out: torch.Tensor = self.two(x)
            return out

    model, x = Apart(), np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    acts: Any = nw.capture(model, x, ["two", "one"], progress=False)
    cut = nw.split(acts["two"], 0).cut()
    with pytest.raises(ValueError, match="does not depend on"):
        nw.concept_graph(cut, below=acts["one"], model=model, data=x, progress=False)


def test_topics_are_of_the_planted_network() -> None:
    for topics in TOPICS:
        assert len(set(topics)) == 3
    assert len(truth()) == 9 * len(TOPICS)


def test_layers_by_name_are_read_by_the_model(deep: Any, graph: nw.ConceptGraph) -> None:
    model, data, acts = deep
    cut = nw.split(acts["act2"], 1, 40).cut()
    read = nw.concept_graph(
        cut, below=["act1", "act0"], model=model, data=data, onwards=2, progress=False
    )
    assert read.nodes == graph.nodes
    np.testing.assert_allclose(read.weight, graph.weight, atol=1e-5)
    with pytest.raises(ValueError, match="layer 'act9' does not exist"):
        nw.concept_graph(cut, below="act9", model=model, data=data, progress=False)
