"""Explorer in JupyterLab: from one cell to a neuron and back, and what outlives its kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import CONCEPTS, Lab, Notebook

MAKE = """
import threading, neuronwidgets as nw
ds = nw.datasets.fashion()
model, data, labels = ds.model, ds.images[:2000], ds.labels[:2000]
gate, passes = threading.Event(), 0
def hook(*_):
    global passes
    passes += 1
    if passes > 8: gate.wait()
handle = model.register_forward_pre_hook(hook)
"""
SHOW = "explorer = nw.explore(model, data, labels=labels)\nexplorer"
AGAIN = "again = nw.explore(model, data, labels=labels, state=explorer.state)\nagain"
PROMOTED = """
last = nw.capture(model, data[:300], "features.7", labels=labels[:300], progress=False)
browser = nw.NeuronBrowser(last, model=model, scores=("active",))
browser
"""
FASHION = [MAKE, SHOW, AGAIN, PROMOTED]


@pytest.fixture(scope="module")
def opened(lab: Lab) -> Iterator[Notebook]:
    notebook = lab.notebook("explorer", FASHION, 1600, 1300)
    notebook.run_cell(0)
    yield notebook
    notebook.close()


@pytest.fixture
def notebook(opened: Notebook) -> Notebook:
    """The notebook with an explorer whose browser is complete."""
    if "NameError" in opened.python("explorer"):
        opened.run_cell(0)
        opened.python("gate.set()")
        opened.run_cell(1)
    opened.python("gate.set(); explorer.browser.wait()")
    expect(facts(opened.frame(0))).to_contain_text("2,000 samples")
    shown(opened.frame(0), "table")
    return opened


def facts(explorer: Any) -> Any:
    """What the browser says of itself."""
    return explorer.locator(".nw-neuron-browser .nw-facts")


def open_neuron(explorer: Any, neuron: int) -> None:
    explorer.get_by_role("button", name=str(neuron), exact=True).first.click()
    expect(explorer.locator(f"section[aria-label='neuron {neuron}']")).to_be_visible()


def tab(explorer: Any, name: str) -> Any:
    explorer.get_by_role("tab", name=name).click()
    return explorer.get_by_role("tabpanel", name=name)


def test_one_cell_opens_a_layer_that_fills(opened: Notebook, shots: Path) -> None:
    opened.run_cell(1)
    explorer = opened.frame(0)
    expect(explorer.locator(".nw-neuron-row").first).to_be_visible()
    expect(explorer.locator("section[aria-label='neuron 0']")).to_be_visible()  # the first row
    expect(facts(explorer)).not_to_contain_text("2,000 samples")
    open_neuron(explorer, 3)
    opened.frame(2)
    expect(explorer.locator(".nw-split-explorer .nw-facts > .nw-quiet")).to_be_visible()
    opened.python("gate.set()")
    expect(facts(explorer)).to_contain_text("2,000 samples")
    expect(explorer.locator(".nw-split-explorer .nw-card").first).to_be_visible()
    opened.follows("(len(explorer.split.acts), explorer.split.top)", "(2000, 100)")
    opened.follows("explorer.state", "layer=features.4&neuron=3&tab=split")
    explorer.screenshot(path=shots / "explorer.png")
    assert opened.errors == []


def test_tabs_and_the_way_back(notebook: Notebook) -> None:
    explorer = notebook.frame(0)
    open_neuron(explorer, 3)
    # A row opens wherever it has no button of its own.
    explorer.locator(".nw-neuron-row[data-neuron='5'] .nw-numeric").first.click()
    expect(explorer.locator("section[aria-label='neuron 5']")).to_be_visible()
    ranges = tab(explorer, "Ranges")
    expect(ranges.locator(".nw-range-explorer .nw-frame")).to_be_visible()
    notebook.follows("explorer.ranges.neuron", "5")
    probe = tab(explorer, "Probe")
    expect(probe.locator(".nw-live-probe canvas").first).to_be_visible()
    notebook.follows("explorer.probe.neuron", "5")
    for tab_name, neuron in (("Ranges", 5), ("Concepts", 5), ("Concepts", 3)):
        explorer.get_by_role("button", name="← back").click()
        expect(explorer.get_by_role("tab", name=tab_name)).to_have_attribute(
            "aria-selected", "true"
        )
        expect(explorer.locator(f"section[aria-label='neuron {neuron}']")).to_be_visible()
    notebook.follows("explorer.split.neuron", "3")
    explorer.get_by_role("button", name="forward →").click()
    notebook.follows("explorer.split.neuron", "5")
    assert notebook.errors == []


def test_work_on_a_neuron_is_said_in_its_header(notebook: Notebook) -> None:
    """What is below the header, such as the choice of a mask, stays whole."""
    explorer = notebook.frame(0)
    open_neuron(explorer, 3)
    running = "{'state': 'running', 'text': 'cost curve: 16 of 17 widths', 'progress': 0.9}"
    for width in (2000, 1600):
        notebook.page.set_viewport_size({"width": width, "height": 1300})
        for name, part in (("Concepts", "split"), ("Ranges", "ranges"), ("Probe", "probe")):
            panel = tab(explorer, name)
            expect(panel.locator(".nw-header")).to_be_visible()
            notebook.python(f"part = explorer.{part}; part.wait(60); before = part.status")
            notebook.python(f"part.status = {running}")
            expect(panel.locator(".nw-status.nw-running")).to_be_visible()
            expect(panel.locator(".nw-facts > .nw-quiet")).to_be_hidden()
            said = panel.locator(".nw-status.nw-running").bounding_box()
            header = panel.locator(".nw-header").bounding_box()
            assert 0 <= said["y"] - header["y"] <= header["height"] - said["height"]
            notebook.python("part.status = before")
    assert notebook.errors == []


def test_a_node_of_a_concept_graph_is_a_place(notebook: Notebook, shots: Path) -> None:
    explorer = notebook.frame(0)
    tab(explorer, "Concepts")
    open_neuron(explorer, 7)
    notebook.follows("explorer.split.neuron", "7")
    explorer.locator(".nw-feeds-button:enabled").first.click()
    node = explorer.locator(".nw-graph-node[data-node='1']")
    node.click()
    heading = explorer.locator(".nw-lower-heading")
    lower = explorer.locator("section:has(> .nw-lower-heading)")
    expect(heading).to_contain_text("below neuron 7")
    expect(lower.locator(".nw-card").first).to_be_visible()
    expect(node).to_be_hidden()
    notebook.follows(
        "explorer.state.partition('&lower=')[0]", "layer=features.4&neuron=7&tab=split"
    )
    explorer.screenshot(path=shots / "explorer-lower.png")
    explorer.get_by_role("button", name="← back").click()
    expect(heading).to_have_count(0)
    # The graph is still open.
    expect(node).to_be_visible()
    explorer.get_by_role("button", name="forward →").click()
    expect(lower.locator(".nw-card").first).to_be_visible()
    heading.get_by_role("button", name="back to neuron 7").click()
    expect(node).to_be_visible()
    notebook.follows("explorer.lower", "None")
    assert notebook.errors == []


def test_a_concept_gets_a_name_in_the_library(notebook: Notebook) -> None:
    explorer = notebook.frame(0)
    open_neuron(explorer, 3)
    library = explorer.locator(".nw-library")
    count = library.locator("option").count()
    assert count > 1
    # Each one of the list is that of the kernel.
    for number in range(count):
        library.locator("select").select_option(index=number)
        library.get_by_label("name in the library").fill(f"mine {number}")
        library.get_by_label("name in the library").press("Enter")
        expect(library.get_by_role("status")).to_contain_text(f"mine {number}")
    names = str([f"mine {number}" for number in range(count)])
    notebook.follows("[entry.name for entry in explorer.browser.library]", names)
    assert notebook.errors == []


def test_a_card_keeps_its_concept_in_the_library_of_the_browser(notebook: Notebook) -> None:
    explorer = notebook.frame(0)
    open_neuron(explorer, 3)
    notebook.python("explorer.library = nw.Library()")
    card = explorer.locator(".nw-split-explorer").locator(CONCEPTS).first
    name = card.get_by_label("name of concept 1").input_value()
    card.get_by_role("button", name="keep concept 1 in the library").click()
    expect(card.locator(".nw-keep")).to_have_text("kept")
    for part in (".nw-kept", ".nw-library"):
        expect(explorer.locator(part).get_by_role("status")).to_contain_text(name)
    notebook.follows("[entry.name for entry in explorer.library]", str([name]))
    assert notebook.errors == []


def shown(explorer: Any, side: str) -> None:
    """Show the table or the map: beside a neuron, the browser has room for one."""
    explorer.locator(".nw-either").get_by_text(side, exact=True).click()


def pixels(explorer: Any) -> str:
    """What is painted on the map."""
    canvas = explorer.locator(".nw-layer-map canvas").first
    drawn: str = canvas.evaluate(
        """async canvas => {
          await new Promise(requestAnimationFrame);
          await new Promise(requestAnimationFrame);
          return canvas.toDataURL();
        }"""
    )
    return drawn


def test_a_concept_under_the_pointer_is_lit_everywhere(notebook: Notebook) -> None:
    explorer = notebook.frame(0)
    open_neuron(explorer, 3)
    tab(explorer, "Ranges")
    notebook.follows("explorer.ranges.neuron", "3")
    split = tab(explorer, "Concepts")
    expect(split.locator(".nw-card").first).to_be_visible()
    explorer.locator("h2").first.hover()
    rows = explorer.locator(".nw-top-sample .nw-lit")
    expect(rows).to_have_count(0)
    split.locator(CONCEPTS).first.locator("header").hover()
    expect(rows.first).to_be_visible()
    lit = "sorted(explorer.split.lit) == sorted(explorer.ranges.lit) and len(explorer.ranges.lit)"
    notebook.follows(f"0 < ({lit}) == len(explorer.ranges._lit_dots)", "True")
    explorer.locator("h2").first.hover()
    expect(rows).to_have_count(0)
    notebook.follows("explorer.ranges._lit_dots", "[]")
    shown(explorer, "map")
    explorer.locator("h2").first.hover()
    plain = pixels(explorer)
    split.locator(CONCEPTS).first.locator("header").hover()
    notebook.follows("len(explorer.ranges._lit_dots) > 0", "True")
    assert pixels(explorer) != plain
    explorer.locator("h2").first.hover()
    notebook.follows("explorer.ranges._lit_dots", "[]")
    assert pixels(explorer) == plain
    shown(explorer, "table")
    assert notebook.errors == []


def test_an_address_opens_the_same_place(notebook: Notebook) -> None:
    explorer = notebook.frame(0)
    open_neuron(explorer, 7)
    split = tab(explorer, "Concepts")
    expect(split.locator(".nw-card").first).to_be_visible()
    notebook.follows("explorer.split.neuron", "7")
    notebook.python("explorer.split.wait()")
    split.locator(".nw-slider input[type=range]").fill("0.4")
    shown(explorer, "map")
    explorer.locator(".nw-cut input[type=range]").fill("0.5")
    shown(explorer, "table")
    notebook.follows("'&cut=' in explorer.state and '&height=' in explorer.state", "True")
    notebook.run_cell(2)
    notebook.frame(4)
    notebook.python("again.browser.wait()")
    notebook.follows("(again.split.top, explorer.split.top)", "(100, 100)")
    # The address has six digits.
    notebook.follows("abs(again.split.threshold / explorer.split.threshold - 1) < 1e-5", "True")
    again = notebook.page.locator(".nw-explorer").nth(1)
    expect(again.locator(".nw-split-explorer .nw-card")).to_have_count(
        split.locator(".nw-card").count()
    )
    expect(again.locator(".nw-split-explorer .nw-said")).to_have_text(
        split.locator(".nw-said").inner_text()
    )
    notebook.follows("again.state == explorer.state", "True")
    heights = "again.browser.threshold / explorer.browser.threshold"
    notebook.follows(f"explorer.browser.threshold > 0 and abs({heights} - 1) < 1e-5", "True")
    notebook.python("again.close()")
    assert notebook.errors == []


def test_a_saved_page_shows_the_place_without_a_kernel(notebook: Notebook) -> None:
    explorer = notebook.frame(0)
    open_neuron(explorer, 3)
    notebook.follows("explorer.split.neuron", "3")
    for name in ("explorer.browser", "explorer.split", "explorer"):
        notebook.saved_whole(name)
    said = explorer.locator(".nw-split-explorer .nw-said").inner_text()
    notebook.end_kernel()
    explorer = notebook.frame(0)
    expect(explorer.locator(".nw-neuron-row").first).to_be_visible()
    expect(explorer.locator(".nw-split-explorer .nw-said")).to_have_text(said)
    for name in ("← back", "search", "add to library"):
        expect(explorer.get_by_role("button", name=name, exact=True)).to_be_disabled()
    assert notebook.errors == []


def test_a_kernel_that_dies_while_the_browser_fills(lab: Lab, shots: Path) -> None:
    notebook = lab.notebook("dying", FASHION[:2], 1600, 1100)
    notebook.run_all()
    explorer = notebook.frame(0)
    open_neuron(explorer, 3)
    cards = explorer.locator(".nw-split-explorer .nw-card")
    expect(cards.first).to_be_visible()
    rows, shown = explorer.locator(".nw-neuron-row").count(), cards.count()
    notebook.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.shutdown()"
    )
    explorer.get_by_role("button", name="5", exact=True).first.click()
    expect(explorer.locator(".nw-status").first).to_contain_text("kernel")
    assert (explorer.locator(".nw-neuron-row").count(), cards.count()) == (rows, shown)
    explorer.screenshot(path=shots / "explorer-without-kernel.png")
    notebook.close()


TEXTS = """
import ast, neuronwidgets as nw
topics = nw.datasets.topics()
model, tokenizer = topics.model, topics.tokenizer
data, labels = topics.texts[:200], topics.labels[:200]
acts = nw.capture(model, data, topics.layer, "max", labels, tokenizer, progress=False)
def rebuilt(code):
    *lines, last = ast.parse(code).body
    names = ("nw", "acts", "model", "data", "labels", "tokenizer")
    space = {name: globals()[name] for name in names}
    exec(compile(ast.Module(lines, []), "copied", "exec"), space)
    return eval(compile(ast.Expression(last.value), "copied", "eval"), space)
