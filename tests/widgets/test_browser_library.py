"""A concept on the screen of NeuronBrowser is added to a library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw

WAIT = 60.0


def activations() -> nw.Activations:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(120, 6)).astype("f4")
    values[np.arange(120), np.arange(120) % 3] += 4
    values[:, 3] += 5 * (np.arange(120) % 3 < 2)
    texts = [f"text {i}" for i in range(120)]
    return nw.Activations.from_arrays(values, texts, layer="body")


@pytest.fixture
def browser() -> Iterator[Any]:
    made = nw.NeuronBrowser(activations(), scores=())
    assert made.wait(WAIT)
    yield made
    made.close()


def pin(browser: Any, **content: Any) -> str:
    """Ask for a concept as a view does; returns the error."""
    browser._on_view_message(browser, {"type": "library.pin", **content}, [])
    assert browser.wait(WAIT)
    return str(browser.status["text"])


def cut_of(neuron: int, height: float | None = None) -> nw.Concepts:
    made = nw.split(activations(), neuron)
    return made.cut() if height is None else made.cut(height)


def test_the_first_concept_makes_a_library(browser: Any) -> None:
    assert browser.library is None
    cut = cut_of(3)
    size = int(cut.sizes[1])
    assert pin(browser, neuron=3, concept=1, size=size, name=" mine ") == ""
    (entry,) = browser.library
    assert (entry.name, entry.neuron, entry.layer) == ("mine", 3, "body")
    np.testing.assert_allclose(entry.vector, cut.vectors[1], rtol=1e-5)
    assert browser._library == [{"name": "mine", "layer": "body", "neuron": 3, "samples": size}]
    # The same again has its own name; it is one concept.
    assert pin(browser, neuron=3, concept=1, size=size, name="") == ""
    assert [entry.name for entry in browser.library] == [cut.names[1]]


def test_a_common_height_cuts_as_the_view_does(browser: Any) -> None:
    browser.threshold = 2.0
    cut = cut_of(4, 2.0)
    assert len(cut) > 1
    for number, size in enumerate(cut.sizes.tolist()):
        assert pin(browser, neuron=4, concept=number, size=size, name=f"c{number}") == ""
    kept = [entry.vector for entry in browser.library]
    np.testing.assert_allclose(kept, cut.vectors, rtol=1e-5)


def test_another_metric_has_a_scale_of_shares() -> None:
    browser = nw.NeuronBrowser(activations(), metric="euclidean", scores=(), threshold=0.5)
    assert browser.wait(WAIT)
    made = nw.split(activations(), 4, metric="euclidean")
    cut = made.cut(0.5 * made.tree.top)
    assert pin(browser, neuron=4, concept=0, size=int(cut.sizes[0]), name="x") == ""
    np.testing.assert_allclose(browser.library[0].vector, cut.vectors[0], rtol=1e-5)
    browser.close()


def test_a_concept_of_a_split_layer_and_a_library_of_the_users() -> None:
    acts, library = activations(), nw.Library()
    library.pin(nw.split(acts, 0).cut(), 0)
    layer = nw.split_layer(acts, scores=(), progress=False)
    browser = nw.NeuronBrowser(layer, library=library)
    assert browser.wait(WAIT)
    assert len(browser._library) == 1
    own = layer.concepts(2)
    assert pin(browser, neuron=2, concept=0, size=int(own.sizes[0]), name="two") == ""
    assert browser.library is library
    assert [entry.name for entry in library][1] == "two"
    browser.library = None
    assert browser._library == []
    browser.close()


def test_what_is_not_on_the_screen_is_refused(browser: Any) -> None:
    size = int(cut_of(3).sizes[0])
    assert "has other concepts now" in pin(browser, neuron=3, concept=0, size=size + 1, name="")
    assert "has other concepts now" in pin(browser, neuron=3, concept=99, size=size, name="")
    assert "got -1" in pin(browser, neuron=3, concept=-1, size=size, name="")
    assert "got 9" in pin(browser, neuron=9, concept=0, size=size, name="")
    assert len(browser.library or ()) == 0
    with pytest.raises(TypeError, match="library must be a Library"):
        nw.NeuronBrowser(activations(), library=[])  # type: ignore[arg-type]


def test_explore_takes_a_library() -> None:
    library = nw.Library()
    explorer = nw.explore(activations(), library=library)
    assert explorer.browser.library is library
    assert explorer._given == "acts, library=library"
    explorer.close()
