"""SplitExplorer in JupyterLab and Chromium, used as a person would."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

# Three kinds of samples, of which two fire neuron 0; faces are small pictures.
DATA = """
import numpy as np, neuronwidgets as nw
rng = np.random.default_rng(0)
kind = np.repeat([0, 1, 2], 100)
values = rng.normal(0, 0.3, (300, 12)).astype("f4")
values[np.arange(300), 1 + kind] += 4
values[:, 0] += np.where(kind < 2, 5, 0)
images = np.zeros((300, 8, 8), "u1")
images[np.arange(300), kind * 2] = 255
labels = np.array(["trouser", "sandal", "<img src=x onerror='window.pwned=1'>"])[kind]
acts = nw.Activations.from_arrays(values, images, labels, layer="layer <b>4</b>")
"""
SHOW = "explorer = nw.SplitExplorer(acts, neuron=0)\nexplorer"


@pytest.fixture(scope="module")
def opened(lab: Any) -> Iterator[Any]:
    notebook = lab.notebook("explore", [DATA, SHOW])
    notebook.run_all()
    notebook.frame()
    yield notebook
    notebook.page.close()


@pytest.fixture
def notebook(opened: Any) -> Any:
    """The shared notebook, its explorer as it was at first."""
    opened.python("explorer.neuron = 1")
    opened.python("explorer._memory.clear(); explorer.neuron = 0; explorer.refined = False")
    expect(opened.frame().locator(".nw-neuron")).to_have_value("0")
    expect(cards(opened.page)).to_have_count(2)
    return opened


def cards(page: Page) -> Any:
    return page.locator(".nw-frame").first.locator(".nw-card:not(.nw-own)")


def shown_threshold(notebook: Any) -> float:
    return float(notebook.frame().locator(".nw-line").get_attribute("aria-valuenow"))


def test_first_sight(notebook: Any, shots: Path) -> None:
    frame = notebook.frame()
    expect(frame.locator(".nw-own")).to_contain_text("neuron 0 itself")
    expect(frame.locator(".nw-said")).to_contain_text("2 concepts at")
    expect(frame.locator(".nw-layer")).to_have_text("layer <b>4</b>")
    expect(frame.locator(".nw-facts")).to_contain_text(re.compile(r"label entropy \d\.\d\d bit"))
    names = {cards(notebook.page).nth(i).locator("input.nw-title").input_value() for i in (0, 1)}
    assert names == {"trouser", "sandal"}
    expect(cards(notebook.page).first).to_contain_text("found by its vector in all 300")
    expect(cards(notebook.page).first).to_contain_text("100% ")
    expect(cards(notebook.page).first.locator(".nw-tile")).to_have_count(16)
    frame.screenshot(path=shots / "first.png")
    assert notebook.errors == []


def test_nothing_comes_from_a_network_and_nothing_runs(notebook: Any) -> None:
    outside = [
        url for url in notebook.requests if not re.match(r"(data|blob):|https?://127\.0\.0\.1", url)
    ]
    assert outside == []
    assert notebook.page.evaluate("() => window.pwned") is None


def test_python_has_what_the_screen_shows(notebook: Any) -> None:
    count = notebook.python("print(len(explorer.concepts), *explorer.concepts.sizes)")
    sizes = [
        cards(notebook.page).nth(i).locator("header .nw-quiet").inner_text().split()[0]
        for i in range(cards(notebook.page).count())
    ]
    assert count.split() == [str(len(sizes)), *sizes]
    assert float(notebook.python("print(explorer.threshold)")) == pytest.approx(
        shown_threshold(notebook), rel=1e-4
    )


def test_drag_the_line(notebook: Any) -> None:
    page = notebook.page
    before = shown_threshold(notebook)
    box = notebook.frame().locator(".nw-knob").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 40, steps=5)
    page.mouse.move(x, y + 180, steps=10)
    page.mouse.up()
    expect(cards(page)).not_to_have_count(2)
    after = shown_threshold(notebook)
    assert after < before
    notebook.follows("len(explorer.concepts)", str(cards(page).count()))
    # All the way up: one concept, and the hand may leave the picture.
    box = notebook.frame().locator(".nw-knob").bounding_box()
    page.mouse.move(box["x"] + 6, box["y"] + 6)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] - 900, steps=5)
    page.mouse.up()
    expect(cards(page)).to_have_count(1)


def test_slider_number_keys_ticks(notebook: Any) -> None:
    frame, page = notebook.frame(), notebook.page
    slider = frame.locator(".nw-slider input[type=range]")
    suggested = frame.locator(".nw-line").get_attribute("aria-valuenow")
    slider.fill("0.35")
    expect(frame.locator(".nw-line")).not_to_have_attribute("aria-valuenow", suggested)
    low = shown_threshold(notebook)
    number = frame.locator(".nw-number")
    number.fill("3,5")
    number.press("Enter")
    expect(frame.locator(".nw-line")).to_have_attribute("aria-valuenow", "3.5")
    number.fill("many")
    number.press("Enter")
    expect(number).to_have_value("3.5")
    line = frame.locator(".nw-line")
    line.focus()
    expect(line).to_be_focused()
    line.press("ArrowUp")
    expect(line).not_to_have_attribute("aria-valuenow", "3.5")
    fine = shown_threshold(notebook)
    line.press("PageUp")
    expect(line).not_to_have_attribute("aria-valuenow", str(fine))
    assert shown_threshold(notebook) - fine > 3 * (fine - 3.5) > 0
    line.press("Home")
    expect(line).to_have_attribute("aria-valuenow", "0")
    line.press("End")
    expect(cards(page)).to_have_count(1)
    slider.focus()
    slider.press("Home")
    expect(line).to_have_attribute("aria-valuenow", "0")
    expect(frame).to_contain_text("No cluster has 5 samples or more here")
    # JupyterLab's own keys rest while the line has the focus.
    content = "window.jupyterapp.shell.currentWidget.content"
    before = page.evaluate(f"{content}.activeCellIndex"), page.locator(".jp-CodeCell").count()
    line.focus()
    for key in ("a", "ArrowDown", "ArrowUp", "j"):
        line.press(key)
    after = page.evaluate(f"{content}.activeCellIndex"), page.locator(".jp-CodeCell").count()
    assert before == after
    tick = frame.locator(".nw-ticks button", has_text="2").first
    tick.click()
    expect(cards(page)).to_have_count(2)
    assert low < shown_threshold(notebook)


def test_suggestions_and_scores(notebook: Any) -> None:
    frame, page = notebook.frame(), notebook.page
    page.mouse.move(0, 0)
    best = frame.locator(".nw-ticks button.nw-best")
    expect(best).to_have_count(1)
    expect(best.locator(".nw-words span")).to_have_text(["gap", "silhouette", "stable"])
    expect(best).to_have_attribute("aria-pressed", "true")
    expect(best).to_have_attribute("aria-label", re.compile("into 2 .* best silhouette: 0.7"))
    frame.locator(".nw-slider input[type=range]").fill("0.35")
    expect(best).to_have_attribute("aria-pressed", "false")
    # By keyboard: the reasons are said, and Enter moves the line.
    reasons = frame.locator(".nw-ticks li", has=page.locator(".nw-best")).locator(".nw-tip")
    expect(reasons).to_be_hidden()
    best.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(best).to_be_focused()
    expect(reasons).to_contain_text("its concepts recur in 100% of 50 resamples")
    page.keyboard.press("Enter")
    expect(best).to_have_attribute("aria-pressed", "true")
    notebook.follows("explorer.threshold == explorer.split.suggested", "True")
    scores = frame.locator(".nw-scores")
    expect(scores.locator("summary")).to_contain_text("concepts 2")
    scores.locator("summary").click()
    expect(scores.locator("li", has_text="polysemanticity").first).to_be_visible()
    expect(scores.locator("li").first).to_have_attribute("title", re.compile("higher: "))
    scores.locator("summary").click()


def test_click_a_subtree(notebook: Any) -> None:
    frame = notebook.frame()
    canvas = frame.locator(".nw-dendrogram canvas")
    box = canvas.bounding_box()
    # Low in the tree, a click isolates a small branch and selects it.
    canvas.click(position={"x": box["width"] * 0.3, "y": box["height"] * 0.75})
    expect(frame.locator("text=clear selection")).to_be_visible()
    chosen = notebook.python("print(sorted(explorer.selection))")
    inside = notebook.python(
        "tree = explorer.split.tree\n"
        "print(any(sorted(explorer.split.index[tree.members(n)]) == sorted(explorer.selection)"
        " for n in tree.cut(explorer.threshold)))"
    )
    assert chosen != "[]"
    notebook.follows("len(explorer.selection) > 1", "True")
    assert inside == "True"
    frame.locator("text=clear selection").click()
    notebook.follows("explorer.selection", "[]")


def test_hover_lights_up_the_same_samples_everywhere(notebook: Any) -> None:
    frame, page = notebook.frame(), notebook.page
    tile = cards(page).first.locator(".nw-tile").first
    tile.hover()
    expect(tile).to_have_class(re.compile("nw-lit"))
    frame.locator(".nw-own .nw-title").hover()
    expect(frame.locator(".nw-tile.nw-lit")).to_have_count(0)
    cards(page).nth(1).hover(position={"x": 3, "y": 3})
    expect(cards(page).nth(1)).to_have_class(re.compile("nw-lit"))
    # Its samples are framed in the neuron's own row, and no others are.
    second = notebook.python(
        "rows = explorer.split.index[:8]; print((explorer.concepts.labels[:8] == 1).sum())"
    )
    expect(frame.locator(".nw-own .nw-tile.nw-lit")).to_have_count(int(second))
    plane = frame.locator(".nw-plane canvas")
    box = plane.bounding_box()
    hit = False
    for i in range(2, 38):
        page.mouse.move(box["x"] + box["width"] * i / 40, box["y"] + box["height"] / 2)
        if frame.locator(".nw-plane .nw-tip").count():
            hit = True
            break
    assert hit
    expect(frame.locator(".nw-plane .nw-tip")).to_contain_text("activation")


def test_names_stay_with_their_concepts(notebook: Any, shots: Path) -> None:
    page = notebook.page
    field = cards(page).first.locator("input.nw-title")
    evil = "<script>window.pwned=2</script> É🙂"
    field.fill(evil)
    field.press("Enter")
    notebook.follows(f"{evil!r} in explorer.concepts.names", "True")
    expect(cards(page).first.locator("input.nw-title")).to_have_value(evil)
    color = cards(page).first.evaluate("e => e.style.getPropertyValue('--nw-color')")
    line = notebook.frame().locator(".nw-line")
    line.focus()
    line.press("End")
    expect(cards(page)).to_have_count(1)
    line.press("Home")
    notebook.python("explorer.threshold = explorer.split.suggested * 0.4")
    expect(cards(page)).not_to_have_count(1)
    named = cards(page).filter(has=page.locator(f'input[value="{evil}"]'))
    notebook.python("explorer.threshold = explorer.split.suggested")
    expect(cards(page)).to_have_count(2)
    expect(cards(page).first.locator("input.nw-title")).to_have_value(evil)
    assert cards(page).first.evaluate("e => e.style.getPropertyValue('--nw-color')") == color
    assert named.count() <= 1
    assert page.evaluate("() => window.pwned") is None
    notebook.frame().screenshot(path=shots / "named.png")
    notebook.python("explorer.rename(0, '')")
    expect(cards(page).first.locator("input.nw-title")).not_to_have_value(evil)


def test_python_moves_the_screen(notebook: Any) -> None:
    frame = notebook.frame()
    notebook.python("explorer.threshold = 1e9")
    expect(cards(notebook.page)).to_have_count(1)
    notebook.python("explorer.neuron = 3; explorer.top = 40; explorer.method = 'average'")
    expect(frame.locator(".nw-neuron")).to_have_value("3")
    expect(frame.locator(".nw-top")).to_have_value("40")
    expect(frame.locator("select")).to_have_value("average")
    expect(frame.locator(".nw-own")).to_contain_text("neuron 3 itself")
    notebook.python("explorer.selection = explorer.split.index[:3].tolist()")
    expect(frame.locator("text=clear selection (3)")).to_be_visible()
    assert "12 neurons" in notebook.python("explorer.neuron = 99")
    assert notebook.python("print(explorer.neuron)") == "3"
    assert "300" in notebook.python("explorer.top = 301")
    assert "0 to 299" in notebook.python("explorer.selection = [300]")
    assert "height" in notebook.python("explorer.threshold = float('nan')")
    notebook.python("explorer.method = 'ward'; explorer.top = 100")
    expect(frame.locator(".nw-top")).to_have_value("100")


def test_observe(notebook: Any) -> None:
    notebook.python("seen = []; explorer.observe(lambda c: seen.append(c.new), 'threshold')")
    line = notebook.frame().locator(".nw-line")
    line.focus()
    line.press("End")
    notebook.follows("seen[-1:] == [explorer.threshold] and len(explorer.concepts)", "1")
    notebook.python("explorer.unobserve_all('threshold')")


def test_wrong_input_is_answered_in_words(notebook: Any, shots: Path) -> None:
    frame = notebook.frame()
    neuron = frame.locator(".nw-neuron")
    neuron.fill("99")
    neuron.press("Enter")
    alert = frame.get_by_role("alert")
    expect(alert).to_contain_text("neuron 99 is not in layer")
    expect(alert).to_contain_text("0 to 11")
    frame.screenshot(path=shots / "error.png")
    expect(cards(notebook.page)).to_have_count(2)
    top = frame.locator(".nw-top")
    top.fill("5000")
    top.press("Enter")
    expect(alert).to_contain_text("top=5,000 is more than there is")
    neuron.fill("2")
    neuron.press("Enter")
    expect(frame.locator(".nw-own")).to_contain_text("neuron 2 itself")
    expect(alert).to_be_hidden()
    neuron.fill("")
    neuron.press("Enter")
    expect(neuron).to_have_value("2")


def test_kmeans_switch(notebook: Any, shots: Path) -> None:
    frame = notebook.frame()
    notebook.python("explorer.threshold = explorer.split.suggested * 0.35")
    frame.get_by_role("switch").check()
    expect(frame.locator(".nw-switches")).to_contain_text(re.compile(r"\d+ moved .*\d+ left out"))
    notebook.follows("explorer.concepts.refined", "True")
    notebook.follows("len(explorer.concepts)", str(cards(notebook.page).count()))
    frame.screenshot(path=shots / "kmeans.png")
    frame.get_by_role("switch").uncheck()
    notebook.follows("explorer.concepts.refined", "False")


def test_the_drag_needs_no_kernel(notebook: Any) -> None:
    pid = int(notebook.python("import os; print(os.getpid())"))
    os.kill(pid, signal.SIGSTOP)
    try:
        line = notebook.frame().locator(".nw-line")
        line.focus()
        line.press("End")
        expect(cards(notebook.page)).to_have_count(1)
        notebook.frame().locator(".nw-slider input[type=range]").fill("0.3")
        expect(cards(notebook.page)).not_to_have_count(1)
        count = cards(notebook.page).count()
    finally:
        os.kill(pid, signal.SIGCONT)
    notebook.follows("len(explorer.concepts)", str(count))


def test_two_views_agree(lab: Any) -> None:
    notebook = lab.notebook("two", [DATA, SHOW, "explorer"])
    notebook.run_all()
    notebook.frame(1)
    one, two = notebook.frame(0), notebook.frame(1)
    one.locator(".nw-slider input[type=range]").fill("0.3")
    expect(two.locator(".nw-said")).to_have_text(one.locator(".nw-said").inner_text())
    field = two.locator("input.nw-title").first
    field.fill("mine")
    field.press("Enter")
    expect(one.locator("input.nw-title").first).to_have_value("mine")
    # The first cell's output cleared, its view is gone; the other is at work.
    notebook.page.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.content.widgets[1].model.clearExecution() }"
    )
    expect(notebook.page.locator(".nw-frame")).to_have_count(1)
    two = notebook.frame(0)
    notebook.python("explorer.threshold = 1e9")
    expect(two.locator(".nw-card")).to_have_count(2)
    notebook.page.close()


def test_reload_and_reopen_without_the_kernel(lab: Any, shots: Path) -> None:
    notebook = lab.notebook("again", [DATA, SHOW])
    page = notebook.page
    notebook.run_all()
    notebook.frame().locator(".nw-slider input[type=range]").fill("0.42")
    field = notebook.frame().locator("input.nw-title").first
    field.fill("kept")
    field.press("Enter")
    notebook.follows("list(explorer.names.values())", "['kept']")
    said = notebook.frame().locator(".nw-said").inner_text()
    notebook.command("docmanager:save")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")

    notebook.open()
    expect(notebook.frame().locator(".nw-said")).to_have_text(said)
    expect(notebook.frame().locator("input.nw-title").first).to_have_value("kept")
    notebook.frame().locator(".nw-slider input[type=range]").fill("1")
    notebook.follows("len(explorer.concepts)", "1")
    notebook.frame().locator(".nw-slider input[type=range]").fill("0.42")
    notebook.follows("len(explorer.concepts) > 1", "True")
    notebook.command("docmanager:save")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")

    # Another day: another kernel, which knows nothing of the explorer.
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    notebook.open()
    assert "NameError" in notebook.python("explorer")
    frame = notebook.frame()
    expect(frame.locator("input.nw-title").first).to_have_value("kept")
    assert frame.locator(".nw-tile").count() > 16
    frame.locator(".nw-slider input[type=range]").fill("1")
    expect(cards(page)).to_have_count(1)
    frame.locator(".nw-slider input[type=range]").fill("0.3")
    expect(cards(page)).not_to_have_count(1)
    expect(cards(page).first).to_contain_text("found by its vector")
    frame.screenshot(path=shots / "without-kernel.png")
    assert notebook.errors == []
    page.close()


def test_an_exported_page_keeps_its_slider(lab: Any, notebook: Any, shots: Path) -> None:
    notebook.python("explorer.rename(0, '</script><b>mine</b> \u00e9')")
    path = Path(notebook.python("print(explorer.to_html('page').absolute())"))
    assert path.suffix == ".html"
    page = lab.browser.new_page(viewport={"width": 1200, "height": 900})
    errors: list[str] = []
    requests: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    expect(cards(page)).to_have_count(2)
    expect(cards(page).first.locator("input.nw-title")).to_have_value("</script><b>mine</b> é")
    expect(cards(page).first.locator(".nw-tile")).to_have_count(16)
    page.locator(".nw-slider input[type=range]").fill("0.3")
    expect(cards(page)).not_to_have_count(2)
    page.locator(".nw-slider input[type=range]").fill("1")
    expect(cards(page)).to_have_count(1)
    page.locator(".nw-neuron").fill("3")
    page.locator(".nw-neuron").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("no kernel")
    page.screenshot(path=shots / "page.png")
    assert errors == []
    assert all(re.match(r"(file|data|blob):", url) for url in requests)
    page.close()


def test_dark_and_narrow(lab: Any, shots: Path) -> None:
    notebook = lab.notebook("narrow", [DATA, SHOW], width=1500)
    page = notebook.page
    notebook.run_all()
    frame = notebook.frame()
    notebook.theme("JupyterLab Dark")
    page.wait_for_function(
        """() => getComputedStyle(document.querySelector('.nw')).getPropertyValue('--nw-ink')
        !== '' && document.body.dataset.jpThemeLight === 'false'"""
    )
    background = "e => getComputedStyle(e).backgroundColor"
    page.wait_for_function(
        "() => { const [r] = getComputedStyle(document.querySelector('.nw')).backgroundColor"
        ".match(/\\d+/g); return Number(r) < 60 }"
    )
    assert frame.locator("xpath=..").evaluate(background) != "rgb(255, 255, 255)"
    frame.screenshot(path=shots / "dark.png")
    frame.locator("xpath=..").evaluate("e => { e.style.width = '480px' }")
    page.wait_for_function("() => document.querySelector('.nw-frame').clientWidth <= 480")
    overflow = frame.evaluate(
        """frame => [...frame.querySelectorAll('*')].filter(e =>
             e.getBoundingClientRect().right > frame.getBoundingClientRect().right + 1
             && !e.closest('.nw-tiles, .nw-text')).map(e => e.className)"""
    )
    assert overflow == []
    frame.screenshot(path=shots / "narrow.png")
    notebook.theme("JupyterLab Light")
    page.close()


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
"""
SAID = """
def said():
    c = explorer.calibration
    hits = c.true[c.matched >= c.threshold]
    lost = [names[i] for i in np.delete(explorer.driving, hits)]
    verb = "features that drive" if len(explorer.driving) > 1 else "feature that drives"
    text = f"{len(hits)} of {len(explorer.driving)} {verb} this neuron recovered"
    text += " (cosine of at least 0.9)"
    more = [f"median matched cosine {np.median(c.matched):.2f}"]
    more += ["missed: " + ", ".join(lost)] if lost else []
    near = [(row.argmax(), np.floor(row.max() * 100 + 1e-6) / 100) for row in c.cosines]
    cards = [f"{names[explorer.driving[i]]} · cosine {cosine:.2f}" for i, cosine in near]
    return [text, " · ".join(more), *cards]
"""


