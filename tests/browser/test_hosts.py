"""The wheel in the oldest and the newest JupyterLab and Notebook 7 of the range.

`.ci/run` makes an environment of each: it has the host, the wheel and no Node; torch and what else
the kernel needs are those of the tests. Each server stands behind a base URL, as a JupyterHub's
does, and has a Content-Security-Policy.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Response, expect

from .conftest import PLANTED, SHOW, Lab, Notebook, document
from .pages import Pages
from .server import WAIT, serving
from .test_lab_extension import CAPTURE, RUN, SLOW

HOSTS = [Path(each) for each in os.environ.get("NEURONWIDGETS_HOSTS", "").split(os.pathsep) if each]
"""The folders of the environments."""
pytestmark = [
    pytest.mark.skipif(
        not HOSTS, reason="NEURONWIDGETS_HOSTS names no environments: .ci/run makes them"
    ),
    pytest.mark.parametrize("host", HOSTS, ids=[each.name for each in HOSTS]),
]
BASE = "/hub/user/ann"
OWN = "default-src 'self'; img-src 'self' data: blob:; font-src 'self' data:;"
STYLES = "connect-src 'self' ws:; style-src 'self' 'unsafe-inline';"
SCRIPTS = "script-src 'self' blob: 'unsafe-inline'"
POLICIES = {
    "Content-Security-Policy": f"{OWN} {STYLES} {SCRIPTS} 'unsafe-eval'",
    "Content-Security-Policy-Report-Only": SCRIPTS,
}
"""Nothing comes from elsewhere. JupyterLab compiles the schemas of its settings by `eval` and does
not start without, so that is only reported."""
LISTEN = """
window.violations = [];
document.addEventListener('securitypolicyviolation', ({ sourceFile, blockedURI, disposition }) =>
  window.violations.push([disposition, blockedURI, sourceFile]));
"""


class Seven(Notebook):
    """A notebook open in Notebook 7."""

    def open(self) -> None:
        self.page.goto(f"{self.url}/notebooks/{self.path.name}")
        self.page.wait_for_function(
            """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status
            === 'idle'""",
            timeout=WAIT,
        )


class Visit:
    """A notebook in a host, with what the page complained of."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.errors: list[str] = []
        """Errors on the console."""
        self.thrown: list[str] = []
        """The stacks of errors that nobody caught."""
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.thrown.append(str(error.stack)))
        self.page.add_init_script(LISTEN)
        notebook.open()
        notebook.command("neuronwidgets:show-panel")
        self.panel = self.page.locator(".nw-lab")
        expect(self.panel).to_be_visible()

    def check_policies(self) -> None:
        """Only scripts of the host itself may have done what a policy forbids."""
        for disposition, blocked, source in self.page.evaluate("window.violations"):
            assert (disposition, blocked) == ("report", "eval")
            assert f"{BASE}/static/" in source


@contextmanager
def visit(
    lab: Lab, host: Path, module: str, root: Path, kind: type[Notebook], cells: list[str]
) -> Iterator[Visit]:
    """Start a host over the folder `root`, and open a notebook of these cells in it."""
    config = root / "config"
    config.mkdir()
    headers = {"tornado_settings": {"headers": POLICIES}}
    (config / "jupyter_server_config.json").write_text(json.dumps({"ServerApp": headers}))
    command = [str(host / "bin" / "python"), "-m", module]
    with serving(command, root, environment(host, root), BASE) as url:
        pages = Pages(lab.browser, WAIT)
        page = pages.new(1500, 1000)
        path = root / "notebook.ipynb"
        path.write_text(json.dumps(document(cells)))
        yield Visit(kind(page, url, path, pages))
        page.close()


def environment(host: Path, root: Path) -> dict[str, str]:
    """The variables of a clean machine: nothing of the tests', and only the host's commands."""
    own = {"JUPYTER_CONFIG_DIR": str(root / "config"), "JUPYTER_DATA_DIR": str(root / "data")}
    return {"PATH": str(host / "bin"), "HOME": str(root), "OMP_NUM_THREADS": "1", **own}


def keeps_a_tab(answer: Response) -> bool:
    """Whether the page has kept a layout with a widget's tab in its main area."""
    if "/api/workspaces/" not in answer.url or answer.request.method != "PUT":
        return False
    layout = json.loads(answer.request.post_data or "{}")["data"]["layout-restorer:data"]
    return "neuronwidgets:" in json.dumps(layout["main"])


def test_the_wheel_is_found_without_node(host: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [host / "bin" / "python", "-m", "jupyterlab.labextensions", "list"],
        cwd=tmp_path, env=environment(host, tmp_path), capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr)
    (line,) = [line for line in said.splitlines() if " neuronwidgets v" in line]
    assert "enabled OK" in line
    assert str(host) in said


def test_a_capture_in_jupyterlab(lab: Lab, host: Path, tmp_path: Path, shots: Path) -> None:
    with visit(lab, host, "jupyterlab", tmp_path, Notebook, [SLOW, CAPTURE]) as at:
        notebook, page = at.notebook, at.page
        notebook.run_cell(0)
        expect(at.panel).to_contain_text("holds no captures")
        listed = page.evaluate(RUN, 1)
        assert listed - float(notebook.python("print(started)")) < 1
        page.get_by_label("Stop the capture of 1").click()
        notebook.follows("capturing.cancelled", "True")
        notebook.python("go_on.set()")
        expect(at.panel).to_contain_text("stopped after 320 of 640 samples")
        # The layout is kept some time after it has changed.
        with page.expect_response(keeps_a_tab):
            page.get_by_label("Explore the capture of 1 in a tab").click()
        neurons = page.locator(".nw-lab-view .nw-explore .nw-neuron-number")
        expect(neurons).to_have_count(12)
        page.screenshot(path=shots / f"host-{host.name}-lab.png")
        page.reload()
        expect(neurons).to_have_count(12)
        expect(at.panel).to_contain_text("stopped after 320 of 640 samples")
        assert at.errors == at.thrown == []
        at.check_policies()


def test_a_widget_in_notebook_7(lab: Lab, host: Path, tmp_path: Path, shots: Path) -> None:
    with visit(lab, host, "notebook", tmp_path, Seven, [PLANTED, SHOW]) as at:
        notebook, page = at.notebook, at.page
        notebook.run_cell(0)
        expect(at.panel).to_contain_text("300 samples × 12 neurons")
        notebook.run_cell(1)
        expect(notebook.cards()).to_have_count(2)
        line = notebook.frame().get_by_role("slider", name="cut height, as a line")
        line.scroll_into_view_if_needed()
        box = line.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 400, steps=5)
        page.mouse.up()
        expect(notebook.cards()).to_have_count(1)
        notebook.follows("len(explorer.concepts)", "1")
        page.get_by_label("Open neuron 0 of layer <b>4</b> in a tab").click()
        view = page.locator(".nw-lab-view .nw-frame")
        expect(view.locator(".nw-card").first).to_be_visible()
        # Beside the notebook or below it, it has as much room.
        room, own = (page.locator(each).bounding_box() for each in ("#main-panel", ".nw-lab-view"))
        assert own["height"] >= 0.8 * room["height"] or own["width"] >= 0.8 * room["width"]
        page.screenshot(path=shots / f"host-{host.name}-notebook.png")
        # Notebook 7 throws some of its own.
        assert not [stack for stack in at.thrown if "neuronwidgets" in stack or "blob:" in stack]
        at.check_policies()
