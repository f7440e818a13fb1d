"""What a split does to its model, and its band of activations: by pointer, by keyboard, saved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.test_split_more import NAMELESS, UNSPOKEN

CODE = """
import numpy as np, torch, neuronwidgets as nw
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 4))
data, kept = torch.randn(300, 5), torch.randn(60, 5)
names = ["ant", "bee", "cat", "dog"]
with torch.no_grad():
    held_out = kept, [names[answer] for answer in model(kept).argmax(1)]
acts = nw.capture(model, data, "1", progress=False)
given = dict(model=model, data=data, classes=names, held_out=held_out)
explorer = nw.SplitExplorer(acts, 0, 40, min_size=6, **given)
explorer
"""


@pytest.fixture(scope="module")
def opened(lab: Any) -> Iterator[Any]:
    notebook = lab.notebook("effects", [CODE])
    notebook.run_all()
    notebook.frame()
    assert notebook.python("print(explorer.wait(60))") == "True"
    yield notebook
    notebook.close()


def test_every_card_says_what_it_promotes(opened: Any, shots: Path) -> None:
    cards = opened.frame().locator(".nw-card")
    strips = cards.locator(".nw-promoted")
    expect(strips).to_have_count(cards.count())
    wanted = opened.python(
        "effects = nw.effects_of(explorer.concepts, model, data, classes=given['classes']);"
        "print(' '.join(effects.promoted(0)[:2]))"
    )
    first = opened.cards().first.locator(".nw-promotes .nw-output")
    assert " ".join(first.all_inner_texts()) == wanted
    opened.frame().screenshot(path=shots / "effects.png")


def test_the_band_follows_when_a_handle_is_let_go(opened: Any) -> None:
    frame = opened.frame()
    handle = frame.get_by_label("activation band: lower end")
    box = handle.bounding_box()
    value, most = handle.evaluate("input => [Number(input.value), Number(input.max)]")
    x, y = box["x"] + 5 + (box["width"] - 10) * value / most, box["y"] + box["height"] / 2
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x - 60, y, steps=4)
    expect(frame.locator(".nw-activation-band")).to_contain_text("quantiles")
    assert opened.python("print(explorer.band)") == "None"
    opened.page.mouse.up()
    opened.follows("explorer.band is not None and explorer.split.band == explorer.band", "True")
    before = opened.python("print(explorer.band[1], explorer.band[0])").split()
    handle.press("ArrowLeft")
    opened.follows(f"explorer.band[0] < {before[1]}", "True")
    # The other end stays as exact as it was.
    assert opened.python("print(explorer.band[1])") == before[0]
    expect(frame.locator(".nw-own")).to_contain_text("samples of the band, of 300")
    frame.locator(".nw-activation-band .nw-segments").get_by_text("top", exact=True).click()
    opened.follows("explorer.band", "None")
    expect(frame.locator(".nw-own")).to_contain_text("top samples of 300")


def keeps_bars_and_band_in_forced_colours(opened: Any, shots: Path) -> None:
    frame, page = opened.frame(), opened.page
    page.emulate_media(forced_colors="active", color_scheme="dark")
    try:
        for part in (".nw-cause-bar", ".nw-cause-interval"):
            expect(frame.locator(part).first).to_have_css("forced-color-adjust", "none")
        expect(frame.locator(".nw-cause-interval").first).to_have_css(
            "background-color", "rgb(255, 255, 255)"
        )
        expect(frame.locator(".nw-band-in").first).to_have_css("fill", "rgb(255, 255, 255)")
        frame.locator(".nw-activation-band").screenshot(path=shots / "band-forced-colours.png")
    finally:
        page.emulate_media(forced_colors="none", color_scheme="light")


def test_what_breaks_is_measured_once_asked_for_and_saved(
    lab: Any, opened: Any, tmp_path: Path, shots: Path
) -> None:
    assert opened.python("print(explorer.wait(60))") == "True"
    frame = opened.frame()
    expect(frame.locator(".nw-cause")).to_have_count(0)
    frame.get_by_role("button", name="measure", exact=True).click()
    cards = opened.cards()
    expect(frame.locator(".nw-cause")).to_have_count(cards.count())
    expect(frame.locator(".nw-own")).to_contain_text("Only a linear readout comes after")
    frame.screenshot(path=shots / "causes.png")
    keeps_bars_and_band_in_forced_colours(opened, shots)
    for look in (UNSPOKEN, NAMELESS):
        found = frame.evaluate(look)
        assert (found[1] if look is UNSPOKEN else found) == []
    assert opened.python("print(explorer.wait(60))") == "True"
    path = opened.python(f"print(explorer.to_html({str(tmp_path / 'page.html')!r}))")
    page = lab.browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(Path(path).as_uri())
    expect(page.locator(".nw-cause")).to_have_count(cards.count())
    expect(page.locator(".nw-promoted")).to_have_count(cards.count() + 1)
    # What needs the kernel is switched off there.
    page.locator(".nw-line").press("ArrowDown")
    expect(page.get_by_label("activation band: lower end")).to_be_disabled()
    page.close()
