"""The JupyterLab extension: its panel, its cards, its previews, and widgets in tabs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, expect

from .conftest import PLANTED, SHOW, Lab, Notebook

pytestmark = pytest.mark.browser
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SLOW = """
import threading, time, torch, neuronwidgets as nw
go_on = threading.Event()
model = torch.nn.Sequential(torch.nn.Linear(8, 12), torch.nn.ReLU())
class Data:
    def __len__(self):
        return 640
    def __iter__(self):
        for i in range(640):
            if i == 256:
                go_on.wait()
            yield torch.rand(8)
"""
"""Data of which a capture reads 40%, and the rest when the test lets it."""
CAPTURE = """
capturing = nw.capture(model, Data(), layer="1", batch_size=64, background=True)
started = time.time()
"""
RUN = """async index => {
  window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
  await window.jupyterapp.commands.execute('notebook:run-cell');
  while (!document.querySelector('.nw-lab-bar')) await new Promise(requestAnimationFrame);
  return Date.now() / 1000;
}"""
"""Runs a cell; the time at which the panel shows a capture that runs."""
FOREIGN = ("Unsatisfied version", "No satisfying version", "Language pack 'en_US'")
"""What the extension of ipywidgets and JupyterLab itself say in older JupyterLabs."""
COMMS = "from comm import get_comm_manager as m; print([c.target_name for c in m().comms.values()])"


class Panel:
    """A notebook beside the panel, with what the page complained of."""

    def __init__(self, lab: Lab, name: str, cells: list[str]) -> None:
        self.notebook = lab.notebook(name, cells)
        self.page = self.notebook.page
        self.complaints: list[str] = []
        self.page.on("console", self._heard)
        self.notebook.command("neuronwidgets:show-panel")
        self.node = self.page.locator(".nw-lab")
        expect(self.node).to_be_visible()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(FOREIGN):
            self.complaints.append(message.text)

    def focus(self) -> Notebook:
        """The notebook, made the page's current tab."""
        self.page.evaluate(
            """name => {
              const { shell } = window.jupyterapp;
              for (const w of shell.widgets('main')) {
                if (w.context?.path === name) shell.activateById(w.id);
              }
            }""",
            self.notebook.path.name,
        )
        return self.notebook

    def sources(self) -> list[str]:
        """The code of the notebook's cells."""
        cells: list[str] = self.page.evaluate(
            """name => [...window.jupyterapp.shell.widgets('main')]
              .find(w => w.context?.path === name).content.model.sharedModel.cells
              .map(cell => cell.getSource())""",
            self.notebook.path.name,
        )
        return cells

    def tabs(self) -> list[str]:
        labels: list[str] = self.page.evaluate(
            "() => [...window.jupyterapp.shell.widgets('main')].map(w => w.title.label)"
        )
        return labels

    def close(self) -> None:
        """Leave the page as it was at first, but for tabs, to the next notebook."""
        if self.page.is_closed():
            return
        self.page.remove_listener("console", self._heard)
        self.focus()
        self.page.evaluate("() => window.jupyterapp.shell.collapseRight()")
        self.notebook.close()


@pytest.fixture
def panel(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Panel]:
    """A panel beside the notebook with the cells that the test asks for."""
    name = re.sub(r"\W", "_", request.node.name)
    made = Panel(lab, name, request.param)
    yield made
    made.close()


