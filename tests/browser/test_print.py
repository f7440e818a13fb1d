"""What a widget is on paper, in Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from tests.browser.conftest import Lab

LOOK = """() => {
  window.printed = [];
  const look = () => {
    const root = document.querySelector('.nw');
    const style = getComputedStyle(root);
    const cards = document.querySelector('.nw-cards');
    printed.push({
      theme: root.dataset.nwTheme,
      backgrounds: style.printColorAdjust,
      paper: style.backgroundColor,
      buttons: [...document.querySelectorAll('.nw-plain-button')]
        .filter(b => b.checkVisibility()).length,
      hidden: cards.scrollHeight - cards.clientHeight,
      canvases: [...document.querySelectorAll('canvas')].map(c =>
        [c.width, c.getBoundingClientRect().width, c.clientWidth]),
    });
  };
  matchMedia('print').addEventListener('change', look);
}"""
"""Looks at the page as it is laid out for paper, and as it is on the screen again."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 5, 300)
    values = rng.normal(0, 0.3, (300, 8)).astype("f4")
    values[:, 0] += 4
    values[np.arange(300), 1 + kind] += 4
    images = rng.integers(0, 255, (300, 8, 8)).astype("u1")
    acts = nw.Activations.from_arrays(values, images, labels=np.array(list("abcde"))[kind])
    explorer = nw.SplitExplorer(acts, 0, top=100, min_size=1)
    explorer.threshold = 0.5  # more cards than beside the tree
    made: Path = explorer.to_html(tmp_path_factory.mktemp("print") / "a.html")
    return made.as_uri()


def test_paper_is_white_and_shows_all(lab: Lab, address: str) -> None:
    page = lab.browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page.goto(address)
    page.locator(".nw-card").nth(5).wait_for()
    page.evaluate(LOOK)
    page.pdf(format="A4")
    paper, screen = page.evaluate("printed")
    page.close()

    assert (paper["theme"], paper["backgrounds"]) == ("light", "exact")
    assert paper["paper"] == "rgb(255, 255, 255)"
    assert paper["buttons"] == 0
    assert screen["buttons"] > 0
    # Paper does not scroll.
    assert paper["hidden"] == 0
    # Drawn anew for the width of the paper, and again for that of the screen.
    assert_drawn(paper, lambda drawn, wide, _: drawn == int(wide))
    assert_drawn(screen, lambda drawn, _, wide: drawn == wide)
    assert paper["canvases"] != screen["canvases"]
    assert screen["theme"] == "dark"


def assert_drawn(look: dict[str, Any], fits: Any) -> None:
    assert len(look["canvases"]) >= 2
    for canvas in look["canvases"]:
        assert fits(*canvas), canvas
