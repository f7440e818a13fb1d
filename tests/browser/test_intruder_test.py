"""IntruderTest in a browser: by pointer, by keyboard, and as a page that students hand in from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

import neuronwidgets as nw
from tests.browser.conftest import Lab, Notebook

MAKE = """
import numpy as np, neuronwidgets as nw
rng = np.random.default_rng(0)
kinds = np.repeat(["cat", "dog", "sun", "rest"], [20, 20, 20, 40])
values = rng.normal(0, 0.1, (100, 6))
values[:60, 0] += np.linspace(9, 6, 60)
for i, kind in enumerate(("cat", "dog", "sun")):
    values[kinds == kind, i + 1] += 5
texts = [f"{kind} number {i}" for i, kind in enumerate(kinds)]
acts = nw.Activations.from_arrays(values, samples=texts, labels=kinds)
concepts = nw.split(acts, 0, top=60, metric="euclidean").cut(10.0)
"""
SHOW = "test = nw.IntruderTest(concepts, 4, 1)\ntest"


@pytest.fixture(scope="module")
def opened(lab: Lab) -> Iterator[Notebook]:
    notebook = lab.notebook("intruder", [MAKE, SHOW], 1300, 900)
    notebook.run_anew("test", (0, 1))
    yield notebook
    notebook.close()


@pytest.fixture
def notebook(opened: Notebook) -> Notebook:
    opened.run_anew("test", (0, 1))
    opened.python("test.answers = []")
    expect(opened.frame()).to_contain_text("1 of 5")
    return opened


def odds(notebook: Notebook) -> list[int]:
    found: list[int] = json.loads(
        notebook.python("print([q.odd + 1 for q in test._sheet.questions])")
    )
    return found


def test_a_click_answers_and_the_kernel_hears(notebook: Notebook) -> None:
    odd = odds(notebook)
    frame = notebook.frame()
    cards = frame.locator(".nw-odd-card")
    expect(cards).to_have_count(5)
    # Blind: neither names nor the height of the cut.
    for told in ("concept", "cut at", "label"):
        expect(frame.locator(".nw-question")).not_to_contain_text(told)
    cards.nth(odd[0] - 1).click()
    expect(cards.nth(odd[0] - 1)).to_contain_text("the odd one")
    notebook.follows("test.answers", str(odd[:1]))
    # An answer stands.
    cards.nth(odd[0] % 5).click(force=True)
    frame.locator(".nw-next").click()
    expect(frame).to_contain_text("2 of 5")
    wrong = odd[1] % 5
    cards.nth(wrong).click()
    expect(cards.nth(wrong)).to_contain_text("your choice")
    notebook.follows("test.answers", str([odd[0], wrong + 1]))


def test_keys_are_offered_where_they_answer(notebook: Notebook) -> None:
    """Elsewhere JupyterLab makes a heading of the selected cell."""
    hint = notebook.frame().locator(".nw-by-key")
    notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.node.focus()")
    expect(hint).to_be_hidden()
    notebook.frame().locator(".nw-odd-card").first.focus()
    expect(hint).to_be_visible()


def test_by_keyboard_to_the_result(notebook: Notebook) -> None:
    odd = odds(notebook)
    frame = notebook.frame()
    frame.locator(".nw-odd-card").first.focus()
    for answer in odd:
        notebook.page.keyboard.press(str(answer))
        expect(frame.locator(".nw-next")).to_be_focused()
        notebook.page.keyboard.press("Enter")
    result = frame.locator(".nw-result")
    expect(result).to_contain_text("The concepts can be told apart")
    expect(result).to_contain_text(". cat")
    expect(result).to_contain_text("cut at 10.0")
    expect(frame.locator(".nw-so-far")).to_contain_text("100% (40% to 100%), 4 of 4")
    notebook.follows("test.result.total", "100% (40% to 100%; 4 of 4)")
    assert notebook.page.locator(".jp-Cell").count() == 2
    # Python begins again.
    notebook.python("test.answers = []")
    expect(frame).to_contain_text("1 of 5")


def test_the_name_is_typed_and_digits_in_it_are_no_answers(notebook: Notebook) -> None:
    frame = notebook.frame()
    field = frame.locator(".nw-student")
    field.click()
    notebook.page.keyboard.type("Ana 3")
    notebook.page.keyboard.press("Enter")
    notebook.follows("test.student, test.answers", "Ana 3 []")


def test_a_page_needs_no_kernel_and_its_answers_are_pooled(lab: Lab, tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(MAKE, names)
    test = nw.IntruderTest(names["concepts"], 3, 0)
    right = [question.odd + 1 for question in test._sheet.questions]
    path = test.to_html(tmp_path / "test.html")
    test.close()
    page = lab.browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    page.locator(".nw-student").fill("Ben")
    page.locator(".nw-student").press("Enter")
    for card in (right[0], right[1], right[2] % 5 + 1):
        page.locator(".nw-odd-card").nth(card - 1).click()
        page.locator(".nw-next").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="save answers").click()
    assert saved.value.suggested_filename == "intruder-test Ben.json"
    sheet = tmp_path / "ben.json"
    saved.value.save_as(sheet)
    page.close()
    assert errors == []
    pooled = nw.IntruderTest.pool([sheet])
    assert (pooled.students, pooled.right.tolist(), pooled.count.tolist()) == (("Ben",), [2], [3])
    assert np.array_equal(pooled.scores.names, names["concepts"].names)