@pytest.mark.parametrize("panel", [[SLOW, CAPTURE]], indirect=True)
def test_a_running_capture_is_listed_explored_and_stopped(panel: Panel, shots: Path) -> None:
    panel.notebook.run_cell(0)
    expect(panel.node).to_contain_text("holds no captures")
    listed = panel.page.evaluate(RUN, 1)
    assert listed - float(panel.notebook.python("print(started)")) < 1
    expect(panel.node).to_contain_text("256 of 640 samples")
    expect(panel.node.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    panel.page.get_by_label("Explore the capture of 1 in a tab").click()
    explorer = panel.page.locator(".nw-lab-view .nw-explore")
    expect(explorer.locator(".nw-neuron-number").nth(11)).to_be_visible()
    # Its parts are not listed beside it.
    expect(panel.node.get_by_role("region", name="Widgets").get_by_role("listitem")).to_have_count(
        1
    )
    panel.page.screenshot(path=shots / "lab-capture.png")
    panel.page.get_by_label("Stop the capture of 1").click()
    panel.focus().follows("capturing.cancelled", "True")
    panel.notebook.python("go_on.set()")
    expect(panel.node).to_contain_text("stopped after 320 of 640 samples")
    expect(panel.node.get_by_role("progressbar")).to_have_count(0)
    assert panel.complaints == []
    assert panel.notebook.errors == []


@pytest.mark.parametrize("panel", [[PLANTED, SHOW]], indirect=True)
def test_a_widget_in_a_tab_is_restored(panel: Panel, shots: Path) -> None:
    panel.notebook.run_cell(0)
    panel.notebook.run_cell(1)
    panel.notebook.frame()
    panel.page.get_by_label("Open neuron 0 of layer <b>4</b> in a tab").click()
    view = panel.page.locator(".nw-lab-view")
    expect(view.locator(".nw-frame")).to_be_visible()
    # The tab is another view of the same model.
    view.locator(".nw-neuron").fill("3")
    view.locator(".nw-neuron").press("Enter")
    expect(panel.page.locator(".jp-Notebook .nw-neuron")).to_have_value("3")
    expect(panel.page.get_by_role("tab", name="neuron 3 of layer <b>4</b>")).to_be_visible()
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        panel.notebook.theme(theme)
        panel.page.screenshot(path=shots / f"lab-tab-{theme[11:].lower()}.png")
    panel.notebook.theme("JupyterLab Light")
    # Where the layout is kept, it is kept some time after it has changed.
    with panel.page.expect_response(lambda answer: "/api/workspaces/" in answer.url):
        panel.focus()
    panel.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    panel.page.reload()
    expect(view.locator(".nw-frame")).to_be_visible()
    expect(view.locator(".nw-neuron")).to_have_value("3")
    expect(panel.node).to_contain_text("neuron 3 of layer <b>4</b>")
    assert panel.complaints == []
    assert panel.notebook.errors == []
    # A page that was loaded again goes back to this notebook.
    panel.page.close()


@pytest.mark.parametrize("panel", [[PLANTED, SHOW]], indirect=True)
def test_a_tab_says_why_its_widget_is_not_there(panel: Panel) -> None:
    panel.notebook.run_cell(0)
    panel.notebook.run_cell(1)
    panel.notebook.frame()
    panel.page.get_by_label("Open neuron 0 of layer <b>4</b> in a tab").click()
    view = panel.page.locator(".nw-lab-view")
    expect(view.locator(".nw-frame")).to_be_visible()
    name = panel.notebook.path.name
    panel.focus()
    panel.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    panel.page.evaluate("() => window.jupyterapp.shell.currentWidget.dispose()")
    expect(view).to_contain_text(f"{name} was closed.")
    expect(panel.node).to_contain_text("Open a notebook or a console")
    view.get_by_role("button", name=f"Open {name}").click()
    expect(view.locator(".nw-frame")).to_be_visible()


@pytest.mark.parametrize("panel", [[PLANTED, SHOW, "nw.ToyLab()"]], indirect=True)
def test_the_widget_of_a_cell_opens_in_a_tab(panel: Panel) -> None:
    panel.notebook.run_all()
    panel.notebook.frame(1)
    panel.page.locator(".jp-Notebook .nw-toy-lab").click(button="right", position={"x": 5, "y": 5})
    panel.page.locator(".lm-Menu-itemLabel", has_text="Widget in a Tab").click()
    view = panel.page.locator(".nw-lab-view .nw-toy-lab")
    expect(view).to_be_visible()
    # It is opened once.
    panel.focus()
    panel.node.get_by_role("listitem").filter(has_text="ToyLab").get_by_label("in a tab").click()
    expect(view).to_have_count(1)
    assert panel.complaints == []


@pytest.mark.parametrize("panel", [["1 + 1"]], indirect=True)
def test_a_kernel_without_the_package_is_left_alone(panel: Panel) -> None:
    panel.notebook.run_cell(0)
    expect(panel.node).to_contain_text("import neuronwidgets as nw")
    assert panel.notebook.python(COMMS) == "[]"
    panel.notebook.run_cell(0)
    assert panel.notebook.python(COMMS) == "[]"
    assert panel.complaints == []


@pytest.mark.parametrize("panel", [[PLANTED, ""]], indirect=True)
def test_code_comes_from_the_panel_by_drag_and_by_key(panel: Panel) -> None:
    panel.notebook.run_cell(0)
    row = panel.node.get_by_role("listitem").filter(has_text="300 samples × 12 neurons")
    expect(row).to_contain_text("acts")
    row.drag_to(panel.page.locator(".jp-Notebook .cm-content").nth(1))
    assert panel.sources()[1] == "nw.explore(acts)"
    button = row.get_by_role("button", name="Insert nw.explore(acts) into a cell")
    button.focus()
    panel.page.keyboard.press("Enter")
    assert panel.sources().count("nw.explore(acts)") == 2


@pytest.mark.parametrize("panel", [[PLANTED]], indirect=True)
def test_the_panel_follows_the_current_notebook(panel: Panel, lab: Lab) -> None:
    other = lab.root / "other.ipynb"
    other.write_bytes(panel.notebook.path.read_bytes())
    panel.notebook.run_cell(0)
    expect(panel.node).to_contain_text("300 samples × 12 neurons")
    panel.page.evaluate(
        "path => window.jupyterapp.commands.execute('docmanager:open', { path }).then(() => 0)",
        other.name,
    )
    title = panel.node.get_by_role("heading").first
    expect(title).to_have_text(other.name)
    expect(panel.node).to_contain_text("once a cell imports the package")
    others = panel.node.get_by_role("region", name="Other kernels")
    expect(others).to_contain_text("1 set of activations")
    others.get_by_role("button", name=panel.notebook.path.name).click()
    expect(title).to_have_text(panel.notebook.path.name)
    expect(panel.node).to_contain_text("300 samples × 12 neurons")
    panel.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()"
    )
    expect(panel.node).to_contain_text("once a cell imports the package")
    panel.notebook.run_cell(0)
    expect(panel.node).to_contain_text("300 samples × 12 neurons")
    other.unlink()