def differences(code):
    '''The traits in which the widget that was copied and its copy differ.'''
    other = rebuilt(code)
    done = widget.wait(60), other.wait(60)
    names = sorted(n for n in widget._own_traits() if n[0] != "_")
    pairs = {n: (getattr(widget, n), getattr(other, n)) for n in names
             if n not in ("status", "reading", "lit", "running", "sample")}
    other.close()
    return [done] * (done != (True, True)) + [(n, *p) for n, p in pairs.items() if p[0] != p[1]]
"""
COPIED = {
    "split": """widget = nw.SplitExplorer(acts, 3, 60, "average", "euclidean", min_size=4)
widget.threshold = float(sorted(widget.split.tree.height)[-4])
widget.rename(0, "it's \\"mine\\"")
widget.by, widget.selection, widget.refined = "dot", [5, 3], True""",
    "ranges": """widget = nw.RangeExplorer(acts, 5, tau=1.5, model=model, data=data, labels=labels,
    tokenizer=tokenizer)
widget.top, widget.edges, widget.selection = 0.2, [0.1, 0.5], [4]""",
    "toy": """widget = nw.ToyLab(
    nw.toy.Config(features=16, dims=4, neurons=16, steps=64, batch=32, seed=3))
widget.finish(60, progress=False)
widget.neuron, widget.feature = 2, 4""",
    "browser": """widget = nw.NeuronBrowser(acts, 7, metric="euclidean", model=model,
    tokenizer=tokenizer)
