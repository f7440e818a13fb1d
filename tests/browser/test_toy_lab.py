"""ToyLab in JupyterLab and Chromium, used as a person would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

SIZE = "dict(features=20, dims=8, neurons=24, batch=32, cycle=100)"
SHOW = f"""import neuronwidgets as nw
Config, size = nw.toy.Config, {SIZE}
first = [Config.zero_bias(**size, steps=300), Config.negative_bias(**size, steps=300)]
long = [Config.zero_bias(**size, steps=2**30), Config.negative_bias(**size, steps=2**30)]
lab = nw.ToyLab(first)
lab"""


@pytest.fixture(scope="module")
def opened(lab: Any) -> Iterator[Any]:
    notebook = lab.notebook("toys", [SHOW], 1500, 2000)
    notebook.run_anew("lab", (0,))
    yield notebook
    assert notebook.errors == []
    notebook.close()


@pytest.fixture
def notebook(opened: Any) -> Any:
    """The shared notebook, its lab at the start."""
    opened.run_anew("lab", (0,))
    opened.python("lab._embed(None, ''); lab.running = False; lab.configs = first;"
                  "lab.neuron = lab.feature = lab.checkpoint = None")  # fmt: skip
    expect(progress(opened)).to_have_text("step 0 of 300")
    return opened


def progress(notebook: Any) -> Any:
    return notebook.frame().locator(".nw-progress")


def press(notebook: Any, name: str) -> None:
    notebook.frame().get_by_role("button", name=name, exact=True).click()


def trained(notebook: Any) -> Any:
    press(notebook, "run")
    expect(progress(notebook)).to_have_text("step 300 of 300")
    press_again = notebook.frame().get_by_role("button", name="run again")
    expect(press_again).to_be_visible()
    notebook.follows("lab.running", "False")
    return notebook


def counted(notebook: Any, run: int) -> str:
    return str(notebook.frame().locator(".nw-run-head").nth(run).inner_text())


def test_train_and_read_the_result(notebook: Any, shots: Path) -> None:
    notebook.frame().screenshot(path=shots / "toys-start.png")
    trained(notebook)
    for r in (0, 1):
        mono, covered = notebook.python(
            f"run = lab.runs[{r}]; print(run.monosemantic.sum(), run.covered.sum())"
        ).split()
        expect(notebook.frame().locator(".nw-run-head").nth(r)).to_contain_text(
            f"{mono} of 24 neurons monosemantic"
        )
        assert f"{covered} of 20 features covered" in counted(notebook, r)
    notebook.frame().screenshot(path=shots / "toys-end.png")
    # Training here is training anywhere.
    same = "(lab.runs[1].W1[-1] == nw.toy.train(first[1]).W1[-1]).all()"
    assert notebook.python(f"print({same})") == "True"
    before = notebook.python("print(lab._version)")
    press(notebook, "run again")
    notebook.follows(f"lab._version > {before}", "True")
    expect(progress(notebook)).to_have_text("step 300 of 300")


def test_pause_step_and_reset(notebook: Any) -> None:
    notebook.python("lab.configs = long")
    press(notebook, "run")
    expect(progress(notebook)).to_contain_text("steps/s")
    expect(progress(notebook)).to_contain_text(re.compile(r"\d (s|min|h) left"))
    expect(notebook.frame().get_by_role("progressbar")).to_be_visible()
    press(notebook, "pause")
    expect(progress(notebook)).not_to_contain_text("steps/s")
    expect(notebook.frame().get_by_role("progressbar")).to_be_hidden()
    notebook.follows("lab.running", "False")
    notebook.python("lab.wait(30)")
    at = notebook.python("print(min(run.step for run in lab.runs))")
    press(notebook, "step")
    notebook.follows("min(run.step for run in lab.runs)", str(int(at) + 1))
    press(notebook, f"to step {1 << (int(at) + 1).bit_length():,}")
    notebook.follows("min(run.step for run in lab.runs)", str(1 << (int(at) + 1).bit_length()))
    press(notebook, "reset")
    expect(progress(notebook)).to_have_text("step 0 of 1,073,741,824")


def test_the_notebook_stays_free_while_it_trains(notebook: Any) -> None:
    notebook.python("lab.configs = long")
    press(notebook, "run")
    expect(progress(notebook)).to_contain_text("steps/s")
    assert notebook.python("print(6 * 7, lab.running)") == "42 True"
    before = progress(notebook).inner_text()
    expect(progress(notebook)).not_to_have_text(before)
    # Closing the widget ends the training.
    notebook.python("other = nw.ToyLab(long); other.run(); other.close()")
    assert notebook.python("print(other.wait(30))") == "True"
    press(notebook, "pause")


def test_pictures_follow_training(notebook: Any) -> None:
    """The heatmap, the curves and the bars of biases are painted anew as training goes."""
    canvases = notebook.frame().locator("canvas")
    look = "all => all.map(c => c.toDataURL())"
    before = canvases.evaluate_all(look)
    trained(notebook)
    after = canvases.evaluate_all(look)
    assert len(before) == len(after) >= 7  # two heatmaps, two histograms, three curves
    assert all(a != b for a, b in zip(before, after, strict=True))


def test_scrub_through_the_checkpoints(notebook: Any, shots: Path) -> None:
    trained(notebook)
    slider = notebook.frame().get_by_label("step that is shown")
    expect(slider).to_have_attribute("aria-valuetext", "live, step 300")
    slider.focus()
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "step 0")
    notebook.follows("lab.checkpoint, lab.shown[1].step", "0 0")
    expect(notebook.frame().locator(".nw-run-head").nth(1)).to_contain_text("0 of 24 neurons")
    slider.press("ArrowRight")
    notebook.follows("lab.checkpoint", "1")
    slider.press("PageUp")
    notebook.follows("lab.checkpoint, lab.shown[0].step", "16 16")
    notebook.frame().screenshot(path=shots / "toys-scrubbed.png")
    slider.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "live, step 300")
    notebook.follows("lab.checkpoint", "None")
    # With the pointer, too.
    box = slider.bounding_box()
    notebook.page.mouse.move(box["x"] + box["width"] - 8, box["y"] + 9)
    notebook.page.mouse.down()
    notebook.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 9, steps=5)
    notebook.page.mouse.up()
    notebook.follows("1 < lab.checkpoint < 300", "True")
    press(notebook, "live")
    notebook.follows("lab.checkpoint", "None")


def test_knobs_and_presets(notebook: Any) -> None:
    frame = notebook.frame()
    trained(notebook)
    bias = frame.get_by_label("start bias", exact=True).nth(1)
    expect(bias).to_have_value("−1")
    bias.fill("-0.5")
    bias.press("Enter")
    notebook.follows("lab.configs[1].bias, [lab._configs[1]['preset']]", "-0.5 ['']")
    # The other run keeps what it has learnt.
    notebook.follows("[run.step for run in lab.runs]", "[300, 0]")
    rate = frame.get_by_label("rate", exact=True).first
    rate.fill("no number")
    rate.press("Enter")
    expect(rate).to_have_value("0.01")
    frame.get_by_label("neurons", exact=True).first.fill("0")
    frame.get_by_label("neurons", exact=True).first.press("Enter")
    expect(frame.locator(".nw-status")).to_contain_text("a positive integer")
    notebook.follows("lab.configs[0].neurons, lab.runs[0].step", "24 300")
    frame.get_by_text("more neurons").last.click()
    notebook.follows("lab.configs[1].neurons", "160")
    expect(frame.locator(".nw-status")).to_be_hidden()


def test_one_run_alone(notebook: Any, shots: Path) -> None:
    switch = notebook.frame().get_by_role("switch")
    switch.click()
    expect(notebook.frame().locator(".nw-run-head")).to_have_count(1)
    notebook.follows("len(lab.runs)", "1")
    trained(notebook)
    notebook.frame().screenshot(path=shots / "toys-one.png")
    switch.click()
    expect(notebook.frame().locator(".nw-run-head")).to_have_count(2)
    expect(progress(notebook)).to_have_text("step A 300 of 300, B 0 of 300")


def test_choose_and_split_a_neuron(notebook: Any, shots: Path) -> None:
    trained(notebook)
    frame = notebook.frame()
    heat = frame.get_by_role("slider", name=re.compile("Responses of A"))
    heat.focus()
    heat.press("ArrowDown")
    heat.press("End")
    heat.press("PageUp")
    row = notebook.python("print(lab.runs[0].sorted()[0].tolist().index(lab.neuron))")
    assert 0 <= int(row) < 24
    box = heat.bounding_box()
    notebook.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8)
    notebook.follows(
        "lab.run_index, lab.neuron is not None, lab.feature is not None", "0 True True"
    )
    j, i = notebook.python("print(lab.neuron, lab.feature)").split()
    expect(frame).to_contain_text(f"Drivers of neuron {j} of A")
    expect(frame).to_contain_text(f"Responses to feature {i}")
    best = notebook.python(f"print(lab.runs[0].A[{j}].argmax())")
    expect(frame.locator(".nw-responses").first.locator("li").first).to_contain_text(
        f"feature {best}"
    )
    # Choose one that is sure to be active, and split it.
    notebook.python("lab.run_index = 1; lab.neuron = int(lab.runs[1].A.max(axis=1).argmax())")
    expect(frame).to_contain_text(re.compile(r"Drivers of neuron \d+ of B"))
    press(notebook, "split this neuron")
    inner = frame.locator(".nw-split-explorer")
    expect(inner.locator(".nw-neuron, input[type=number]").first).to_be_visible()
    neuron = notebook.python("print(lab.neuron)")
    expect(frame).to_contain_text(f"Neuron {neuron} of B after 300 steps")
    expect(inner).to_contain_text("recovered")
    notebook.follows(
        "lab.explorer.neuron == lab.neuron and len(lab.explorer.driving_features) > 0", "True"
    )
    # The explorer inside is as live as one in a cell.
    inner.locator(".nw-slider input[type=range]").fill("1")
    notebook.follows("len(lab.explorer.concepts)", "1")
    notebook.frame().screenshot(path=shots / "toys-split.png")
    press(notebook, "close")
    expect(inner).to_have_count(0)
    notebook.follows("lab.explorer", "None")


def test_narrow(notebook: Any, shots: Path) -> None:
    trained(notebook)
    notebook.page.set_viewport_size({"width": 760, "height": 1800})
    notebook.command("application:toggle-left-area")
    notebook.page.wait_for_function("() => document.querySelector('.nw-frame').clientWidth < 760")
    frame = notebook.frame()
    box = frame.bounding_box()
    for part in frame.locator("canvas, button, input").all():
        if part.is_visible():
            inside = part.bounding_box()
            assert inside["x"] >= box["x"] - 1
            assert inside["x"] + inside["width"] <= box["x"] + box["width"] + 1
    frame.screenshot(path=shots / "toys-narrow.png")
    # Still narrower, one run is below the other, and their legends have room.
    notebook.page.set_viewport_size({"width": 430, "height": 1800})
    notebook.page.wait_for_function("() => document.querySelector('.nw-frame').clientWidth < 430")
    one, two = [run.bounding_box() for run in frame.locator(".nw-run").all()]
    assert two["y"] > one["y"] + one["height"]
    for legend in frame.locator(".nw-run .nw-scale").all():
        inside = legend.bounding_box()
        assert inside["x"] + inside["width"] <= one["x"] + one["width"] + 1
    notebook.command("application:toggle-left-area")
    notebook.page.set_viewport_size({"width": 1500, "height": 2000})


def test_reload_and_reopen_without_the_kernel(notebook: Any, shots: Path) -> None:
    trained(notebook)
    said = [counted(notebook, r) for r in (0, 1)]
    notebook.saved_whole("lab")
    notebook.open()
    heads = notebook.frame().locator(".nw-run-head")
    expect(heads).to_have_text(said, use_inner_text=True)
    # Each neuron and feature has cells of its own, and nothing says otherwise.
    expect(notebook.frame().locator(".nw-heat-said").first).not_to_contain_text("strongest")
    notebook.end_kernel()
    frame = notebook.frame()
    slider = frame.get_by_label("step that is shown")
    slider.focus()
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "step 0")
    expect(frame.locator(".nw-run-head").nth(1)).to_contain_text("0 of 24 neurons")
    notebook.theme("JupyterLab Dark")
    frame.screenshot(path=shots / "toys-dark.png")
    notebook.theme("JupyterLab Light")


def test_the_order_can_be_held_while_steps_pass(notebook: Any) -> None:
    trained(notebook)
    frame = notebook.frame()
    hold = frame.get_by_role("button", name="hold order")
    heat = frame.get_by_role("slider", name=re.compile("Responses of B"))
    heat.focus()
    notebook.page.keyboard.press("ArrowDown")
    notebook.follows("lab.neuron is not None", "True")
    row = heat.get_attribute("aria-valuenow")
    hold.click()
    expect(hold).to_have_attribute("aria-pressed", "true")
    scrubber = frame.get_by_role("slider", name="step that is shown")
    scrubber.focus()
    notebook.page.keyboard.press("Home")
    notebook.follows("lab.checkpoint", "0")
    # The neuron keeps its row, whatever its responses were then.
    expect(heat).to_have_attribute("aria-valuenow", str(row))
    hold.click()
    expect(hold).to_have_attribute("aria-pressed", "false")


def test_settings_are_in_groups_and_the_count_has_its_control(notebook: Any) -> None:
    trained(notebook)
    frame = notebook.frame()
    for title, fields in {
        "Data": ["features", "sparsity"],
        "Model": ["neurons", "dims"],
        "Training": ["rate", "decay", "start bias"],
        "Run": ["steps", "seed"],
    }.items():
        group = frame.get_by_role("group", name=title, exact=True)
        expect(group).to_have_count(2)
        for field in fields:
            expect(group.first.get_by_label(field, exact=True)).to_be_visible()
    chance = notebook.python(
        "from neuronwidgets.toy.measures import monosemantic_by_chance as c\n"
        "print(round(c(lab.runs[1].A)))"
    )
    expect(frame.locator(".nw-run-head").nth(1)).to_contain_text(f"{chance} by chance")
