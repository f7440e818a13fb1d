"""RangeExplorer with a prompt, of many samples, and of a thousand labels, in JupyterLab."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

PROMPT = """
import neuronwidgets as nw
stories = nw.datasets.stories()
texts = [f"{who} had a {what}" for who in ("Lily", "Tom", "Ben") for what in ("cat", "ball")]
acts = nw.capture(stories.model, texts, "model.layers.2", "token", ["pet", "toy"] * 3,
                  stories.tokenizer, progress=False)
explorer = nw.RangeExplorer(acts, 3, "pet", model=stories.model, tokenizer=stories.tokenizer)
seen = []
explorer.observe(lambda change: seen.append(change["new"]["done"]), "completions")
explorer
"""
BIG = """
import numpy as np, neuronwidgets as nw
rng = np.random.default_rng(0)
labels = np.repeat(np.arange(14), 20_000)
values = rng.normal(labels[:, None] % 5, 1 + labels[:, None] % 3, (280_000, 3)).astype("f4")
acts = nw.Activations.from_arrays(values, layer="big", labels=labels)
explorer = nw.RangeExplorer(acts, 0, 3)
explorer
"""
MANY = """
import numpy as np, neuronwidgets as nw
rng = np.random.default_rng(0)
label = np.repeat(np.arange(1000), 6)
values = rng.normal(label[:, None] / 100 * [1, -1, 0], 1).astype("f4")
images = (rng.random((6000, 8, 8)) * 255).astype("u1")
names = [f"species {c} of a thousand" for c in range(1000)]
acts = nw.Activations.from_arrays(values, images, label, label_names=names)
explorer = nw.RangeExplorer(acts, 0, names[3])
explorer
"""


@pytest.fixture(scope="module")
def apart(lab: Any) -> Iterator[Any]:
    """A notebook of other data, a cell for each."""
    notebook = lab.notebook("ranges-apart", [PROMPT, BIG, MANY])
    yield notebook
    notebook.close()


def test_a_prompt_is_completed_token_by_token(apart: Any, shots: Path) -> None:
    notebook, frame = apart, apart.alone(0)
    notebook.page.set_viewport_size({"width": 900, "height": 1150})
    frame.get_by_label("prompt").fill("Once upon a time")
    frame.get_by_label("prompt").press("Enter")
    expect(frame.locator(".nw-written")).to_have_attribute("aria-busy", "false")
    notebook.follows("explorer.completions['done']", "True")
    text = notebook.python("print(explorer.completions['range'].split()[0])")
    expect(frame.locator(".nw-written p").nth(1)).to_contain_text(text)
    notebook.follows("seen.count(False) > 10", "True")
    notebook.theme("JupyterLab Dark")
    frame.screenshot(path=shots / "ranges-prompt-dark.png")
    # A text that ends at once is not just missing.
    notebook.python("explorer.completions = {**explorer.completions, 'neuron': ''}")
    expect(frame.locator(".nw-written p").nth(2)).to_contain_text("(writes nothing)")
    frame.get_by_label("prompt").fill(" ")
    frame.get_by_label("prompt").press("Enter")
    assert notebook.errors == []
    notebook.theme("JupyterLab Light")
    notebook.page.set_viewport_size({"width": 1500, "height": 1150})


def test_drag_with_14_x_20000_samples(apart: Any) -> None:
    notebook, frame = apart, apart.alone(1)
    line = frame.locator(".nw-said-line")
    for rule, says in (("gaussian", "^τ .* inside"), ("discriminative", "× as dense as")):
        notebook.python(f"explorer.rule = {rule!r}")
        expect(line).to_have_text(re.compile(says))
        words = notebook.dragged([(i + 1) / 25 for i in range(100)], line.inner_text)
        assert len(words) > 60


def test_a_thousand_labels(apart: Any, shots: Path) -> None:
    notebook, frame, page = apart, apart.alone(2), apart.page
    expect(frame.locator(".nw-facts")).to_contain_text("1,000 labels")
    expect(frame).to_contain_text("Overlap with species 3 of a thousand")
    expect(frame).to_contain_text("31 of 1,000 labels, largest overlap first")
    expect(frame.locator(".nw-picks .nw-tile").first).to_be_visible()
    # By its name, and the next one with Enter.
    find = frame.get_by_placeholder("find a label")
    find.fill("species 777")
    find.press("Enter")
    expect(frame).to_contain_text("Overlap with species 777 of a thousand")
    notebook.follows("explorer.label", "777")
    chosen = frame.locator(".nw-names button[aria-pressed=true]")
    expect(chosen).to_be_visible()
    expect(chosen).to_have_text("species 777 of a thousand")
    expect(frame.locator(".nw-said-line")).to_contain_text("of species 777 of a thousand inside")
    # Its own samples come along.
    expect(frame.locator(".nw-picks .nw-tile").first).to_have_attribute(
        "title", re.compile("^species 777 of a thousand")
    )
    find.fill("whale")
    find.press("Enter")
    expect(frame.locator(".nw-find")).to_contain_text("no label has “whale”")
    # A row of the overlap is a label.
    matrix = frame.locator(".nw-matrix canvas")
    box = matrix.bounding_box()
    # Rows of 14 pixels below vertical heads; the table scrolls.
    assert box["height"] <= 183 + 240
    matrix.click(position={"x": 4, "y": 183 + 3.5 * 14})
    expect(chosen).not_to_have_text("species 777 of a thousand")
    near = int(notebook.python("print(explorer.label)"))
    assert 0 < abs(near - 777) < 200
    page.mouse.move(0, 0)
    frame.screenshot(path=shots / "many-labels.png")
    notebook.theme("JupyterLab Dark")
    expect(page.locator("body[data-jp-theme-light=false]")).to_have_count(1)
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)
    page.mouse.move(0, 0)
    frame.screenshot(path=shots / "many-labels-dark.png")
    places = [i / 20 for i in range(1, 60)]
    looked = notebook.dragged(places, lambda: frame.locator(".nw-said-line").inner_text())
    assert len(looked) > 20
    assert notebook.errors == []
    notebook.theme("JupyterLab Light")
