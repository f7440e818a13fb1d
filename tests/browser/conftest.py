"""A real JupyterLab, a real Chromium, and a page with a notebook in it."""

from __future__ import annotations

import base64
import json
import shutil
import sys
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect, sync_playwright

from tests.browser.pages import CHROMIUM, OPEN, Ear, Pages
from tests.browser.server import WAIT, prepared_kernels, serving, without_unused

STATE = "application/vnd.jupyter.widget-state+json"
FAILED = """() => [...window.jupyterapp?.shell.currentWidget?.content.model?.cells ?? []].flatMap(
  cell => cell.toJSON().outputs ?? []).filter(o => o.output_type === 'error').map(o => o.evalue)"""
"""What the errors of a notebook's cells say."""
CONCEPTS = ".nw-card:not(.nw-own)"
PLANTED = """
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
"""Three kinds of samples, of which two fire neuron 0; faces are small pictures."""
SHOW = "explorer = nw.SplitExplorer(acts, neuron=0, top=100)\nexplorer"
EXTENSION = Path(__file__).parents[2] / "neuronwidgets" / "labextension"
POLLING = 50
"""Milliseconds between two looks: at each frame, they have the page paint while it waits."""
expect.set_options(timeout=WAIT)


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page: Page, url: str, path: Path, pages: Pages) -> None:
        self.page, self.url, self.path = page, url, path
        self._pages, self._ear = pages, Ear(page)
        self.closed = False
        self.errors, self.requests = self._ear.errors, self._ear.requests

    def close(self) -> None:
        """Leave the page to the next notebook. (`page.close()` leaves none.)"""
        self.closed = True
        self._ear.close()
        self._pages.leave(self.page)

    def open(self) -> None:
        """Load the page, with this notebook."""
        self.page.goto(f"{self.url}/lab/workspaces/{self.path.stem}/tree/{self.path.name}")
        self._ready()

    def replace(self) -> None:
        """Open this notebook on its page in the place of another."""
        self.page.evaluate(OPEN, self.path.name)
        self._ready()

    def _ready(self) -> None:
        self.page.wait_for_function(
            """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status
            === 'idle'""",
            polling=POLLING,
            timeout=WAIT,
        )

    def command(self, name: str) -> None:
        self.page.evaluate("name => window.jupyterapp.commands.execute(name)", name)

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def python(self, code: str) -> str:
        """Run code in the notebook's kernel, beside its cells; returns what it prints."""
        reply = self.page.evaluate(
            """async code => {
              const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
              const future = kernel.requestExecute({ code, store_history: false });
              let out = '';
              future.onIOPub = ({ header, content }) => {
                if (header.msg_type === 'stream') out += content.text;
                if (header.msg_type === 'error') out += content.ename + ': ' + content.evalue;
              };
              await future.done;
              return out;
            }""",
            code,
        )
        return str(reply).strip()

    def run_anew(self, name: str, cells: Sequence[int]) -> None:
        """Run some cells, unless the kernel knows `name`: a test may have ended it."""
        if "NameError" in self.python(name):
            for cell in cells:
                self.run_cell(cell)
            self.frame()

    def frame(self, index: int = 0) -> Any:
        """One of the explorers on the page; an error where a cell has ended with one."""
        self.page.wait_for_function(
            "index => document.querySelectorAll('.nw-frame').length > index"
            f" || ({FAILED})().length",
            arg=index,
            polling=POLLING,
            timeout=WAIT,
        )
        found = self.page.locator(".nw-frame").nth(index)
        assert found.count(), self.page.evaluate(FAILED)
        return found

    def cards(self, index: int = 0) -> Locator:
        """The cards of an explorer's concepts."""
        return self.page.locator(".nw-frame").nth(index).locator(CONCEPTS)

    def follows(self, expression: str, value: str) -> None:
        """Python follows the screen, one message later."""
        for _ in range(200):
            if (got := self.python(f"print({expression})")) == value:
                return
            self.page.evaluate("() => new Promise(requestAnimationFrame)")
        raise AssertionError(f"{expression} is {got}, not {value}")

    def dragged(self, places: Sequence[float], look: Callable[[], Any]) -> set[Any]:
        """All that `look` saw along the slider; prints what `benchmarks/drag.py` reads."""
        client = self.page.context.new_cdp_session(self.page)
        client.send("Performance.enable")

        def script() -> float:
            metrics = client.send("Performance.getMetrics")["metrics"]
            return next(float(m["value"]) for m in metrics if m["name"] == "ScriptDuration")

        step = """async place => {
          const slider = document.querySelector('.nw-slider input[type=range]');
          slider.value = String(place);
          slider.dispatchEvent(new Event('input', { bubbles: true }));
          for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
        }"""
        self.page.evaluate(step, places[len(places) // 2])
        spent, seen = [], set()
        for place in places:
            before = script()
            self.page.evaluate(step, place)
            spent.append((script() - before) * 1000)
            seen.add(look())
        spent.sort()
        print(
            f"script time per step: median {spent[len(spent) // 2]:.1f} ms, "
            f"p95 {spent[len(spent) * 95 // 100 - 1]:.1f} ms, max {spent[-1]:.1f} ms"
        )
        return seen

    def run_cell(self, index: int) -> None:
        """Run one cell, as its user would."""
        self.page.evaluate(
            """async index => {
              window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
              await window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            index,
        )

    def saved(self) -> dict[str, Any]:
        """Save the notebook; the widgets' models that it then holds."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        metadata = json.loads(self.path.read_text("utf-8"))["metadata"]
        widgets = metadata.get("widgets", {})
        found: dict[str, Any] = widgets.get(STATE, {}).get("state", {})
        return found

    def saved_whole(self, name: str) -> None:
        """Save the notebook, with all that one of its widgets has gathered in the kernel.

        What the kernel sends, the page has a moment later, and only then it is saved.
        """
        assert self.python(f"print({name}.wait(90))") == "True"
        sums = f"{{k: crc32(v) for k, v in {name}._own_state().items() if isinstance(v, bytes)}}"
        wanted = json.loads(
            self.python(
                f"import json; from zlib import crc32; print(json.dumps([{name}._key, {sums}]))"
            )
        )
        for _ in range(100):
            own = [m for m in self.saved().values() if m["state"].get("_key") == wanted[0]]
            kept = {
                buffer["path"][0]: zlib.crc32(base64.b64decode(buffer["data"]))
                for model in own
                for buffer in model.get("buffers", [])
            }
            missing = {k for k, v in wanted[1].items() if kept.get(k, 0) != v}
            if own and not missing:
                return
            self.page.evaluate("() => new Promise(requestAnimationFrame)")
        raise AssertionError(f"not saved as the kernel has it: {missing or name}")

    def end_kernel(self) -> None:
        """Shut the kernel down and open the page again, as on another day.

        ipywidgets 8.1 asks a new kernel for its widgets and reads those of the notebook, and tries
        to show them when the kernel has answered. Where that is first, as on a busy machine, it
        says that there is none, and a person loads the page again.
        """
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        lost = self.page.get_by_text("Error displaying widget: model not found")
        for _ in range(5):
            self.open()
            expect(self.page.locator(".nw-frame").or_(lost).first).to_be_visible()
            if not lost.count():
                return
        raise AssertionError("the saved widget cannot be shown")

    def clear(self) -> None:
        """Clear all outputs."""
        self.command("editmenu:clear-all")
        expect(self.page.locator(".nw-frame")).to_have_count(0)

    def alone(self, cell: int) -> Any:
        """The explorer of one cell, which is run; all other outputs are cleared."""
        self.clear()
        self.run_cell(cell)
        return self.frame()

    def theme(self, name: str) -> None:
        """Change the theme. JupyterLab throws if one comes before the last splash is gone."""
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", name
        )
        self.page.wait_for_function(
            """theme => document.body.dataset.jpThemeName === theme
            && document.getElementById('jupyterlab-splash') === null""",
            arg=name,
            polling=POLLING,
        )


class Lab:
    """One JupyterLab for all browser tests."""

    def __init__(self, root: Path, url: str, browser: Browser) -> None:
        self.root, self.url, self.browser = root, url, browser
        self.opened: list[Notebook] = []
        self._pages = Pages(browser, WAIT)

    def notebook(
        self,
        name: str,
        cells: Sequence[str],
        width: int = 1500,
        height: int = 1150,
        alone: bool = False,
    ) -> Notebook:
        path = self.root / f"{name}.ipynb"
        path.write_text(json.dumps(document(cells)))
        return self.page(path, width, height, alone)

    def page(
        self, path: Path, width: int = 1500, height: int = 1150, alone: bool = False
    ) -> Notebook:
        """A notebook on a page that another one has left, or on a new one; `alone`, always."""
        self._end_kernels(path)
        left = None if alone else self._pages.take(width, height)
        made = Notebook(left or self._pages.new(width, height), self.url, path, self._pages)
        self.opened.append(made)
        made.replace() if left else made.open()
        return made

    def _end_kernels(self, path: Path) -> None:
        """Those of closed pages, which take memory and may still be busy; not that of `path`."""
        used = {n.path.name for n in self.opened if not (n.closed or n.page.is_closed())}
        used.add(path.name)
        with urllib.request.urlopen(f"{self.url}/api/sessions") as answer:
            sessions = json.load(answer)
        for session in sessions:
            if session["path"] not in used:
                end = f"{self.url}/api/sessions/{session['id']}"
                urllib.request.urlopen(urllib.request.Request(end, method="DELETE")).close()


def document(cells: Sequence[str]) -> dict[str, Any]:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = [
        {
            "cell_type": "code",
            "id": f"cell{i}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for i, source in enumerate(cells)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": made}


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with jupyterlab(tmp_path_factory.mktemp("lab")) as made:
        yield made


@contextmanager
def jupyterlab(root: Path) -> Iterator[Lab]:
    """JupyterLab over the folder `root`, and a Chromium for it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.fail("no Chromium found: apt-get install chromium")
    if not EXTENSION.exists():
        pytest.fail(f"{EXTENSION} does not exist: run `npm run build` in js/.")
    # Where an installed wheel has it; a source checkout has only its build.
    shutil.copytree(EXTENSION, root / "data" / "labextensions" / "neuronwidgets")
    without_unused(root / "config")
    from neuronwidgets.__main__ import lab_environment

    own = {"JUPYTER_CONFIG_DIR": str(root / "config"), "JUPYTER_DATA_DIR": str(root / "data")}
    command = [sys.executable, "-m", "jupyterlab"]
    with (
        prepared_kernels({**lab_environment(), **own}) as environment,
        serving(command, root, environment) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield Lab(root, url, browser)
        browser.close()


@pytest.fixture(scope="session")
def opened(lab: Lab) -> Iterator[Notebook]:
    """A notebook with an explorer of three kinds of samples, and a cell that shows it again."""
    notebook = lab.notebook("explore", [PLANTED, SHOW, "explorer"])
    notebook.run_anew("explorer", (0, 1))
    yield notebook
    notebook.close()


@pytest.fixture
def notebook(opened: Notebook) -> Notebook:
    """That notebook, its explorer as it was at first."""
    opened.run_anew("explorer", (0, 1))
    opened.python(
        "explorer.neuron, explorer.top, explorer.method = 1, 100, 'ward'\n"
        "explorer.metric = explorer.by = 'cosine'"
    )
    opened.python(
        "explorer._session.user_state.clear(); explorer.neuron = 0; explorer.refined = False"
    )
    expect(opened.frame().locator(".nw-neuron")).to_have_value("0")
    expect(opened.cards()).to_have_count(2)
    return opened


@pytest.fixture
def shots() -> Path:
    """Where tests leave pictures of what they saw (git-ignored)."""
    folder = Path(__file__).parent / "shots"
    folder.mkdir(exist_ok=True)
    return folder


__all__ = ["Error", "Lab", "Notebook", "document"]
