"""How SplitExplorer's concepts retrieve: by direction or dot product, and how far to trust them."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

# What each card has to show, from Python.
WANTED = """
import json
def wanted(by):
    c = explorer.concepts
    rows, share = c.retrieve(k=20, by=by), c.precision(k=20, by=by)
    percent = lambda value: int(np.floor(value * 100 + 0.5))
    shared = [np.isin(own, np.delete(rows, k, 0)).mean() for k, own in enumerate(rows)]
    return [
        [rows[k, :8].tolist(), None if np.isnan(share[k]) else percent(share[k]),
         percent(shared[k])]
        for k in range(len(c))
    ]
"""
LOOK = r"""cards => cards.map(card => {
  const rows = [...card.querySelectorAll('.nw-tiles')[1].children].slice(0, 8).map(
    tile => Number(tile.getAttribute('aria-label').match(/sample (\d+)$/)[1]));
  const share = card.querySelector('.nw-precision-bar')?.getAttribute('aria-label');
  const shared = [...card.querySelectorAll('.nw-caption span')].map(
    span => span.textContent.match(/^(\d+)% shared$/)).find(Boolean)[1];
  return [rows, share ? parseInt(share) : null, Number(shared)];
})"""


def reading(root: Any) -> Locator:
    return root.get_by_label("retrieve by")


def paper(root: Any) -> Locator:
    return root.get_by_role("switch", name="paper’s settings")


def drag(page: Any, by: float) -> None:
    box = page.locator(".nw-knob").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + by / 2, steps=4)
    page.mouse.move(x, y + by, steps=4)
    page.mouse.up()


def fine(notebook: Any, threshold: float) -> None:
    """A cut into several concepts, with all that is known of them."""
    notebook.python(f"explorer.threshold = {threshold}; explorer.wait(60)")
    notebook.follows("len(explorer.concepts) > 2", "True")
    count = int(notebook.python("print(len(explorer.concepts))"))
    expect(notebook.cards()).to_have_count(count)
    expect(notebook.cards().get_by_text(re.compile("stable \\d+%"))).to_have_count(count)
    expect(notebook.frame().locator(".nw-pending")).to_have_count(0)


def test_each_reading_shows_what_python_retrieves(notebook: Any, shots: Path) -> None:
    fine(notebook, 0.44)
    notebook.python(WANTED)
    by_both = {}
    for by, title in (("dot", "dot product"), ("cosine", "direction")):
        reading(notebook.frame()).select_option(label=title)
        notebook.follows("explorer.by", by)
        shown = by_both[by] = notebook.cards().evaluate_all(LOOK)
        assert shown == json.loads(notebook.python(f"print(json.dumps(wanted({by!r})))"))
        notebook.frame().screenshot(path=shots / f"retrieved-by-{by}.png")
    # Each concept retrieves other samples, and none of this touched the clustering.
    changed = [a[0] != b[0] for a, b in zip(by_both["dot"], by_both["cosine"], strict=True)]
    assert all(changed)
    assert notebook.python("print(explorer.metric)") == "cosine"
    notebook.python("explorer.by = 'dot'")
    expect(reading(notebook.frame())).to_have_value("dot")
    assert "cosine" in notebook.python("explorer.by = 'nearest'")


def test_switching_and_dragging_need_no_kernel(notebook: Any) -> None:
    frame, cards = notebook.frame(), notebook.cards()
    expect(cards.get_by_text(re.compile("stable \\d+%"))).to_have_count(2)
    notebook.python("explorer.wait(60)")
    before = cards.evaluate_all(LOOK)
    pid = int(notebook.python("import os; print(os.getpid())"))
    os.kill(pid, signal.SIGSTOP)
    try:
        reading(frame).select_option("dot")
        expect(reading(frame)).to_have_value("dot")
        coarse = cards.evaluate_all(LOOK)
        assert [c[0] for c in coarse] != [c[0] for c in before]
        drag(notebook.page, 130)
        expect(cards).not_to_have_count(2)
        expect(frame.locator(".nw-pending")).to_have_count(0)
        count, by_dot = cards.count(), cards.evaluate_all(LOOK)
        reading(frame).select_option("cosine")
        assert [c[0] for c in cards.evaluate_all(LOOK)] != [c[0] for c in by_dot]
        assert cards.count() == count
        reading(frame).select_option("dot")
    finally:
        os.kill(pid, signal.SIGCONT)
    notebook.follows("(len(explorer.concepts), explorer.by)", str((count, "dot")))
    notebook.python(WANTED)
    assert by_dot == json.loads(notebook.python("print(json.dumps(wanted('dot')))"))


def test_the_paper_s_way_and_back(notebook: Any, shots: Path) -> None:
    frame, cards = notebook.frame(), notebook.cards()
    line = frame.locator(".nw-line")
    usual = line.get_attribute("aria-valuenow")
    expect(paper(frame)).not_to_be_checked()
    paper(frame).click()
    notebook.follows(
        "(explorer.method, explorer.metric, explorer.by)", str(("ward", "euclidean", "dot"))
    )
    expect(reading(frame)).to_have_value("dot")
    expect(paper(frame)).to_have_attribute("aria-checked", "true")
    expect(cards).to_have_count(2)
    expect(line).not_to_have_attribute("aria-valuenow", usual)
    # The heights are SciPy's, of the vectors as they are.
    notebook.python(
        "from scipy.cluster.hierarchy import linkage\n"
        "Z = linkage(acts.values[explorer.split.index].astype(float), 'ward')"
    )
    notebook.follows("np.allclose(explorer.split.tree.top, Z[-1, 2])", "True")
    # The drag is that of the new tree.
    drag(notebook.page, 150)
    expect(cards).not_to_have_count(2)
    notebook.follows("len(explorer.concepts)", str(cards.count()))
    expect(frame.locator(".nw-pending")).to_have_count(0)
    frame.screenshot(path=shots / "paper.png")
    # Half of it is not the paper's way.
    reading(frame).select_option("cosine")
    expect(paper(frame)).not_to_be_checked()
    reading(frame).select_option("dot")
    expect(paper(frame)).to_be_checked()
    paper(frame).click()
    notebook.follows("(explorer.metric, explorer.by)", str(("cosine", "cosine")))
    expect(reading(frame)).to_have_value("cosine")
    expect(line).to_have_attribute("aria-valuenow", str(usual))
    assert notebook.errors == []


def test_pale_is_what_does_not_come_back(notebook: Any, shots: Path) -> None:
    frame, cards = notebook.frame(), notebook.cards()
    expect(cards.get_by_text(re.compile("stable \\d+%"))).to_have_count(2)
    expect(frame.locator(".nw-pale")).to_have_count(0)
    fine(notebook, 0.52)
    shares = json.loads(
        notebook.python(
            "import json; print(json.dumps([explorer._session.evidence._recurs[int(n)]"
            " for n in explorer.concepts.nodes]))"
        )
    )
    pale = [share < 0.5 for share in shares]
    assert True in pale
    assert False in pale
    # A pale dot is mixed with the paper, which is how `color(srgb ...)` is computed.
    look = """cards => cards.map(card => [
      card.classList.contains('nw-pale'),
      getComputedStyle(card.querySelector('.nw-dot')).backgroundColor.startsWith('color('),
      [...card.querySelectorAll('.nw-tile')].every(t => getComputedStyle(t).opacity < 1),
      [...card.querySelectorAll('footer span')].some(e => /^unstable/.test(e.textContent))])"""
    notebook.page.mouse.move(0, 0)
    assert cards.evaluate_all(look) == [[one] * 4 for one in pale]
    for card, share in zip(cards.all(), shares, strict=True):
        expect(card).to_contain_text(f"stable {int(share * 100 + 0.5)}%")
    # So are its branches: none of their pixels has the full colour.
    full = """async canvas => {
      for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const seen = new Set();
      for (let i = 0; i < data.length; i += 4)
        if (data[i + 3] === 255) seen.add(`rgb(${data[i]}, ${data[i + 1]}, ${data[i + 2]})`);
      return [...seen];
    }"""
    seen = frame.locator(".nw-dendrogram canvas").evaluate(full)
    colors = frame.locator(".nw-shares i").evaluate_all(
        "all => all.map(i => getComputedStyle(i).backgroundColor)"
    )
    assert [color not in seen for color in colors[: len(pale)]] == pale
    frame.screenshot(path=shots / "pale.png")


def test_what_chance_separates_as_well_is_pale_and_said(
    lab: Any, notebook: Any, tmp_path: Path, shots: Path
) -> None:
    path = notebook.python(
        "noise = np.random.default_rng(0).normal(size=(2000, 64)).astype('f4')\n"
        "chance = nw.SplitExplorer(noise, 3)\n"
        "chance.wait(60)\n"
        f"print(chance.to_html({str(tmp_path / 'noise.html')!r}))"
    )
    made = lab.browser.new_page(viewport={"width": 1200, "height": 900})
    made.goto(Path(path).as_uri())
    cards = made.locator(".nw-card:not(.nw-own)")
    expect(cards).to_have_count(10)
    expect(made.locator(".nw-card.nw-pale")).to_have_count(10)
    expect(made.locator(".nw-shares .nw-pale-share")).to_have_count(10)
    expect(cards.locator(".nw-by-chance")).to_have_count(10)
    expect(made.locator(".nw-own")).to_contain_text("it may be one concept")
    expect(made.locator(".nw-own summary")).to_contain_text("no clear groups (as chance)")
    made.screenshot(path=shots / "chance.png")
    # One concept claims no groups.
    made.get_by_role("button", name="1 concept").click()
    expect(cards).to_have_count(1)
    expect(made.locator(".nw-by-chance")).to_have_count(0)
    expect(made.locator(".nw-shares .nw-pale-share")).to_have_count(0)
    made.close()


def test_the_controls_by_keyboard(notebook: Any) -> None:
    frame, page = notebook.frame(), notebook.page
    content = "window.jupyterapp.shell.currentWidget.content"
    where = f"() => [{content}.activeCellIndex, {content}.mode, {content}.widgets.length]"
    before = page.evaluate(where)
    frame.locator(".nw-number").focus()
    page.keyboard.press("Tab")
    expect(frame.get_by_role("switch", name="k-means membership")).to_be_focused()
    page.keyboard.press("Tab")
    expect(paper(frame)).to_be_focused()
    ring = "e => e.matches(':focus-visible') && getComputedStyle(e).outlineStyle !== 'none'"
    assert paper(frame).evaluate(ring)
    page.keyboard.press("Space")
    expect(paper(frame)).to_be_checked()
    notebook.follows("(explorer.metric, explorer.by)", str(("euclidean", "dot")))
    expect(paper(frame)).to_be_focused()
    page.keyboard.press("Space")
    expect(paper(frame)).not_to_be_checked()
    notebook.follows("(explorer.metric, explorer.by)", str(("cosine", "cosine")))
    # On: the map, in which the arrow keys move; past the scores, to the first card's choice.
    # The handles of the activation band stand before it.
    plane, focused = frame.locator(".nw-plane"), "e => e === document.activeElement"
    for _ in range(8):
        page.keyboard.press("Tab")
        if plane.evaluate(focused):
            break
    expect(plane).to_be_focused()
    page.keyboard.press("Home")
    expect(frame.locator(".nw-plane .nw-tip")).to_contain_text("activation")
    strongest = frame.locator(".nw-plane [aria-live]").inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(frame.locator(".nw-plane [aria-live]")).to_contain_text("selected")
    notebook.follows("len(explorer.selection)", "1")
    page.keyboard.press("Enter")
    notebook.follows("len(explorer.selection)", "0")
    assert "activation" in strongest
    page.keyboard.press("Tab")
    expect(frame.locator(".nw-scores summary")).to_be_focused()
    # Its top samples, or samples over the activation range.
    page.keyboard.press("Tab")
    own = frame.locator(".nw-own")
    expect(own.get_by_role("radio", name="top")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(own.get_by_role("radio", name="spread")).to_be_focused()
    expect(own.locator(".nw-sample .nw-activation").first).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(own.locator(".nw-activation")).to_have_count(0)
    page.keyboard.press("Tab")
    expect(reading(frame)).to_be_focused()
    assert reading(frame).evaluate(ring)
    page.keyboard.press("ArrowDown")
    expect(reading(frame)).to_have_value("dot")
    notebook.follows("explorer.by", "dot")
    page.keyboard.press("ArrowUp")
    expect(reading(frame)).to_have_value("cosine")
    # Samples: one stop a row, in which the arrow keys move and Enter selects.
    page.keyboard.press("Tab")
    samples = frame.locator(".nw-own .nw-sample")
    expect(samples.first).to_be_focused()
    expect(samples.first.locator(".nw-tile")).to_have_class(re.compile("nw-lit"))
    page.keyboard.press("ArrowRight")
    expect(samples.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(samples.nth(1)).to_have_attribute("aria-pressed", "true")
    notebook.follows("explorer.selection == [int(explorer.split.index[1])]", "True")
    page.keyboard.press("Enter")
    notebook.follows("explorer.selection", "[]")
    # Its keys are not the notebook's.
    assert page.evaluate(where)[::2] == before[::2]


@pytest.fixture
def page(lab: Any, notebook: Any, tmp_path: Path) -> Any:
    """The explorer as a file, without a kernel."""
    assert notebook.python("print(explorer.wait(60))") == "True"
    path = notebook.python(f"print(explorer.to_html({str(tmp_path / 'page.html')!r}))")
    made = lab.browser.new_page(viewport={"width": 1200, "height": 900})
    made.errors = []
    made.on("pageerror", lambda error: made.errors.append(str(error)))
    made.goto(Path(path).as_uri())
    expect(made.locator(".nw-card:not(.nw-own)")).to_have_count(2)
    yield made
    assert made.errors == []
    made.close()


def test_an_exported_page_switches_its_reading(page: Any, notebook: Any) -> None:
    cards = page.locator(".nw-card:not(.nw-own)")
    notebook.python(WANTED)
    for title, by in (("dot product", "dot"), ("direction", "cosine")):
        reading(page).select_option(label=title)
        wanted = json.loads(notebook.python(f"print(json.dumps(wanted({by!r})))"))
        assert cards.evaluate_all(LOOK) == wanted
    reading(page).select_option("dot")
    drag(page, 130)
    expect(cards).not_to_have_count(2)
    notebook.python(f"explorer.threshold = {page.locator('.nw-number').input_value()}")
    wanted = json.loads(notebook.python("print(json.dumps(wanted('dot')))"))
    assert cards.evaluate_all(LOOK) == wanted


def test_an_exported_page_does_not_half_switch(page: Any) -> None:
    expect(page.get_by_text("This page has no kernel.")).to_be_visible()
    expect(paper(page)).to_be_disabled()
    expect(paper(page)).not_to_be_checked()
    expect(reading(page)).to_have_value("cosine")


def test_high_contrast_keeps_the_marks_the_slider_and_the_knob(page: Any) -> None:
    page.emulate_media(forced_colors="active")
    own = """selector => {
      const style = getComputedStyle(document.querySelector(selector));
      return [style.forcedColorAdjust, style.backgroundColor] }"""
    clear = {"rgba(0, 0, 0, 0)", page.evaluate("() => getComputedStyle(document.body).color")}
    for selector in (".nw-card:not(.nw-own) .nw-dot", ".nw-shares i", ".nw-track i"):
        adjust, color = page.evaluate(own, selector)
        assert adjust == "none"
        assert color not in clear, selector
    for selector in (".nw-knob", ".nw-slider input[type=range]", ".nw-sample .nw-tile > i"):
        assert page.evaluate(own, selector)[0] == "none", selector
