"""Concepts on the cards of SplitExplorer are kept in a library, which `explore` shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from tests.widgets.test_browser_library import activations

WAIT = 60.0


@pytest.fixture
def explorer() -> Iterator[Any]:
    made = nw.SplitExplorer(activations(), 3)
    assert made.wait(WAIT)
    yield made
    made.close()


def keep(widget: Any, **content: Any) -> str:
    """Ask for a concept as its card does; returns the error."""
    widget._on_view_message(widget, {"type": "concept.keep", **content}, [])
    assert widget.wait(WAIT)
    return str(widget.status["text"])


def test_a_card_keeps_its_concept_as_it_is_on_the_screen(explorer: Any) -> None:
    assert explorer.library is None
    sizes = explorer.concepts.sizes.tolist()
    assert keep(explorer, concept=1, size=sizes[1], name="mine") == ""
    (entry,) = explorer.library
    np.testing.assert_allclose(entry.vector, explorer.concepts.vectors[1], rtol=1e-6)
    shown = {"layer": "body", "neuron": 3, "samples": sizes[1]}
    assert explorer._library == [{"name": "mine", **shown}]
    # Under another name it is the same concept.
    assert keep(explorer, concept=1, size=sizes[1], name="other") == ""
    assert explorer._library == [{"name": "other", **shown}]


def test_the_concepts_are_those_of_the_present_cut(explorer: Any) -> None:
    explorer.threshold = explorer.split.tree.top * 2
    assert len(explorer.concepts) == 1
    before = nw.split(activations(), 3).cut().sizes.tolist()
    error = keep(explorer, concept=1, size=before[1], name="")
    assert error.startswith("neuron 3 has other concepts now")
    assert explorer._library == []
    assert keep(explorer, concept=0, size=explorer.top, name="") == ""
    assert [entry.name for entry in explorer.library] == list(explorer.concepts.names)


def test_a_library_of_the_users_and_code_that_has_it() -> None:
    library = nw.Library().pin(nw.split(activations(), 0).cut(), 0)
    explorer = nw.SplitExplorer(activations(), 3, library=library)
    assert explorer.library is library
    assert len(explorer._library) == 1
    assert "library=library" in explorer._given
    explorer.close()
    with pytest.raises(TypeError, match="library must be a Library"):
        nw.SplitExplorer(activations(), 3, library=[])


def test_the_browser_and_the_cards_of_explore_add_to_one_library() -> None:
    explorer = nw.explore(activations(), neuron=3)
    assert explorer.wait(WAIT)
    assert explorer.library is None
    sizes = explorer.split.concepts.sizes.tolist()
    assert keep(explorer.split, concept=0, size=sizes[0], name="by card") == ""
    browser = explorer.browser
    assert browser.wait(WAIT)
    assert browser.library is explorer.split.library is explorer.library
    wanted = {"type": "library.pin", "neuron": 3, "concept": 1, "size": sizes[1], "name": "below"}
    browser._on_view_message(browser, wanted, [])
    assert browser.wait(WAIT)
    assert [entry["name"] for entry in explorer.split._library] == ["by card", "below"]
    assert browser._library == explorer.split._library
    explorer.library = None
    assert browser._library == explorer.split._library == []
    explorer.close()
