"""RangeExplorer on a capture that still runs, stepped batch by batch."""

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
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.widgets.base.pace import Pace
from neuronwidgets.widgets.protocol.buffers import unpack

SOON = 30.0
BATCH = 20
NAMES = ["a", "b", "c"]
LABELS = (NAMES * 134)[:400]


def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    end, pause = time.monotonic() + SOON, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it does not come"
        pause.wait(0.005)


def values(count: int = 400) -> np.ndarray:
    rng = np.random.default_rng(0)
    made = rng.normal(0, 1, (count, 8)).astype("f4")
    made[np.arange(count), 1 + np.arange(count) % 3] += 4
    return made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nw.RangeExplorer, "_pace", Pace(stay=0.0, tick=0.01, rest=0.02))


def start(model: nn.Module, layer: Any = "body", labels: Any = LABELS, **options: Any) -> Any:
    return nw.capture(
        model, values(), layer, batch_size=BATCH, background=True, labels=labels, **options
    )


@pytest.fixture
def running(model: Any) -> Iterator[Any]:
    made = start(model)
    yield made
    made.cancel()
    model.allow(1000)
    made.wait(timeout=SOON)


def opened(model: Any, running: Any, batches: int = 5, **options: Any) -> Any:
    model.allow(batches)
    assert running.wait(batches * BATCH, SOON)
    return nw.RangeExplorer(running, **{"neuron": 2, "label": "b", **options})


def grow(model: Any, running: Any, explorer: Any, batches: int) -> None:
    """More samples, and the picture that goes with them; in one step."""
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
    explorer = opened(model, running, 2)
    assert not running.done
    assert len(explorer.acts) == 40
    assert explorer.reading["state"] == "running"
    assert explorer.reading["total"] == 400
    version, first = explorer._version, explorer.interval
    grow(model, running, explorer, 6)
    assert explorer._version == version + 1
    assert (explorer.neuron, explorer._session.label_name) == (2, "b")
    assert not np.array_equal(explorer.interval, first)
    np.testing.assert_array_equal(
        explorer.interval, nw.ranges(explorer.acts).pieces(2, "b", 2.0, "gaussian")
    )
    _, about = unpack(explorer._picture)
    assert about["samples"] == 160
    # A tenth more is not enough for a newer picture.
    model.allow(1)
    until(lambda: explorer.reading["samples"] == 180)
    assert len(explorer.acts) == 160
    assert explorer.status["state"] == "idle"
    explorer.close()


def test_the_end_is_as_if_it_had_been_opened_there(model: Any, running: Any) -> None:
    explorer = opened(model, running, tau=1.5, rule="quantile")
    grow(model, running, explorer, 5)
    finish(model, running, explorer)
    other = nw.RangeExplorer(running.result(), 2, "b", 1.5, "quantile")
    assert explorer.acts is running.result()
    assert (explorer._picture, explorer._examples) == (other._picture, other._examples)
    np.testing.assert_array_equal(explorer.interval, other.interval)
    assert explorer.edit.neurons.tolist() == other.edit.neurons.tolist()
    assert explorer.reading["state"] == "done"
    assert explorer.reading["text"] == "400 samples"
    assert other.reading == {}


def test_the_last_picture_says_how_the_capture_ended(model: Any, running: Any) -> None:
    # The follower looked while the capture read its last samples, and looks no more.
    explorer = opened(model, running)
    explorer._live.follower.end()
    model.allow(1000)
    assert running.wait(timeout=SOON)
    explorer._jobs.start(explorer._live._refresh(), kind="refresh")
    assert explorer.wait(SOON)
    assert explorer.reading["state"] == "done"


def test_what_a_user_chose_stays(model: Any, running: Any) -> None:
    explorer = opened(model, running)
    explorer.tau, explorer.rule, explorer.top = 1.0, "discriminative", 0.5
    explorer.edges = [None, 0.5, 1.0, 2.0]
    explorer.selection = [3, 7]
    explorer.this_neuron_only = True
    grow(model, running, explorer, 4)
    assert (explorer.tau, explorer.rule, explorer.top) == (1.0, "discriminative", 0.5)
    assert explorer.edges == [None, 0.5, 1.0, 2.0]
    assert explorer.selection == [3, 7]
    assert explorer.this_neuron_only
    explorer.neuron = 5
    finish(model, running, explorer)
    assert (explorer.neuron, explorer._session.label_name) == (5, "b")


def test_a_label_keeps_its_name_when_others_come_before_it(model: Any) -> None:
    # "b" is read first; "a" comes later, and is before it in the list.
    running = start(model, labels=["b", "c"] * 50 + ["a", "b"] * 150)
    explorer = opened(model, running, 5)
    assert explorer._session.classes.label_names == ("b", "c")
    seen = explorer._version
    assert explorer.label == 0
    grow(model, running, explorer, 4)
    names = explorer._session.classes.label_names
    assert sorted(names) == NAMES
    assert explorer.label == names.index("b")
    # A view that has not yet seen the newer picture calls "c" 1.
    explorer.set_state({"label": 1, "_view_version": seen})
    assert explorer._session.label_name == "c"
    explorer.set_state({"label": names.index("a"), "_view_version": explorer._version})
    assert explorer._session.label_name == "a"
    finish(model, running, explorer)
    assert explorer._session.label_name == "a"


def test_it_waits_for_the_label_that_is_asked_for(model: Any) -> None:
    running = start(model, labels=["b"] * 100 + ["a", "b"] * 150)
    model.allow(8)
    explorer = nw.RangeExplorer(running, 2, "a")
    assert len(explorer.acts) > 100
    finish(model, running, explorer)
    with pytest.raises(Exception, match="label 'z' has no range here"):
        nw.RangeExplorer(running, 2, "z")


