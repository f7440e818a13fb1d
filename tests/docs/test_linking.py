"""What the page on linking promises of other libraries' widgets."""

from __future__ import annotations

from typing import Any

import ipywidgets
import pytest

from tests.docs.test_blocks import PAGES, PRELUDES, blocks, run

PAGE = "guide/linking.md"


@pytest.fixture(scope="module")
def space() -> Any:
    """The names of the page, after all its blocks have run."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for key, code in PRELUDES.items():
        if key.split("#")[0] == PAGE:
            run(code, names, key)
    for block in blocks(PAGES[PAGE]):
        run(block.code, names, block.heading)
    yield names
    ipywidgets.Widget.close_all()


def test_our_widgets_follow_each_other(space: Any) -> None:
    space["explorer"].neuron = 9
    assert space["ranges"].neuron == 9
    space["ranges"].selection = [4]
    assert space["explorer"].selection == [4]


def test_a_brush_selects_and_the_selection_filters(space: Any) -> None:
    explorer, chart, points = space["explorer"], space["chart"], space["points"]
    low, high = points["x"].quantile([0.2, 0.6])
    # What the chart's view sends when somebody brushes.
    chart._vl_selections = {"brush": {"value": {"x": [low, high]}, "store": []}}
    inside = points.index[points["x"].between(low, high)].tolist()
    assert 0 < len(inside) < len(points)
    assert explorer.selection == space["scatter"].kept == inside
    chart._vl_selections = {"brush": {"value": {}, "store": []}}
    assert (explorer.selection, space["scatter"].kept) == ([], None)


def test_interact_sets_the_neuron(space: Any) -> None:
    space["choose"](neuron=4, top=100)
    assert (space["explorer"].neuron, space["explorer"].top) == (4, 100)
