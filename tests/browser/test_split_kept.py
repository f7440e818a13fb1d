"""SplitExplorer in several views, saved notebooks and exported pages, narrow and dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect


def test_two_views_agree(notebook: Any) -> None:
    notebook.run_cell(2)
    notebook.frame(1)
    one, two = notebook.frame(0), notebook.frame(1)
    one.locator(".nw-slider input[type=range]").fill("0.3")
    expect(two.locator(".nw-said")).to_have_text(one.locator(".nw-said").inner_text())
    field = two.locator("input.nw-title").first
    field.fill("mine")
    field.press("Enter")
    expect(one.locator("input.nw-title").first).to_have_value("mine")
    # The first cell's output cleared, its view is gone; the other is at work.
    notebook.page.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.content.widgets[1].model.clearExecution() }"
    )
    expect(notebook.page.locator(".nw-frame")).to_have_count(1)
    two = notebook.frame(0)
    notebook.python("explorer.threshold = 1e9")
    expect(two.locator(".nw-card")).to_have_count(2)
    notebook.clear()
    notebook.run_cell(1)
    notebook.frame()


def test_an_exported_page_keeps_its_slider(lab: Any, notebook: Any, shots: Path) -> None:
    notebook.python("explorer.rename(0, '</script><b>mine</b> \u00e9')")
    path = Path(notebook.python("print(explorer.to_html('page').absolute())"))
    assert path.suffix == ".html"
    page = lab.browser.new_page(viewport={"width": 1200, "height": 900})
    errors: list[str] = []
    requests: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    cards = page.locator(".nw-card:not(.nw-own)")
    expect(cards).to_have_count(2)
    expect(cards.first.locator("input.nw-title")).to_have_value("</script><b>mine</b> é")
    assert cards.first.locator(".nw-tile").count() > 12
    page.locator(".nw-slider input[type=range]").fill("0.2")
    expect(cards).not_to_have_count(2)
    page.locator(".nw-slider input[type=range]").fill("1")
    expect(cards).to_have_count(1)
    expect(page.locator(".nw-neuron")).to_be_disabled()
    expect(page.locator(".nw-status")).to_have_text("This page has no kernel.")
    page.screenshot(path=shots / "page.png")
    assert errors == []
    assert all(re.match(r"(file|data|blob):", url) for url in requests)
    page.close()


OVERFLOW = """frame => {
  // What is to be seen of an element ends where one around it cuts it.
  const right = e => {
    let end = e.getBoundingClientRect().right;
    for (let box = e.parentElement; box !== frame; box = box.parentElement)
      if (getComputedStyle(box).overflowX !== 'visible')
        end = Math.min(end, box.getBoundingClientRect().right);
    return end;
  };
  const edge = frame.getBoundingClientRect().right + 1;
  return [...frame.querySelectorAll('*')].filter(e => right(e) > edge).map(e => e.className);
}"""


@pytest.fixture
def restyled(notebook: Any) -> Iterator[Any]:
    """The notebook, which may get another theme, and its explorer another width."""
    yield notebook
    notebook.theme("JupyterLab Light")
    notebook.frame().locator("xpath=..").evaluate("e => { e.style.width = '' }")


def test_dark_and_narrow(restyled: Any, shots: Path) -> None:
    notebook = restyled
    page = notebook.page
    frame = notebook.frame()
    notebook.theme("JupyterLab Dark")
    page.wait_for_function(
        """() => getComputedStyle(document.querySelector('.nw')).getPropertyValue('--nw-ink')
        !== '' && document.body.dataset.jpThemeLight === 'false'"""
    )
    background = "e => getComputedStyle(e).backgroundColor"
    page.wait_for_function(
        "() => { const [r] = getComputedStyle(document.querySelector('.nw')).backgroundColor"
        ".match(/\\d+/g); return Number(r) < 60 }"
    )
    assert frame.locator("xpath=..").evaluate(background) != "rgb(255, 255, 255)"
    frame.screenshot(path=shots / "dark.png")
    frame.locator("xpath=..").evaluate("e => { e.style.width = '480px' }")
    page.wait_for_function("() => document.querySelector('.nw-frame').clientWidth <= 480")
    assert frame.evaluate(OVERFLOW) == []
    # One column, in which the page scrolls: the cards are not cut off in a list of their own.
    notebook.python("explorer.threshold = 0.44; explorer.wait(60)")
    expect(notebook.cards().nth(4)).to_contain_text("stable")
    cut = "list => list.scrollHeight - list.clientHeight"
    assert frame.locator(".nw-cards").evaluate(cut) == 0
    # At once: what comes in between may move the page.
    beside = """frame => {
      const tree = frame.querySelector('.nw-dendrogram').getBoundingClientRect();
      return [...frame.querySelectorAll('.nw-ticks button')].map(tick => {
        const box = tick.getBoundingClientRect();
        return tree.top - 8 < box.top && box.bottom < tree.bottom + 8 }) }"""
    ticks = frame.evaluate(beside)
    assert ticks
    assert all(ticks)
    frame.screenshot(path=shots / "narrow.png")


def test_reload_and_reopen_without_the_kernel(notebook: Any, shots: Path) -> None:
    notebook.frame().locator(".nw-slider input[type=range]").fill("0.42")
    field = notebook.frame().locator("input.nw-title").first
    field.fill("kept")
    field.press("Enter")
    notebook.follows("list(explorer.names.values())", "['kept']")
    said = notebook.frame().locator(".nw-said").inner_text()
    notebook.saved_whole("explorer")

    notebook.open()
    expect(notebook.frame().locator(".nw-said")).to_have_text(said)
    expect(notebook.frame().locator("input.nw-title").first).to_have_value("kept")
    notebook.frame().locator(".nw-slider input[type=range]").fill("1")
    notebook.follows("len(explorer.concepts)", "1")
    notebook.frame().locator(".nw-slider input[type=range]").fill("0.42")
    notebook.follows("len(explorer.concepts) > 1", "True")
    notebook.saved_whole("explorer")

    # Another day: another kernel, which knows nothing of the explorer.
    notebook.end_kernel()
    assert "NameError" in notebook.python("explorer")
    frame = notebook.frame()
    expect(frame.locator("input.nw-title").first).to_have_value("kept")
    assert frame.locator(".nw-tile").count() > 16
    frame.locator(".nw-slider input[type=range]").fill("1")
    expect(notebook.cards()).to_have_count(1)
    frame.locator(".nw-slider input[type=range]").fill("0.3")
    expect(notebook.cards()).not_to_have_count(1)
    expect(notebook.cards().first).to_contain_text("retrieved from all 300")
    expect(frame.locator(".nw-pending")).to_have_count(0)
    frame.screenshot(path=shots / "without-kernel.png")
    assert notebook.errors == []
