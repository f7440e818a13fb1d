"""How SplitExplorer on a running capture opens, ends and reports, stepped batch by batch."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

import neuronwidgets as nw
from neuronwidgets.widgets.base import feed as _feed

SOON = 30.0
"""Seconds."""


def test_the_view_stops_it_and_keeps_what_there_is(
    model: Any, running: Any, until: Any, opened: Any
) -> None:
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
    model: Any, running: Any, until: Any, opened: Any
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


def test_a_failure_before_the_first_sample_is_the_captures_own(model: Any, start: Any) -> None:
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


def test_opens_on_what_there_is_when_the_data_ends_early(
    model: Any, values: Any, start: Any
) -> None:
    running = start(model, data=values(30), labels=None)
    model.allow(2)
    explorer = nw.SplitExplorer(running, neuron=0)
    assert (len(explorer.acts), explorer.top) == (30, 20)
    with pytest.raises(ValueError, match="30 samples"):
        nw.SplitExplorer(running, neuron=0, top=31)


def test_closing_ends_the_watch_and_not_the_capture(model: Any, running: Any, opened: Any) -> None:
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


def test_two_explorers_on_one_capture(model: Any, running: Any, opened: Any, finish: Any) -> None:
    one = opened(model, running)
    two = nw.SplitExplorer(running, neuron=3, top=50)
    model.allow(1000)
    for explorer in (one, two):
        finish(model, running, explorer)
        assert explorer.acts is running.result()
    assert (one.neuron, two.neuron) == (0, 3)


def test_which_layer(model: Any, start: Any, opened: Any, finish: Any) -> None:
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


def test_collectors_alone_have_nothing_to_split(
    model: Any, start: Any, opened: Any, finish: Any
) -> None:
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


def test_on_disk_it_opens_with_what_is_whole(
    model: Any, tmp_path: Path, start: Any, finish: Any
) -> None:
    running = start(model, out=tmp_path / "acts")
    model.allow(1000)
    explorer = nw.SplitExplorer(running, neuron=0, top=60)
    finish(model, running, explorer)
    assert len(explorer.acts) == 400


def test_what_cannot_be_made_anew_is_said_once_and_the_screen_stays(
    model: Any, running: Any, monkeypatch: pytest.MonkeyPatch, until: Any, opened: Any
) -> None:
    explorer = opened(model, running)

    def broken(*_: Any) -> Any:
        raise ValueError("this does not go")

    monkeypatch.setattr(explorer._session, "make", broken)
    model.allow(1000)
    until(lambda: explorer._session.feed.complete)
    assert explorer.wait(SOON)
    assert explorer.status["text"] == "this does not go"
    # The status goes with the next change; that the picture is an old one stays to be read.
    said = "400 samples · shown: the first 100, as a newer picture failed"
    assert explorer.reading["text"] == said
    assert len(explorer.acts) == 100
    assert len(explorer.concepts) > 0


def test_views_do_not_write_how_far_it_is(
    model: Any, running: Any, values: Any, opened: Any
) -> None:
    explorer = opened(model, running)
    before = explorer.reading
    explorer.set_state({"reading": {"state": "done"}})
    assert explorer.reading == before
    with pytest.raises(Exception, match="read-only"):
        explorer.reading = {}
    assert nw.SplitExplorer(values(), neuron=0).reading == {}


def test_a_page_of_it_stands_still(model: Any, running: Any, tmp_path: Path, opened: Any) -> None:
    explorer = opened(model, running)
    page = explorer.to_html(tmp_path / "page.html").read_text("utf-8")
    assert "stopped after 100 of 400 samples" in page


def test_the_words(monkeypatch: pytest.MonkeyPatch, model: Any, running: Any, opened: Any) -> None:
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
