"""How SplitExplorer's concepts retrieve, beside chance, and by which metric they are made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets as t
from ipywidgets.widgets.widget import _instances

import neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
from neuronwidgets.concepts.control import (
    DRAWS,
    TRIED,
    draws_of,
    groups_with,
    shares_at_random,
)
from neuronwidgets.concepts.suggest import resamples_of
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.split_explorer.limits import Limits
from neuronwidgets.widgets.split_explorer.retrieved import LIKELY, READINGS, WIDTH

COSINE, DOT = READINGS.index("cosine"), READINGS.index("dot")


def activations(labels: bool = True, count: int = 150) -> nw.Activations:
    """Three directions that share neuron 0, in which vectors are of very different lengths."""
    rng = np.random.default_rng(0)
    kind = np.arange(count) % 3
    values = rng.normal(0, 0.1, (count, 8))
    values[np.arange(count), 1 + kind] += 2
    values[:, 0] += 1
    values *= np.exp(rng.normal(0, 1, (count, 1))) * np.where(kind == 2, 4, 1)[:, None]
    return nw.Activations.from_arrays(values, labels=kind if labels else None, layer="deep")


def opened(acts: Any = None, **more: Any) -> Any:
    made = nw.SplitExplorer(activations() if acts is None else acts, 0, **{"top": 60, **more})
    assert made.wait(30)
    return made


@pytest.fixture
def explorer() -> Any:
    made = opened()
    yield made
    made.close()


def evidence(explorer: Any) -> dict[str, np.ndarray]:
    return unpack(explorer._evidence)[0]


def ask(explorer: Any, **request: Any) -> None:
    wanted = {"neuron": 0, "top": 60, "method": "ward", **request}
    explorer._on_view_message(explorer, {"type": "split.request", **wanted}, [])
    assert explorer.wait(30)


# By which retrieval


def test_both_readings_are_there_and_they_differ(explorer: Any) -> None:
    tensors, concepts = evidence(explorer), explorer.concepts
    places = [tensors["node"].tolist().index(node) for node in concepts.nodes]
    assert READINGS == ("cosine", "dot")
    for reading, by in enumerate(READINGS):
        rows = tensors["retrieved"][reading, places]
        np.testing.assert_array_equal(rows, concepts.retrieve(k=WIDTH, by=by))
        np.testing.assert_allclose(
            tensors["precision"][reading, places], concepts.precision(by=by), rtol=1e-6
        )
        for row, node in zip(rows, places, strict=True):
            below = np.searchsorted(np.sort(explorer.acts.values[:, 0]),
                                    explorer.acts.values[row, 0], "right")  # fmt: skip
            assert tensors["percentile"][reading, node] == pytest.approx(np.median(below) / 1.5)
    assert tensors["retrieved"][COSINE].tolist() != tensors["retrieved"][DOT].tolist()


def test_cards_of_small_data_are_full_when_a_call_returns() -> None:
    explorer = nw.SplitExplorer(activations(), 0, top=60)
    for neuron in (0, 3, 0):
        explorer.neuron = neuron
        shown = {int(node) for node in explorer.concepts.nodes}
        assert shown <= set(evidence(explorer)["node"].tolist())
    assert explorer.wait(30)
    explorer.close()


def test_switching_it_changes_the_reading_alone(explorer: Any) -> None:
    assert explorer.by == "cosine"
    before = (explorer._tree, explorer._evidence, explorer.threshold, explorer._version)
    first = explorer.concepts.retrieve(by=explorer.by)
    explorer.by = "dot"
    assert explorer.wait(30)
    assert (explorer._tree, explorer._evidence, explorer.threshold, explorer._version) == before
    second = explorer.concepts.retrieve(by=explorer.by)
    assert second.tolist() != first.tolist()
    assert second.tolist() == explorer.concepts.retrieve(by="dot").tolist()
    explorer.set_state({"by": "cosine"})
    assert explorer.by == "cosine"


def test_it_stays_with_the_widget_and_goes_with_its_page(tmp_path: Path) -> None:
    explorer = opened(by="dot", metric="euclidean")
    assert explorer.by == "dot"
    explorer.neuron = 3
    explorer.metric = "cosine"
    ask(explorer, neuron=2, method="average")
    assert (explorer.by, explorer.metric, explorer.neuron) == ("dot", "cosine", 2)
    state = explorer._exported()
    assert (state["by"], state["metric"]) == ("dot", "cosine")
    page = explorer.to_html(tmp_path / "page.html").read_text("utf-8")
    (inside,) = re.findall(r'id="state">(.*?)</script>', page, re.S)
    kept = json.loads(inside)
    assert (kept["by"][1], kept["metric"][1]) == ("dot", "cosine")
    explorer.close()


@pytest.mark.parametrize("by", ["euclidean", "cosine-origin", "", None, 3])
def test_another_reading_is_refused_and_leaves_nothing(explorer: Any, by: Any) -> None:
    living = set(_instances)
    words = r"any of \['cosine', 'dot'\]"
    with pytest.raises(t.TraitError, match=words):
        nw.SplitExplorer(activations(), 0, by=by)
    assert set(_instances) == living
    with pytest.raises(t.TraitError, match=words):
        explorer.by = by
    assert explorer.by == "cosine"


# By which distances


def test_another_metric_makes_another_tree(explorer: Any) -> None:
    acts = explorer.acts
    for metric in ("euclidean", "cosine"):
        tree = explorer._tree
        explorer.metric = metric
        assert explorer.wait(30)
        made = nw.split(acts, 0, 60, metric=metric)
        assert (explorer.metric, explorer.split.metric) == (metric, metric)
        np.testing.assert_array_equal(explorer.split.Z, made.Z)
        assert explorer.threshold == made.suggested
        assert explorer.concepts.assignment.tolist() == made.cut().assignment.tolist()
        tensors, about = unpack(explorer._tree)
        assert about["metric"] == metric
        np.testing.assert_allclose(tensors["height"], made.tree.merge_heights)
        assert tree != explorer._tree
        # Directions part what lengths hide.
        agree = len(explorer.concepts) == 3 and set(explorer.concepts.purity) == {1}
        assert agree is (metric == "cosine")


def test_each_metric_keeps_its_threshold_and_names(explorer: Any) -> None:
    explorer.threshold = 0.9
    explorer.rename(0, "by direction")
    explorer.metric = "euclidean"
    assert (explorer.names, explorer.threshold) == ({}, explorer.split.suggested)
    explorer.threshold = 7.5
    explorer.metric = "cosine"
    assert explorer.threshold == 0.9
    assert "by direction" in explorer.concepts.names
    explorer.metric = "euclidean"
    assert explorer.threshold == 7.5


def test_the_metric_goes_on_with_other_neurons_and_ends_with_its_method(explorer: Any) -> None:
    explorer.metric = "euclidean"
    explorer.neuron = 3
    explorer.top = 40
    assert (explorer.split.method, explorer.split.metric) == ("ward", "euclidean")
    explorer.method = "average"
    assert explorer.metric == explorer.split.metric == "cosine"
    explorer.metric = "euclidean"
    explorer.neuron = 0
    assert (explorer.method, explorer.split.metric) == ("average", "euclidean")
    explorer.method = "kmeans"
    assert explorer.metric == explorer.split.metric
    explorer.method = "ward"
    assert explorer.metric == explorer.split.metric == "cosine"


def test_a_view_asks_for_a_metric_and_is_answered_in_traits_or_in_words(explorer: Any) -> None:
    ask(explorer, metric="euclidean")
    assert (explorer.metric, explorer.status["state"]) == ("euclidean", "idle")
    np.testing.assert_array_equal(
        explorer.split.Z, nw.split(explorer.acts, 0, 60, metric="euclidean").Z
    )
    ask(explorer, metric="manhattan")
    assert explorer.status["state"] == "error"
    assert "'manhattan' does not go with method='ward', which takes" in explorer.status["text"]
    assert (explorer.metric, explorer.split.metric) == ("euclidean", "euclidean")
    ask(explorer, metric=None)
    assert explorer.metric == "cosine"


@pytest.mark.parametrize(
    ("method", "metric", "words"),
    [
        ("ward", "manhattan", "'manhattan' does not go with method='ward', which takes"),
        ("ward", "sqeuclidean", "takes 'euclidean' or 'cosine'"),
        ("kmeans", "cosine", "metric= does not go with method='kmeans'"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(method: str, metric: str, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        nw.SplitExplorer(activations(), 0, method=method, metric=metric)
    explorer = opened(method=method)
    before, tree = explorer.metric, explorer._tree
    with pytest.raises((ValueError, TypeError), match=words):
        explorer.metric = metric
    assert (explorer.metric, explorer.split.metric, explorer._tree) == (before, before, tree)
    explorer.close()


# Stability


def test_cards_say_how_often_their_concepts_come_back(explorer: Any) -> None:
    tensors = evidence(explorer)
    for threshold in (explorer.threshold, explorer.split.tree.top / 4, explorer.split.tree.top):
        concepts = explorer.split.cut(threshold)
        places = [tensors["node"].tolist().index(node) for node in concepts.nodes]
        expected = concepts.stability(resamples_of(60))
        np.testing.assert_allclose(tensors["recurs"][places], expected, rtol=1e-6)
    at = [tensors["node"].tolist().index(node) for node in explorer.concepts.nodes]
    assert tensors["recurs"][at].tolist() == [1, 1, 1]
    known = tensors["recurs"][~np.isnan(tensors["recurs"])]
    assert 0 <= known.min() < 1


def test_of_too_many_samples_nobody_says_what_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nw.SplitExplorer, "_limits", Limits(pairs=59, draws=0))
    explorer = opened()
    assert np.isnan(evidence(explorer)["recurs"]).all()
    assert not explorer._session.evidence.lacks([int(node) for node in explorer.concepts.nodes])
    explorer.close()


# Chance


def shares_of_groups(split: Any, size: int, by: str, labels: list[int]) -> np.ndarray:
    """Of random groups that have each label themselves: float64 `DRAWS x L`."""
    drawn = draws_of(len(split.index), size, TRIED * DRAWS)
    columns = [
        shares_at_random(
            split.acts, split.index, size, by, [label], WIDTH,
            groups=groups_with(drawn, split.labels, label),
        )
        for label in labels
    ]  # fmt: skip
    return np.hstack(columns)


def test_chance_is_what_random_groups_retrieve(explorer: Any) -> None:
    tensors, split = evidence(explorer), explorer.split
    sizes, labels = tensors["chance_size"].tolist(), tensors["chance_label"].tolist()
    assert (sizes[0], sizes[-1]) == (split.min_size, 60)
    assert sizes == sorted(set(sizes))
    assert labels == [0, 1, 2]
    for reading, by in enumerate(READINGS):
        for i, size in enumerate(sizes):
            shares = shares_of_groups(split, size, by, labels)
            np.testing.assert_allclose(
                tensors["chance"][reading, i], shares.mean(axis=0), rtol=1e-6
            )
            np.testing.assert_allclose(
                tensors["chance_high"][reading, i], np.quantile(shares, LIKELY, axis=0), rtol=1e-6
            )
    # All top samples are one group, whoever draws them.
    np.testing.assert_array_equal(tensors["chance"][:, -1], tensors["chance_high"][:, -1])


def test_of_fewer_samples_than_are_retrieved_all_are() -> None:
    explorer = opened(activations(count=15), top=12)
    tensors = evidence(explorer)
    assert tensors["retrieved"].shape[2] == 15
    assert np.sort(tensors["retrieved"], axis=2).tolist() == np.broadcast_to(
        np.arange(15), tensors["retrieved"].shape
    ).tolist()  # fmt: skip
    split, labels = explorer.split, tensors["chance_label"].tolist()
    for reading, by in enumerate(READINGS):
        for i, size in enumerate(tensors["chance_size"].tolist()):
            shares = shares_of_groups(split, size, by, labels)
            # Some groups hold all samples of a label: of them there is no share.
            for column, share in enumerate(shares.T):
                known = share[~np.isnan(share)]
                found = [tensors[name][reading, i, column] for name in ("chance", "chance_high")]
                expected = (
                    [known.mean(), np.quantile(known, LIKELY)] if len(known) else [np.nan] * 2
                )
                np.testing.assert_allclose(found, expected, rtol=1e-6)
    explorer.close()


def test_without_labels_there_is_no_chance() -> None:
    explorer = opened(activations(labels=False))
    tensors = evidence(explorer)
    assert not {"chance", "chance_high", "chance_size", "chance_label"} & set(tensors)
    assert (tensors["retrieved_label"] == -1).all()
    assert not explorer._session.evidence.lacks([int(node) for node in explorer.concepts.nodes])
    explorer.close()


def test_a_doubt_about_the_top_samples_is_in_the_message() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 8)).astype("f4")
    item, token = np.divmod(np.arange(300), 5)
    values[token == 0, 0] += 20
    samples = Samples(300, texts=["one two three"] * 60, item=item, token=token)
    acts = nw.Activations("layer", values, samples)
    doubted = unpack(nw.SplitExplorer(acts, 0, top=30)._tree)[1]
    assert doubted["doubt"] == "100% of its top samples are at position 0 of their texts"
    assert "doubt" not in unpack(nw.SplitExplorer(acts, 1, top=30)._tree)[1]


def test_a_page_waits_for_the_evidence_and_says_if_it_lacks_some(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(400, 16)).astype("f4")
    explorer = nw.SplitExplorer(values, 1)
    explorer.to_html(tmp_path / "whole.html")
    assert explorer._session.evidence.assessment.done
    explorer.neuron = 2
    with pytest.warns(UserWarning, match=r"not gathered within 0 s.*pass a longer timeout="):
        explorer.to_html(tmp_path / "early.html", timeout=0)
    explorer.close()
