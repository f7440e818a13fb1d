"""RangeExplorer in JupyterLab and Chromium, used as a person would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

# Three kinds of vectors, a trained linear classifier of them, and held-out ones.
DATA = """
import numpy as np, torch, neuronwidgets as nw
torch.manual_seed(0)
rng = np.random.default_rng(0)
kind = rng.integers(0, 3, 900)
x = (rng.normal(size=(3, 6))[kind] * 2 + rng.normal(size=(900, 6))).astype("f4")
model = torch.nn.Sequential(torch.nn.Linear(6, 10), torch.nn.Linear(10, 3))
optimizer = torch.optim.Adam(model.parameters(), 0.02)
for _ in range(100):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(torch.tensor(x[:300])), torch.tensor(kind[:300]))
    loss.backward()
    optimizer.step()
classes = ["trouser", "sandal", "<img src=x onerror='window.pwned=1'>"]
names = np.array(classes)[kind]
images = np.zeros((300, 8, 8), "u1")
images[np.arange(300), kind[:300] * 2] = 255
acts = nw.capture(model, x[:300], "0", labels=names[:300], progress=False)
acts = nw.Activations.from_arrays(acts.values, images, names[:300], layer="0")
held_out = {"data": x[300:], "labels": names[300:], "classes": classes}
"""
SHOW = """explorer = nw.RangeExplorer(acts, 2, "sandal", model=model, **held_out, batch_size=100)
explorer"""
BOTH = """import ipywidgets
other = nw.RangeExplorer(acts, 1)
ipywidgets.VBox([explorer, other])"""
CHART = """
report = nw.evaluate_masks(model, ranges=nw.ranges(acts), tau=[1, 2], progress=False, **held_out)
report.to_altair()
"""


@pytest.fixture(scope="module")
def opened(lab: Any) -> Iterator[Any]:
    notebook = lab.notebook("ranges", [DATA, SHOW, BOTH, CHART])
    notebook.run_anew("explorer", (0, 1))
    yield notebook
    notebook.close()


@pytest.fixture
def notebook(opened: Any) -> Any:
    """The shared notebook, its explorer as it was at first."""
    opened.run_anew("explorer", (0, 1))
    opened.python(
        "explorer.neuron = 3; explorer.neuron = 2; explorer.label = 'sandal'; explorer.tau = 2;"
        "explorer.rule = 'gaussian'; explorer.top = 0.3; explorer.this_neuron_only = False"
    )
    expect(opened.frame().locator(".nw-number")).to_have_value("2.00")
    return opened


def said(notebook: Any) -> str:
    return str(notebook.frame().locator(".nw-said-line").inner_text())


def rest(notebook: Any) -> None:
    """The bars are those of the screen, and of all held-out samples."""
    expect(notebook.frame().locator(".nw-bars")).to_have_attribute("aria-busy", "false")
    expect(notebook.frame()).to_contain_text("measured on 600 held-out samples")


def test_first_sight(notebook: Any, shots: Path) -> None:
    frame = notebook.frame()
    rest(notebook)
    expect(frame.locator("input.nw-neuron")).to_have_value("2")
    expect(frame).to_contain_text("Activation distributions")
    expect(frame.locator(".nw-said-line")).to_have_text(
        re.compile(r"τ 2.00: 9\d% of sandal inside, and \d+% of all others")
    )
    expect(frame.locator(".nw-tile").first).to_be_visible()
    frame.screenshot(path=shots / "ranges.png")
    assert notebook.errors == []
    assert notebook.page.evaluate("window.pwned") is None
    ours = [url for url in notebook.requests if notebook.url not in url and "data:" not in url]
    assert [url for url in ours if not url.startswith("blob:")] == []


def test_python_says_the_same_as_the_screen(notebook: Any) -> None:
    share = (
        "'{:.0%} {:.0%}'.format(*[((h := acts.values[(acts.labels == acts.label_names.index"
        "('sandal')) == own, 2]) >= explorer.interval[0, 0]).__and__(h <= explorer.interval[0, 1])"
        ".mean() for own in (True, False)])"
    )
    own, others = notebook.python(f"print({share})").split()
    assert f"{own} of sandal inside, and {others} of all others" in said(notebook)


def test_drag_the_width_and_the_bars_follow_when_it_rests(notebook: Any) -> None:
    rest(notebook)
    frame = notebook.frame()
    before = frame.locator(".nw-bars").inner_text()
    frame.locator(".nw-slider input[type=range]").fill("1")
    expect(frame.locator(".nw-said-line")).to_have_text(re.compile("^τ 1.00: "))
    notebook.follows("explorer.tau", "1.0")
    rest(notebook)
    assert frame.locator(".nw-bars").inner_text() != before
    notebook.follows("explorer.measure['for']['tau']", "1.0")
    # The browser rounds halves up, Python to even.
    share = "explorer.measure['target']['range'][0] + 1e-9"
    value = notebook.python(f"print('{{:.1%}}'.format({share}))")
    expect(frame.locator(".nw-bars")).to_contain_text(value)


def test_random_bands_stand_below_the_masks(notebook: Any) -> None:
    frame = notebook.frame()
    rest(notebook)
    notebook.follows("explorer.measure['random']['draws']", "5")
    row = frame.locator(".nw-bars .nw-control")
    expect(row.get_by_role("rowheader")).to_have_text("random bands")
    for part in ("target", "other"):
        share = f"explorer.measure['random']['{part}'][0] + 1e-9"
        expect(row).to_contain_text(notebook.python(f"print('{{:.1%}}'.format({share}))"))
    # A range of next to no width costs no more than they do, and the widget says so.
    frame.locator(".nw-slider input[type=range]").fill("0.02")
    notebook.follows("explorer.measure['for']['tau']", "0.02")
    expect(frame.locator(".nw-finding").last).to_contain_text("from random bands of the same share")


def test_drag_an_edge_and_give_it_back(notebook: Any, shots: Path) -> None:
    frame, page = notebook.frame(), notebook.page
    grip = frame.get_by_role("slider", name="low edge of the range")
    start = float(str(grip.get_attribute("aria-valuenow")))
    box = grip.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + 8, steps=5)
    expect(frame.locator(".nw-said-line")).to_have_text(
        re.compile("^Your band, z from .* on 3 neurons: ")
    )
    page.mouse.up()
    held = str(grip.get_attribute("aria-valuenow"))
    now = float(held)
    assert now > start
    notebook.follows("len(explorer.edges)", "2")
    notebook.follows(f"abs(explorer.interval[0, 0] - {now}) < 0.05", "True")
    rest(notebook)
    frame.screenshot(path=shots / "ranges-dragged.png")
    grip.focus()
    grip.press("ArrowLeft")
    expect(grip).not_to_have_attribute("aria-valuenow", held)
    assert float(str(grip.get_attribute("aria-valuenow"))) < now
    grip.press("Home")
    notebook.follows("explorer.edges[0]", "None")
    frame.get_by_role("button", name="back to τ").click()
    notebook.follows("explorer.edges", "[]")
    expect(grip).to_have_attribute("aria-valuenow", re.compile(re.escape(str(start)[:5])))


def test_while_one_drags_the_bars_are_read_off_the_curve(notebook: Any, shots: Path) -> None:
    frame, page = notebook.frame(), notebook.page
    rest(notebook)
    notebook.follows("len(explorer.curve['tau'])", "17")
    line = frame.locator(".nw-present")
    bars = frame.locator(".nw-bars")
    expect(line).to_have_attribute("style", re.compile("left: 50%"))
    expect(bars).not_to_contain_text("≈")
    grip = frame.get_by_role("slider", name="high edge of the range")
    box = grip.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 8)
    page.mouse.down()
    seen = set()
    for step in range(1, 9):
        page.mouse.move(box["x"] + box["width"] / 2 - 6 * step, box["y"] + 8)
        page.evaluate("() => new Promise(requestAnimationFrame)")
        page.evaluate("() => new Promise(requestAnimationFrame)")
        seen.add((line.get_attribute("style"), bars.inner_text()))
    frame.screenshot(path=shots / "ranges-on-the-curve.png")
    page.mouse.up()
    assert len({style for style, _ in seen}) > 4
    assert sum("≈" in text for _, text in seen) > 4
    rest(notebook)
    expect(bars).not_to_contain_text("≈")


def test_another_label_rule_and_mask(notebook: Any, shots: Path) -> None:
    frame = notebook.frame()
    frame.locator(".nw-names").get_by_role("button", name="trouser").click()
    expect(frame.locator(".nw-said-line")).to_contain_text("of trouser inside")
    notebook.follows("explorer.label == acts.label_names.index('trouser')", "True")
    rest(notebook)
    frame.get_by_text("discriminative", exact=True).click()
    notebook.follows("explorer.rule", "discriminative")
    expect(frame.locator(".nw-said-line")).to_contain_text("× as dense as the others")
    frame.get_by_label("mask: the neurons that it edits").select_option("this neuron only")
    notebook.follows("explorer.this_neuron_only", "True")
    rest(notebook)
    notebook.follows("explorer.edit.neurons.tolist()", "[2]")
    # One neuron is masked: what is outside is spared.
    expect(frame.locator(".nw-examples")).to_contain_text("outside: spared")
    frame.screenshot(path=shots / "ranges-discriminative.png")
    python = notebook.python("print(len(explorer.interval))")
    assert frame.get_by_role("slider", name="low edge").count() <= int(python)


def test_the_result_is_large_and_the_overlap_folds_away(notebook: Any, shots: Path) -> None:
    frame, page = notebook.frame(), notebook.page
    rest(notebook)
    expect(frame.locator(".nw-examples")).to_contain_text("inside this neuron’s band")
    expect(frame.locator(".nw-examples")).not_to_contain_text("masked")
    for width in (560, 900, 1600):
        page.set_viewport_size({"width": width, "height": 1150})
        cut = frame.locator(".nw-bars thead th span, .nw-bars b, .nw-bars small").evaluate_all(
            """all => all.filter(one => one.scrollWidth > one.offsetWidth + 1
              || one.getBoundingClientRect().right
                > one.closest('td, th').getBoundingClientRect().right + 1).map(o => o.innerText)"""
        )
        assert cut == []
    size = frame.locator(".nw-bars b").first.evaluate("b => getComputedStyle(b).fontSize")
    assert float(size.removesuffix("px")) > 17
    matrix = frame.locator(".nw-matrix canvas")
    expect(matrix).to_have_count(0)
    summary = frame.locator(".nw-overlap > summary")
    summary.click()
    expect(matrix).to_be_visible()
    # Its cells are read by keys, and a row is taken.
    table = frame.get_by_role("application", name="Overlap table of 3 labels")
    table.focus()
    table.press("ArrowDown")
    table.press("ArrowRight")
    expect(table.locator(".nw-tip")).to_contain_text(re.compile(r" and .* overlap [01]\.\d\d"))
    expect(table.locator(".nw-cell")).to_have_count(1)
    table.press("ArrowDown")
    first = frame.locator(".nw-names button").nth(1).inner_text()
    expect(table.locator(".nw-tip")).to_have_text(re.compile("^" + re.escape(first) + ": "))
    # It stays as it is when another neuron comes.
    notebook.python("explorer.neuron = 6")
    expect(frame.locator("input.nw-neuron")).to_have_value("6")
    expect(matrix).to_be_visible()
    summary.press("Enter")
    expect(matrix).to_have_count(0)
    page.set_viewport_size({"width": 1500, "height": 1150})


def test_the_most_salient_neuron_is_offered(notebook: Any) -> None:
    frame = notebook.frame()
    best = notebook.python(
        "magnitude = explorer.ranges.magnitude[acts.label_names.index('trouser')];"
        "explorer.neuron = int(magnitude.argmin()); print(int(magnitude.argmax()))"
    ).strip()
    frame.locator(".nw-names").get_by_role("button", name="trouser").click()
    frame.get_by_role("button", name=f"neuron {best} is most salient").click()
    notebook.follows("explorer.neuron", best)
    expect(frame.get_by_text("is most salient")).to_have_count(0)
    expect(frame).to_contain_text(f"neuron {best} is the most salient of 10 for")


def test_python_moves_the_screen(notebook: Any) -> None:
    frame = notebook.frame()
    notebook.python("explorer.neuron = 5; explorer.label = 'trouser'; explorer.tau = 1.25")
    expect(frame.locator("input.nw-neuron")).to_have_value("5")
    expect(frame.locator(".nw-number")).to_have_value("1.25")
    expect(frame.locator(".nw-said-line")).to_contain_text("of trouser inside")


def test_wrong_input_is_answered_in_words(notebook: Any) -> None:
    frame = notebook.frame()
    field = frame.locator("input.nw-neuron")
    field.fill("77")
    field.press("Enter")
    expect(frame.locator(".nw-status")).to_contain_text("neuron 77 is not in layer '0'")
    field.press("Tab")
    expect(field).to_have_value("2")
    number = frame.locator(".nw-number")
    number.fill("wide")
    number.press("Enter")
    expect(number).to_have_value("2.00")
    field.fill("4")
    field.press("Enter")
    notebook.follows("explorer.neuron", "4")
    expect(frame.locator(".nw-status")).to_be_hidden()


def test_two_explorers_on_one_page_are_their_own(notebook: Any) -> None:
    notebook.run_cell(2)
    first, second, third = (notebook.frame(i) for i in range(3))
    third.get_by_text("quantiles").click()
    notebook.follows("other.rule, explorer.rule", "quantile gaussian")
    for frame, rule in ((first, "mean ± τσ"), (second, "mean ± τσ"), (third, "quantiles")):
        expect(frame.get_by_role("radio", name=rule, exact=True)).to_be_checked()
    # Two views of one explorer move together.
    first.locator(".nw-slider input[type=range]").fill("1.5")
    expect(second.locator(".nw-number")).to_have_value("1.50")
    expect(third.locator(".nw-number")).to_have_value("2.00")


def test_landmarks_and_labels(notebook: Any) -> None:
    notebook.run_cell(2)
    expect(notebook.page.locator(".nw-frame")).to_have_count(3)
    names = notebook.page.locator(".nw-frame[aria-label]").evaluate_all(
        "all => all.map(one => one.getAttribute('aria-label'))"
    )
    assert len(names) == 3
    assert len(set(names)) == 3
    # What is seen on a control is part of its name.
    other = (
        notebook.frame()
        .locator(":is(button, a, [role=button])[aria-label]")
        .evaluate_all(
            "all => all.map(one => [one.getAttribute('aria-label'), one.innerText.trim()])"
            ".filter(([name, seen]) => !name.includes(seen))"
        )
    )
    assert other == []
    width = notebook.frame().get_by_role("slider", name="width τ of the range, tau", exact=True)
    expect(width).to_have_attribute("aria-valuetext", "2.00 standard deviations")
    inside = notebook.frame().get_by_role("group", name="inside the range").locator(".nw-hidden")
    expect(inside.first).to_have_text(re.compile(r"^\d+%, [\d,]+ of [\d,]+ \S"))


def test_in_a_narrow_frame_the_curve_keeps_its_key(notebook: Any) -> None:
    frame = notebook.frame()
    key = frame.locator(".nw-cost-curve .nw-keys")
    frame.evaluate("frame => { frame.style.width = '290px' }")
    try:
        expect(frame.locator(".nw-chart")).to_be_visible()
        assert key.evaluate("key => key.scrollWidth <= key.clientWidth")
    finally:
        frame.evaluate("frame => { frame.style.width = '' }")


def test_forced_colours_keep_the_data(notebook: Any, shots: Path) -> None:
    frame, page = notebook.frame(), notebook.page
    rest(notebook)
    notebook.follows("len(explorer.curve['tau'])", "17")
    kept = (".nw-handle", ".nw-length > .nw-range", ".nw-length > .nw-neuron", ".nw-inside i",
            ".nw-present", ".nw-curve-dot.nw-target")  # fmt: skip
    look = (
        "one => { const s = getComputedStyle(one); return s.backgroundColor + s.backgroundImage }"
    )
    accent = frame.locator(".nw-handle").first.evaluate(look)
    line = "one => getComputedStyle(one).stroke"
    curve = frame.locator(".nw-chart path.nw-target").evaluate(line)
    page.emulate_media(forced_colors="active")
    try:
        expect(frame).to_have_css("forced-color-adjust", "auto")
        paper = frame.evaluate(look)
        assert frame.locator(".nw-handle").first.evaluate(look) == accent
        assert frame.locator(".nw-chart path.nw-target").evaluate(line) == curve
        for part in kept:
            assert frame.locator(part).first.evaluate(look) != paper, part
            expect(frame.locator(part).first).to_have_css("forced-color-adjust", "none")
        expect(frame.locator("input[type=range]")).to_have_css("forced-color-adjust", "none")
        frame.screenshot(path=shots / "ranges-forced-colours.png")
    finally:
        page.emulate_media(forced_colors="none")


def test_the_report_s_charts_need_no_network(notebook: Any, shots: Path) -> None:
    notebook.run_cell(3)
    chart = notebook.page.locator(".jp-RenderedVegaCommon5 canvas, .jp-RenderedVegaCommon5 svg")
    chart.first.wait_for(timeout=60_000)
    chart.first.screenshot(path=shots / "report.png")
    assert not [url for url in notebook.requests if "cdn" in url]


def test_reopened_without_the_kernel(notebook: Any, shots: Path) -> None:
    notebook.alone(1)
    rest(notebook)
    notebook.saved_whole("explorer")
    notebook.end_kernel()
    frame = notebook.frame()
    before = said(notebook)
    frame.locator(".nw-slider input[type=range]").fill("0.7")
    expect(frame.locator(".nw-said-line")).to_have_text(re.compile("^τ 0.70: "))
    assert said(notebook) != before
    assert frame.locator(".nw-tile").count() > 3
    expect(frame.locator("input.nw-neuron")).to_be_disabled()
    expect(frame.locator(".nw-status")).to_contain_text("run its cell again")
    frame.screenshot(path=shots / "ranges-without-kernel.png")
    assert notebook.errors == []
