"""What a saved notebook keeps: what is shown, once, and nothing that is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.server import LAB_VERSION

DATA = """
import ipywidgets, numpy as np, neuronwidgets as nw
rng = np.random.default_rng(0)
kind = np.repeat([0, 1, 2], 100)
values = rng.normal(0, 0.3, (300, 12)).astype("f4")
values[np.arange(300), 1 + kind] += 4
values[:, 0] += np.where(kind < 2, 5, 0)
images = rng.integers(0, 255, (300, 28, 28)).astype("u1")
acts = nw.Activations.from_arrays(values, images, kind)
"""
SHOW = "explorer = nw.SplitExplorer(acts, 0)\nexplorer"
MAKE = "other = nw.SplitExplorer(acts, 1)"
BOX = "ipywidgets.VBox([other])"
ROW = """narrow = nw.SplitExplorer(acts, 2)
narrow.layout.width = "400px"
ipywidgets.HBox([other, nw.SplitExplorer(acts, 0), narrow])"""
LAB = """lab = nw.ToyLab(nw.toy.Config(features=16, dims=4, neurons=16, steps=64, batch=32))
lab.finish(60)
lab.split(int(lab.runs[0].A.max(axis=1).argmax()))
lab"""


@pytest.fixture(scope="module")
def notebook(lab: Any) -> Iterator[Any]:
    made = lab.notebook("presence", [DATA, SHOW, "explorer", MAKE, BOX, LAB, "kept", ROW])
    made.run_cell(0)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def clear(notebook: Any) -> None:
    notebook.clear()


def models(notebook: Any) -> list[dict[str, Any]]:
    """The state of each of our widgets in the saved notebook."""
    saved = notebook.saved().values()
    return [model["state"] for model in saved if model["model_name"] == "AnyModel"]


def awake(notebook: Any) -> list[dict[str, Any]]:
    """Those that are shown: with the loader instead of the stand-in."""
    shown = [state for state in models(notebook) if "neuronwidgets.modules" in state["_esm"]]
    assert all(len(state["_esm"]) < 2000 and not state["_css"] for state in shown)
    return shown


def largest(notebook: Any) -> int:
    """Characters of the largest state of one of our widgets in the saved notebook."""
    return max(len(json.dumps(state)) for state in models(notebook))


def kinds(notebook: Any) -> list[str]:
    """The front ends in the saved notebook, by a class of each."""
    saved = [m["state"] for m in notebook.saved().values() if m["model_name"] == "WidgetModel"]
    names = ("nw-split-explorer", "nw-toy-lab")
    return sorted(next(name for name in names if name in state["code"]) for state in saved)


def shown(notebook: Any, frames: int = 1) -> None:
    expect(notebook.page.locator(".nw-frame .nw-card:not(.nw-own)").first).to_be_visible()
    expect(notebook.page.locator(".nw-frame")).to_have_count(frames)
    assert notebook.errors == []


def test_the_same_cell_run_eight_times_leaves_one_explorer(notebook: Any) -> None:
    notebook.run_cell(1)
    shown(notebook)
    notebook.python("explorer.wait(60)")
    once = len(json.dumps(notebook.saved()))
    for _ in range(7):
        notebook.run_cell(1)
        notebook.python("explorer.wait(60)")
    shown(notebook)
    saved = notebook.saved()
    names = sorted(model["model_name"] for model in saved.values())
    assert names == ["AnyModel", "LayoutModel", "WidgetModel"]
    assert len(json.dumps(saved)) < 1.1 * once


def test_what_somebody_still_holds_is_shown_again(notebook: Any) -> None:
    notebook.run_cell(1)
    shown(notebook)
    notebook.python("kept = explorer; kept.rename(0, 'mine')")
    notebook.run_cell(1)
    shown(notebook)
    notebook.follows("kept.comm is None", "True")
    notebook.run_cell(6)
    shown(notebook, 2)
    name = notebook.frame(1).locator("input.nw-title").first
    expect(name).to_have_value("mine")
    notebook.frame(1).locator(".nw-slider input[type=range]").fill("1")
    notebook.follows("(len(kept.concepts), len(explorer.concepts))", "(1, 2)")
    # The cell that made it is no longer its home.
    notebook.run_cell(1)
    shown(notebook, 2)


def test_cleared_outputs_are_not_saved_and_come_back(notebook: Any) -> None:
    notebook.run_cell(1)
    shown(notebook)
    notebook.command("editmenu:clear-all")
    notebook.follows("explorer._presence.asleep", "True")
    assert largest(notebook) < 10_000
    # Python has it, and another cell shows it.
    assert notebook.python("print(len(explorer.concepts))") == "2"
    notebook.run_cell(2)
    shown(notebook)
    notebook.page.locator(".nw-slider input[type=range]").fill("1")
    notebook.follows("len(explorer.concepts)", "1")
    # The code stands once in the notebook, and not in the widget.
    assert len(awake(notebook)) == 1
    assert kinds(notebook) == ["nw-split-explorer"]


@pytest.mark.skipif(LAB_VERSION < (4, 4), reason="this JupyterLab undoes cells bare")
def test_a_deleted_cell_is_not_saved_and_its_undo_is(notebook: Any) -> None:
    notebook.run_cell(1)
    shown(notebook)
    notebook.command("notebook:delete-cell")
    notebook.follows("explorer._presence.asleep", "True")
    assert largest(notebook) < 10_000
    notebook.command("notebook:undo-cell-action")
    shown(notebook)
    notebook.follows("explorer._presence.asleep", "False")


def test_a_tab_that_is_closed_and_opened_again_is_alive(notebook: Any) -> None:
    notebook.run_cell(1)
    shown(notebook)
    page = notebook.page
    notebook.saved()
    notebook.command("application:close")
    expect(page.locator(".nw-frame")).to_have_count(0)
    page.evaluate(
        "path => window.jupyterapp.commands.execute('docmanager:open', {path})", notebook.path.name
    )
    shown(notebook)
    page.wait_for_function(
        """() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status
        === 'idle'"""
    )
    page.locator(".nw-slider input[type=range]").fill("1")
    notebook.follows("len(explorer.concepts)", "1")


def test_explorers_in_a_row_share_its_width(notebook: Any) -> None:
    notebook.run_cell(3)
    notebook.run_cell(7)
    shown(notebook, 3)
    one, two, narrow = [
        frame.bounding_box()["width"] for frame in notebook.page.locator(".nw-frame").all()
    ]
    assert one == pytest.approx(two, abs=1)
    assert one > 200
    assert narrow == 400


def test_a_box_in_another_cell_keeps_its_explorer(notebook: Any) -> None:
    notebook.run_cell(3)
    notebook.run_cell(4)
    shown(notebook)
    notebook.follows("other._presence.views", "1")
    notebook.python("first = other")
    notebook.run_cell(3)
    # The box still shows the first, which still answers.
    shown(notebook)
    notebook.page.locator(".nw-slider input[type=range]").fill("1")
    notebook.follows("len(first.concepts)", "1")
    notebook.run_cell(4)
    shown(notebook)
    # Now nothing does.
    notebook.follows("first.comm is None", "True")
    notebook.follows("other.comm is None", "False")


def test_a_lab_and_what_is_split_below_it(notebook: Any) -> None:
    notebook.run_cell(5)
    shown(notebook, 2)
    notebook.command("editmenu:clear-all")
    notebook.follows("(lab._presence.asleep, lab.explorer._presence.asleep)", "(True, True)")
    notebook.run_cell(5)
    shown(notebook, 2)
    assert len(awake(notebook)) == 2
    assert kinds(notebook) == ["nw-split-explorer", "nw-toy-lab"]
