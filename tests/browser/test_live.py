"""SplitExplorer on a capture that still runs, in JupyterLab and Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

# A model that waits for `allow` before each batch of a background capture.
MODEL = """
import threading
import numpy as np, torch, neuronwidgets as nw

class Stepped(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.allowed = torch.nn.Linear(64, 12), threading.Semaphore(0)
        weight = torch.randn(12, 64, generator=torch.Generator().manual_seed(0)) * 0.1
        for kind in range(3):
            weight[1 + kind, 16 * kind : 16 * kind + 8] += 0.8
            weight[0, 16 * kind : 16 * kind + 8] += 0.6
        self.body.load_state_dict({"weight": weight, "bias": torch.zeros(12)})

    def allow(self, batches):
        for _ in range(batches):
            self.allowed.release()

    def forward(self, x):
        if threading.current_thread().name == "neuronwidgets-capture":
            assert self.allowed.acquire(timeout=120)
        return self.body(x)

rng = np.random.default_rng(0)
kind = rng.integers(0, 3, 400)
images = rng.integers(0, 60, (400, 8, 8)).astype("u1")
images[np.arange(400), kind * 2] = rng.integers(180, 255, (400, 8))
labels = np.array(["sky", "sea", "sand"])[kind].tolist()
tensors = lambda found: torch.tensor(np.stack(found)).flatten(1) / 255
"""
SHOW = """
model = Stepped()
running = nw.capture(model, images, "body", labels=labels, transform=tensors, batch_size=20,
                     background=True)
model.allow(4)
explorer = nw.SplitExplorer(running, neuron=0, top=60)
explorer
"""


@pytest.fixture(scope="module")
def opened(lab: Any) -> Iterator[Any]:
    made = lab.notebook("live", [MODEL, SHOW])
    made.run_cell(0)
    yield made
    made.close()


@pytest.fixture
def notebook(opened: Any) -> Iterator[Any]:
    """The notebook with a capture that has just begun."""
    opened.run_cell(1)
    shown(opened, 80)
    yield opened
    assert opened.errors == []


def cards(notebook: Any) -> Any:
    return notebook.frame().locator(".nw-card:not(.nw-own)")


def line(notebook: Any) -> Any:
    return notebook.frame().locator(".nw-reading")


def shown(notebook: Any, samples: int) -> None:
    """What is on the screen was made from so many samples."""
    expect(notebook.frame().locator(".nw-own")).to_contain_text(f"top samples of {samples}")


def grown(notebook: Any, beyond: int) -> int:
    """What is on the screen was made from more samples: how many. A quarter more is one picture."""
    own = notebook.frame().locator(".nw-own")
    expect(own).not_to_contain_text(f"top samples of {beyond}")
    found = re.search(r"top samples of (\d+)", own.inner_text())
    assert found is not None
    assert int(found[1]) > beyond
    return int(found[1])


def test_it_refines_in_place_while_somebody_types(notebook: Any, shots: Path) -> None:
    frame = notebook.frame()
    expect(line(notebook)).to_contain_text(re.compile(r"reading: \d+ of 400 samples"))
    field = cards(notebook).first.locator("input.nw-title")
    field.fill("my na")
    slot = cards(notebook).first.evaluate("e => e.style.getPropertyValue('--nw-color')")
    notebook.page.evaluate(
        """() => {
          const list = document.querySelector('.nw-cards');
          list.style.maxHeight = '300px';
          list.scrollTop = 40;
          document.querySelector('.nw-card:not(.nw-own)').dataset.mark = 'the same';
        }"""
    )
    notebook.python("model.allow(4)")
    read = grown(notebook, 80)
    mine = frame.locator("[data-mark]")
    expect(mine).to_have_count(1)
    expect(mine.locator("input.nw-title")).to_be_focused()
    expect(mine.locator("input.nw-title")).to_have_value("my na")
    assert mine.evaluate("e => e.style.getPropertyValue('--nw-color')") == slot
    assert frame.locator(".nw-cards").evaluate("e => e.scrollTop") == 40
    # What is typed is nobody's name yet.
    assert notebook.python("print(explorer.names)") == "{}"
    notebook.page.keyboard.type("me")
    notebook.page.keyboard.press("Enter")
    notebook.follows("list(explorer.names.values())", "['my name']")
    notebook.python("model.allow(4)")
    grown(notebook, read)
    expect(mine.locator("input.nw-title")).to_have_value("my name")
    notebook.follows("list(explorer.names.values())", "['my name']")
    notebook.page.evaluate("() => { document.querySelector('.nw-cards').style.maxHeight = '' }")
    frame.screenshot(path=shots / "live.png")
    notebook.theme("JupyterLab Dark")
    notebook.page.wait_for_function(
        "() => { const [r] = getComputedStyle(document.querySelector('.nw')).backgroundColor"
        ".match(/\\d+/g); return Number(r) < 80 }"
    )
    expect(notebook.page.locator("#jupyterlab-splash")).to_have_count(0)
    frame.screenshot(path=shots / "live-dark.png")
    notebook.theme("JupyterLab Light")
    notebook.page.wait_for_function(
        "() => { const [r] = getComputedStyle(document.querySelector('.nw')).backgroundColor"
        ".match(/\\d+/g); return Number(r) > 200 }"
    )
    notebook.page.set_viewport_size({"width": 760, "height": 900})
    expect(notebook.page.locator("#jupyterlab-splash")).to_have_count(0)
    frame.screenshot(path=shots / "live-narrow.png")
    notebook.python("model.allow(100)")
    expect(line(notebook)).to_have_text(re.compile("^400 samples"))
    shown(notebook, 400)
    notebook.follows("explorer.acts is running.result()", "True")
    notebook.page.set_viewport_size({"width": 1500, "height": 1150})


def test_a_drag_goes_on_and_stop_keeps_what_there_is(notebook: Any, shots: Path) -> None:
    frame, page = notebook.frame(), notebook.page
    knob = frame.locator(".nw-knob")
    box = knob.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 60, steps=4)
    expect(frame.locator(".nw-number")).not_to_have_value("")
    notebook.follows("explorer._held", "True")
    notebook.python("model.allow(6)")
    expect(line(notebook)).to_contain_text("reading: 200 of 400 samples")
    shown(notebook, 80)
    after = knob.bounding_box()
    assert abs(after["y"] + after["height"] / 2 - (y + 60)) < 1.5
    page.mouse.move(x, y + 90, steps=3)
    after = knob.bounding_box()
    assert abs(after["y"] + after["height"] / 2 - (y + 90)) < 1.5
    number = frame.locator(".nw-number").input_value()
    page.mouse.up()
    shown(notebook, 200)
    assert frame.locator(".nw-number").input_value() == number
    count = cards(notebook).count()
    notebook.follows("len(explorer.concepts)", str(count))

    before = [frame.locator(part).bounding_box()["y"] for part in (".nw-header", ".nw-tree")]
    stop = frame.get_by_role("button", name=re.compile("stop reading"))
    stop.focus()
    page.keyboard.press("Enter")
    expect(line(notebook)).to_contain_text("stopping: 200 of 400 samples")
    notebook.python("model.allow(1)")
    expect(line(notebook)).to_contain_text("stopped after 220 of 400 samples")
    expect(stop).to_have_count(0)
    shown(notebook, 220)
    assert frame.locator(".nw-number").input_value() == number
    assert before == [
        frame.locator(part).bounding_box()["y"] for part in (".nw-header", ".nw-tree")
    ]
    frame.screenshot(path=shots / "live-stopped.png")
    assert notebook.python("print(running.cancelled, len(running.result()))") == "True 220"


RANGES = """
reader = Stepped()
reading = nw.capture(reader, images, "body", labels=labels, transform=tensors, batch_size=20,
                     background=True)
reader.allow(4)
ranges = nw.RangeExplorer(reading, 0)
ranges
"""


def test_ranges_open_on_a_capture_and_grow(lab: Any, shots: Path) -> None:
    notebook = lab.notebook("live-ranges", [MODEL, RANGES])
    notebook.run_all()
    frame = notebook.frame()
    expect(frame.locator(".nw-reading")).to_contain_text(re.compile(r"reading: \d+ of 400 samples"))
    expect(frame.locator(".nw-facts")).to_contain_text("80 samples")
    frame.screenshot(path=shots / "ranges-live.png")
    notebook.python("reader.allow(1000)")
    expect(frame.locator(".nw-facts")).to_contain_text("400 samples")
    notebook.follows("int(ranges.ranges.count.sum())", "400")
    assert notebook.errors == []
    notebook.close()
