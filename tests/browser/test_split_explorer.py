"""SplitExplorer in JupyterLab and Chromium, used as a person would."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect


def shown_threshold(notebook: Any) -> float:
    return float(notebook.frame().locator(".nw-line").get_attribute("aria-valuenow"))


def test_first_sight(notebook: Any, shots: Path) -> None:
    frame = notebook.frame()
    expect(frame.locator(".nw-own")).to_contain_text("neuron 0 itself")
    expect(frame.locator(".nw-said")).to_contain_text("2 concepts at")
    expect(frame.locator(".nw-layer")).to_have_text("layer <b>4</b>")
    expect(frame.locator(".nw-facts")).to_contain_text(re.compile(r"label entropy \d\.\d\d bit"))
    names = {notebook.cards().nth(i).locator("input.nw-title").input_value() for i in (0, 1)}
    assert names == {"trouser", "sandal"}
    card = notebook.cards().first
    expect(card).to_contain_text("retrieved from all 300")
    expect(card).to_contain_text("stable 100%")
    expect(card).to_contain_text(re.compile("on the neuron: [0-9]+(st|nd|rd|th) percentile"))
    # Two rows of as many samples as there is room for.
    assert card.locator(".nw-tile").count() >= 12
    strip = card.locator(".nw-tiles").last
    assert strip.evaluate("""strip => { const last = strip.lastChild.getBoundingClientRect();
      const room = strip.getBoundingClientRect().right - last.right;
      return 0 <= room && (room < 60 || strip.children.length === 16) }""")
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
        notebook.cards().nth(i).locator("header .nw-quiet").inner_text().split()[0]
        for i in range(notebook.cards().count())
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
    expect(notebook.cards()).not_to_have_count(2)
    after = shown_threshold(notebook)
    assert after < before
    notebook.follows("len(explorer.concepts)", str(notebook.cards().count()))
    # A hand that misses the line moves nothing and selects no words.
    page.mouse.move(x - 60, y + 40)
    page.mouse.down()
    page.mouse.move(x - 300, y + 90, steps=5)
    page.mouse.up()
    assert shown_threshold(notebook) == after
    assert page.evaluate("() => getSelection().toString()") == ""
    # All the way up: one concept, and the hand may leave the picture.
    box = notebook.frame().locator(".nw-knob").bounding_box()
    page.mouse.move(box["x"] + 6, box["y"] + 6)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] - 900, steps=5)
    page.mouse.up()
    expect(notebook.cards()).to_have_count(1)
    # Read out when the drag rests: how many concepts there are, and which.
    spoken = notebook.frame().locator("> [aria-live=polite]")
    expect(spoken).to_have_text(re.compile(r"^1 concept at [\d.]+: \S"))


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
    expect(notebook.cards()).to_have_count(1)
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
    expect(notebook.cards()).to_have_count(2)
    assert low < shown_threshold(notebook)


def test_suggestions_and_scores(notebook: Any) -> None:
    frame, page = notebook.frame(), notebook.page
    page.mouse.move(0, 0)
    best = frame.locator(".nw-ticks button.nw-best")
    expect(best).to_have_count(1)
    expect(best.locator(".nw-words span")).to_have_text(["most compact", "wide gap", "most stable"])
    expect(best.locator(".nw-words b")).to_have_text("2 concepts")
    expect(best).to_have_attribute("aria-pressed", "true")
    expect(best).to_have_accessible_name(re.compile("^2 concepts.*mean silhouette 0.7"))
    frame.locator(".nw-slider input[type=range]").fill("0.35")
    expect(best).to_have_attribute("aria-pressed", "false")
    # By keyboard: the reasons are said, and Enter moves the line.
    reasons = frame.locator(".nw-ticks li", has=page.locator(".nw-best")).locator(".nw-tip")
    expect(reasons).to_be_hidden()
    best.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(best).to_be_focused()
    expect(reasons).to_contain_text("most stable: Its concepts come back most often")
    page.keyboard.press("Enter")
    expect(best).to_have_attribute("aria-pressed", "true")
    # Escape takes them away until the focus, or the pointer, comes again.
    expect(reasons).to_be_visible()
    page.keyboard.press("Escape")
    expect(reasons).to_be_hidden()
    expect(best).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(reasons).to_be_visible()
    page.keyboard.press("Shift+Tab")
    expect(reasons).to_be_hidden()
    best.hover()
    expect(reasons).to_be_visible()
    page.keyboard.press("Escape")
    expect(reasons).to_be_hidden()
    notebook.follows("explorer.threshold == explorer.split.suggested", "True")
    scores = frame.locator(".nw-scores")
    expect(scores.locator("summary")).to_contain_text("clearly several concepts, p ≤ 0.01")
    expect(scores.locator("summary")).to_contain_text("polysemanticity")
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
        "print(any(sorted(explorer.split.index[tree.samples_of(n)]) == sorted(explorer.selection)"
        " for n in tree.cut(explorer.threshold)))"
    )
    assert chosen != "[]"
    notebook.follows("len(explorer.selection) > 1", "True")
    assert inside == "True"
    frame.locator("text=clear selection").click()
    notebook.follows("explorer.selection", "[]")


def test_the_ring_of_focus_stands_apart_from_a_dot(notebook: Any) -> None:
    dot = notebook.cards().first.locator("button.nw-dot")
    dot.focus()
    for key in ("Tab", "Shift+Tab"):
        notebook.page.keyboard.press(key)
    expect(dot).to_be_focused()
    expect(dot).to_have_css("outline-style", "solid")
    expect(dot).to_have_css("outline-offset", "2px")
    dot.blur()


def test_hover_lights_up_the_same_samples_everywhere(notebook: Any) -> None:
    frame, page = notebook.frame(), notebook.page
    tile = notebook.cards().first.locator(".nw-tile").first
    tile.hover()
    expect(tile).to_have_class(re.compile("nw-lit"))
    frame.locator(".nw-own .nw-title").hover()
    expect(frame.locator(".nw-tile.nw-lit")).to_have_count(0)
    notebook.cards().nth(1).hover(position={"x": 3, "y": 3})
    expect(notebook.cards().nth(1)).to_have_class(re.compile("nw-lit"))
    # Its samples are framed in the neuron's own row, and no others are.
    second = notebook.python(
        "rows = explorer.split.index[:8]; print((explorer.concepts.assignment[:8] == 1).sum())"
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
    field = notebook.cards().first.locator("input.nw-title")
    evil = "<script>window.pwned=2</script> É🙂"
    field.fill(evil)
    field.press("Enter")
    notebook.follows(f"{evil!r} in explorer.concepts.names", "True")
    expect(notebook.cards().first.locator("input.nw-title")).to_have_value(evil)
    color = notebook.cards().first.evaluate("e => e.style.getPropertyValue('--nw-color')")
    line = notebook.frame().locator(".nw-line")
    line.focus()
    line.press("End")
    expect(notebook.cards()).to_have_count(1)
    line.press("Home")
    notebook.python("explorer.threshold = explorer.split.suggested * 0.4")
    expect(notebook.cards()).not_to_have_count(1)
    named = notebook.cards().filter(has=page.locator(f'input[value="{evil}"]'))
    notebook.python("explorer.threshold = explorer.split.suggested")
    expect(notebook.cards()).to_have_count(2)
    expect(notebook.cards().first.locator("input.nw-title")).to_have_value(evil)
    assert notebook.cards().first.evaluate("e => e.style.getPropertyValue('--nw-color')") == color
    assert named.count() <= 1
    assert page.evaluate("() => window.pwned") is None
    notebook.frame().screenshot(path=shots / "named.png")
    # An empty name gives the default back, and nothing to undo: it would be put into the default.
    field.press("ControlOrMeta+a")
    page.keyboard.press("Delete")
    field.press("Enter")
    notebook.follows(f"{evil!r} in explorer.concepts.names", "False")
    expect(field).not_to_have_value("")
    default = field.input_value()
    page.evaluate("() => new Promise(done => setTimeout(done))")
    field.press("ControlOrMeta+z")
    expect(field).to_have_value(default)
    field.press("Escape")


def test_python_moves_the_screen(notebook: Any) -> None:
    frame = notebook.frame()
    notebook.python("explorer.threshold = 1e9")
    expect(notebook.cards()).to_have_count(1)
    notebook.python("explorer.neuron = 3; explorer.top = 40; explorer.method = 'average'")
    expect(frame.locator(".nw-neuron")).to_have_value("3")
    expect(frame.locator(".nw-top")).to_have_value("40")
    expect(frame.get_by_label("method")).to_have_value("average")
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
    expect(notebook.cards()).to_have_count(2)
    top = frame.locator(".nw-top")
    top.fill("5000")
    top.press("Enter")
    expect(alert).to_contain_text("got 5,000")
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
    switch = frame.get_by_role("switch", name="k-means membership")
    switch.click()
    expect(frame.locator(".nw-switches")).to_contain_text(
        re.compile(r"\d+ reassigned .*\d+ outlier")
    )
    notebook.follows("explorer.concepts.refined", "True")
    notebook.follows("len(explorer.concepts)", str(notebook.cards().count()))
    frame.screenshot(path=shots / "kmeans.png")
    switch.click()
    notebook.follows("explorer.concepts.refined", "False")


def test_the_drag_needs_no_kernel(notebook: Any) -> None:
    pid = int(notebook.python("import os; print(os.getpid())"))
    os.kill(pid, signal.SIGSTOP)
    try:
        line = notebook.frame().locator(".nw-line")
        line.focus()
        line.press("End")
        expect(notebook.cards()).to_have_count(1)
        notebook.frame().locator(".nw-slider input[type=range]").fill("0.3")
        expect(notebook.cards()).not_to_have_count(1)
        count = notebook.cards().count()
    finally:
        os.kill(pid, signal.SIGCONT)
    notebook.follows("len(explorer.concepts)", str(count))


def test_work_is_said_on_one_line_in_a_narrow_frame(notebook: Any) -> None:
    assert notebook.python("print(explorer.wait(60))") == "True"
    running = "{'state': 'running', 'text': 'scoring the neuron', 'progress': 0.3}"
    notebook.python(f"before, explorer.status = explorer.status, {running}")
    notebook.page.set_viewport_size({"width": 900, "height": 1150})
    words = notebook.frame().locator(".nw-status.nw-running span")
    expect(words).to_be_visible()
    height = words.evaluate(
        "node => node.clientHeight / parseFloat(getComputedStyle(node).fontSize)"
    )
    assert height < 2
    notebook.page.set_viewport_size({"width": 1500, "height": 1150})
    notebook.python("explorer.status = before")
    assert notebook.errors == []
