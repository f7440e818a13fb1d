"""SplitExplorer follows a capture that still runs, stepped batch by batch."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.widgets.base.jobs import JobProgress, silently
from neuronwidgets.widgets.protocol.buffers import unpack

SOON = 30.0
"""Seconds."""


def test_opens_with_the_first_samples_and_grows(
    model: Any, running: Any, until: Any, opened: Any, grow: Any
) -> None:
    explorer = opened(model, running, 4)
    assert not running.done
    assert len(explorer.acts) == 80
    assert explorer.reading["state"] == "running"
    assert explorer.reading["total"] == 400
    first = explorer.split
    assert explorer.split.acts is explorer.acts
    grow(model, running, explorer, 4)
    assert explorer.neuron == 0
    assert explorer.top == 60
    assert explorer.split.activations.min() > first.activations.min()
    tree, about = unpack(explorer._tree)
    assert about["samples"] == 160
    assert tree["row"].tolist() == explorer.split.index.tolist()
    # The evidence is there with the tree.
    shown = {int(node) for node in explorer.concepts.nodes}
    assert shown <= set(unpack(explorer._evidence)[0]["node"].tolist())
    # A fifth more is not enough to make it anew.
    model.allow(1)
    until(lambda: explorer.reading["samples"] == 180)
    assert len(explorer.acts) == 160
    assert explorer.status["state"] == "idle"
    explorer.close()


def test_the_default_number_of_top_samples_grows_with_the_data(
    model: Any, start: Any, values: Any, opened: Any, finish: Any
) -> None:
    running = start(model, data=values(600), labels=None)
    explorer = opened(model, running, 5, top=None)
    assert explorer.top == 20
    finish(model, running, explorer)
    # 5% of the samples.
    assert explorer.top == 30
    explorer.close()


@pytest.mark.parametrize(
    ("method", "metric"),
    [("ward", None), ("ward", "euclidean"), ("average", "euclidean"), ("kmeans", None)],
)
def test_the_end_is_as_if_it_had_been_opened_there(
    model: Any, running: Any, method: str, metric: str | None, opened: Any, grow: Any, finish: Any
) -> None:
    explorer = opened(model, running, method=method, metric=metric, by="dot")
    grow(model, running, explorer, 5)
    finish(model, running, explorer)
    other = nw.SplitExplorer(running.result(), 0, top=60, method=method, metric=metric)
    assert other.wait(SOON)
    assert (explorer.by, other.by) == ("dot", "cosine")
    assert explorer.metric == other.metric == metric or metric is None
    assert explorer.acts is running.result()
    assert explorer.threshold == other.threshold == explorer.split.suggested
    for name in ("index", "Z", "vectors"):
        assert np.array_equal(getattr(explorer.split, name), getattr(other.split, name))
    mine, theirs = explorer.concepts, other.concepts
    assert mine.assignment.tolist() == theirs.assignment.tolist()
    assert mine.names == theirs.names
    assert np.array_equal(mine.vectors, theirs.vectors)
    (one, about), (two, said) = unpack(explorer._tree), unpack(other._tree)
    assert about == said
    # But for which colour is whose: it stays what it was.
    assert {k: v.tolist() for k, v in one.items() if k != "color"} == {
        k: v.tolist() for k, v in two.items() if k != "color"
    }
    ours, those = (unpack(e._evidence)[0] for e in (explorer, other))
    places = [np.argsort(e["node"]) for e in (ours, those)]
    for name in ("node", "cosine", "recurs"):
        assert np.array_equal(ours[name][places[0]], those[name][places[1]])
    for name in ("retrieved", "retrieved_label", "percentile"):
        assert np.array_equal(ours[name][:, places[0]], those[name][:, places[1]])
    for name in ("chance_size", "chance_label", "chance", "chance_high"):
        assert np.array_equal(ours[name], those[name])
    assert explorer.reading["state"] == "done"
    assert explorer.reading["text"] == "400 samples"
    assert explorer.reading["left"] is None


def test_what_a_user_chose_stays(
    model: Any, running: Any, opened: Any, grow: Any, finish: Any
) -> None:
    explorer = opened(model, running, 6)
    height = explorer.split.tree.top * 0.3
    explorer.threshold = height
    explorer.refined = True
    assert explorer.wait(SOON)
    node = explorer.concepts.nodes[0]
    before = set(map(tuple, explorer.split.places[explorer.split.tree.samples_of(node)].tolist()))
    explorer.refined = False
    explorer.rename(0, "mine")
    row = int(explorer.split.index[3])
    explorer.selection = [row, 7]
    explorer.refined = True
    color = explorer.concepts.colors[explorer.concepts.names.index("mine")]
    grow(model, running, explorer, 3)
    assert explorer.threshold == height
    assert explorer.refined
    assert explorer.concepts.refined
    assert "mine" in explorer.concepts.names
    assert explorer.concepts.colors[explorer.concepts.names.index("mine")] == color
    tree = explorer.split.tree
    (node,) = map(int, explorer.names)
    after = set(map(tuple, explorer.split.places[tree.samples_of(node)].tolist()))
    at = {place: i for i, place in enumerate(map(tuple, explorer.split.places.tolist()))}
    there = {at[place] for place in before if place in at}
    best = max(
        len(there & set(tree.samples_of(n).tolist()))
        / len(there | set(tree.samples_of(n).tolist()))
        for n in range(2 * tree.n - 1)
    )
    assert len(before & after) / len(before | after) <= best + 1e-9
    assert explorer.selection == [row, 7]
    finish(model, running, explorer)
    assert explorer.threshold == height
    assert explorer.selection == [row, 7]


def test_names_of_other_neurons_find_their_place_too(
    model: Any, running: Any, opened: Any, grow: Any, finish: Any
) -> None:
    explorer = opened(model, running)
    explorer.rename(0, "of neuron 0")
    explorer.threshold = 4.5
    explorer.neuron = 2
    untouched = explorer.threshold
    assert untouched == explorer.split.suggested
    grow(model, running, explorer, 3)
    assert explorer.neuron == 2
    assert explorer.threshold == explorer.split.suggested != untouched
    explorer.neuron = 0
    assert explorer.threshold == 4.5
    finish(model, running, explorer)
    assert list(explorer.names.values()) in ([], ["of neuron 0"])


def test_a_direction_stays_the_same(model: Any, running: Any, opened: Any, grow: Any) -> None:
    vector = np.arange(8.0) - 2
    explorer = opened(model, running, neuron=vector)
    explorer.threshold = 3.25
    direction = explorer.split.direction
    grow(model, running, explorer, 4)
    assert np.array_equal(explorer.split.direction, direction)
    assert explorer.threshold == 3.25
    assert explorer.neuron is None


def test_without_a_neuron_the_first_choice_stays(
    model: Any, running: Any, opened: Any, finish: Any
) -> None:
    explorer = opened(model, running, neuron=None)
    chosen = explorer.neuron
    finish(model, running, explorer)
    assert explorer.neuron == chosen


def test_nothing_is_made_anew_under_a_hand(
    model: Any, running: Any, until: Any, opened: Any
) -> None:
    explorer = opened(model, running)
    explorer.set_state({"_held": True, "_view_version": explorer._version})
    tree = explorer._tree
    model.allow(5)
    until(lambda: explorer.reading["samples"] == 200)
    until(lambda: not explorer._jobs.running)
    assert explorer._tree is tree
    assert len(explorer.acts) == 100
    explorer.set_state({"_held": False, "_view_version": explorer._version})
    until(lambda: len(explorer.acts) == 200)


def test_what_a_view_set_for_the_tree_before_is_carried_over(
    model: Any, running: Any, opened: Any, grow: Any
) -> None:
    explorer = opened(model, running)
    seen, node = explorer._version, int(explorer.concepts.nodes[0])
    grow(model, running, explorer, 2)
    explorer.set_state({"threshold": 4.0, "names": {str(node): "late"}, "_view_version": seen})
    assert explorer.threshold == 4.0
    assert list(explorer.names.values()) == ["late"]
    explorer.neuron = 3
    threshold = explorer.threshold
    explorer.set_state({"threshold": 9.0, "names": {str(node): "later"}, "_view_version": seen})
    assert explorer.threshold == threshold
    assert explorer.names == {}


def test_another_neuron_asked_for_meanwhile_wins(
    model: Any, running: Any, monkeypatch: pytest.MonkeyPatch, until: Any, opened: Any, finish: Any
) -> None:
    explorer = opened(model, running)
    begun, go = threading.Event(), threading.Event()
    make = explorer._session.make

    def slowly(*args: Any) -> Any:
        made = make(*args)
        if threading.current_thread().name == "neuronwidgets-job" and made.neuron == 0:
            begun.set()
            assert go.wait(SOON)
        return made

    monkeypatch.setattr(explorer._session, "make", slowly)
    model.allow(5)
    assert begun.wait(SOON)
    # Observed from before: a value is set before its observers are told.
    shown = []
    explorer.observe(lambda change: shown.append(change["new"]), "neuron")
    explorer._on_split_request({"neuron": 5, "top": 60, "method": "ward"})
    go.set()
    until(lambda: explorer.neuron == 5)
    finish(model, running, explorer)
    assert explorer.neuron == 5
    assert shown == [5]
    assert len(explorer.acts) == 400


def test_texts_are_read_token_by_token_when_the_model_is_free(
    model: Any, running: Any, opened: Any, finish: Any
) -> None:
    explorer = opened(model, running)
    assert not explorer._session.evidence.reads
    finish(model, running, explorer)
    assert explorer._session.evidence.reads


def test_a_refresh_says_nothing(model: Any, running: Any, opened: Any, grow: Any) -> None:
    steps = silently(iter([JobProgress(0.5, "words")]))
    assert callable(next(steps))
    explorer = opened(model, running)
    # What came with the opening is a job that may say what it does.
    assert explorer.wait(SOON)
    states = []
    explorer.observe(lambda change: states.append(change["new"]["state"]), "status")
    grow(model, running, explorer, 5)
    assert "running" not in states
