"""Texts that run from right to left, as SplitExplorer and RangeExplorer show them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

DATA = """
import re
import numpy as np, neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
lines = ["القط جلس على السجادة القديمة", "החתול ישב על המחצלת הישנה", "the cat sat on the old mat",
         "GPT-4 كتب هذه الجملة الطويلة"]
names = np.array(["عربي", "עברית", "english", "مختلط"])
kind = np.arange(80) % 4
texts = [f"{lines[k]} {i}" for i, k in enumerate(kind)]
spans = [np.array([m.span() for m in re.finditer(r"\\s*\\S+", t)], "i4") for t in texts]
rng = np.random.default_rng(0)
values = rng.normal(0, 0.2, (80, 6)).astype("f4")
values[:, 0] += 4
values[np.arange(80), 1 + kind] += 4

def tokens(rows, direction):
    # The second word of each text is its peak.
    return [np.where(np.arange(len(spans[i])) == 1, 4.0, 0.5).astype("f4") for i in rows]

made = nw.Activations.from_arrays(values, labels=names[kind], layer="words")
acts = nw.Activations(made.layer, made.values, Samples(80, texts=texts, spans=spans), made.labels,
                      made.label_names, "max", tokens)
"""
SHOW = "explorer = nw.SplitExplorer(acts, 0, top=80)\nexplorer"


@pytest.fixture(scope="module")
def notebook(lab: Any) -> Iterator[Any]:
    made = lab.notebook("direction", [DATA, SHOW, "nw.RangeExplorer(acts, 1, 'עברית')",
                                      "acts.samples"], height=2600)  # fmt: skip
    made.run_all()
    made.frame(1)
    yield made
    made.close()


ORDER = """line => [...line.querySelectorAll('span')].filter(s => s.textContent.trim() !== '…')
  .map(s => { const range = document.createRange(); range.selectNodeContents(s);
              const box = range.getBoundingClientRect();
              return (box.left + box.right) / 2; })"""


@pytest.mark.parametrize(
    ("words", "way"),
    [("القط جلس", "rtl"), ("החתול ישב", "rtl"), ("the cat", "ltr"), ("GPT-4 كتب", "ltr")],
)
def test_lines_keep_their_direction_and_their_tokens_their_place(
    notebook: Any, words: str, way: str
) -> None:
    line = notebook.frame(0).locator(".nw-card:not(.nw-own) .nw-text", has_text=words).first
    expect(line.locator(".nw-peak")).to_have_text(words.split()[1], use_inner_text=True)
    assert line.evaluate("line => getComputedStyle(line).direction") == way
    places = line.evaluate(ORDER)
    # The first word is where a reader begins.
    assert places[0] == (max(places) if way == "rtl" else min(places))
    # Words of one script follow each other in its direction, the peak between its neighbours.
    right_to_left = words != "the cat"
    first = 1 if words.startswith("GPT") else 0
    run = places[first : first + 4]
    assert run == sorted(run, reverse=right_to_left)


def test_names_and_sentences(notebook: Any, shots: Path) -> None:
    split, ranges = notebook.frame(0), notebook.frame(1)
    card = split.locator(".nw-card", has=split.page.locator("input.nw-title")).first
    expect(card.locator("input.nw-title")).to_have_attribute("dir", "auto")
    expect(ranges.locator(".nw-said-line")).to_contain_text("of \u2068עברית\u2069 inside")
    chosen = ranges.locator(".nw-names button[aria-pressed=true] span")
    assert chosen.evaluate("e => getComputedStyle(e).direction") == "rtl"
    split.screenshot(path=shots / "direction-split.png")
    ranges.screenshot(path=shots / "direction-ranges.png")
    notebook.theme("JupyterLab Dark")
    expect(notebook.page.locator("body[data-jp-theme-light=false]")).to_have_count(1)
    expect(notebook.page.locator("#jupyterlab-splash")).to_have_count(0)
    split.screenshot(path=shots / "direction-split-dark.png")
    notebook.theme("JupyterLab Light")


def test_samples_in_a_cell(notebook: Any, shots: Path) -> None:
    items = notebook.page.locator(".jp-RenderedHTMLCommon ol li bdi")
    ways = items.evaluate_all("all => all.map(e => getComputedStyle(e).direction)")
    assert ways[:4] == ["rtl", "rtl", "ltr", "ltr"]
    items.first.locator("xpath=../..").screenshot(path=shots / "direction-samples.png")
