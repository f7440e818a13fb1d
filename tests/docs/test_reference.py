"""The reference is what `docs/reference/generate.py` makes of today's docstrings."""

from __future__ import annotations

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
