"""Widgets that were opened and closed leave nothing in the page and in the kernel."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Lab, Notebook
from tests.browser.memory import PageMemory
from tests.browser.server import LAB_VERSION

MAKE = '''
import anywidget, gc, threading, ipywidgets, numpy as np, torch, neuronwidgets as nw
torch.manual_seed(0)
data = np.random.default_rng(0).integers(0, 255, (300, 12, 12), dtype=np.uint8)
labels = np.arange(300) % 3
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(144, 24), torch.nn.ReLU(),
                            torch.nn.Linear(24, 3))
acts = nw.capture(model, data, "2", labels=labels, progress=False)
class Plain(anywidget.AnyWidget):
    """What JupyterLab and anywidget keep of a widget that does nothing."""
    _esm = """export default { render({ el }) {
        el.append(Object.assign(document.createElement("p"), { className: "nw-frame" })); } }"""
    def wait(self, seconds): ...
class Plains(ipywidgets.VBox):
    """Several in one."""
    def __init__(self, count): super().__init__([Plain() for _ in range(count)])
    def wait(self, seconds): ...
    def close(self):
        for part in self.children: part.close()
        super().close()
def left():
    gc.collect()
    return len(ipywidgets.widgets.widget._instances), threading.active_count()
'''
WIDGETS = (
    "nw.SplitExplorer(acts, 3)",
    "nw.RangeExplorer(acts, 3)",
    "nw.ToyLab(nw.toy.Config(features=16, dims=4, neurons=16, steps=64, batch=32))",
    "nw.NeuronBrowser(acts)",
    "nw.LiveProbe(acts, model, 3)",
    'nw.IntruderTest(nw.split(acts, 3).cut(1e9), 4, 1, others="dataset")',
    'nw.explore(model, data, "2", labels=labels, neuron=3)',
)
PLAIN = (*(len(WIDGETS) - 1) * ("Plain()",), "Plains(3)")
"""`explore` shows three widgets that have a view each."""
CELLS = [MAKE, *(f"widget = {made}\nwidget.wait(60)\nwidget" for made in WIDGETS + PLAIN)]
"""A cell that runs again closes the widgets that it made before."""
MORE = 1.05
"""Objects and nodes that a page may keep of ours, as a multiple of those of plain ones."""
IDLE = """() => new Promise(done => requestIdleCallback(() => requestAnimationFrame(done)))"""


def rounds(notebook: Notebook, count: int, plain: bool = False) -> None:
    """Open each widget, or as many plain ones, so many times, and close them all."""
    first = 1 + plain * len(WIDGETS)
    for _ in range(count):
        for i in range(len(WIDGETS)):
            notebook.run_cell(first + i)
            expect(notebook.page.locator(".nw-frame").first).to_be_attached()
            notebook.python("widget.wait(60); widget.close()")
            expect(notebook.page.locator(".nw-frame")).to_have_count(0)
    notebook.clear()
    notebook.python("del widget; Out.clear() if 'Out' in globals() else None; _ = __ = ___ = None")
    for _ in range(20):
        notebook.page.evaluate(IDLE)


@pytest.mark.skipif(LAB_VERSION < (4, 5), reason="what this JupyterLab keeps itself varies")
def test_opened_and_closed_widgets_leave_nothing(lab: Lab) -> None:
    notebook = lab.notebook("leaks", CELLS, 1300, 1000, alone=True)
    notebook.run_cell(0)
    rounds(notebook, 1)
    rounds(notebook, 1, plain=True)
    memory = PageMemory(notebook.page)
    start = memory.held()
    rounds(notebook, 1, plain=True)
    before, kernel = memory.held(), notebook.python("print(left())")
    rounds(notebook, 1)
    after = memory.held()
    assert after.roots <= before.roots <= 1
    assert after.listeners <= before.listeners
    assert after.objects - before.objects < MORE * (before.objects - start.objects)
    assert after.nodes - before.nodes < MORE * (before.nodes - start.nodes)
    assert notebook.python("print(left())") == kernel
    assert notebook.errors == []
    notebook.page.close()
