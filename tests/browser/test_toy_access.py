"""ToyLab for those who read badly, use a keyboard or a small window: in JupyterLab and Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

SHOW = """import neuronwidgets as nw
Config, size = nw.toy.Config, dict(features=20, dims=8, neurons=24, batch=32, cycle=100)
first = [Config.zero_bias(**size, steps=300), Config.negative_bias(**size, steps=300)]
lab = nw.ToyLab(first)
lab"""
CHOSEN = "lab.run_index = 1; lab.neuron = 3; lab.feature = 2"


@pytest.fixture(scope="module")
def opened(lab: Any) -> Iterator[Any]:
    notebook = lab.notebook("toy_access", [SHOW], 1500, 2000)
    notebook.run_anew("lab", (0,))
    yield notebook
    assert notebook.errors == []
    notebook.close()


@pytest.fixture
def notebook(opened: Any) -> Any:
    """The shared notebook; its runs have ended, nothing is chosen."""
    opened.python("lab.configs = first; lab.neuron = lab.feature = None; lab.finish(60)")
    expect(opened.frame().locator(".nw-progress")).to_have_text("step 300 of 300")
    return opened


CONTRAST = """frame => {
  const parse = color => {
    const srgb = color.startsWith('color(srgb');
    const [r, g, b, a = 1] = color.match(/-?[\\d.]+(e-?\\d+)?/g).map(Number);
    return srgb ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const over = ([r, g, b, a], ground) =>
    [r, g, b].map((v, i) => a * v + (1 - a) * ground[i]);
  const light = rgb => {
    const [r, g, b] = rgb.map(v => v / 255).map(v =>
      v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const groundOf = node => {
    if (!node) return [255, 255, 255];
    const color = parse(getComputedStyle(node).backgroundColor);
    return color[3] === 1 ? color.slice(0, 3) : over(color, groundOf(node.parentElement));
  };
  const low = [];
  let count = 0;
  const walk = document.createTreeWalker(frame, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    if (!text || !node.checkVisibility() || node.closest('.nw-hidden')) continue;
    count++;
    const ground = groundOf(node);
    const ink = over(parse(getComputedStyle(node).color), ground);
    const [high, dim] = [light(ink), light(ground)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (dim + 0.05);
    if (ratio < 4.5) low.push(`${text}: ${ratio.toFixed(2)}`);
  }
  return { low, count };
}"""
"""Texts with a contrast of less than 4.5 (WCAG 1.4.3, AA), and how many were looked at."""


def test_texts_can_be_read_in_both_themes(notebook: Any) -> None:
    notebook.python(CHOSEN)
    frame = notebook.frame()
    expect(frame).to_contain_text("Responses to feature 2")
    frame.get_by_text("more settings").first.click()
    bar = frame.locator(".nw-responses button").first
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        notebook.theme(theme)
        bar.hover()
        looked = frame.evaluate(CONTRAST)
        assert looked["low"] == [], theme
        assert looked["count"] > 60
    # Text that is too pale is found.
    frame.locator(".nw-progress").evaluate("e => { e.style.color = '#aaa'; }")
    assert len(frame.evaluate(CONTRAST)["low"]) == 1
    frame.locator(".nw-progress").evaluate("e => { e.style.color = ''; }")
    frame.get_by_text("more settings").first.click()


NAMES = """frame => {
  const text = node => node.textContent.trim().replace(/\\s+/g, ' ');
  const own = [...frame.querySelectorAll('[aria-label]')];
  const controls = 'button, [role=switch], a, summary';
  return {
    regions: [...frame.querySelectorAll('section[aria-label]')].map(n => n.ariaLabel),
    groups: [...frame.querySelectorAll('fieldset:not([role=none]), [role=group]')].every(n =>
      n.ariaLabel || n.querySelector(':scope > legend')?.textContent),
    silent: own.filter(n => n.matches(controls) && !n.ariaLabel.includes(text(n)))
      .map(n => `${text(n)}: ${n.ariaLabel}`),
    nameless: [...frame.querySelectorAll('input, select')]
      .filter(n => !n.ariaLabel && ![...(n.labels ?? [])].some(l => text(l)))
      .map(n => n.outerHTML),
  };
}"""


def test_landmarks_are_unique_and_labels_have_their_visible_text(notebook: Any) -> None:
    notebook.python(CHOSEN)
    frame = notebook.frame()
    expect(frame).to_contain_text("Responses to feature 2")
    names = frame.evaluate(NAMES)
    assert len(names["regions"]) == len(set(names["regions"])) >= 6
    assert names["groups"] is True
    assert names["silent"] == names["nameless"] == []


def test_a_window_of_neurons_is_seen_whole_or_said_to_be_summed_up(notebook: Any) -> None:
    frame = notebook.frame()
    said = frame.locator(".nw-heat-said").first
    expect(said).not_to_contain_text("strongest")
    notebook.page.set_viewport_size({"width": 1500, "height": 800})
    notebook.python("lab.configs = [Config.zero_bias(**{**size, 'neurons': 300}, steps=300)]")
    expect(said).to_contain_text("Each cell: the strongest of 3 neurons")
    heat = frame.locator(".nw-cells")
    short = heat.bounding_box()["height"]
    assert short == 800 - 480
    notebook.page.set_viewport_size({"width": 1500, "height": 2000})
    expect(said).not_to_contain_text("strongest")
    assert heat.bounding_box()["height"] >= 3 * 300
    # The tooltip is inside of the frame, at the edges too; a key moves it to the chosen cell.
    heat.scroll_into_view_if_needed()
    area, box = heat.bounding_box(), frame.bounding_box()
    for x in (1, area["width"] - 2):
        for y in (1, area["height"] - 2):
            notebook.page.mouse.move(area["x"] + x, area["y"] + y)
            tip = frame.locator(".nw-tip").bounding_box()
            assert box["x"] <= tip["x"]
            assert tip["x"] + tip["width"] <= box["x"] + box["width"]
            assert box["y"] <= tip["y"]
            assert tip["y"] + tip["height"] <= box["y"] + box["height"]
    notebook.page.mouse.move(1, 1)
    expect(frame.locator(".nw-tip")).to_have_count(0)
    heat.focus()
    heat.press("ArrowDown")
    notebook.follows("lab.neuron is not None", "True")
    j = notebook.python("print(lab.neuron)")
    expect(frame.locator(".nw-tip")).to_contain_text(f"neuron {j} ×")
    heat.press("Escape")
    expect(frame.locator(".nw-tip")).to_have_count(0)


def test_high_contrast_keeps_the_marks(notebook: Any) -> None:
    notebook.python(CHOSEN)
    expect(notebook.frame()).to_contain_text("Responses to feature 2")
    notebook.page.emulate_media(forced_colors="active")
    own = """selector => {
      const style = getComputedStyle(document.querySelector(selector));
      return [style.forcedColorAdjust, style.backgroundColor, style.backgroundImage] }"""
    clear = ["rgba(0, 0, 0, 0)", "none"]
    for selector in (".nw-badge", ".nw-primary", ".nw-responses i", ".nw-scale i", ".nw-stops i",
                     ".nw-toggle i"):  # fmt: skip
        adjust, *colors = notebook.page.evaluate(own, f".nw-toy-lab {selector}")
        assert adjust == "none", selector
        assert colors != clear, selector
    slider = notebook.page.evaluate(own, ".nw-toy-lab .nw-slider input[type=range]")
    assert slider[0] == "none"
    notebook.page.emulate_media(forced_colors="none")
