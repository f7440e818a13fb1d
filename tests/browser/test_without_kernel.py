"""All widgets where no kernel answers: what is on the screen agrees, and nothing looks alive."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import PLANTED, SHOW
from .server import LAB_VERSION

RANGES = "ranges = nw.RangeExplorer(acts)\nranges"
LAB = """lab = nw.ToyLab(nw.toy.Config(features=16, dims=4, neurons=16, steps=64, batch=32))
lab.finish(60)
lab"""
BUSY = """import pathlib, time
while not pathlib.Path("go").exists(): time.sleep(0.05)"""
FRAMES = range(3)
SILENT = ".nw-status.nw-silent"
CONTROLS = (
    ".nw-header :is(input, select, button:not(.nw-copy button)), "
    ".nw-knobs :is(input, select, button)"
)
"""Those that need the kernel: code can be copied without one."""
KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext"


@pytest.fixture(scope="module")
def notebook(lab: Any) -> Iterator[Any]:
    made = lab.notebook("gone", [PLANTED, SHOW, RANGES, LAB, BUSY])
    yield made
    made.close()


def run(notebook: Any) -> None:
    """Show the three widgets, and save them when nothing is on its way."""
    for cell in (0, 1, 2, 3):
        notebook.run_cell(cell)
    notebook.frame(2)
    for name in ("explorer", "ranges", "lab"):
        notebook.saved_whole(name)
    alive(notebook)


def again(notebook: Any) -> None:
    """The same, with a new kernel where a test has ended the last."""
    notebook.page.evaluate(f"async () => {{ {KERNEL}.session ?? await {KERNEL}.restartKernel() }}")
    run(notebook)


def alive(notebook: Any) -> None:
    expect(notebook.page.locator(SILENT)).to_have_count(0)
    for i in FRAMES:
        expect(notebook.frame(i).locator(CONTROLS).first).to_be_enabled()


def gone(notebook: Any) -> None:
    """Each widget says so, in one sentence, and its controls are off."""
    for i in FRAMES:
        frame = notebook.frame(i)
        # Older versions of JupyterLab do not lay out what is off the screen.
        frame.scroll_into_view_if_needed()
        expect(frame.locator(SILENT)).to_contain_text("run its cell again")
        expect(frame.locator(".nw-status:visible")).to_have_count(1)
        # Each part is drawn when it hears of it: the status line may be the first.
        controls = frame.locator(CONTROLS)
        expect(controls.and_(frame.locator(":enabled"))).to_have_count(0)
        expect(controls).not_to_have_count(0)
        for pending in ("computing", "measuring", "comparing all", "scores: …"):
            expect(frame).not_to_contain_text(pending)
    # What the browser computes works on.
    notebook.frame(0).scroll_into_view_if_needed()
    cards = notebook.cards(0)
    slider = notebook.frame(0).locator(".nw-slider input[type=range]")
    slider.fill("1")
    expect(cards).to_have_count(1)
    slider.fill("0.3")
    expect(cards).not_to_have_count(1)
    assert notebook.errors == []


def test_a_kernel_that_is_restarted(notebook: Any) -> None:
    run(notebook)
    notebook.page.evaluate(f"() => {KERNEL}.session.kernel.restart()")
    gone(notebook)
    # The same cells, run again.
    run(notebook)


def test_a_saved_notebook_with_another_kernel(notebook: Any, shots: Path) -> None:
    run(notebook)
    # As if the kernel had ended in the middle of its work.
    notebook.python(
        "working = {'state': 'running', 'text': 'computing…', 'progress': 0.5}\n"
        "for w in (explorer, ranges, lab): w.status = working"
    )
    expect(notebook.page.get_by_text("computing…")).to_have_count(3)
    notebook.saved()
    notebook.end_kernel()
    expect(notebook.page.locator(SILENT)).to_have_count(3)
    gone(notebook)
    for i, name in enumerate(("split", "ranges", "toys")):
        notebook.frame(i).screenshot(path=shots / f"gone-{name}.png")


def test_a_kernel_that_is_shut_down(notebook: Any) -> None:
    run(notebook)
    notebook.page.evaluate(f"() => {KERNEL}.shutdown()")
    # JupyterLab tells nobody; the widgets ask when somebody is at the page.
    said = f"document.querySelectorAll('{SILENT}').length === 3"
    notebook.page.wait_for_function(
        f"() => {said} || void document.body.dispatchEvent(new Event('pointerdown'))"
    )
    gone(notebook)


def choose(notebook: Any, neuron: int) -> None:
    field = notebook.frame(0).locator("input.nw-neuron")
    field.fill(str(neuron))
    field.press("Enter")


@pytest.mark.skipif(LAB_VERSION < (4, 4), reason="this JupyterLab has no subshells of kernels")
def test_a_widget_answers_while_a_cell_runs(notebook: Any) -> None:
    again(notebook)
    # The last that the kernel sends then comes from a cell.
    notebook.python("explorer.neuron = 2; explorer.wait()")
    notebook.page.evaluate(
        """async () => {
          const { commands, shell } = window.jupyterapp;
          const { content, sessionContext } = shell.currentWidget;
          const { kernel } = sessionContext.session;
          const busy = new Promise(resolve => {
            kernel.statusChanged.connect((_, status) => status === 'busy' && resolve());
          });
          content.activeCellIndex = 4;
          void commands.execute('notebook:run-cell');
          await busy;
        }"""
    )
    choose(notebook, 1)
    expect(notebook.cards(0).filter(has_text="100% trouser").first).to_be_visible()
    expect(notebook.frame(0).get_by_role("alert")).to_have_count(0)
    notebook.path.with_name("go").touch()
    notebook.follows("explorer.neuron", "1")


def test_a_busy_kernel_is_back_when_it_answers(notebook: Any) -> None:
    again(notebook)
    kernel = int(notebook.python("import os; print(os.getpid())"))
    os.kill(kernel, signal.SIGSTOP)
    try:
        choose(notebook, 1)
        expect(notebook.frame(0).get_by_role("alert")).to_contain_text("it is busy")
        expect(notebook.frame(0).locator("input.nw-neuron")).to_be_disabled()
    finally:
        os.kill(kernel, signal.SIGCONT)
    notebook.follows("explorer.neuron", "1")
    alive(notebook)


def test_an_untrusted_notebook_says_how_to_trust_it(notebook: Any, lab: Any, shots: Path) -> None:
    again(notebook)
    notebook.saved()
    # Somebody else's: this server has not signed it.
    content = json.loads(notebook.path.read_text("utf-8"))
    content["cells"][0]["source"] = "# from elsewhere"
    path = notebook.path.with_name("elsewhere.ipynb")
    path.write_text(json.dumps(content), "utf-8")
    other = lab.page(path)
    said = other.page.locator(".jp-OutputArea-output pre").filter(has_text="SplitExplorer(neuron 0")
    expect(said).to_contain_text('"Trust Notebook"')
    expect(said).to_contain_text("jupyter trust")
    expect(other.page.locator(".nw-frame")).to_have_count(0)
    said.screenshot(path=shots / "untrusted.png")
    other.close()
