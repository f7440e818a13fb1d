"""The keyboard's place in a widget, where the control that has it goes: in JupyterLab."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PLANTED, Lab, Notebook

RANGES = "nw.RangeExplorer(acts, 1)"
BROWSER = "nw.NeuronBrowser(acts)"
TOY = """toy = nw.ToyLab(nw.toy.Config(features=6, dims=3, neurons=8, batch=8, cycle=20, steps=20))
toy.run_index, toy.neuron = 0, 1
toy"""


@pytest.fixture(scope="module")
def others(lab: Lab) -> Iterator[Notebook]:
    notebook = lab.notebook("focus", [PLANTED, RANGES, BROWSER, TOY])
    notebook.run_cell(0)
    yield notebook
    assert notebook.errors == []
    notebook.close()


def press(control: Any, key: str = "Enter") -> None:
    """By the keyboard, which a click does not need to be in the control."""
    control.focus()
    control.page.keyboard.press(key)


def test_a_name_keeps_the_focus(notebook: Notebook) -> None:
    name = notebook.frame().get_by_label("name of concept 1")
    for text, key, shown in (("bags", "Enter", "bags"), ("", "Enter", "sandal")):
        name.fill(text)
        press(name, key)
        expect(name).to_have_value(shown)
        expect(name).to_be_focused()
    name.fill("no")
    press(name, "Escape")
    expect(name).to_have_value("sandal")
    expect(name).to_be_focused()


def test_a_message_that_is_dismissed_leaves_the_focus_in_the_widget(notebook: Notebook) -> None:
    frame = notebook.frame()
    neuron = frame.locator(".nw-neuron")
    neuron.fill("5000")
    press(neuron)
    press(frame.get_by_role("button", name="dismiss"))
    expect(frame.locator(".nw-status")).to_be_hidden()
    expect(frame.locator(":focus")).to_have_count(1)
    # Who leaves is not called back.
    frame.locator("h2").click()
    notebook.python("explorer.neuron = 1")
    expect(neuron).to_have_value("1")
    expect(frame.locator(":focus")).to_have_count(0)


def test_a_text_that_cannot_be_copied_gives_the_focus_back(notebook: Notebook) -> None:
    frame, page = notebook.frame(), notebook.page
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()) }")
    try:
        copy = frame.get_by_role("button", name="copy as code")
        for key in ("Escape", "Enter"):
            press(copy)
            expect(frame.locator(".nw-copied textarea")).to_be_focused()
            if key == "Escape":
                page.keyboard.press(key)
            else:
                press(frame.locator(".nw-copied button"))
            expect(copy).to_be_focused()
    finally:
        page.evaluate("() => { delete navigator.clipboard.writeText }")


def test_why_a_cut_is_suggested_can_be_read_in_a_narrow_frame(notebook: Notebook) -> None:
    frame = notebook.frame()
    root = notebook.page.locator(".nw-split-explorer").first
    root.evaluate("root => { root.style.width = '290px' }")
    try:
        frame.locator(".nw-ticks button").first.focus()
        notebook.page.keyboard.press("Shift")
        tip = frame.locator(".nw-ticks .nw-tip").first
        expect(tip).to_be_visible()
        box, around = tip.bounding_box(), frame.bounding_box()
        assert box
        assert around
        assert box["x"] + box["width"] < around["x"] + around["width"]
        assert tip.evaluate("tip => tip.scrollWidth <= tip.clientWidth")
    finally:
        root.evaluate("root => { root.style.width = '' }")


def test_back_to_the_rule_goes_and_the_focus_stays_at_the_rules(others: Notebook) -> None:
    frame = others.alone(1)
    press(frame.locator(".nw-edge").first, "ArrowRight")
    back = frame.get_by_role("button", name="back to τ")
    press(back)
    expect(back).to_be_hidden()
    expect(frame.get_by_role("radio", name="mean ± τσ")).to_be_focused()


def test_a_row_that_is_no_longer_listed_and_a_search_that_is_cleared(others: Notebook) -> None:
    frame = others.alone(2)
    press(frame.locator(".nw-star").first)
    press(frame.get_by_role("radio", name="pinned"), " ")
    press(frame.locator(".nw-star").first)
    everything = frame.get_by_role("button", name="show all")
    expect(everything).to_be_focused()
    others.page.keyboard.press("Enter")
    expect(frame.locator("[data-neuron]").first).to_be_visible()
    expect(frame.locator(":focus")).to_have_count(1)

    field = frame.get_by_role("searchbox")
    field.fill("sandal")
    press(field)
    press(frame.get_by_role("button", name="clear search"))
    expect(frame.get_by_role("button", name="clear search")).to_have_count(0)
    expect(field).to_be_focused()

    frame.locator(".nw-top-cell button").first.click()
    press(frame.get_by_role("button", name="1 sample lit: clear"))
    expect(frame.get_by_role("button", name="search", exact=True)).to_be_focused()


def test_a_split_that_is_closed_gives_the_focus_to_what_opened_it(others: Notebook) -> None:
    frame = others.alone(3)
    split = frame.get_by_role("button", name="split this neuron")
    press(split)
    press(frame.get_by_role("button", name="close"))
    expect(frame.locator(".nw-inner")).to_have_count(0)
    expect(split).to_be_focused()
