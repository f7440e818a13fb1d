"""NeuronBrowser's session, without a widget and without a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster

import neuronwidgets as nw
from neuronwidgets.overviews.search import Query
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.jobs import JobProgress, Steps, take
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.neuron_browser.batches import BATCHES, Batches
from neuronwidgets.widgets.neuron_browser.messages import colored, pack_trees
from neuronwidgets.widgets.neuron_browser.session import BrowserSession
from neuronwidgets.widgets.protocol.buffers import unpack

NAMES = ["bag", "boot", "hat"]


def activations(count: int = 300, neurons: int = 200) -> nw.Activations:
    """Some neurons are active on few samples, and number 7 is constant."""
    rng = np.random.default_rng(0)
    kind = np.arange(count) % 3
    values = rng.normal(size=(count, neurons)).astype("f4")
    values[np.arange(count), kind] += 4
    values[:, 5] = np.maximum(values[:, 5] - 1.6, 0)
    values[:, 7] = 1
    return nw.Activations.from_arrays(values, labels=np.array(NAMES)[kind], layer="body")


class Recorded:
    """A screen that keeps the traits it gets, and the errors."""

    def __init__(self) -> None:
        self.traits: dict[str, Any] = {}
        self.sent: dict[str, list[int]] = {}
        self.errors: list[str] = []
        self.screen = Screen(self.put, lambda error: self.errors.append(str(error)), lambda: None)

    def put(self, traits: Mapping[str, Any]) -> None:
        self.traits |= traits
        for name, value in traits.items():
            if isinstance(value, bytes):
                self.sent.setdefault(name, []).append(len(value))

    def message(self, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return unpack(self.traits[name])


def opened(
    acts: nw.Activations,
    given: Any = None,
    batches: Batches = BATCHES,
    late: tuple[str, ...] = (),
    **splitting: Any,
) -> tuple[BrowserSession, Recorded]:
    recorded = Recorded()
    wanted = {"scores": ("active", "kurtosis"), "top": 40, **splitting}
    session = BrowserSession(
        Feed(acts), acts, recorded.screen, given=given, splitting=wanted, late=late, batches=batches
    )
    recorded.put(session.begin())
    return session, recorded


def done(steps: Steps) -> list[JobProgress]:
    """Take all steps; returns the progress."""
    told: list[JobProgress] = []
    for step in steps:
        take(step, told.append)
    return told


@pytest.fixture(scope="module")
def acts() -> nw.Activations:
    return activations()


@pytest.fixture(scope="module")
def split(acts: nw.Activations) -> nw.LayerSplit:
    return nw.split_layer(acts, 40, scores=("active", "kurtosis"), progress=False)


def test_a_blank_table_comes_first_then_its_rows(acts: nw.Activations) -> None:
    session, recorded = opened(acts)
    table, meta = recorded.message("_table")
    assert (table["top"] == -1).all()
    assert np.isnan(table["least"]).all()
    assert (meta["layer"], meta["samples"], meta["split"]) == ("body", 300, 0)
    for step in session.work():
        take(step)
        if session.rows.known:
            break
    table, _ = recorded.message("_table")
    np.testing.assert_array_equal(table["largest"], acts.values.max(axis=0))
    assert table["top"][3].tolist() == acts.top(3, 5).tolist()
    assert table["top"][7].tolist() == [-1] * 5
    assert (table["concepts"] == -1).all()
    assert "_trees" not in recorded.traits


def test_everything_follows_and_is_that_of_split_layer(
    acts: nw.Activations, split: nw.LayerSplit
) -> None:
    session, recorded = opened(acts)
    assert session.due()
    told = done(session.work())
    assert not session.due()
    assert told[-1] == JobProgress(1.0, "splitting neurons: 200 of 200")
    table, meta = recorded.message("_table")
    assert meta["split"] == 200
    np.testing.assert_array_equal(table["concepts"], split.counts)
    assert meta["words"] == [split.names(i) for i in range(200)]
    assert [column["name"] for column in meta["columns"]] == ["active", "kurtosis"]
    for row, name in zip(table["score"], ("active", "kurtosis"), strict=True):
        np.testing.assert_array_equal(row, split.scores[name].astype("f4"))
    place, about = recorded.message("_map")
    assert len(place["column"]) == 200
    assert about["columns"] * about["rows"] >= 200
    counts = np.histogram(acts.values[:, 3], 32)[0]
    drawn = np.ceil(255 * np.sqrt(counts / counts.max()))
    assert np.abs(table["histogram"][3] - drawn).max() < 20


def test_trees_are_cut_as_those_of_split(acts: nw.Activations, split: nw.LayerSplit) -> None:
    session, recorded = opened(acts)
    done(session.work())
    trees, meta = recorded.message("_trees")
    assert meta["unit"].startswith("Ward's distance")
    assert sorted(trees["tops"])[:3] == [0, trees["tops"][5], 40]
    assert 2 < trees["tops"][5] < 40
    step = meta["scale"] / 65535
    for i, neuron in enumerate(trees["neuron"].tolist()):
        m = int(trees["tops"][i])
        if m < 2:
            continue
        made = split.split(neuron)
        assert trees["sample"][i, :m].tolist() == made.index.tolist()
        assert trees["label"][i, :m].tolist() == acts.labels[made.index].tolist()  # type: ignore[index]
        # In the order in which a SplitExplorer draws them: concepts have one number in both.
        assert trees["child"][i, : m - 1].tolist() == made.tree.children.tolist()
        heights = trees["height"][i, : m - 1] * step
        np.testing.assert_allclose(heights, made.Z[:, 2], atol=step)
        own = float(trees["own"][i])
        assert own == pytest.approx(made.suggested, rel=1e-6)
        Z = np.column_stack([trees["child"][i, : m - 1], heights, made.Z[:, 3]]).astype("f8")
        ours = fcluster(Z, own, "distance")
        drawn = np.column_stack([made.tree.children, made.Z[:, 2:]]).astype("f8")
        theirs = fcluster(drawn, made.suggested, "distance")
        np.testing.assert_array_equal(ours, theirs)
    assert (trees["sample"][trees["tops"] == 0] == -1).all()
    assert meta["suggested"] == pytest.approx(np.median(trees["own"][trees["tops"] > 1]))


def test_heights_of_other_metrics_are_shares(acts: nw.Activations) -> None:
    session, recorded = opened(acts, metric="euclidean")
    done(session.work())
    trees, meta = recorded.message("_trees")
    assert meta["unit"] == "share of the height of the neuron's whole tree"
    full = trees["tops"] > 1
    assert meta["scale"] == 1
    assert (trees["height"][full].max(axis=1) == 65535).all()
    assert (trees["own"] <= 1).all()


def test_what_is_sent_stays_linear(acts: nw.Activations) -> None:
    batches = Batches(neurons=64)
    session, recorded = opened(acts, batches=batches)
    done(session.work())
    sent = recorded.sent["_trees"]
    assert len(sent) >= 2
    assert sum(sent) <= 3 * sent[-1] + 64 * 2000


def test_stopped_splitting_goes_on_where_it_was(acts: nw.Activations) -> None:
    session, recorded = opened(acts, batches=Batches(neurons=64))
    work = session.work()
    while len(session.forest) < 64:
        take(next(work))
    work.close()
    session.stopped = True
    done(session.work())
    assert len(session.forest) == 64
    assert not session.due()
    session.stopped = False
    assert session.due()
    done(session.work())
    trees, _ = recorded.message("_trees")
    assert sorted(trees["neuron"].tolist()) == list(range(200))


def test_a_split_that_was_given_is_not_split_again(
    acts: nw.Activations, split: nw.LayerSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("neuronwidgets.widgets.neuron_browser.session.split_layer")
    session, recorded = opened(acts, split)
    done(session.work())
    own, other = opened(acts)
    monkeypatch.undo()
    done(own.work())
    for name in ("_trees", "_map"):
        assert recorded.traits[name] == other.traits[name]


def test_a_split_of_some_neurons(acts: nw.Activations) -> None:
    given = nw.split_layer(acts, 40, neurons=[50, 3, 7], scores=(), progress=False)
    session, recorded = opened(acts, given)
    done(session.work())
    table, _ = recorded.message("_table")
    assert table["neuron"].tolist() == [3, 7, 50]
    np.testing.assert_array_equal(table["largest"], acts.values.max(axis=0)[[3, 7, 50]])
    assert table["concepts"].tolist() == given.counts[[1, 2, 0]].tolist()
    counts = np.histogram(acts.values[:, 50], 32)[0]
    assert table["histogram"][2].argmax() == counts.argmax()
    done(session.search(Query("name", "boot")))
    match, _ = recorded.message("_match")
    expected = nw.contrast(acts, "boot")
    np.testing.assert_allclose(match["value"], expected.auroc[[3, 7, 50]])


def test_trees_that_are_too_large_to_send(acts: nw.Activations) -> None:
    session, recorded = opened(acts)
    done(session.work())
    whole = len(recorded.traits["_trees"])
    part = pack_trees(acts, session.forest, whole // 2)
    assert whole // 3 < len(part) <= whole // 2 + 2000
    trees, meta = unpack(part)
    count = len(trees["neuron"])
    assert meta["unit"].endswith(
        f"; the trees of {count} of 200 neurons, as more are too large to send"
    )


def test_a_search_is_shown_and_the_work_goes_on(acts: nw.Activations) -> None:
    session, recorded = opened(acts)
    session.sorting = {"column": "kurtosis", "descending": True}
    done(session.search(Query("name", "boot")))
    assert recorded.traits["searched"] == {"kind": "name", "text": "boot", "these": [], "those": []}
    assert recorded.traits["sorting"] == {"column": "match", "descending": True}
    match, meta = recorded.message("_match")
    assert match["value"].argmax() == 1
    assert match["q"][1] < 0.05
    assert meta["title"] == "boot"
    assert len(session.forest) == 200
    recorded.put(session.clear_search())
    assert recorded.traits["searched"] == {}
    assert recorded.traits["_match"] == b""
    assert recorded.traits["sorting"] == {"column": "kurtosis", "descending": True}


def test_a_search_that_fails_leaves_the_last_result(acts: nw.Activations) -> None:
    session, recorded = opened(acts)
    done(session.search(Query("samples", these=(3, 6))))
    before = recorded.traits["_match"]
    done(session.search(Query("text", "a cat")))
    assert "pass model=" in recorded.errors[-1]
    assert recorded.traits["_match"] == before


def test_newer_activations_keep_what_the_user_chose(acts: nw.Activations) -> None:
    session, recorded = opened(acts)
    done(session.search(Query("samples", these=(3, 6))))
    session.selection = [3, 299]
    newer = activations(250)
    steps = session.refreshed(newer)
    while True:
        try:
            take(next(steps))
        except StopIteration as end:
            end.value()
            break
    assert recorded.traits["_version"] == 2
    assert recorded.traits["selection"] == [3]
    assert recorded.traits["_trees"] == recorded.traits["_map"] == b""
    assert recorded.message("_table")[1]["samples"] == 250
    before = recorded.traits["_match"]
    done(session.work())
    assert recorded.traits["_match"] != before
    assert len(session.forest) == 200


@pytest.mark.parametrize("count", [1, 30])
def test_a_dead_layer_is_said(count: int) -> None:
    dead = nw.Activations.from_arrays(np.ones((count, 9)), layer="body")
    session, recorded = opened(dead, top=None)
    done(session.work())
    assert recorded.errors[0].startswith("every neuron of layer 'body' is constant on ")
    assert recorded.message("_map")[1]["shared"] == 0
    assert not session.due()


def test_a_layer_of_one_neuron_without_labels() -> None:
    rng = np.random.default_rng(0)
    one = nw.Activations.from_arrays(rng.normal(size=(60, 1)), layer="body")
    session, recorded = opened(one, metric="euclidean")
    done(session.work())
    assert recorded.errors == []
    assert recorded.message("_table")[1]["words"] == [""]
    trees, _ = recorded.message("_trees")
    assert "label" not in trees
    assert recorded.message("_map")[1]["columns"] == 1


def test_a_layer_on_disk(acts: nw.Activations, tmp_path: Path) -> None:
    acts.save(tmp_path / "a")
    session, recorded = opened(nw.Activations.load(tmp_path / "a"))
    done(session.work())
    other, expected = opened(acts)
    done(other.work())
    assert recorded.traits["_trees"] == expected.traits["_trees"]
    assert recorded.traits["_map"] == expected.traits["_map"]


def test_of_many_labels_the_most_frequent_have_colours() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 4)).astype("f4")
    counts = [5] * 8 + [20, 30, 25] + [5] * 5 + [10] * 6
    labels = np.repeat([f"label {i:02}" for i in range(len(counts))], counts)
    labels = np.concatenate([labels, np.full(200 - len(labels), "label 09")])
    many = nw.Activations.from_arrays(values, labels=labels, layer="body")
    found = colored(many)
    # In the order of the labels, whatever their frequency.
    assert found == [0, 1, 2, 8, 9, 10, *range(16, 22)]
    few = nw.Activations.from_arrays(values, labels=np.array(NAMES)[np.arange(200) % 3])
    assert colored(few) == [0, 1, 2]
    assert colored(nw.Activations.from_arrays(values)) == []