def test_nothing_is_rebuilt_under_a_hand(model: Any, running: Any) -> None:
    explorer = opened(model, running)
    explorer.set_state({"_held": True, "_view_version": explorer._version})
    picture = explorer._picture
    model.allow(5)
    until(lambda: explorer.reading["samples"] == 200)
    until(lambda: not explorer._jobs.running)
    assert explorer._picture is picture
    explorer.set_state({"_held": False, "_view_version": explorer._version})
    until(lambda: len(explorer.acts) == 200)


def test_a_range_drawn_on_the_picture_before_is_carried_over(model: Any, running: Any) -> None:
    explorer = opened(model, running)
    seen = explorer._version
    grow(model, running, explorer, 2)
    explorer.set_state({"edges": [0.0, 1.0], "selection": [2], "_view_version": seen})
    assert (explorer.edges, explorer.selection) == ([0.0, 1.0], [])
    explorer.tau = 1.0
    explorer.set_state({"edges": [0.0, 2.0], "_view_version": seen})
    assert explorer.edges == []
    explorer.neuron = 3
    explorer.set_state({"edges": [0.0, 3.0], "_view_version": explorer._version - 1})
    assert explorer.edges == []


def test_the_view_stops_it_and_keeps_what_there_is(model: Any, running: Any) -> None:
    explorer = opened(model, running)
    explorer._on_view_message(explorer, {"type": "capture.cancel"}, [])
    model.allow(1)
    until(lambda: explorer.reading["state"] == "stopped")
    until(lambda: explorer._session.feed.complete)
    assert explorer.reading["text"] == "stopped after 120 of 400 samples"
    assert len(explorer.acts) == 120


def test_a_failure_in_the_middle_leaves_what_there_is(model: Any, running: Any) -> None:
    explorer = opened(model, running)
    model.fails = True
    model.allow(1)
    until(lambda: explorer.reading["state"] == "failed")
    until(lambda: explorer._session.feed.complete)
    assert "broken" in explorer.reading["text"]
    explorer.tau = 1.0
    assert explorer.interval.shape == (1, 2)


def held_out() -> dict[str, Any]:
    """A classifier with the layer, and samples to measure masks on."""
    torch.manual_seed(0)
    classifier = nn.Sequential()
    classifier.add_module("body", nn.Identity())
    classifier.add_module("head", nn.Linear(8, 3))
    rng = np.random.default_rng(1)
    data = rng.normal(size=(60, 8)).astype("f4")
    return {"model": classifier, "data": data, "labels": NAMES * 20, "classes": NAMES}


def test_masks_are_measured_when_the_capture_has_ended(model: Any, running: Any) -> None:
    options = held_out()
    model.allow(5)
    explorer = nw.RangeExplorer(running, 2, "b", **options)
    explorer.tau = 1.0
    assert explorer.wait(SOON)
    assert explorer.measure == {}
    assert explorer.capabilities["measure"]
    finish(model, running, explorer)
    other = nw.RangeExplorer(running.result(), 2, "b", 1.0, **options)
    assert other.wait(SOON)
    assert explorer.measure == other.measure
    assert explorer.measure["samples"] == 60


def test_a_choice_while_the_last_picture_is_measured_is_measured(model: Any, running: Any) -> None:
    model.allow(5)
    explorer = nw.RangeExplorer(running, 2, "b", **held_out())
    chosen: list[str] = []

    def choose(_change: Any) -> None:
        if not chosen:  # the last picture is shown, and its masks are being measured
            chosen.append(explorer._jobs.kind)
            explorer.tau = 1.0

    explorer.observe(choose, "measure")
    finish(model, running, explorer)
    assert chosen == ["refresh"]
    assert explorer.measure["done"]["tau"] == 1.0
    explorer.close()


def test_closing_ends_the_watch_and_not_the_capture(model: Any, running: Any) -> None:
    explorer = opened(model, running)
    follower = explorer._live.follower
    explorer.close()
    follower.join(SOON)
    assert not follower.is_alive()
    assert running._watchers == []
    gone = weakref.ref(explorer)
    del explorer
    gc.collect()
    assert gone() is None
    model.allow(1000)
    assert running.wait(timeout=SOON)


def test_which_layer_and_without_labels(model: Any) -> None:
    running = start(model, ["body", "again"])
    with pytest.raises(ValueError, match="2 layers: say which"):
        nw.RangeExplorer(running, neuron=0)
    explorer = opened(model, running, layer="again")
    assert explorer.acts.layer == "again"
    finish(model, running, explorer)
    with pytest.raises(ValueError, match="leave it out"):
        nw.RangeExplorer(explorer.acts, layer="again")
    while model.allowed.acquire(blocking=False):
        pass
    bare = start(model, labels=None)
    model.allow(1)
    with pytest.raises(ValueError, match="has no labels"):
        nw.RangeExplorer(bare, neuron=0)
    model.allow(1000)
    assert bare.wait(timeout=SOON)


def test_views_do_not_write_how_far_it_is_and_a_page_stands_still(
    model: Any, running: Any, tmp_path: Path
) -> None:
    explorer = opened(model, running)
    before = explorer.reading
    explorer.set_state({"reading": {"state": "done"}})
    assert explorer.reading == before
    page = explorer.to_html(tmp_path / "page.html").read_text("utf-8")
    assert "stopped after 100 of 400 samples" in page
