"""SplitExplorer's samples over the activation range, whole texts, and what assistive tools read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

TEXT = """
import json, numpy as np, neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
rng = np.random.default_rng(0)
count, words = 300, [f"w{i:02}" for i in range(90)]
kind = np.arange(count) % 3
strength = np.where(np.arange(count) % 4 == 0, rng.uniform(1, 5, count), rng.uniform(-1, .2, count))
values = rng.normal(0, .3, (count, 8)).astype("f4")
values[np.arange(count), 1 + kind] += np.maximum(strength, 0)
values[:, 0] = strength
spans = [np.array([[4 * i, 4 * i + 3] for i in range(90)], np.int32)] * count
def tokens(rows, direction):
    return [np.eye(1, 90, 50, dtype=np.float32)[0] * values[row, 0] for row in rows]
samples = Samples(count, texts=[" ".join(words)] * count, spans=spans)
acts = nw.Activations("text", values, samples, tokens=tokens)
explorer = nw.SplitExplorer(acts, 0, 30)
explorer
"""
AGAIN = "explorer"

# Controls whose accessible name lacks what is to be read on them (WCAG 2.5.3).
UNSPOKEN = """frame => {
  const plain = text => text.replace(/\\s+/g, ' ').trim().toLowerCase();
  const controls = [...frame.querySelectorAll(
    'button, summary, [role=button], [role=slider], [role=application], input, select')];
  const wrong = controls.filter(control => {
    const label = control.getAttribute('aria-label');
    if (label === null) return false;
    const copy = control.cloneNode(true);
    for (const unread of copy.querySelectorAll('.nw-hidden, [aria-hidden=true]')) unread.remove();
    const own = control.matches('select, .nw-line') ? '' : copy.textContent;
    const about = [...(control.labels ?? [])].map(l => l.querySelector('.nw-quiet')?.textContent);
    return ![own, ...about].every(text => plain(label).includes(plain(text ?? '')));
  });
  return [controls.length, wrong.map(control => control.outerHTML.slice(0, 200))];
}"""
# Controls without any name.
NAMELESS = """frame => [...frame.querySelectorAll('button, [role=button], input, select')]
  .filter(e => !e.getAttribute('aria-label') && !e.textContent.trim() && !e.labels?.length)
  .map(e => e.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def opened(lab: Any) -> Iterator[Any]:
    notebook = lab.notebook("more", [TEXT, AGAIN])
    notebook.run_cell(0)
    notebook.frame()
    assert notebook.python("print(explorer.wait(60))") == "True"
    yield notebook
    notebook.close()


def choose(card: Locator, text: str) -> None:
    card.locator(".nw-segments").get_by_text(text, exact=True).click()


def test_a_card_spreads_its_samples_over_the_activation_range(opened: Any, shots: Path) -> None:
    own, concept = opened.frame().locator(".nw-own"), opened.cards().first
    for card in (own, concept):
        choose(card, "spread")
        expect(card.locator(".nw-activation")).to_have_count(8)
    expect(own).to_contain_text("active, 0.")
    said = own.locator(".nw-activation").all_inner_texts()
    wanted = opened.python(
        "along = np.sort(values[values[:, 0] > 0, 0])[::-1];"
        "places = np.linspace(0, len(along) - 1, 8).round().astype(int);"
        "print(json.dumps([f'{v:.2f}' for v in along[places]]))"
    )
    assert said == json.loads(wanted)
    numbers = [float(text) for text in concept.locator(".nw-activation").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    # Further than its own samples, and with the evidence of each text.
    lowest = opened.python(
        "print(values[explorer.concepts.split.index[explorer.concepts.groups[0]], 0].min())"
    )
    assert numbers[-1] < float(lowest)
    expect(concept.locator(".nw-valued .nw-peak")).to_have_count(8)
    opened.frame().screenshot(path=shots / "spread.png")
    choose(own, "top")
    expect(own.locator(".nw-activation")).to_have_count(0)
    expect(own).to_contain_text("top samples of 300")


def test_a_text_opens_to_its_ends(opened: Any) -> None:
    lines = opened.cards().nth(1).locator(".nw-text")
    for i, key in enumerate(("click", "Enter", " ")):
        line = lines.nth(i)
        expect(line).not_to_contain_text("w89")
        if key == "click":
            line.click()
        else:
            line.press(key)
        expect(line).to_contain_text("w00")
        expect(line).to_contain_text("w89")
        expect(line.locator(".nw-peak")).to_have_text("w50")
        line.press("Enter")
        expect(line).to_have_attribute("aria-expanded", "false")


def test_a_saved_page_shows_what_it_has_and_says_so(lab: Any, opened: Any, tmp_path: Path) -> None:
    row = int(opened.python("print(explorer.split.index[0])"))
    assert opened.python(
        f"explorer._on_view_message(None, dict(type='text.read', row={row}), []);"
        "explorer._on_view_message(None, dict(type='samples.spread', node=None), []);"
        "print(explorer.wait(60))"
    ).endswith("True")
    path = opened.python(f"print(explorer.to_html({str(tmp_path / 'page.html')!r}))")
    page = lab.browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(Path(path).as_uri())
    own = page.locator(".nw-own")
    choose(own, "spread")
    expect(own.locator(".nw-activation")).to_have_count(8)
    own.locator(".nw-text").first.click()
    expect(own.locator(".nw-text").first).to_contain_text("w89")
    expect(page.get_by_role("alert")).to_be_hidden()
    own.locator(".nw-text").nth(4).click()
    expect(own.locator(".nw-text").nth(4)).to_contain_text("The rest of the text needs the kernel.")
    last = page.locator(".nw-card:not(.nw-own)").last
    choose(last, "spread")
    expect(last).to_contain_text("needs the kernel")
    choose(last, "top")
    expect(last).to_contain_text("retrieved from all 300")
    page.close()


def test_evidence_that_fails_does_not_ask_for_a_kernel(opened: Any) -> None:
    frame = opened.frame()
    opened.python(
        "from neuronwidgets.widgets.split_explorer.evidence import Evidence\n"
        "whole = Evidence.steps\n"
        "def broken(self, nodes, publish):\n"
        "    raise RuntimeError('the disk is gone')\n"
        "    yield\n"
        "Evidence.steps = broken\n"
        "explorer.neuron = 1"
    )
    cards = frame.locator(".nw-card:not(.nw-own)")
    expect(frame.get_by_role("alert")).to_contain_text("the disk is gone")
    expect(cards.first).to_contain_text("retrieval from all 300 is not known yet")
    expect(frame).not_to_contain_text("needs the kernel")
    opened.python("Evidence.steps = whole; explorer.neuron = 0; explorer.wait(60)")
    expect(cards.first).to_contain_text("retrieved from all 300")


def test_names_contain_what_is_read_and_landmarks_differ(opened: Any) -> None:
    opened.run_cell(1)
    opened.frame(1)
    choose(opened.frame().locator(".nw-own"), "spread")
    for index in (0, 1):
        count, wrong = opened.frame(index).evaluate(UNSPOKEN)
        assert count > 20
        assert wrong == []
        assert opened.frame(index).evaluate(NAMELESS) == []
    labels = opened.page.locator("section.nw-frame").evaluate_all(
        "all => all.map(one => one.getAttribute('aria-label'))"
    )
    assert sorted(labels) == ["Split explorer", "Split explorer 2"]


def test_work_is_said_over_no_control(opened: Any) -> None:
    page = opened.page
    header = opened.frame().locator(".nw-header")
    # Work that ends would take it back.
    assert opened.python("print(explorer.wait(60))") == "True"
    opened.python("explorer.status = {'state': 'running', 'text': 'scoring it', 'progress': 0.3}")
    try:
        expect(opened.frame().get_by_role("button", name="cancel")).to_be_visible()
        expect(header.locator(".nw-facts > .nw-quiet")).to_be_hidden()
        # Beside the notebook's side bar: a header of one line, of two, and of three.
        for width in (1500, 1200, 1000):
            page.set_viewport_size({"width": width, "height": 1150})
            covered = header.locator("input, select").evaluate_all(
                """all => all.filter(one => {
                  one.scrollIntoView({ block: 'nearest' });
                  const { left, right, top, bottom } = one.getBoundingClientRect();
                  return [left + 3, right - 3].some(
                    x => document.elementFromPoint(x, (top + bottom) / 2) !== one);
                }).map(one => one.getAttribute('aria-label'))"""
            )
            assert covered == [], width
    finally:
        page.set_viewport_size({"width": 1500, "height": 1150})
        opened.python("explorer.status = {'state': 'idle', 'text': '', 'progress': 1.0}")