def test_known_features_are_counted_during_the_drag(lab: Any, shots: Path) -> None:
    show = "explorer = nw.SplitExplorer(acts, 0, truth=true, truth_names=names)\nexplorer"
    notebook = lab.notebook("known", [KNOWN + SAID, show])
    page = notebook.page
    notebook.run_all()
    frame = notebook.frame()

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
            assert len(now) == 2 + cards(page).count()
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
    expect(frame.locator(".nw-switches")).to_contain_text("left out")
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
    page.close()


TEXT = """
import numpy as np, neuronwidgets as nw, threading
from neuronwidgets.activations import Samples
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
"""


def test_text_progress_and_cancel(lab: Any, shots: Path) -> None:
    notebook = lab.notebook("text", [TEXT + "go.set()", SHOW])
    page = notebook.page
    notebook.run_all()
    frame = notebook.frame()
    expect(frame.locator(".nw-peak").first).to_have_text(re.compile("^(dog|castle)$"))
    expect(frame.locator(".nw-text").first).to_contain_text("🙂 <i>x</i>")
    apart = frame.locator(".nw-terms").all_inner_texts
    expect(frame.locator(".nw-terms")).to_have_count(2)
    assert sorted(apart()) == ["castle", "dog"]
    frame.screenshot(path=shots / "text.png")
    # A reading that takes its time: the notebook stays free, and the button stops it.
    notebook.python("explorer.wait(60); go.clear(); import threading")
    neuron = frame.locator(".nw-neuron")
    neuron.fill("1")
    neuron.press("Enter")
    expect(frame.get_by_role("status")).to_contain_text("token by token")
    assert notebook.python("print(40 + 2)") == "42"
    expect(frame.locator(".nw-own")).to_contain_text("neuron 1 itself")
    frame.locator("text=cancel").click()
    expect(frame.get_by_role("status")).to_be_hidden()
    notebook.python("go.set()")
    # A closed widget ends its job.
    notebook.python("go.clear(); explorer._on_split_request(dict(neuron=2, top=50, method='ward'))")
    notebook.python("explorer.close(); go.set(); explorer.wait(20)")
    assert "neuronwidgets-job" not in notebook.python(
        "print([t.name for t in threading.enumerate()])"
    )
    page.close()


BIG = """
import numpy as np, neuronwidgets as nw
rng = np.random.default_rng(0)
values = (rng.normal(size=(20_000, 6)) + 3 * rng.integers(0, 3, (20_000, 6))).astype("f4")
acts = nw.Activations.from_arrays(values, layer="big", labels=rng.integers(0, 9, 20_000))
"""


def test_drag_with_20000_leaves(lab: Any, shots: Path) -> None:
    show = "explorer = nw.SplitExplorer(acts, neuron=0, top=20_000)\nexplorer"
    notebook = lab.notebook("big", [BIG, show])
    page = notebook.page
    notebook.run_all()
    page.locator(".nw-frame").wait_for(timeout=120_000)
    frame = notebook.frame()
    frame.screenshot(path=shots / "big.png")
    places = [(i + 1) / 100 for i in range(100)]
    counts = notebook.dragged(places, lambda: cards(page).count())
    assert len(counts) > 3
    page.close()
