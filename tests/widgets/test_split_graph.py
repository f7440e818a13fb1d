"""What feeds a concept: as `nw.concept_graph`, once asked for, with splits that open from it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
from neuronwidgets.core.steps import drained, mapped
from neuronwidgets.effects.graph.lower import layer_below, reading_lower
from neuronwidgets.effects.graph.passage import Rerun
from neuronwidgets.widgets.base.jobs import JobProgress
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.protocol.graph import GRAPH
from tests.protocol.validator import binary_mismatches

LAYERS = ["5", "3", "1"]
Parts = tuple[nn.Module, torch.Tensor, dict[str, nw.Activations]]


@pytest.fixture(scope="module")
def parts() -> Parts:
    torch.manual_seed(0)
    widths = (5, 8, 7, 6)
    parts = [[nn.Linear(a, b), nn.ReLU()] for a, b in pairwise(widths)]
    model = nn.Sequential(*(layer for part in parts for layer in part), nn.Linear(6, 4))
    data = torch.randn(300, 5, generator=torch.Generator().manual_seed(1))
    labels = ["ant", "bee", "cat"] * 100
    acts: Any = nw.capture(model, data, LAYERS, labels=labels, progress=False)
    return model, data, acts


@pytest.fixture
def explorer(parts: Parts) -> Iterator[Any]:
    model, data, acts = parts
    below = [acts["3"], acts["1"]]
    made = nw.SplitExplorer(acts["5"], 0, 40, model=model, data=data, below=below)
    assert made.wait(60)
    yield made
    made.close()


def ask(explorer: Any, kind: str, node: int | None = None) -> dict[str, Any]:
    """Send a request of the view; the graph that is then open."""
    message = {"type": f"graph.{kind}", **({} if kind == "close" else {"node": node})}
    explorer._on_view_message(explorer, message, [])
    assert explorer.wait(60)
    return unpack(explorer._graph)[1] if explorer._graph else {}


def opened(explorer: Any, concept: int = 0) -> dict[str, Any]:
    return ask(explorer, "open", int(explorer.concepts.nodes[concept]))


def edges_of(graph: nw.ConceptGraph) -> list[tuple[int, int, float, float]]:
    columns = (graph.source, graph.target, graph.weight, graph.samples)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def shown(meta: dict[str, Any]) -> list[tuple[int, int, float, float]]:
    return [(e["source"], e["target"], e["weight"], e["samples"]) for e in meta["edges"]]


def test_it_is_the_graph_of_concept_graph(explorer: Any, parts: Parts) -> None:
    model, data, acts = parts
    assert explorer._below == "3"
    assert not explorer._graph
    meta = opened(explorer)
    graph = nw.concept_graph(
        explorer.concepts, 0, below=acts["3"], model=model, data=data, progress=False
    )
    assert len(graph.source)
    assert shown(meta) == edges_of(graph)
    assert meta["root"] == explorer.concepts.nodes[0]
    assert [node["name"] for node in meta["nodes"]] == list(graph.names)
    assert [node["strength"] for node in meta["nodes"]] == graph.strength.tolist()
    (finding,) = meta["findings"]
    assert finding["text"] == graph.findings[0]
    assert finding["random"] == graph.cores[0].without_random
    assert list(binary_mismatches(explorer._graph, GRAPH)) == []


def test_a_node_is_followed_and_the_code_makes_the_same(explorer: Any, parts: Parts) -> None:
    model, data, acts = parts
    assert [node["follow"] for node in opened(explorer)["nodes"]][:2] == [True, True]
    meta = ask(explorer, "follow", 1)
    assert meta["layers"] == LAYERS
    assert {edge["target"] for edge in meta["edges"]} == {0, 1}
    assert [finding["node"] for finding in meta["findings"]] == [0, 1]
    lowest = [node for node in meta["nodes"] if node["layer"] == 2]
    assert lowest
    assert not any(node["follow"] for node in lowest)
    known: dict[str, Any] = {
        "nw": nw, "explorer": explorer, "model": model, "data": data,
        "below": [acts["3"], acts["1"]],
    }  # fmt: skip
    *lines, last = meta["code"].splitlines()
    assert last == "graph"
    exec("\n".join(lines), known)
    assert edges_of(known["graph"]) == shown(meta)


def test_layers_that_were_not_given_are_read(parts: Parts) -> None:
    model, data, acts = parts
    explorer: Any = nw.SplitExplorer(acts["5"], 0, 40, model=model, data=data)
    assert explorer.wait(60)
    first = opened(explorer)
    meta = ask(explorer, "follow", 1)
    given = nw.concept_graph(
        explorer.concepts, 0, below=[acts["3"], acts["1"]], model=model, data=data, onwards=0,
        progress=False,
    )  # fmt: skip
    for found, expected in ((first, given), (meta, given.follow(1))):
        np.testing.assert_allclose(shown(found), edges_of(expected), atol=1e-6)
    assert "below=['3', '1']" in meta["code"]
    explorer.close()


def test_the_split_of_a_node_opens_and_closes(explorer: Any, parts: Parts) -> None:
    meta = opened(explorer)
    ask(explorer, "split", 1)
    inside = explorer._node_split
    assert explorer._split_node == 1
    assert inside.acts is parts[2]["3"]
    assert inside.neuron == meta["nodes"][1]["neuron"]
    assert inside.concepts.names[meta["nodes"][1]["concept"]] == meta["nodes"][1]["name"]
    # What feeds its concepts can be found there, too.
    assert inside._below == "1"
    ask(explorer, "split", 2)
    assert inside._jobs.closed
    second = explorer._node_split
    ask(explorer, "split", None)
    assert explorer._node_split is explorer._split_node is None
    assert second._jobs.closed
    assert explorer._graph


def test_another_neuron_closes_the_graph(explorer: Any) -> None:
    opened(explorer)
    ask(explorer, "split", 1)
    inside = explorer._node_split
    explorer.neuron = 1
    assert explorer.wait(60)
    assert explorer._graph == b""
    assert explorer._node_split is None
    assert inside._jobs.closed


def test_a_cut_keeps_it_and_close_ends_it(explorer: Any) -> None:
    meta = opened(explorer)
    explorer.threshold = explorer.split.tree.top
    assert explorer.wait(60)
    assert unpack(explorer._graph)[1] == meta
    assert ask(explorer, "close") == {}
    ask(explorer, "follow", 0)
    assert explorer.status["text"] == "no concept graph is open."


def test_closing_it_while_it_is_found_leaves_no_card_blank(explorer: Any) -> None:
    with explorer._jobs.lock:  # no job takes a step meanwhile
        explorer.neuron = 1
        node = int(explorer.concepts.nodes[0])
        explorer._on_view_message(explorer, {"type": "graph.open", "node": node}, [])
        explorer._on_view_message(explorer, {"type": "graph.close"}, [])
    assert explorer.wait(60)
    assert not explorer._graph
    assert not explorer._session.due()


def test_what_cannot_be_found_is_said(explorer: Any) -> None:
    ask(explorer, "open", 999)
    assert explorer.status["text"] == "node 999 is no concept of the cut on the screen."
    explorer.refined = True
    assert explorer.wait(60)
    opened(explorer)
    assert "switch k-means membership off" in explorer.status["text"]
    explorer.refined = False
    explorer._session.feed.capturing = SimpleNamespace(done=False)
    opened(explorer)
    assert explorer.status["text"] == "the capture still uses the model: wait for its end."
    explorer._session.feed.capturing = None
    assert opened(explorer)["edges"]
    ask(explorer, "follow", 99)
    assert explorer.status["text"].startswith("node must be less than")


def test_a_model_that_does_not_fit_ends_in_a_sentence(parts: Parts) -> None:
    _, data, acts = parts
    other = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 6),
                          nn.ReLU(), nn.Linear(6, 4))  # fmt: skip
    explorer: Any = nw.SplitExplorer(acts["5"], 0, 40, model=other, data=data, below=acts["3"])
    assert explorer.wait(60)
    assert opened(explorer) == {}
    assert explorer.status["text"].startswith("the model gives other activations")
    explorer.close()


def test_without_a_model_nothing_feeds(parts: Parts) -> None:
    explorer: Any = nw.SplitExplorer(parts[2]["5"], 0, 40)
    assert explorer._below == ""
    assert explorer.wait(60)
    opened(explorer)
    assert "SplitExplorer(..., model=model, below=activations)" in explorer.status["text"]
    explorer.close()


def test_it_can_be_stopped_between_steps(explorer: Any) -> None:
    graphs = explorer._graphs
    steps = graphs.opening(int(explorer.concepts.nodes[0]))
    shares = [step.share for step, _ in zip(steps, range(3), strict=False)]
    assert shares == sorted(shares)
    assert shares[-1] > 0
    steps.close()
    assert graphs.graph is None
    assert not explorer._graph
    text = next(graphs.opening(int(explorer.concepts.nodes[0])))
    assert isinstance(text, JobProgress)
    assert text.text == f"finding what feeds {explorer.concepts.names[0]}"


def test_a_page_keeps_the_graph(explorer: Any, tmp_path: Path) -> None:
    opened(explorer)
    ask(explorer, "split", 1)
    state = explorer._exported()
    assert state["_graph"] == explorer._graph
    assert state["_node_split"] is None
    assert explorer.to_html(tmp_path / "page.html").stat().st_size > len(explorer._graph)


def test_a_layer_is_read_on_the_same_samples(parts: Parts) -> None:
    model, data, acts = parts
    # Samples in another order than the data.
    rows = np.random.default_rng(0).permutation(300)[:80]
    upper = acts["5"]
    some = nw.Activations("5", upper.rows(rows), Samples(80, item=rows), pooling="mean")
    shares: list[float] = []
    lower = drained(mapped(reading_lower(some, "3", Rerun(model, data)), shares.append))
    assert all(0 <= share <= 1 for share in shares)
    np.testing.assert_allclose(lower.rows(np.arange(80)), acts["3"].rows(rows), atol=1e-6)
    assert layer_below(model, "3") == "1"
    assert layer_below(model, "1") is None
    with pytest.raises(ValueError, match="pass data="):
        next(reading_lower(acts["5"], "3", Rerun(model)))
    with pytest.raises(ValueError, match="no sample 100 of the 300 samples"):
        list(reading_lower(acts["5"], "3", Rerun(model, data[:100])))
