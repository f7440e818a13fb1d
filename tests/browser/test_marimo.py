"""The widgets in a real marimo, which shows each in a shadow root."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from .server import await_answer

MARIMO = os.environ.get("NEURONWIDGETS_MARIMO") or shutil.which("marimo")
pytestmark = pytest.mark.skipif(
    not MARIMO, reason="marimo is not installed: .ci/run installs it in an environment of its own"
)
NOTEBOOK = """
import marimo
app = marimo.App(width="full")

@app.cell
def _():
    import pathlib, numpy as np, neuronwidgets as nw
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], 100)
    values = rng.normal(0, 0.3, (300, 12)).astype("f4")
    values[np.arange(300), 1 + kind] += 4
    values[:, 0] += np.where(kind < 2, 5, 0)
    images = np.zeros((300, 8, 8), "u1")
    images[np.arange(300), kind * 2] = 255
    labels = np.array(["trouser", "sandal", "boot"])[kind]
    acts = nw.Activations.from_arrays(values, images, labels, layer="layer 4")
    return acts, nw, pathlib

@app.cell
def _(acts, nw, pathlib):
    explorer = nw.SplitExplorer(acts, neuron=0, top=100)
    told = pathlib.Path("concepts")
    explorer.observe(lambda _: told.write_text(str(len(explorer.concepts))), "threshold")
    explorer
    return

@app.cell
def _(acts, nw):
    nw.RangeExplorer(acts)
    return

@app.cell
def _(nw):
    lab = nw.ToyLab(nw.toy.Config(features=16, dims=4, neurons=16, steps=64, batch=32))
    lab.finish(60)
    lab.split(0)
    lab
    return

if __name__ == "__main__":
    app.run()
"""
WIDGETS = {"split": ".nw-split-explorer", "ranges": ".nw-range-explorer", "toys": ".nw-toy-lab"}
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 20, 24)"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("marimo")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A notebook of three widgets, served by marimo."""
    (folder / "notebook.py").write_text(NOTEBOOK, "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"XDG_{kind}_HOME": str(folder / kind) for kind in ("CONFIG", "STATE", "CACHE")}
    command = [str(MARIMO), "run", "notebook.py", "--headless", "--no-token", f"--port={port}"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **own}
        )
        try:
            await_answer(f"http://127.0.0.1:{port}/health", server, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


@pytest.fixture
def opened(lab: Any, url: str) -> Iterator[Any]:
    """Opens the notebook in a theme of marimo's; each page has a kernel of its own."""
    pages = []
    errors: list[str] = []

    def in_theme(theme: str) -> Any:
        page = lab.browser.new_page(viewport={"width": 1500, "height": 1400})
        page.on("pageerror", lambda error: errors.append(str(error)))
        pages.append(page)
        page.goto(f"{url}/?theme={theme}")
        # The third has a fourth inside of it.
        expect(page.locator(".nw-frame")).to_have_count(4, timeout=90_000)
        return page

    yield in_theme
    for page in pages:
        page.close()
    assert errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_styles_and_theme_reach_into_the_shadow_root(opened: Any, theme: str, shots: Path) -> None:
    page = opened(theme)
    for name, widget in WIDGETS.items():
        root = page.locator(widget).first
        assert root.evaluate("e => e.getRootNode() instanceof ShadowRoot")
        expect(root).to_have_css("background-color", PAPER[theme])
        root.screenshot(path=shots / f"marimo-{name}-{theme}.png")
    explorer = page.locator(".nw-split-explorer").first
    tree = explorer.locator(".nw-dendrogram").bounding_box()
    card = explorer.locator(".nw-card").first.bounding_box()
    assert card["x"] > tree["x"] + tree["width"]
    inverted = "none" if theme == "dark" else "invert(1)"
    expect(explorer.locator(".nw-ink").first).to_have_css("filter", inverted)


def test_the_theme_follows_marimo_s(opened: Any) -> None:
    page = opened("light")
    # As marimo's setting does.
    page.evaluate("() => document.body.classList.replace('light', 'dark')")
    for widget in WIDGETS.values():
        expect(page.locator(widget).first).to_have_css("background-color", PAPER["dark"])


def test_a_drag_reaches_python_and_keys_stay(opened: Any, folder: Path) -> None:
    page = opened("light")
    explorer = page.locator(".nw-split-explorer").first
    cards = explorer.locator(".nw-card:not(.nw-own)")
    expect(cards).to_have_count(2)
    explorer.locator(".nw-slider input[type=range]").fill("1")
    expect(cards).to_have_count(1)
    for _ in range(1000):
        told = folder / "concepts"
        if told.exists() and told.read_text() == "1":
            break
        page.evaluate("() => new Promise(requestAnimationFrame)")
    assert told.read_text() == "1"
    # marimo's commands are single keys, too.
    page.evaluate("() => { window.left = 0; document.addEventListener('keydown', () => left++) }")
    explorer.get_by_role("slider", name="cut height, as a line").press("ArrowDown")
    explorer.locator(".nw-neuron").fill("1")
    explorer.locator(".nw-neuron").press("Enter")
    expect(explorer).to_contain_text("neuron 1 itself")
    assert page.evaluate("() => window.left") == 0
