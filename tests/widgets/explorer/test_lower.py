"""A node of a concept graph in `explore` is a place: address, back and forward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.widgets.protocol.buffers import unpack

DATA = torch.randn(200, 5, generator=torch.Generator().manual_seed(1))
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 6), nn.ReLU(),
        nn.Linear(6, 3),
    )  # fmt: skip


@pytest.fixture
def opened(model: nn.Module) -> Iterator[Open]:
    explorers: list[nw.Explorer] = []

    def opened(**options: Any) -> nw.Explorer:
        explorers.append(nw.explore(model, DATA, "5", top=40, **options))
        return settled(explorers[-1])

    yield opened
    for explorer in explorers:
        explorer.close()


def settled(explorer: Any) -> Any:
    for part in (explorer, explorer.split, explorer.lower):
        if part is not None:
            assert part.wait(60)
            assert part.status["state"] == "idle", part.status
    return explorer


def ask(explorer: Any, widget: Any, **message: Any) -> None:
    """A view's request to a widget inside."""
    widget._on_view_message(widget, message, [])
    settled(explorer)


def follow(explorer: Any, widget: Any) -> tuple[str, int]:
    """Open what feeds a concept of a split, and the node that feeds it most."""
    about: dict[str, Any] = {"edges": []}
    for node in widget.concepts.nodes.tolist():
        if not about["edges"]:
            ask(explorer, widget, type="graph.open", node=node)
            about = unpack(widget._graph)[1]
    node = about["edges"][0]["source"]
    layer, neuron = about["layers"][about["nodes"][node]["layer"]], about["nodes"][node]["neuron"]
    ask(explorer, widget, type="graph.split", node=node)
    assert shown(explorer) == (layer, neuron)
    return layer, neuron


def shown(explorer: Any) -> tuple[str, int] | None:
    """The lower neuron on the screen."""
    settled(explorer)
    lower = explorer.lower
    return None if lower is None else (lower.acts.layer, lower.neuron)


def test_nodes_are_places_and_back_leads_up_again(opened: Open) -> None:
    explorer = opened(neuron=0)
    one = follow(explorer, explorer.split)
    assert one[0] == "3"
    assert explorer.state == f"layer=5&neuron=0&tab=split&lower=3%3A{one[1]}"
    assert explorer._lower_of == f"neuron {one[1]} of layer 3"
    # The explorer inside opens none of its own.
    assert explorer.split._node_split is None
    two = follow(explorer, explorer.lower)
    assert two[0] == "1"
    assert explorer._back == 2
    explorer.back()
    assert shown(explorer) == one
    explorer.back()
    assert shown(explorer) is None
    assert (explorer._lower_of, explorer._back, explorer._forward) == ("", 0, 2)
    # Its graph is still open.
    assert explorer.split._graph
    explorer.forward()
    assert shown(explorer) == one
    explorer.forward()
    assert shown(explorer) == two


def test_an_address_opens_the_lower_neuron(opened: Open) -> None:
    explorer = opened(state="layer=5&neuron=2&tab=split&lower=3:4")
    assert shown(explorer) == ("3", 4)
    assert explorer.split.neuron == 2
    before = explorer.lower
    explorer.state = "layer=5&neuron=2&tab=split&lower=3:5"
    assert shown(explorer) == ("3", 5)
    # What is gone from the screen is closed.
    assert before.comm is None
    ask(explorer, explorer, type="lower.close")
    assert explorer.state == "layer=5&neuron=2&tab=split"
    assert explorer.lower is None


def test_another_neuron_or_tab_leaves_it(opened: Open) -> None:
    explorer = opened(state="layer=5&neuron=2&tab=split&lower=3:4")
    explorer.lower.neuron = 5
    assert explorer.state == "layer=5&neuron=2&tab=split&lower=3%3A5"
    assert shown(explorer) == ("3", 5)
    explorer.neuron = 1
    assert shown(explorer) is None
    explorer.back()
    assert shown(explorer) == ("3", 5)
    explorer.tab = "probe"
    assert explorer.lower is None


@pytest.mark.parametrize(
    ("lower", "words"),
    [("9:0", "layer '9' does not exist"), ("3:70", "neuron 70 is not in layer '3'")],
)
def test_what_cannot_be_opened_is_said(opened: Open, lower: str, words: str) -> None:
    explorer = opened(neuron=0)
    explorer.state = f"layer=5&neuron=0&tab=split&lower={lower}"
    assert explorer.wait(60)
    assert explorer.status["state"] == "error"
    assert words in explorer.status["text"]
    assert explorer.lower is None
    explorer.back()
    assert (explorer.state, explorer.status["state"]) == ("layer=5&neuron=0&tab=split", "idle")
