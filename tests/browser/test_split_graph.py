"""What feeds a concept: the graph opens from its card, by keyboard, and stays on a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.test_split_more import NAMELESS, UNSPOKEN

CODE = """
import numpy as np, torch, neuronwidgets as nw
from torch import nn
torch.manual_seed(2)
layers = [nn.Linear(64, 9), nn.ReLU(), nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 7), nn.ReLU()]
model = nn.Sequential(nn.Flatten(), *layers)
rng = np.random.default_rng(0)
kind = np.arange(300) % 3
images = rng.integers(0, 90, (300, 1, 8, 8)).astype("u1")
images[np.arange(300), 0, kind * 2] = 255
names = ["6", "4", "2"]
acts = nw.capture(model, images, names, labels=["ant", "bee", "cat"] * 100, progress=False)
explorer = nw.SplitExplorer(acts["6"], 4, 40, model=model, below=acts["4"])
explorer
"""


@pytest.fixture(scope="module")
def opened(lab: Any) -> Iterator[Any]:
    notebook = lab.notebook("graph", [CODE])
    notebook.run_all()
    notebook.frame()
    assert notebook.python("print(explorer.wait(60))") == "True"
    yield notebook
    notebook.close()


def test_the_graph_opens_by_keyboard_and_a_node_opens_its_split(
    lab: Any, opened: Any, tmp_path: Path, shots: Path
) -> None:
    frame, page = opened.frame(), opened.page
    feeds = frame.get_by_role("button", name="what feeds this")
    expect(feeds).to_have_count(opened.cards().count())
    feeds.first.press("Enter")
    graph = frame.locator(".nw-graph")
    nodes = graph.locator(".nw-graph-node")
    # The concept itself has the focus; arrows lead to its strongest source, and down.
    expect(nodes.first).to_be_focused()
    expect(graph.locator(".nw-graph-tiles .nw-tile").first).to_be_visible()
    expect(graph.locator(".nw-graph-findings")).to_contain_text("core neurons")
    count = opened.python("print(len(explorer._graphs.graph))")
    expect(nodes).to_have_count(int(count))
    nodes.first.press("ArrowLeft")
    expect(nodes.nth(1)).to_be_focused()
    graph.screenshot(path=shots / "graph.png")
    # What feeds the source in turn, from a layer that the model reads.
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(graph.locator(".nw-graph-layers span")).to_have_text(["6", "4", "2"])
    opened.follows("1 in explorer._graphs.graph.cores", "True")
    whole = opened.python("print(len(explorer._graphs.graph))")
    expect(nodes).to_have_count(int(whole))
    expect(frame.locator(".nw-status")).to_be_hidden()
    for look in (UNSPOKEN, NAMELESS):
        found = frame.evaluate(look)
        assert (found[1] if look is UNSPOKEN else found) == []
    nodes.nth(1).press("Enter")
    inner = graph.locator(".nw-inner-split")
    neuron = opened.python("print(explorer._graphs.graph.nodes[1].neuron)")
    expect(inner.get_by_label("neuron, 0 to 7")).to_have_value(neuron)
    graph.screenshot(path=shots / "graph-split.png")
    assert opened.python("print(explorer.wait(60))") == "True"
    path = opened.python(f"print(explorer.to_html({str(tmp_path / 'page.html')!r}))")
    nodes.nth(1).press("Escape")
    expect(graph).to_have_count(0)
    expect(feeds.first).to_be_focused()
    opened.follows("explorer._graph, explorer._node_split", "b'' None")
    alone = lab.browser.new_page(viewport={"width": 1200, "height": 900})
    alone.goto(Path(path).as_uri())
    shown = alone.locator(".nw-graph-node")
    expect(shown).to_have_count(int(whole))
    expect(alone.locator(".nw-graph-follow").first).to_be_disabled()
    shown.first.press("ArrowLeft")
    expect(shown.nth(1)).to_be_focused()
    shown.nth(1).press("Escape")
    expect(shown).to_have_count(0)
    alone.get_by_role("button", name="what feeds this").first.press("Enter")
    expect(shown).not_to_have_count(0)
    alone.close()