widget.search("text", "the football club")
widget.pin(3, 5)
widget.neurons, widget.notes, widget.selection = [1, 2], {"3": "a \\"note\\""}, [8]
widget.filters = {"kurtosis": [None, 50.0]}
widget.threshold = 0.5""",
    "probe": """widget = nw.LiveProbe(acts, model, 5, tokenizer=tokenizer)
widget.text, widget.other = "The club \\\\ won 🙂", "The school\\nwon"
widget.comparing, widget.concept = True, 0""",
    "explorer": """widget = nw.explore(
    model, data, topics.layer, labels=labels, tokenizer=tokenizer, pooling="max", neuron=4)
widget.browser.wait()
widget.wait()
widget.tab = "ranges\"""",
}


@pytest.fixture(scope="module")
def texts(lab: Lab) -> Iterator[Notebook]:
    cells = [TEXTS, *(f"{made}\nwidget.wait()\nwidget" for made in COPIED.values())]
    notebook = lab.notebook("copied", cells, 1400, 1100)
    notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    notebook.run_cell(0)
    yield notebook
    notebook.close()


@pytest.mark.parametrize("name", COPIED)
def test_copied_code_rebuilds_what_is_shown(texts: Notebook, name: str) -> None:
    frame = texts.alone(1 + list(COPIED).index(name))
    texts.page.bring_to_front()
    texts.follows("widget.wait(60)", "True")
    button = frame.get_by_role("button", name="copy as code", exact=True).first
    button.click()
    expect(frame.get_by_role("button", name="copied", exact=True).first).to_be_visible()
    code = texts.page.evaluate("() => navigator.clipboard.readText()")
    assert texts.python(f"print(differences({code!r}))") == "[]", code
    texts.python("widget.close()")
    assert texts.errors == []


def test_a_column_says_what_neurons_promote_and_a_search_finds_them(
    notebook: Notebook, shots: Path
) -> None:
    notebook.run_cell(3)
    browser = notebook.page.locator(".nw-neuron-browser", has_text="of layer features.7")
    first = browser.locator(".nw-neuron-row[aria-rowindex='2']")
    # Of ten classes the first three, by their names.
    expect(first.locator(".nw-promotes bdi")).to_have_count(3)
    assert "random directions" in (first.locator(".nw-promotes").get_attribute("title") or "")
    browser.locator(".nw-search").get_by_text("promotes", exact=True).click()
    browser.get_by_role("searchbox").fill("Dress")
    browser.get_by_role("searchbox").press("Enter")
    expect(browser.locator(".nw-search-note")).to_contain_text("logit of this class")
    best = notebook.python("print(browser.to_frame().sort_values('match').neuron.iloc[-1])")
    expect(first.locator(".nw-neuron-number")).to_have_text(best)
    browser.screenshot(path=shots / "browser-promotes.png")
    assert notebook.errors == []
