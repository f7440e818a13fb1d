"""LiveProbe in a browser: typing, comparing, deleting words, painting, and without a kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Lab, Notebook

MAKE = """
import numpy as np, torch, neuronwidgets as nw
from torch import nn
data = nw.datasets.stories()
texts = [f"{who} had a {how} {what}." for who in ("Lily", "Tom", "Ben", "Sue")
         for how in ("red", "big", "sad", "new") for what in ("cat", "ball", "dog", "hat")]
acts = nw.capture(data.model, texts, "model.layers.2.mlp.act_fn", tokenizer=data.tokenizer,
                  progress=False)
fails = False
def hook(*_):
    if fails: raise RuntimeError("out of order")
handle = data.model.model.layers[1].register_forward_hook(hook)
"""
SHOW = "probe = nw.LiveProbe(acts, data.model, 7, tokenizer=data.tokenizer)\nprobe"
IMAGES = """
torch.manual_seed(0)
images = np.random.default_rng(0).integers(0, 40, (60, 12, 12), dtype=np.uint8)
images[::2, 4:8, 4:8] = 250
net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
painted = nw.LiveProbe(nw.capture(net, images, "1", progress=False), net, 1)
painted
"""


@pytest.fixture(scope="module")
def opened(lab: Lab) -> Iterator[Notebook]:
    notebook = lab.notebook("probe", [MAKE, SHOW, IMAGES], 1300, 1100)
    notebook.run_anew("painted", (0, 1, 2))
    yield notebook
    notebook.close()


@pytest.fixture
def notebook(opened: Notebook) -> Notebook:
    opened.run_anew("painted", (0, 1, 2))
    opened.python("fails = False; probe.comparing = False; probe.neuron = 7; probe.sample = 3")
    return opened


def values(frame: Any) -> list[str]:
    labels: list[str] = frame.locator(".nw-tokens [role=option]").evaluate_all(
        "all => all.map(one => one.getAttribute('aria-label'))"
    )
    return labels


def shows(frame: Any, text: str, box: int = 0) -> None:
    expect(frame.locator(".nw-tokens").nth(box)).to_have_text(text, use_inner_text=False)


def test_the_tokens_follow_what_is_typed(notebook: Notebook, shots: Path) -> None:
    frame = notebook.frame()
    box = frame.locator("textarea")
    box.fill("Lily had a red ball.")
    shows(frame, "Lily had a red ball.")
    before = values(frame)
    box.press("End")
    notebook.page.keyboard.type(" Tom ran to the park 🙂", delay=5)
    shows(frame, "Lily had a red ball. Tom ran to the park 🙂")
    after = values(frame)
    assert len(after) > len(before)
    # A causal model: what came before does not change.
    assert after[: len(before)] == before
    notebook.follows("probe.result.text", "Lily had a red ball. Tom ran to the park 🙂")
    pooled = notebook.python("print(f'{probe.result.pooled:.4g}'.replace('-', '−'))")
    expect(frame.locator(".nw-total > b")).to_have_text(pooled)
    assert frame.locator(".nw-token-peak").count() == 1
    frame.screenshot(path=shots / "live-probe.png")
    assert notebook.errors == []


def test_a_token_says_what_it_has(notebook: Notebook) -> None:
    frame = notebook.frame()
    frame.locator(".nw-tokens").focus()
    notebook.page.keyboard.press("Home")
    tip = frame.get_by_role("tooltip")
    expect(tip).to_contain_text("on “")
    first = tip.inner_text()
    notebook.page.keyboard.press("ArrowRight")
    expect(tip).not_to_have_text(first)
    concept = frame.locator(".nw-concept").first
    concept.hover()
    notebook.follows("probe.concept", "0")
    concept.click()
    expect(concept).to_have_attribute("aria-pressed", "true")
    frame.locator("h2").hover()
    notebook.follows("probe.concept", "0")
    concept.click()
    frame.locator("h2").hover()
    notebook.follows("probe.concept", "-1")


def test_two_texts_are_compared(notebook: Notebook, shots: Path) -> None:
    frame = notebook.frame()
    frame.locator("textarea").fill("Tom had a big red ball.")
    frame.get_by_label("compare").check()
    second = frame.locator("textarea").nth(1)
    expect(second).to_have_value("Tom had a big red ball.")
    second.fill("Tom had a big sad dog.")
    shows(frame, "Tom had a big sad dog.", 1)
    expect(frame.locator(".nw-merged ins").first).to_be_visible()
    removed = frame.locator(".nw-merged del").all_inner_texts()
    assert "".join(removed).replace(" ", "") in ("redball", "redball.")
    gain = float(notebook.python("print(probe.other_result.pooled - probe.result.pooled)"))
    shown = frame.locator(".nw-gain > b").inner_text().replace("−", "-")
    assert float(shown) == pytest.approx(gain, rel=1e-2, abs=1e-3)
    # Forced colours take grounds away; here they are the data. Words on them stay readable.
    look = "one => getComputedStyle(one).backgroundColor"
    data = [frame.locator(part).first for part in
            (".nw-token-peak", ".nw-merged del", ".nw-gain-more", ".nw-gain-less")]  # fmt: skip
    before = [part.evaluate(look) for part in data]
    expect(data[1]).to_have_css("color", "rgb(0, 0, 0)")
    notebook.page.emulate_media(forced_colors="active")
    assert [part.evaluate(look) for part in data] == before
    notebook.page.emulate_media(forced_colors="none")
    for width, name in ((560, "narrow"), (1600, "wide")):
        notebook.page.set_viewport_size({"width": width, "height": 1100})
        notebook.theme("JupyterLab Dark" if width > 1000 else "JupyterLab Light")
        assert frame.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
        frame.screenshot(path=shots / f"live-probe-compare-{name}.png")
    notebook.theme("JupyterLab Light")
    notebook.page.set_viewport_size({"width": 1300, "height": 1100})


def test_each_word_is_deleted(notebook: Notebook) -> None:
    frame = notebook.frame()
    frame.locator("textarea").fill("Tom had a big red ball.")
    shows(frame, "Tom had a big red ball.")
    frame.get_by_role("button", name="which word carries it").click()
    rows = frame.locator(".nw-drops tbody tr")
    expect(rows).to_have_count(6)
    word = notebook.python("print(probe.deletions.word)")
    expect(rows.first.locator("th")).to_have_text(word)
    # They are of that text only.
    frame.locator("textarea").fill("Tom had a ball.")
    expect(rows).to_have_count(0)


def test_a_text_begins_with_a_top_sample(notebook: Notebook) -> None:
    frame = notebook.frame()
    choice = frame.get_by_label("start from a top sample")
    choice.select_option(index=2)
    row = choice.input_value()
    notebook.follows("probe.sample", row)
    text = notebook.python(f"print(texts[{row}])")
    expect(frame.locator("textarea")).to_have_value(text)
    shows(frame, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "The text is empty"),
        ("   ", "only white space"),
        ("The dog ran. " * 300, "tokens were read"),
        ("مرحبا بالعالم", None),
    ],
)
def test_texts_of_any_kind(notebook: Notebook, text: str, words: str | None) -> None:
    frame = notebook.frame()
    frame.locator("textarea").fill(text)
    if words is None:
        shows(frame, text)
        expect(frame.locator(".nw-tokens")).to_have_attribute("dir", "rtl")
    else:
        expect(frame.locator(".nw-probe-note")).to_contain_text(words)
    assert notebook.errors == []


def test_a_model_that_raises_leaves_what_was_there(notebook: Notebook) -> None:
    frame = notebook.frame()
    frame.locator("textarea").fill("Tom had a hat.")
    shows(frame, "Tom had a hat.")
    notebook.python("fails = True")
    frame.locator("textarea").press("End")
    notebook.page.keyboard.type(" He")
    expect(frame.get_by_role("alert")).to_contain_text("out of order")
    shows(frame, "Tom had a hat.")
    notebook.python("fails = False")
    notebook.page.keyboard.type(" ran")
    shows(frame, "Tom had a hat. He ran")
    expect(frame.get_by_role("alert")).to_be_hidden()


def test_an_image_is_painted(notebook: Notebook, tmp_path: Path, shots: Path) -> None:
    frame = notebook.frame(1)
    frame.scroll_into_view_if_needed()
    total = frame.locator(".nw-total > b").first
    before = total.inner_text()
    area = frame.locator("canvas").bounding_box()
    assert area is not None
    mouse = notebook.page.mouse
    mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    mouse.down()
    mouse.move(area["x"] + area["width"] / 3, area["y"] + area["height"] / 2, steps=4)
    mouse.up()
    expect(total).not_to_have_text(before)
    frame.screenshot(path=shots / "live-probe-image.png")
    notebook.page.emulate_media(forced_colors="active")
    expect(frame.locator(".nw-activation-map > i").first).to_have_css("forced-color-adjust", "none")
    frame.screenshot(path=shots / "live-probe-image-forced-colours.png")
    notebook.page.emulate_media(forced_colors="none")
    frame.get_by_role("button", name="reset").click()
    expect(total).to_have_text(before)
    wrong = tmp_path / "wrong.png"
    wrong.write_bytes(b"no image")
    frame.locator("input[type=file]").set_input_files(wrong)
    expect(frame.get_by_role("alert")).to_contain_text("no image that Pillow can read")
    expect(total).to_have_text(before)
    large = tmp_path / "large.png"
    large.write_bytes(large_png())
    frame.locator("input[type=file]").set_input_files(large)
    expect(frame.locator(".nw-probe-note")).to_contain_text("resized from 40 × 30 to 12 × 12")
    assert notebook.errors == []


def large_png() -> bytes:
    import numpy as np

    from neuronwidgets.widgets.live_probe.picture import as_png

    return as_png(np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8))


def test_without_a_kernel_the_last_result_stays(lab: Lab) -> None:
    notebook = lab.notebook("kept", [MAKE, SHOW], 1300, 1100)
    notebook.run_anew("probe", (0, 1))
    text = notebook.python("print(probe.text)")
    shows(notebook.frame(), text)
    notebook.saved_whole("probe")
    notebook.end_kernel()
    frame = notebook.frame()
    shows(frame, text)
    expect(frame.get_by_role("button", name="which word carries it")).to_be_disabled()
    frame.locator("textarea").press("End")
    notebook.page.keyboard.type(" more")
    expect(frame.get_by_role("alert")).to_contain_text("kernel")
    shows(frame, text)
    expect(frame.locator("textarea")).to_have_value(f"{text} more")
    notebook.close()
