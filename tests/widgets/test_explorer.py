"""SplitExplorer's Python side, without a browser."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import traitlets as t

import neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
from neuronwidgets.widgets.base.jobs import JobProgress
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.split_explorer.retrieved import READINGS

MESSAGES = ("_tree", "_evidence", "_refinement")


def activations(**more: Any) -> nw.Activations:
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], 40)
    values = rng.normal(0, 0.3, (120, 8)).astype("f4")
    values[np.arange(120), 1 + kind] += 4
    values[:, 0] += np.where(kind < 2, 5, 0)
    labels = np.array(["a", "b", "c"])[kind]
    return nw.Activations.from_arrays(values, labels=labels, layer="deep", **more)


@pytest.fixture
def explorer() -> Any:
    made = nw.SplitExplorer(activations(), neuron=0, top=100)
    assert made.wait(30)
    yield made
    made.close()


def test_opens_at_the_suggested_cut(explorer: Any) -> None:
    assert explorer.neuron == 0
    assert explorer.top == 100
    assert explorer.threshold == explorer.split.suggested
    assert explorer.split.metric == explorer.metric == "cosine"
    concepts = nw.split(explorer.acts, 0, 100).cut()
    assert len(explorer.concepts) == len(concepts)
    assert explorer.concepts.assignment.tolist() == concepts.assignment.tolist()
    assert "neuron 0" in repr(explorer)
    assert explorer.status["state"] == "idle"


def test_every_possible_concept_is_looked_up_ahead(explorer: Any) -> None:
    found, _ = unpack(explorer._evidence)
    tree = explorer.split.tree
    possible = np.flatnonzero(tree.size >= explorer.split.min_size)
    assert sorted(found["node"].tolist()) == possible.tolist()
    for threshold in np.linspace(0, tree.top, 9):
        concepts = explorer.split.cut(threshold)
        places = [found["node"].tolist().index(node) for node in concepts.nodes]
        for reading, by in enumerate(READINGS):
            rows = concepts.retrieve(k=20, by=by)
            assert found["retrieved"][reading, places].tolist() == rows.tolist()
            labels = explorer.acts.labels[rows]
            assert found["retrieved_label"][reading, places].tolist() == labels.tolist()


def test_plain_arrays_will_do_and_directions_too() -> None:
    values = activations().values
    assert nw.SplitExplorer(values).neuron == 0
    direction = values[0] - values[100]
    explorer = nw.SplitExplorer(values, neuron=direction, top=50)
    assert explorer.neuron is None
    assert explorer.top == 50
    assert explorer.concepts.neuron is None
    explorer.top = 60
    assert len(explorer.split.index) == 60
    np.testing.assert_allclose(explorer.split.direction, direction / np.linalg.norm(direction))


def test_opens_on_a_mixed_neuron_that_fires_often() -> None:
    values = np.abs(activations().values)
    values[:, 7] = 0
    values[3, 7] = 50  # mixed, but for one sample only
    labels = activations().labels
    assert nw.SplitExplorer(nw.Activations.from_arrays(values, labels=labels)).neuron == 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("neuron", 8, "8 neurons: 0 to 7"),
        ("neuron", -1, "0 to 7"),
        ("top", 121, "120 samples"),
        ("top", 1, "at least 2"),
        ("top", 0, "a positive integer"),
        ("method", "warp", "'ward'"),
        ("metric", "warp", "'warp' does not go with method='ward', which takes 'euclidean' or"),
        ("by", "euclidean", r"'by' trait .* any of \['cosine', 'dot'\], not the str 'euclidean'"),
        ("by", None, r"any of \['cosine', 'dot'\]"),
        ("threshold", -1.0, "0 to"),
        ("threshold", float("nan"), "0 to"),
        ("threshold", float("inf"), "0 to"),
        ("selection", [120], "0 to 119"),
        ("names", {"x": "y"}, "tree nodes"),
        ("names", {"999": "y"}, "tree nodes"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    explorer: Any, name: str, value: object, words: str
) -> None:
    before = {trait: getattr(explorer, trait) for trait in explorer.trait_names()}
    with pytest.raises((ValueError, IndexError, t.TraitError), match=words):
        setattr(explorer, name, value)
    assert {trait: getattr(explorer, trait) for trait in before} == before
    assert len(explorer.concepts) >= 1


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="treshold"):
        nw.SplitExplorer(activations(), treshold=3)


def test_numpy_numbers_are_numbers(explorer: Any) -> None:
    explorer.neuron = np.int64(3)
    explorer.threshold = np.float32(2.5)
    explorer.top = np.int32(30)
    assert (explorer.neuron, explorer.top) == (3, 30)


def test_threshold_and_names_come_back_with_the_neuron(explorer: Any) -> None:
    explorer.threshold = 3.25
    explorer.rename(0, "mine")
    explorer.neuron = 2
    assert explorer.names == {}
    assert explorer.threshold == explorer.split.suggested
    explorer.neuron = 0
    assert explorer.threshold == 3.25
    assert "mine" in explorer.concepts.names


def test_rename_moves_one_name_and_takes_it_back(explorer: Any) -> None:
    explorer.rename(1, "first")
    explorer.rename(1, "second")
    assert list(explorer.names.values()) == ["second"]
    explorer.threshold = explorer.split.tree.top
    assert explorer.concepts.names == ("second",)
    explorer.rename(0, "  ")
    assert explorer.names == {}
    with pytest.raises(IndexError, match="concept 9"):
        explorer.rename(9, "x")


def test_refined_concepts(explorer: Any) -> None:
    explorer.refined = True
    assert explorer.wait(30)
    assert explorer.concepts.refined
    refinement, about = unpack(explorer._refinement)
    assert about["threshold"] == explorer.threshold
    assert refinement["concept"].tolist() == explorer.concepts.assignment.tolist()
    moved, left = explorer.concepts.reassigned, explorer.concepts.outlier
    assert (refinement["mark"] == 1).tolist() == moved.tolist()
    assert (refinement["mark"] == 2).tolist() == left.tolist()
    for rows, by in zip(refinement["retrieved"], READINGS, strict=True):
        np.testing.assert_array_equal(rows, explorer.concepts.retrieve(k=20, by=by))


def test_without_observers_and_on_hold_the_concepts_are_those_of_the_traits(explorer: Any) -> None:
    with explorer.hold_trait_notifications():
        explorer.threshold = explorer.split.tree.top
        assert len(explorer.concepts) == 1
    explorer.unobserve_all("threshold")
    explorer.threshold = explorer.split.suggested
    assert len(explorer.concepts) > 1
    explorer.refined = True
    assert explorer.wait(30)
    assert explorer.concepts.refined
    assert unpack(explorer._refinement)[1]["threshold"] == explorer.threshold


def test_a_view_asks_and_is_answered_in_traits_or_in_words(explorer: Any) -> None:
    def ask(**wanted: object) -> None:
        explorer._on_view_message(explorer, {"type": "split.request", **wanted}, [])
        assert explorer.wait(30)

    ask(neuron=5, top=40, method="average")
    assert (explorer.neuron, explorer.top, explorer.method) == (5, 40, "average")
    assert explorer.split.metric == "cosine"
    for wanted, words in [
        ({"neuron": 99, "top": 40, "method": "ward"}, "0 to 7"),
        ({"neuron": 1.5, "top": 40, "method": "ward"}, "whole number"),
        ({"neuron": 1, "top": 4000, "method": "ward"}, "got 4,000"),
        ({"neuron": 1, "top": None, "method": "ward"}, "top must be a positive integer, got None"),
        ({"neuron": 1, "top": 40, "method": "warp"}, "'ward'"),
    ]:
        ask(**wanted)
        assert explorer.status["state"] == "error"
        assert words in explorer.status["text"]
        assert (explorer.neuron, explorer.top, explorer.method) == (5, 40, "average")
    ask(neuron=1, top=50, method="ward")
    assert explorer.status["state"] == "idle"
    explorer._on_view_message(explorer, "nonsense", [])
    explorer._on_view_message(explorer, {"type": "no.such"}, [])


def test_closing_ends_the_job() -> None:
    begun, go = threading.Event(), threading.Event()

    def tokens(rows: Any, direction: object) -> list[np.ndarray]:
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            go.wait(20)
        return [np.ones(1, np.float32) for _ in rows]

    made = activations()
    texts = Samples(120, texts=["ab"] * 120, spans=[np.array([[0, 2]], np.int32)] * 120)
    explorer = nw.SplitExplorer(
        nw.Activations("t", made.values, texts, pooling="max", tokens=tokens), neuron=0
    )
    explorer._on_split_request({"neuron": 1, "top": 50, "method": "ward"})
    assert begun.wait(20)
    thread = explorer._jobs._thread
    explorer.close()
    go.set()
    thread.join(20)
    assert not thread.is_alive()


def test_a_drag_does_not_stop_another_neuron_from_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = nw.SplitExplorer(activations(), neuron=0)
    explorer.refined = True
    assert explorer.wait(30)
    begun, go = threading.Event(), threading.Event()
    make = explorer._session.make

    def slow(*wanted: Any) -> Any:
        begun.set()
        go.wait(20)
        return make(*wanted)

    monkeypatch.setattr(explorer._session, "make", slow)
    explorer._on_split_request({"neuron": 2, "top": 60, "method": "ward"})
    assert begun.wait(20)
    explorer.threshold = 2.0
    go.set()
    assert explorer.wait(30)
    assert (explorer.neuron, explorer.top) == (2, 60)
    assert explorer.status["state"] == "idle"


def test_an_error_stays_until_something_newer_was_tried(explorer: Any) -> None:
    explorer._on_view_message(explorer, {"type": "split.request", "neuron": 99, "top": 9}, [])
    assert explorer.wait(30)
    assert explorer.status["state"] == "error"
    explorer.cancel()
    assert explorer.status["state"] == "error"
    explorer.threshold = 2.0
    assert explorer.wait(30)
    assert explorer.status["state"] == "idle"
    explorer._on_view_message(explorer, {"type": "split.request", "neuron": 99, "top": 9}, [])
    assert explorer.wait(30)
    explorer.neuron = 4
    assert explorer.status["state"] != "error"


def test_an_observer_sees_all_of_a_new_split(explorer: Any) -> None:
    explorer.threshold = explorer.split.tree.top
    explorer.rename(0, "all")
    seen: list[Any] = []
    explorer.observe(
        lambda _: seen.append((explorer.top, explorer.threshold, len(explorer.concepts.index))),
        "neuron",
    )
    explorer._on_split_request({"neuron": 3, "top": 50, "method": "ward"})
    assert explorer.wait(30)
    assert seen == [(50, explorer.split.suggested, 50)]
    assert explorer.names == {}


def test_what_a_view_set_for_another_tree_is_dropped(explorer: Any) -> None:
    old = explorer._version
    explorer.neuron = 5
    threshold = explorer.threshold
    explorer.set_state({"threshold": 99.0, "names": {"3": "late"}, "_view_version": old})
    assert (explorer.threshold, explorer.names) == (threshold, {})
    explorer.set_state({"threshold": 1.5, "_view_version": explorer._version})
    assert explorer.threshold == 1.5
    explorer.set_state({"threshold": 1.25})
    assert explorer.threshold == 1.25


def test_cancel_between_the_last_step_and_the_screen(
    explorer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = explorer._session.picture

    def packed(*made: Any) -> Any:
        out = picture(*made)
        explorer.cancel()
        return out

    monkeypatch.setattr(explorer._session, "picture", packed)
    explorer._on_split_request({"neuron": 3, "top": 50, "method": "ward"})
    assert explorer.wait(30)
    assert (explorer.neuron, explorer.top) == (0, 100)
    assert explorer.status["state"] == "idle"


def test_an_error_stays_while_a_job_that_ran_already_goes_on(explorer: Any) -> None:
    started, further = threading.Event(), threading.Event()

    def work(text: str) -> Any:
        yield JobProgress(0.1, text)
        started.set()
        assert further.wait(30)
        yield JobProgress(0.9, text)

    explorer._start(work("measuring"))
    assert started.wait(30)
    assert explorer.status["text"] == "measuring"
    explorer._fail(IndexError("neuron 99 is not in layer 'deep'"))
    seen: list[str] = []
    explorer.observe(lambda change: seen.append(change["new"]["text"]), "status")
    further.set()
    assert explorer.wait(30)
    assert explorer.status["text"] == "neuron 99 is not in layer 'deep'"
    assert seen == []
    # Something newer says what it does again.
    explorer._start(work("clustering"))
    assert explorer.wait(30)
    assert seen == ["clustering", "clustering", ""]


def kinds(explorer: Any) -> set[str]:
    return {kind for one in explorer._suggestions for kind in one["best"]}


def test_suggestions_that_take_time_come_after_the_first_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from neuronwidgets.widgets.split_explorer import assessment as _assessment

    compare, free = _assessment.suggesting, threading.Event()

    def slow(split: nw.Split, *kinds: Any) -> Any:
        yield 0.0
        assert free.wait(30)
        return (yield from compare(split, *kinds))

    monkeypatch.setattr(_assessment, "suggesting", slow)
    explorer = nw.SplitExplorer(activations(), neuron=0, top=100)
    assert kinds(explorer) == {"compact", "gap"}
    # Neither the cards nor a drag wait for them.
    assert unpack(explorer._evidence)[0]["node"].size > 0
    explorer.threshold = 1.5
    assert explorer.concepts.threshold == 1.5
    free.set()
    assert explorer.wait(30)
    assert kinds(explorer) == {"compact", "gap", "stable"}
    for shown, one in zip(explorer._suggestions, explorer.split.suggest(), strict=True):
        assert (shown["threshold"], shown["concepts"]) == (one.threshold, one.concepts)
        assert "; ".join(shown["reasons"]) == one.reason
        assert set(shown["best"]) <= set(one.kinds)
    explorer.close()


def test_suggestions_are_those_of_the_neuron_on_the_screen(explorer: Any) -> None:
    before = explorer._suggestions
    explorer.neuron = 2
    assert explorer._suggestions != before
    explorer.neuron = 0
    assert explorer.wait(30)
    assert explorer._suggestions == before
