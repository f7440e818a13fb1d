"""SplitExplorer of known features, of texts, and of very many samples, in JupyterLab."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

import neuronwidgets as nw
from tests.browser.conftest import Lab

KNOWN = """
import numpy as np, neuronwidgets as nw
rng = np.random.default_rng(0)
true = rng.random((7, 12))
true[:, 0] = [1, 0.9, 0.8, 0.7, 0.02, 0.05, 0]
present = np.zeros((400, 7))
for row in present:
    some = rng.choice(7, 1 + (rng.random() < 0.2), replace=False)
    row[some] = 0.5 + rng.random(len(some))
images = np.zeros((400, 8, 8), "u1")
images[np.arange(400), present.argmax(axis=1)] = 255
acts = nw.Activations.from_arrays(present @ true + rng.normal(0, 0.02, (400, 12)), images)
names = [f"feature {i}" for i in range(6)] + ["<img src=x onerror='window.pwned=1'>"]
explorer = nw.SplitExplorer(acts, 0, 100, truth=true, truth_names=names)
explorer
"""
SAID = """
def said():
    c = explorer.calibration
    hits = c.true[c.matched >= c.threshold]
    lost = [names[i] for i in np.delete(explorer.driving_features, hits)]
    verb = "features that drive" if len(explorer.driving_features) > 1 else "feature that drives"
    text = f"{len(hits)} of {len(explorer.driving_features)} {verb} this neuron recovered"
    text += " (cosine of at least 0.9)"
    more = [f"median matched cosine {np.median(c.matched):.2f}"]
    more += ["missed: " + ", ".join(lost)] if lost else []
    near = [(row.argmax(), np.floor(row.max() * 100 + 1e-6) / 100) for row in c.cosines]
    cards = [f"{names[explorer.driving_features[i]]} · cosine {cosine:.2f}" for i, cosine in near]
    return [text, " · ".join(more), *cards]
"""
TEXT = """
import numpy as np, neuronwidgets as nw, threading
from neuronwidgets.activations.samples import Samples
rng = np.random.default_rng(0)
words = [f"the {w} of number {i} 🙂 <i>x</i>" for i in range(60) for w in ("dog", "castle")]
spans = [np.array([[0, 3], [3, 3 + 1 + len(t.split()[1])]], np.int32) for t in words]
values = rng.normal(0, .2, (120, 8)).astype("f4")
values[::2, 1] += 3; values[1::2, 2] += 3; values[:, 0] += 4
go = threading.Event()
def tokens(rows, direction):
    go.wait(60)
    return [np.array([0.5, 4.0], np.float32) for _ in rows]
