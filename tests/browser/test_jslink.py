"""Traits joined to plain ipywidgets in the page, where the kernel takes no part."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import PLANTED, Lab

LINKED = """
import ipywidgets
explorer = nw.SplitExplorer(acts, neuron=0, top=100)
cut = ipywidgets.FloatSlider(min=0, max=explorer.threshold * 2, step=explorer.threshold / 50)
number = ipywidgets.IntSlider(max=11)
ipywidgets.jslink((explorer, "threshold"), (cut, "value"))
ipywidgets.jslink((explorer, "neuron"), (number, "value"))
ipywidgets.VBox([cut, number, explorer])
"""


def test_sliders_move_the_cut_and_the_neuron(lab: Lab) -> None:
    notebook = lab.notebook("jslink", [PLANTED, LINKED])
    notebook.run_all()
    frame = notebook.frame()
    cut, number = (notebook.page.locator(".noUi-handle").nth(i) for i in (0, 1))
    number.press("ArrowRight")
    expect(frame.locator(".nw-neuron")).to_have_value("1")
    notebook.follows("(explorer.neuron, explorer._version > explorer._view_version)", "(1, True)")
    # The view has set nothing since: the picture that the slider cuts is the newest all the same.
    steps(notebook, cut, 3)
    notebook.follows("abs(explorer.threshold - cut.value) < 1e-9", "True")
    field = frame.locator(".nw-slider input[type=range]")
    before = field.input_value()
    steps(notebook, cut, 3)
    notebook.follows("abs(explorer.threshold - cut.value) < 1e-9", "True")
    assert field.input_value() != before
    assert notebook.errors == []
    notebook.close()


def steps(notebook: Any, handle: Any, count: int) -> None:
    handle.focus()
    for _ in range(count):
        notebook.page.keyboard.press("ArrowLeft")
