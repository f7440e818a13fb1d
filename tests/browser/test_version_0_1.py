"""A notebook that version 0.1 saved opens, with the front end that it carries and without a run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from playwright.sync_api import expect

from tests.browser.server import release

SAVED = Path(__file__).parents[1] / "fixtures" / "v0_1" / "saved.ipynb"


@pytest.fixture
def saved(lab: Any) -> Iterator[Any]:
    """The notebook, opened with a new kernel that knows nothing of its widgets."""
    path = Path(shutil.copy(SAVED, lab.root / "version-0-1.ipynb"))
    # JupyterLab shows the widgets of notebooks that somebody trusts, as a user trusts their own.
    notary = NotebookNotary(data_dir=str(lab.root / "data"))
    notary.sign(nbformat.read(path, 4))
    notary.store.close()
    notebook = lab.page(path)
    notebook.end_kernel()
    yield notebook
    notebook.close()


@pytest.mark.skipif(
    release("anywidget") < (0, 11), reason="the notebook was saved with anywidget 0.11"
)
def test_a_notebook_of_version_0_1_shows_its_widgets(saved: Any, shots: Path) -> None:
    expect(saved.page.locator(".nw-frame")).to_have_count(3)
    split, ranges, toy = (saved.frame(index) for index in range(3))
    assert "NameError" in saved.python("acts")

    # The cut is in the page: the slider works without a kernel.
    expect(split.locator(".nw-dendrogram")).to_be_visible()
    expect(split.locator(".nw-neuron")).to_have_value("2")
    expect(saved.cards(0)).to_have_count(7)
    split.locator(".nw-slider input[type=range]").fill("1")
    expect(saved.cards(0)).to_have_count(1)
    split.screenshot(path=shots / "version-0-1-split.png")

    expect(ranges.locator(".nw-number")).to_have_value("2.00")
    expect(ranges.locator(".nw-said-line")).to_contain_text("of a inside")
    ranges.locator(".nw-slider input[type=range]").fill("1")
    expect(ranges.locator(".nw-said-line")).to_have_text(re.compile("^τ 1.00: "))
    ranges.screenshot(path=shots / "version-0-1-ranges.png")
    expect(toy.locator(".nw-run-head")).to_contain_text("of 8 neurons")
    expect(toy.locator(".nw-heat")).to_be_visible()
    toy.screenshot(path=shots / "version-0-1-toy.png")
    assert saved.errors == []