acts = nw.Activations("text", values, Samples(120, texts=words, spans=spans), tokens=tokens)
go.set()
explorer = nw.SplitExplorer(acts, 0, 100)
explorer
"""
BIG = """
import numpy as np, neuronwidgets as nw
rng = np.random.default_rng(0)
values = (rng.normal(size=(20_000, 6)) + 3 * rng.integers(0, 3, (20_000, 6))).astype("f4")
acts = nw.Activations.from_arrays(values, layer="big", labels=rng.integers(0, 9, 20_000))
explorer = nw.SplitExplorer(acts, neuron=0, top=20_000)
explorer
"""


@pytest.fixture(scope="module")
def opened(lab: Any) -> Iterator[Any]:
    notebook = lab.notebook("data", [KNOWN, TEXT, BIG])
    yield notebook
    notebook.close()


def test_known_features_are_counted_during_the_drag(opened: Any, shots: Path) -> None:
    notebook, page, frame = opened, opened.page, opened.alone(0)
    notebook.python(SAID)

    def shown() -> list[str]:
        return [*frame.locator(".nw-truth p").all_inner_texts(),
                *frame.locator(".nw-feature").all_inner_texts()]  # fmt: skip

    seen = set()
    pid = int(notebook.python("import os; print(os.getpid())"))
    for place in (0.9, 0.7, 0.5, 0.4, 0.3):
        # The line and the cards change without the kernel ...
        os.kill(pid, signal.SIGSTOP)
        try:
            frame.locator(".nw-slider input[type=range]").fill(str(place))
            page.evaluate(
                "async () => { for (const _ of '123') await new Promise(requestAnimationFrame) }"
            )
            now = shown()
            assert len(now) == 2 + notebook.cards().count()
        finally:
            os.kill(pid, signal.SIGCONT)
        # ... and say what Python says.
        notebook.follows("said()", repr(now))
        seen.add(now[0])
    assert len(seen) > 2
    assert any(line.startswith("4 of 4 features") for line in seen)
    notebook.python("explorer.threshold = explorer.split.tree.top * 0.9")
    expect(frame.locator(".nw-truth")).to_contain_text("missed: ")
    frame.screenshot(path=shots / "known.png")
    notebook.python("explorer.threshold = explorer.split.suggested")
    notebook.python("explorer.refined = True; explorer.wait(30)")
    notebook.follows("explorer.concepts.refined", "True")
    expect(frame.locator(".nw-switches")).to_contain_text("outlier")
    notebook.follows("said()", repr(shown()))
    notebook.python("explorer.refined = False")
    frame.locator(".nw-neuron").fill("5")
    frame.locator(".nw-neuron").press("Enter")
    expect(frame.locator(".nw-own")).to_contain_text("neuron 5 itself")
    notebook.follows("said()", repr(shown()))
    assert page.evaluate("() => window.pwned") is None
    notebook.theme("JupyterLab Dark")
    page.wait_for_function(
        "() => { const [r] = getComputedStyle(document.querySelector('.nw')).backgroundColor"
        ".match(/\\d+/g); return Number(r) < 60 }"
    )
    frame.screenshot(path=shots / "known-dark.png")
    frame.locator("xpath=..").evaluate("e => { e.style.width = '480px' }")
    page.wait_for_function("() => document.querySelector('.nw-frame').clientWidth <= 480")
    frame.screenshot(path=shots / "known-narrow.png")
    notebook.theme("JupyterLab Light")
    assert notebook.errors == []


def test_text_progress_and_cancel(opened: Any, shots: Path) -> None:
    notebook, frame = opened, opened.alone(1)
    expect(frame.locator(".nw-peak").first).to_have_text(re.compile("^(dog|castle)$"))
    expect(frame.locator(".nw-text").first).to_contain_text("🙂 <i>x</i>")
    apart = frame.locator(".nw-terms").all_inner_texts
    expect(frame.locator(".nw-terms")).to_have_count(2)
    assert sorted(apart()) == ["castle", "dog"]
    frame.screenshot(path=shots / "text.png")
    # The peak is in the middle of its line, which opens to the whole text.
    line = frame.locator(".nw-card:not(.nw-own) .nw-text").first
    off = """line => { const middle = e => { const box = e.getBoundingClientRect();
      return (box.left + box.right) / 2 };
      return Math.abs(middle(line.querySelector('.nw-peak')) - middle(line)) }"""
    assert line.evaluate(off) < 8
    expect(line).to_have_attribute("aria-expanded", "false")
    for key, state in (("Enter", "true"), ("Space", "false")):
        line.press(key)
        expect(line).to_have_attribute("aria-expanded", state)
    line.click()
    expect(line).to_have_attribute("aria-expanded", "true")
    line.click()
    # A reading that takes its time: the notebook stays free, and the button stops it.
    notebook.python("explorer.wait(60); go.clear(); import threading")
    neuron = frame.locator(".nw-neuron")
    neuron.fill("1")
    neuron.press("Enter")
    expect(frame.locator(".nw-status")).to_contain_text("token by token")
    assert notebook.python("print(40 + 2)") == "42"
    expect(frame.locator(".nw-own")).to_contain_text("neuron 1 itself")
    frame.locator("text=cancel").click()
    expect(frame.locator(".nw-status")).to_be_hidden()
    notebook.python("go.set()")
    # A closed widget ends its job.
    notebook.python("go.clear(); explorer._on_split_request(dict(neuron=2, top=50, method='ward'))")
    notebook.python("explorer.close(); go.set(); explorer.wait(20)")
    assert "neuronwidgets-job" not in notebook.python(
        "print([t.name for t in threading.enumerate()])"
    )


def test_drag_with_20000_leaves(opened: Any, shots: Path) -> None:
    notebook, frame = opened, opened.alone(2)
    frame.screenshot(path=shots / "big.png")
    places = [(i + 1) / 100 for i in range(100)]
    counts = notebook.dragged(places, lambda: notebook.cards().count())
    assert len(counts) > 3


def test_a_label_that_all_but_one_have_is_not_all(lab: Lab, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3, 0.1, (400, 4)).astype("f4")
    labels = np.array(["dog", *["cat"] * 399])
    acts = nw.Activations.from_arrays(values, labels=labels)
    explorer = nw.SplitExplorer(acts, 0, top=400)
    explorer.threshold = explorer.split.tree.top
    page = lab.browser.new_page()
    page.goto(explorer.to_html(tmp_path / "a.html").as_uri())
    cards = page.locator(".nw-card header")
    expect(cards).to_have_count(2)
    for card in cards.all():
        expect(card).to_contain_text("400 samples · >99% cat")
    page.close()
