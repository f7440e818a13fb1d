"""NeuronBrowser without a browser: traits, requests, and a capture that still runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import traitlets as t

import neuronwidgets as nw
from neuronwidgets.widgets.base.pace import Pace
from neuronwidgets.widgets.neuron_browser.batches import Batches
from neuronwidgets.widgets.protocol.buffers import unpack

WAIT = 60.0
NAMES = ["bag", "boot", "hat"]


def values(count: int = 120) -> np.ndarray:
    rng = np.random.default_rng(0)
    made = rng.normal(size=(count, 8)).astype("f4")
    made[np.arange(count), np.arange(count) % 3] += 4
    return made


def activations() -> nw.Activations:
    texts = [f"a {NAMES[i % 3]} of mine" for i in range(120)]
    return nw.Activations.from_arrays(values(), texts, NAMES * 40, layer="body")


@pytest.fixture
def browser() -> Iterator[Any]:
    made = nw.NeuronBrowser(activations())
    assert made.wait(WAIT)
    yield made
    made.close()


def ask(browser: Any, request: str, **content: Any) -> str:
    """Send a request, wait for what it starts, and return the error."""
    browser._on_view_message(browser, {"type": request, **content}, [])
    assert browser.wait(WAIT)
    return str(browser.status["text"])


def test_the_frame_has_all_neurons(browser: Any) -> None:
    frame = browser.to_frame()
    split = nw.split_layer(activations(), progress=False)
    assert frame.neuron.tolist() == list(range(8))
    assert frame.concepts.tolist() == split.counts.tolist()
    assert frame.names[3] == split.names(3)
    assert frame.top[2] == tuple(activations().top(2, 5))
    np.testing.assert_allclose(frame["kurtosis"], split.scores["kurtosis"], rtol=1e-6)
    for name in ("polysemanticity", "geometry_p"):
        np.testing.assert_allclose(frame[name], split.scores[name], rtol=1e-5)
    assert repr(browser) == "NeuronBrowser(8 neurons of layer 'body', 8 split)"


def test_scores_can_be_chosen() -> None:
    made = nw.NeuronBrowser(activations(), scores=["polysemanticity"], draws=3)
    assert made.wait(WAIT)
    assert {"polysemanticity", "geometry_p"} <= set(made.to_frame())
    made.sorting = {"column": "geometry_p", "descending": False}
    made.close()


@patch.dict(nw.SCORES)  # restores their order, too
def test_a_score_that_was_taken_out_of_the_registry_is_no_column() -> None:
    del nw.SCORES["polysemanticity"]
    made = nw.NeuronBrowser(activations())
    assert made.wait(WAIT)
    assert "polysemanticity" not in made.to_frame()
    assert "kurtosis" in made.to_frame()
    made.close()


def test_rows_in_view_must_be_neurons(browser: Any) -> None:
    assert ask(browser, "rows.request", neurons=[3, 1, 3]) == ""
    assert browser._session.peaks.seen == [3, 1]
    assert "got 9" in ask(browser, "rows.request", neurons=[9])
    browser.neurons, browser.pinned = [5], [2]
    assert browser._session.wanted == [5, 2]


def test_before_a_neuron_is_split_its_concepts_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()
    real = nw.split_layer

    def held(acts: Any, neurons: Any, **options: Any) -> Any:
        if len(neurons) > 1:
            assert gate.wait(WAIT)
        return real(acts, neurons=neurons, **options)

    monkeypatch.setattr("neuronwidgets.widgets.neuron_browser.session.split_layer", held)
    made = nw.NeuronBrowser(activations())
    assert made.to_frame().concepts.isna().all()
    assert made.to_frame().largest.notna().all()
    made._on_view_message(made, {"type": "job.cancel"}, [])
    gate.set()
    assert made.wait(WAIT)
    # A search does not go on with what was stopped.
    made.search("name", "boot")
    assert ask(made, "search.request", kind="name", text="boot") == ""
    assert made.to_frame().concepts.isna().all()
    made.resume()
    assert made.wait(WAIT)
    assert made.to_frame().concepts.notna().all()
    made.close()


def test_selected_is_the_selection_or_the_pinned(browser: Any) -> None:
    browser.pin(5, 2)
    browser.pin(np.int64(5))
    browser.notes = {"2": "boots?", "3": " "}
    assert browser.pinned == [5, 2]
    assert browser.notes == {"2": "boots?"}
    assert browser.selected.neuron.tolist() == [5, 2]
    assert browser.selected.note.tolist() == ["", "boots?"]
    browser.neurons = [7, 1]
    assert browser.selected.neuron.tolist() == [7, 1]
    assert browser.selected.pinned.tolist() == [False, False]
    browser.unpin(5, 6)
    assert browser.pinned == [2]


def test_search_by_python(browser: Any) -> None:
    frame = browser.search("name", "boot")
    assert frame.neuron[0] == 1
    assert frame.match[0] == nw.contrast(activations(), "boot").auroc[1]
    assert browser.contrast.auroc[1] == frame.match[0]
    assert browser.sorting == {"column": "match", "descending": True}
    assert browser.searched == {"kind": "name", "text": "boot", "these": [], "those": []}
    frame = browser.search("samples", these=np.array([2, 5]))
    assert frame.neuron[0] == 2
    assert browser.contrast is None
    browser.clear_search()
    assert "match" not in browser.to_frame()
    assert browser.sorting == {"column": "neuron", "descending": False}


def test_search_by_a_view_and_by_the_trait(browser: Any) -> None:
    assert ask(browser, "search.request", kind="contrast", text="", these=[0], those=[1]) == ""
    assert browser.contrast.auroc[0] == 1
    browser.searched = {"kind": "name", "text": "hat"}
    assert browser.wait(WAIT)
    assert browser.searched == {"kind": "name", "text": "hat", "these": [], "those": []}
    assert unpack(browser._match)[1]["title"] == "hat"
    before = browser._match
    for wanted, words in (
        ({"kind": "nam"}, "Nearest: 'name'"),
        ({"kind": "samples", "these": []}, "these must hold at least one sample"),
        ({"kind": "samples", "these": [120]}, "rows of the activations, 0 to 119; got 120"),
        ({"kind": "text", "text": "x"}, "pass model="),
        ({"kind": "contrast", "these": [1], "those": [1]}, "no sample in common"),
    ):
        assert words in ask(browser, "search.request", **wanted)
        assert browser._match == before
    assert ask(browser, "search.clear") == ""
    assert browser.searched == {}
    assert browser._match == b""


def test_previews(browser: Any) -> None:
    assert ask(browser, "previews.request", samples=[7, 3]) == ""
    arrays, meta = unpack(browser._previews)
    assert arrays["face"].tolist() == [7, 3]
    assert meta["segments"] == [["a boot of mine"], ["a bag of mine"]]
    assert "at most 512, got 600" in ask(browser, "previews.request", samples=[1] * 600)
    assert "got 120" in ask(browser, "previews.request", samples=[120])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "neuron",
            8,
            "neuron must be of the 8 neurons of layer 'body' in the table, 0 to 7; got 8",
        ),
        ("neurons", [1, -1], "neurons must be .* got -1"),
        ("pinned", [9], "pinned must be .* got 9"),
        ("selection", [120], "selection must be rows of the activations, 0 to 119; got 120"),
        ("notes", {"a": "x"}, "notes must have neurons as keys, such as '3'; got 'a'"),
        ("notes", {"8": "x"}, "notes must be .* got 8"),
        ("threshold", -0.5, "or -1 for each tree's own cut; got -0.5"),
        ("threshold", float("nan"), "got nan"),
        ("sorting", {"column": "kurtosi", "descending": True}, "Nearest: 'kurtosis'"),
        ("sorting", {"column": "neuron"}, "sorting must be"),
        ("filters", {"kurtosi": [0, 1]}, "Nearest: 'kurtosis'"),
        ("filters", {"kurtosis": [2, 1]}, "the filter of 'kurtosis' must be"),
        ("filters", {"kurtosis": [1]}, "the filter of 'kurtosis' must be"),
        ("searched", {"kind": "x"}, "the search's kind must be one of"),
    ],
)
def test_traits_that_are_refused(browser: Any, name: str, value: Any, words: str) -> None:
    before = getattr(browser, name)
    with pytest.raises(t.TraitError, match=words):
        setattr(browser, name, value)
    assert getattr(browser, name) == before


def test_traits_that_are_taken(browser: Any) -> None:
    browser.filters = {"kurtosis": (None, np.inf), "concepts": [2, None], "match": [0.5, 1]}
    assert browser.filters == {"kurtosis": [None, None], "concepts": [2, None], "match": [0.5, 1]}
    browser.neurons = [3, 3, np.int64(1)]
    assert browser.neurons == [3, 1]
    browser.neuron, browser.threshold = None, 0
    browser.threshold = -1
    assert browser.threshold == -1


def test_a_layer_split_is_shown_as_it_is(tmp_path: Path) -> None:
    acts = activations()
    split = nw.split_layer(acts, draws=3, progress=False)
    made = nw.NeuronBrowser(split, 3)
    assert made.wait(WAIT)
    assert made.layer_split is split
    assert made.neuron == 3
    assert made.sorting == {"column": "polysemanticity", "descending": True}
    frame = made.to_frame()
    np.testing.assert_allclose(frame.polysemanticity, split.scores["polysemanticity"], rtol=1e-6)
    made.close()
    split.save(tmp_path / "a")
    with pytest.raises(ValueError, match=r"LayerSplit\.load\(folder, acts\)"):
        nw.NeuronBrowser(nw.LayerSplit.load(tmp_path / "a"))
    with pytest.raises(ValueError, match="top= is given with a layer split"):
        nw.NeuronBrowser(split, top=9)
    directions = nw.split_layer(acts, neurons=np.eye(8)[:2], scores=(), progress=False)
    with pytest.raises(ValueError, match="is of directions"):
        nw.NeuronBrowser(directions)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"top": 2.5}, ValueError, "top must be a positive integer, got 2.5"),
        ({"top": 500}, ValueError, "top must be at most 120"),
        ({"method": "war"}, ValueError, "Nearest: 'ward'"),
        ({"scores": ["x"]}, ValueError, "score must be one of"),
        ({"layer": "x"}, ValueError, "leave it out"),
        ({"neuron": 8}, t.TraitError, "neuron must be of the 8 neurons"),
    ],
)
def test_arguments_that_are_refused(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        nw.NeuronBrowser(activations(), **options)


def test_a_dead_layer_opens_and_says_so() -> None:
    made = nw.NeuronBrowser(np.zeros((30, 4)))
    assert made.wait(WAIT)
    assert made.status["state"] == "error"
    assert "is constant on all 30 samples" in made.status["text"]
    assert len(made.to_frame()) == 4
    made.close()


def test_a_browser_that_left_the_page_goes_on_when_it_is_back() -> None:
    made = nw.NeuronBrowser(np.random.default_rng(0).normal(size=(200, 300)))
    made._leave()
    assert made.wait(WAIT)
    assert len(made._session.forest) < 300
    made.open()
    made._go_on()
    assert made.wait(WAIT)
    assert len(made._session.forest) == 300
    made.close()


def test_a_page_holds_everything(browser: Any, tmp_path: Path) -> None:
    page = browser.to_html(tmp_path / "a").read_text("utf-8")
    assert "NeuronBrowser(8 neurons of layer &#x27;body&#x27;, 8 split)" in page


# A running capture


def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    end, pause = time.monotonic() + WAIT, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it does not come"
        pause.wait(0.005)


def test_a_running_capture(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Pace(stay=0.0, tick=0.01, rest=0.02)
    monkeypatch.setattr(nw.NeuronBrowser, "_pace", pace)
    running = nw.capture(model, values(), "body", batch_size=20, background=True, labels=NAMES * 40)
    model.allow(2)
    assert running.wait(40, WAIT)
    made = nw.NeuronBrowser(running, model=model)
    made.selection, made.pinned = [7], [2]
    until(lambda: unpack(made._table)[1]["samples"] == 40)
    frame = made.search("samples", these=[1])
    assert frame.neuron[0] == 1
    with pytest.raises(ValueError, match="the model is in use until the capture has ended"):
        made.search("text", "x")
    model.allow(2)
    until(lambda: unpack(made._table)[1]["samples"] == 80)
    assert made._trees == made._map == b""
    assert len(made.acts) == 80
    model.allow(2)
    until(lambda: unpack(made._table)[1]["samples"] == 120)
    until(lambda: made._trees)
    assert made.wait(WAIT)
    assert unpack(made._table)[1]["split"] == 8
    assert (made.selection, made.pinned) == ([7], [2])
    assert made.searched["these"] == [1]
    expected = (values()[1] - values().mean(0)) / values().std(0)
    np.testing.assert_allclose(unpack(made._match)[0]["value"], expected, rtol=1e-4)
    assert made.reading["state"] == "done"
    made.close()


def test_a_closed_browser_works_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nw.NeuronBrowser, "_batches", Batches(neurons=1))
    made = nw.NeuronBrowser(np.random.default_rng(0).normal(size=(200, 300)))
    made.close()
    assert made.wait(WAIT)
    assert len(made._session.forest) < 300
