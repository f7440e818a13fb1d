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


def test_cards_below_the_tree_have_the_whole_width(lab: Lab, address: str) -> None:
    page = lab.browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.locator(".nw-card").nth(5).wait_for()
    page.emulate_media(media="print")
    places = page.evaluate(
        """() => [document.querySelector('.nw-left'), ...document.querySelectorAll('.nw-card')].map(
          one => { const { left, top, bottom } = one.getBoundingClientRect();
                   return [left, top, bottom] })"""
    )
    page.close()
    (left, _, bottom), cards = places[0], places[1:]
    assert cards[0][0] > left + 100
    assert cards[-1][1] > bottom
    assert cards[-1][0] < left + 20


TABLE = """() => {
  const grid = document.querySelector('.nw-grid');
  const cells = [...grid.querySelectorAll('.nw-grid-head .nw-head-cell')];
  window.table = {
    beyond: Math.max(...cells.map(c => c.getBoundingClientRect().right))
      - grid.getBoundingClientRect().right,
    rows: (grid.clientHeight - 62) / 34,
    first: grid.scrollTop / 34,
    said: document.querySelector('.nw-printed-rows').innerText,
    map: document.querySelector('.nw-map-plane')?.getBoundingClientRect().width ?? 0,
    tabs: document.querySelector('.nw-either').checkVisibility(),
  };
}"""


def test_the_table_has_all_columns_and_whole_rows_and_the_map_is_there(
    lab: Lab, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 24)).astype("f4")
    acts = nw.Activations.from_arrays(values, labels=rng.integers(0, 3, 200))
    browser = nw.NeuronBrowser(acts)
    assert browser.wait(90)
    page = lab.browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(browser.to_html(tmp_path / "a.html").as_uri())
    page.locator(".nw-neuron-row").nth(5).wait_for()
    page.locator(".nw-grid").evaluate("grid => grid.scrollTo(0, 82)")
    page.evaluate(f"matchMedia('print').addEventListener('change', e => e.matches && ({TABLE})())")
    page.pdf(format="A4")
    table = page.evaluate("table")
    page.close()
    assert table["beyond"] < 1
    assert table["rows"] == 15
    assert table["first"] == 2
    assert table["said"] == "15 of 24 neurons are printed: the rows in view."
    assert table["map"] > 100
    assert table["tabs"] is False


def assert_drawn(look: dict[str, Any], fits: Any) -> None:
    assert len(look["canvases"]) >= 2
    for canvas in look["canvases"]:
        assert fits(*canvas), canvas
