"""A widget as a page of its own: one file, which nothing in it can break out of."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.widgets.base.front_end import STATIC
from neuronwidgets.widgets.base.page import page

FRONT = "var shown = 1;\nexport { shown as default };\n"


class Scripts(HTMLParser):
    """The scripts of a page, as a browser would cut them out."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        if tag == "script":
            self._inside = True
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data


def test_a_page_runs_without_what_servers_forbid(tmp_path: Path) -> None:
    made = nw.SplitExplorer(np.random.default_rng(0).random((200, 8)), 1)
    text = made.to_html(tmp_path / "a").read_text("utf-8")
    _, _, front, start = Scripts(text).found
    for word in ("createObjectURL", "import(", "eval(", "new Function", "http:", "cdn"):
        assert word not in start
    for word in ("createObjectURL", "import(", "eval(", "new Function", "export {"):
        assert word not in front
    assert "globalThis.neuronwidgets = " in front


def test_without_scripts_a_page_says_what_it_is_and_why() -> None:
    text = page({}, FRONT, "", "SplitExplorer(<neuron> 3)")
    body = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.S)
    assert "SplitExplorer(&lt;neuron&gt; 3)" in body
    assert "Content-Security-Policy" in body
    assert "<noscript>" in body


@pytest.mark.parametrize("nasty", ["</script><b>", "<!--<script>", "</SCRIPT >", "{0}", "\\1"])
def test_nothing_breaks_out_of_a_page(nasty: str) -> None:
    text = page({"name": nasty}, f"var shown = '{nasty}';\nexport {{ shown as default }};\n",
                f"/*{nasty}*/", nasty)  # fmt: skip
    parts = Scripts(text).found
    assert len(parts) == 4
    assert parts[3].endswith("throw error;\n}\n")
    assert parts[2].strip().endswith("globalThis.neuronwidgets = shown;")


@pytest.mark.parametrize(
    "name",
    [
        "split-explorer",
        "range-explorer",
        "toy-lab",
        "live-probe",
        "neuron-browser",
        "intruder-test",
    ],
)
def test_what_is_built_ends_as_a_page_needs_it(name: str) -> None:
    page({}, (STATIC / f"{name}.js").read_text("utf-8"), "", "")
    with pytest.raises(ValueError, match="rebuild it"):
        page({}, "export default 1;\nvar x = 2;", "", "")
