"""The reference is what `docs/reference/generate.py` makes of today's docstrings."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import neuronwidgets as nw

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_the_reference_is_up_to_date() -> None:
    page = runpy.run_path(str(REFERENCE / "generate.py"))["page"]()
    assert page == (REFERENCE / "api.md").read_text("utf-8"), (
        "run python docs/reference/generate.py"
    )
    for name in nw.__all__:
        assert name == "__version__" or f"\n## nw.{name}\n" in page


def test_every_kind_of_entry_is_there() -> None:
    page = (REFERENCE / "api.md").read_text("utf-8")
    assert "nw.split(acts, neuron" in page  # a function
    assert "**`cut(threshold" in page  # a method
    assert "**`threshold`**" in page  # a trait
    assert "### nw.toy.train\n" in page  # a name of a room


def test_every_entry_says_something() -> None:
    page = (REFERENCE / "api.md").read_text("utf-8")
    entries = re.split(r"\n(?=#{2,3} nw\.)", page)[1:]
    titles = {entry.split("\n", 1)[0]: entry.split("\n", 1)[1] for entry in entries}
    texts = {title: re.sub(r"```.*?```", "", text, flags=re.S) for title, text in titles.items()}
    assert [title for title, text in texts.items() if not text.strip()] == []
    assert "a list of strings" in texts["## nw.capture"]  # below its overloads
    assert "\n**`metric`**\n" not in texts["## nw.Clustering"]  # a default is no docstring
