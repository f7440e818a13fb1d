"""SplitExplorer on a capture that still runs, stepped batch by batch."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import neuronwidgets as nw
from neuronwidgets.widgets.base import feed as _feed
from neuronwidgets.widgets.base.jobs import Progress, silently
from neuronwidgets.widgets.base.pace import Pace
from neuronwidgets.widgets.protocol.buffers import unpack

SOON = 30.0
BATCH = 20


def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    end, pause = time.monotonic() + SOON, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it does not come"
        pause.wait(0.005)


def values(count: int = 400) -> np.ndarray:
    """Three kinds of samples that all fire neuron 0, each batch stronger than those before."""
    rng = np.random.default_rng(0)
    kind = np.arange(count) % 3
    made = rng.normal(0, 0.3, (count, 8)).astype("f4")
    made[np.arange(count), 1 + kind] += 6
    made[:, 0] = 5 + rng.uniform(0, 1, count) + np.arange(count) // 100
    return made


LABELS = ["a", "b", "c"] * 133 + ["a"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nw.SplitExplorer, "_pace", Pace(stay=0.0, tick=0.01, rest=0.02))


@pytest.fixture
def running(model: Any) -> Iterator[Any]:
    made = start(model)
    yield made
    made.cancel()
    model.allow(1000)
    made.wait(timeout=SOON)


def start(model: nn.Module, layer: Any = "body", data: Any = None, **options: Any) -> Any:
    options = {"labels": LABELS, **options}
    data = values() if data is None else data
    return nw.capture(model, data, layer, batch_size=BATCH, background=True, **options)


def opened(model: Any, running: Any, batches: int = 5, **options: Any) -> Any:
    model.allow(batches)
    assert running.wait(batches * BATCH, SOON)
    return nw.SplitExplorer(running, **{"neuron": 0, "top": 60, **options})


def grow(model: Any, running: Any, explorer: Any, batches: int) -> None:
    """More samples, and the screen that goes with them; in one step."""
    count = running.reading.samples + BATCH * batches
    explorer._held = True
    model.allow(batches)
    assert running.wait(count, SOON)
    explorer._held = False
    until(lambda: len(explorer.acts) == count)
    with explorer._jobs.lock:  # all of it is on the screen
        pass


def finish(model: Any, running: Any, explorer: Any) -> None:
    model.allow(1000)
    assert running.wait(timeout=SOON)
    until(lambda: explorer._session.feed.complete)
    assert explorer.wait(SOON)


def test_opens_with_the_first_samples_and_grows(model: Any, running: Any) -> None:
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


@pytest.mark.parametrize(
    ("method", "metric"),
    [("ward", None), ("ward", "euclidean"), ("average", "euclidean"), ("kmeans", None)],
)
def test_the_end_is_as_if_it_had_been_opened_there(
    model: Any, running: Any, method: str, metric: str | None
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


def test_what_a_user_chose_stays(model: Any, running: Any) -> None:
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


def test_names_of_other_neurons_find_their_place_too(model: Any, running: Any) -> None:
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


def test_a_direction_stays_the_same(model: Any, running: Any) -> None:
    vector = np.arange(8.0) - 2
    explorer = opened(model, running, neuron=vector)
    explorer.threshold = 3.25
    direction = explorer.split.direction
    grow(model, running, explorer, 4)
    assert np.array_equal(explorer.split.direction, direction)
    assert explorer.threshold == 3.25
    assert explorer.neuron is None


def test_without_a_neuron_the_first_choice_stays(model: Any, running: Any) -> None:
    explorer = opened(model, running, neuron=None)
    chosen = explorer.neuron
    finish(model, running, explorer)
    assert explorer.neuron == chosen


def test_nothing_is_made_anew_under_a_hand(model: Any, running: Any) -> None:
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


def test_what_a_view_set_for_the_tree_before_is_carried_over(model: Any, running: Any) -> None:
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


def test_the_view_stops_it_and_keeps_what_there_is(model: Any, running: Any) -> None:
    explorer = opened(model, running)
    explorer._on_view_message(explorer, {"type": "capture.cancel"}, [])
    model.allow(1)
    until(lambda: explorer.reading["state"] == "stopped")
    until(lambda: explorer._session.feed.complete)
    assert running.cancelled
    assert explorer.reading["text"] == "stopped after 120 of 400 samples"
    assert len(explorer.acts) == 120
    assert len(running.result()) == 120


def test_a_failure_in_the_middle_is_said_and_what_there_is_is_kept(
    model: Any, running: Any
) -> None:
    explorer = opened(model, running)
    model.fails = True
    model.allow(1)
    until(lambda: explorer.reading["state"] == "failed")
    until(lambda: explorer._session.feed.complete)
    assert explorer.reading["text"].startswith("stopped after 100 of 400 samples: ")
    assert "broken" in explorer.reading["text"]
    assert len(explorer.acts) == 100
    explorer.threshold = 3.0
    assert len(explorer.concepts) > 0


def test_a_failure_before_the_first_sample_is_the_captures_own(model: Any) -> None:
    model.fails = True
    running = start(model)
    model.allow(1)
    with pytest.raises(RuntimeError, match="broken"):
        nw.SplitExplorer(running, neuron=0)


def test_a_capture_that_has_ended_is_shown_as_it_is(model: Any, running: Any) -> None:
    model.allow(1000)
    assert running.wait(timeout=SOON)
    explorer = nw.SplitExplorer(running, neuron=0)
    assert explorer.acts is running.result()
    assert explorer.reading["text"] == "400 samples"
    assert explorer._live.follower is None
    explorer._on_view_message(explorer, {"type": "capture.cancel"}, [])
    assert explorer.reading["state"] == "done"
    explorer.close()


def test_opens_on_what_there_is_when_the_data_ends_early(model: Any) -> None:
    running = start(model, data=values(30), labels=None)
    model.allow(2)
    explorer = nw.SplitExplorer(running, neuron=0)
    assert (len(explorer.acts), explorer.top) == (30, 20)
    with pytest.raises(ValueError, match="30 samples"):
        nw.SplitExplorer(running, neuron=0, top=31)


def test_closing_ends_the_watch_and_not_the_capture(model: Any, running: Any) -> None:
    explorer = opened(model, running)
    follower = explorer._live.follower
    assert explorer.wait(SOON)
    explorer.close()
    assert follower is not None
    follower.join(SOON)
    assert not follower.is_alive()
    assert running._watchers == []
    gone = weakref.ref(explorer)
    del explorer
    gc.collect()
    assert gone() is None
    model.allow(1000)
    assert running.wait(timeout=SOON)
    assert len(running.result()) == 400


def test_two_explorers_on_one_capture(model: Any, running: Any) -> None:
    one = opened(model, running)
    two = nw.SplitExplorer(running, neuron=3, top=50)
    model.allow(1000)
    for explorer in (one, two):
        finish(model, running, explorer)
        assert explorer.acts is running.result()
    assert (one.neuron, two.neuron) == (0, 3)


def test_which_layer(model: Any) -> None:
    running = start(model, ["body", "again"])
    with pytest.raises(ValueError, match="2 layers: say which, layer= one of 'body'"):
        nw.SplitExplorer(running, neuron=0)
    with pytest.raises(ValueError, match=r"layer='head' is not read.*'body', 'again'"):
        nw.SplitExplorer(running, neuron=0, layer="head")
    explorer = opened(model, running, layer="again")
    assert explorer.acts.layer == "again"
    finish(model, running, explorer)
    assert explorer.acts is running.result()["again"]
    with pytest.raises(ValueError, match="leave it out"):
        nw.SplitExplorer(explorer.acts, layer="again")


def test_collectors_alone_have_nothing_to_split(model: Any) -> None:
    running = start(model, collect=[nw.Moments()])
    model.allow(1)
    with pytest.raises(ValueError, match=r"collectors found.*add nw.Rows\(\)"):
        nw.SplitExplorer(running, neuron=0)
    model.allow(1000)
    assert running.wait(timeout=SOON)
    while model.allowed.acquire(blocking=False):
        pass
    with_rows = start(model, collect=[nw.Moments(), nw.Rows()])
    explorer = opened(model, with_rows)
    assert len(explorer.acts) >= 60
    finish(model, with_rows, explorer)
    assert len(explorer.acts) == 400


def test_on_disk_it_opens_with_what_is_whole(model: Any, tmp_path: Path) -> None:
    running = start(model, out=tmp_path / "acts")
    model.allow(1000)
    explorer = nw.SplitExplorer(running, neuron=0, top=60)
    finish(model, running, explorer)
    assert len(explorer.acts) == 400


def test_another_neuron_asked_for_meanwhile_wins(
    model: Any, running: Any, monkeypatch: pytest.MonkeyPatch
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


def test_what_cannot_be_made_anew_is_said_once_and_the_screen_stays(
    model: Any, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = opened(model, running)

    def broken(*_: Any) -> Any:
        raise ValueError("this does not go")

    monkeypatch.setattr(explorer._session, "make", broken)
    model.allow(1000)
    until(lambda: explorer._session.feed.complete)
    assert explorer.wait(SOON)
    assert explorer.status["text"] == "this does not go"
    assert len(explorer.acts) == 100
    assert len(explorer.concepts) > 0


def test_texts_are_read_token_by_token_when_the_model_is_free(model: Any, running: Any) -> None:
    explorer = opened(model, running)
    assert not explorer._session.evidence.reads
    finish(model, running, explorer)
    assert explorer._session.evidence.reads


def test_views_do_not_write_how_far_it_is(model: Any, running: Any) -> None:
    explorer = opened(model, running)
    before = explorer.reading
    explorer.set_state({"reading": {"state": "done"}})
    assert explorer.reading == before
    with pytest.raises(Exception, match="read-only"):
        explorer.reading = {}
    assert nw.SplitExplorer(values(), neuron=0).reading == {}


def test_a_page_of_it_stands_still(model: Any, running: Any, tmp_path: Path) -> None:
    explorer = opened(model, running)
    page = explorer.to_html(tmp_path / "page.html").read_text("utf-8")
    assert "stopped after 100 of 400 samples" in page


def test_the_words(monkeypatch: pytest.MonkeyPatch, model: Any, running: Any) -> None:
    explorer = opened(model, running)
    now = type(running.reading)(3200, 10_000, 295_000, 7.76)
    monkeypatch.setattr(running, "_reading", now)
    said = explorer._session.feed.reading()
    assert said["text"] == ("reading: 3,200 of 10,000 samples · 412/s · 38k tokens/s · 17 s left")
    now = type(running.reading)(3200, None, 0, 1e4)
    monkeypatch.setattr(running, "_reading", now)
    assert explorer._session.feed.reading()["text"] == "reading: 3,200 samples · 0.3/s"
    assert _feed._short(9999) == "10k"
    assert _feed._short(1_234_567) == "1.2M"
    assert _feed._duration(200) == "3 min"
    assert _feed._duration(4800) == "1 h 20 min"


def test_a_refresh_says_nothing(model: Any, running: Any) -> None:
    steps = silently(iter([Progress(0.5, "words")]))
    assert callable(next(steps))
    explorer = opened(model, running)
    # What came with the opening is a job that may say what it does.
    assert explorer.wait(SOON)
    states = []
    explorer.observe(lambda change: states.append(change["new"]["state"]), "status")
    grow(model, running, explorer, 5)
    assert "running" not in states