@pytest.mark.parametrize("panel", [["1 + 1"]], indirect=True)
def test_cards_open_notebooks_and_overwrite_none(panel: Panel, lab: Lab, shots: Path) -> None:
    copied, kept = (
        lab.root / name for name in sorted(p.name for p in NOTEBOOKS.glob("*.ipynb"))[:2]
    )
    kept.write_bytes(panel.notebook.path.read_bytes())
    panel.page.evaluate("() => window.jupyterapp.commands.execute('launcher:create').then(() => 0)")
    cards = panel.page.locator(".jp-LauncherCard")
    panel.page.screenshot(path=shots / "lab-launcher.png")
    cards.filter(has_text="Split a neuron").click()
    expect(panel.page.locator(".lm-TabBar-tabLabel", has_text=copied.name)).to_be_visible()
    assert copied.read_text("utf-8") != kept.read_text("utf-8")
    assert "SplitExplorer" in copied.read_text("utf-8")
    panel.page.evaluate(
        "name => window.jupyterapp.commands.execute('neuronwidgets:workshop', { name })"
        ".then(() => 0)",
        kept.name,
    )
    expect(panel.page.locator(".lm-TabBar-tabLabel", has_text=kept.name)).to_be_visible()
    assert kept.read_bytes() == panel.notebook.path.read_bytes()
    panel.page.evaluate(
        "() => window.jupyterapp.commands.execute('neuronwidgets:explore-model').then(() => 0)"
    )
    expect(
        panel.page.locator(".jp-Notebook .cm-content", has_text="data = nw.datasets.fashion()")
    ).to_be_visible()
    assert panel.complaints == []
    copied.unlink()
    kept.unlink()


STORE = """
import torch, neuronwidgets as nw
model = torch.nn.Sequential(torch.nn.Linear(8, 12), torch.nn.ReLU())
acts = nw.capture(model, torch.rand(50, 8), layer="1", out="caps/seen")
del acts
"""


@pytest.mark.parametrize("panel", [[STORE]], indirect=True)
def test_a_folder_of_a_capture_is_previewed_and_explored(panel: Panel, lab: Lab) -> None:
    panel.notebook.run_cell(0)
    panel.page.evaluate(
        "() => { window.jupyterapp.commands.execute('filebrowser:go-to-path', { path: 'caps' }); }"
    )
    folder = panel.page.locator(".jp-DirListing-item", has_text="seen")
    folder.click(button="right")
    panel.page.locator(".lm-Menu-itemLabel", has_text="Preview Capture").click()
    preview = panel.page.locator(".nw-lab-preview")
    for words in ("Sequential", "50", "12", "float32", "yes"):
        expect(preview).to_contain_text(words)
    panel.page.get_by_role("button", name="Explore this").click()
    view = panel.page.locator(".nw-lab-view .nw-explore")
    expect(view).to_be_visible()
    # The same capture by its absolute path has the same tab.
    panel.focus()
    panel.page.evaluate(
        "() => { window.jupyterapp.commands.execute('neuronwidgets:open-capture'); }"
    )
    panel.page.locator(".jp-Dialog input").fill(str(lab.root / "caps" / "seen"))
    panel.page.locator(".jp-Dialog").get_by_role("button", name="Explore").click()
    expect(view).to_be_visible()
    expect(panel.page.locator(".nw-lab-view")).to_have_count(1)
    panel.page.evaluate(
        "() => { window.jupyterapp.commands.execute('filebrowser:go-to-path', { path: '/' }); }"
    )
    assert panel.complaints == []
