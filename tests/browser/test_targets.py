"""What one clicks can be hit by an unsteady hand: in JupyterLab and Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import PLANTED, Lab, Notebook

CELLS = [
    PLANTED,
    "nw.SplitExplorer(acts, neuron=0, top=100)",
    "nw.RangeExplorer(acts, 1)",
    "nw.NeuronBrowser(acts)",
    """toy = nw.ToyLab(nw.toy.Config(features=6, dims=3, neurons=8, batch=8, cycle=20, steps=20))
toy.run_index, toy.neuron, toy.feature = 0, 1, 2
toy""",
]
SMALL = """frame => {
  const controls = 'button, a, select, summary, textarea, [role=slider], [role=button],'
    + 'input:not([type=range])';
  const sized = (middle, size) => [middle - size / 2, middle + size / 2];
  const areaOf = node => {
    const { left, right, top, bottom } = node.getBoundingClientRect();
    const own = [left, right, top, bottom];
    const more = [];
    if (node.matches('[type=checkbox], [type=radio]'))
      for (const label of node.labels) more.push(label.getBoundingClientRect());
    const after = getComputedStyle(node, '::after');
    if (after.position === 'absolute') {
      const [x0, x1] = sized((left + right) / 2, parseFloat(after.width));
      const [y0, y1] = sized((top + bottom) / 2, parseFloat(after.height));
      more.push({ left: x0, right: x1, top: y0, bottom: y1 });
    }
    for (const area of more) {
      own[0] = Math.min(own[0], area.left);
      own[1] = Math.max(own[1], area.right);
      own[2] = Math.min(own[2], area.top);
      own[3] = Math.max(own[3], area.bottom);
    }
    return own;
  };
  const seen = [...frame.querySelectorAll(controls)]
    .filter(node => !node.disabled && node.checkVisibility({ visibilityProperty: true }));
  const targets = seen.map(node => {
    const [left, right, top, bottom] = areaOf(node);
    const small = right - left < 23.9 || bottom - top < 23.9;
    return { node, left, right, top, bottom, small, x: (left + right) / 2, y: (top + bottom) / 2 };
  });
  const close = (a, b) => {
    if (a.node.contains(b.node) || b.node.contains(a.node)) return false;
    if (b.small && Math.hypot(a.x - b.x, a.y - b.y) < 23.9) return true;
    const dx = Math.max(b.left - a.x, 0, a.x - b.right);
    const dy = Math.max(b.top - a.y, 0, a.y - b.bottom);
    return Math.hypot(dx, dy) < 11.9;
  };
  return {
    count: targets.length,
    small: targets.filter(a => a.small && targets.some(b => close(a, b)))
      .map(({ node }) => node.outerHTML.slice(0, 120)),
  };
}"""
"""Targets of less than 24 x 24 px that have another one within 24 px (WCAG 2.5.8)."""


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> Iterator[Notebook]:
    made = lab.notebook("targets", CELLS, 1500, 3000)
    made.run_cell(0)
    yield made
    assert made.errors == []
    made.close()


@pytest.mark.parametrize("cell", range(1, len(CELLS)))
def test_targets_are_large_or_apart(notebook: Notebook, cell: int) -> None:
    frame: Any = notebook.alone(cell)
    frame.locator("button:visible").nth(3).wait_for()
    looked = frame.evaluate(SMALL)
    assert looked["small"] == []
    assert looked["count"] > 10


def test_a_click_beside_the_box_of_a_row_selects_it(notebook: Notebook) -> None:
    frame: Any = notebook.alone(3)
    box = frame.get_by_label("select neuron 1", exact=True)
    area = box.bounding_box()
    assert area
    notebook.page.mouse.click(area["x"] - 4, area["y"] + area["height"] + 5)
    assert box.is_checked()
