"""What NeuronBrowser does last, for the rows in view first: late scores, peaks of texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.overviews.forest import Forest
from neuronwidgets.widgets.base.jobs import JobProgress, take
from neuronwidgets.widgets.neuron_browser.batches import Batches
from tests.widgets.test_browser_session import activations, done, opened


@pytest.fixture(scope="module")
def acts() -> nw.Activations:
    return activations()


# Late scores


def test_late_scores_come_after_the_trees_those_in_view_first(acts: nw.Activations) -> None:
    batches = Batches(scored=20)
    session, recorded = opened(acts, late=("polysemanticity",), batches=batches, draws=3)
    table, meta = recorded.message("_table")
    assert next(c["name"] for c in meta["columns"] if c["late"]) == "polysemanticity"
    assert table["unscored"].all()
    session.look([150, 7, 120])
    told: list[JobProgress] = []
    first: list[int] = []
    for step in session.work():
        take(step, told.append)
        scored = np.flatnonzero(~session.forest.unscored)
        if len(scored) and not first:
            assert len(session.forest) == 200
            first = scored.tolist()
            table, _ = recorded.message("_table")
            assert np.flatnonzero(table["unscored"] == 0).tolist() == first
            session.look([])
            session.wanted = [199]
        if len(scored) > 3:
            assert not session.forest.unscored[199]
    assert first == [7, 120, 150]
    assert told[-1] == JobProgress(1.0, "polysemanticity: 200 of 200 neurons")
    assert not session.due()
    table, meta = recorded.message("_table")
    assert "unscored" not in table
    place = [column["name"] for column in meta["columns"]].index("polysemanticity")
    # Neuron 7 is constant.
    assert np.flatnonzero(np.isnan(table["score"][place])).tolist() == [7]


def test_late_scores_are_those_of_split_layer(acts: nw.Activations) -> None:
    session, _ = opened(acts, late=("polysemanticity",), batches=Batches(scored=200), draws=3)
    done(session.work())
    expected = nw.split_layer(acts, 40, scores=("polysemanticity",), draws=3, progress=False)
    found = session.forest.scores["polysemanticity"]
    np.testing.assert_allclose(found, expected.scores["polysemanticity"], rtol=1e-5)


def test_a_stop_leaves_late_scores_for_later(acts: nw.Activations) -> None:
    session, _ = opened(acts, late=("polysemanticity",), draws=3)
    session.stopped = True
    assert not session._scores()
    done(session.work())
    assert session.forest.unscored.all()
    session.stopped = False
    assert session.due()


# Peaks of texts


class Read:
    """Says which token of each text activates a neuron: its own number, from the end."""

    def __init__(self, words: int) -> None:
        self.words = words
        self.asked: list[list[int]] = []
        self.fails = False

    def __call__(self, rows: Any, direction: np.ndarray) -> list[np.ndarray]:
        if self.fails:
            raise RuntimeError("out of memory")
        self.asked.append(list(rows))
        values = np.zeros(self.words, np.float32)
        values[self.words - 1 - int(direction.argmax())] = 2
        return [values for _ in rows]


def texts(words: int = 30) -> tuple[nw.Activations, Read]:
    text = " ".join(f"w{i}" for i in range(words))
    starts = np.cumsum([0, *(len(f"w{i}") + 1 for i in range(words))])
    spans = np.stack([starts[:-1], starts[1:] - 1], axis=1).astype(np.int32)
    rng = np.random.default_rng(0)
    read = Read(words)
    plain = nw.Activations.from_arrays(rng.normal(size=(60, 6)).astype("f4"), [text] * 60)
    samples = replace(plain.samples, spans=[spans] * 60)
    return replace(plain, samples=samples, tokens=read), read


def test_the_peaks_of_texts_in_view_are_read() -> None:
    acts, read = texts()
    session, recorded = opened(acts, top=20)
    done(session.work())
    assert read.asked == []
    session.look([4, 2])
    assert session.due()
    done(session.work())
    assert read.asked == [acts.top(4, 5).tolist(), acts.top(2, 5).tolist()]
    tensors, meta = recorded.message("_peaks")
    assert tensors["neuron"].tolist() == [4] * 5 + [2] * 5
    assert tensors["face"].tolist() == [row for asked in read.asked for row in asked]
    assert meta["segments"][0][meta["peaks"][0]] == " w25"
    assert meta["segments"][5][meta["peaks"][5]] == " w27"
    # They are read once.
    assert session.idle
    assert not session.due()


@pytest.mark.parametrize("asked", ["rows", "resume"])
def test_what_is_asked_for_at_the_end_of_a_search_comes_after_it(asked: str) -> None:
    acts, read = texts()
    browser: Any = nw.NeuronBrowser(acts, top=20)
    assert browser.wait(60)
    search = browser._session.search
    if asked == "resume":
        browser._session.forest = Forest(acts, browser._session.neurons)
        browser.cancel()

    def late(query: Any) -> Any:
        yield from search(query)
        # The job has looked for the last time what is due, and still runs.
        if asked == "resume":
            browser.resume()
        else:
            browser._on_view_message(browser, {"type": "rows.request", "neurons": [4]}, [])

    browser._session.search = late
    wanted = {"type": "search.request", "kind": "name", "text": "w3"}
    browser._on_view_message(browser, wanted, [])
    assert browser.wait(60)
    assert not browser._session.due()
    assert read.asked == ([] if asked == "resume" else [acts.top(4, 5).tolist()])
    browser.close()


def test_a_model_that_fails_is_asked_once_and_the_rest_goes_on() -> None:
    acts, read = texts()
    read.fails = True
    session, recorded = opened(acts, top=20)
    session.look([4, 2])
    done(session.work())
    assert recorded.errors == ["out of memory"]
    assert len(session.forest) == 6
    assert not session.due()


def test_samples_that_are_tokens_or_images_are_not_read(acts: nw.Activations) -> None:
    session, recorded = opened(acts)
    session.look([3])
    assert not session._unread()
    assert "_peaks" not in recorded.traits
