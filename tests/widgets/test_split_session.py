"""SplitExplorer's session, without a widget and without a kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.jobs import JobProgress, Steps, take
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.split_explorer.limits import Limits
from neuronwidgets.widgets.split_explorer.recipe import Recipe
from neuronwidgets.widgets.split_explorer.session import SplitSession


def activations(count: int = 120) -> nw.Activations:
    """Three kinds of samples that all activate neuron 0."""
    rng = np.random.default_rng(0)
    kind = np.arange(count) % 3
    values = rng.normal(0, 0.3, (count, 8)).astype("f4")
    values[np.arange(count), 1 + kind] += 4
    values[:, 0] += 5
    return nw.Activations.from_arrays(values, labels=np.array(["a", "b", "c"])[kind])


class Recorded:
    """A screen that keeps the traits it gets."""

    def __init__(self) -> None:
        self.traits: dict[str, Any] = {}
        self.messages: list[set[str]] = []
        self.errors: list[str] = []
        self.screen = Screen(self.put, lambda error: self.errors.append(str(error)), self.clear)

    def put(self, traits: Mapping[str, Any]) -> None:
        self.traits |= traits
        self.messages.append(set(traits))

    def clear(self) -> None:
        self.errors.clear()


def opened(top: int | None = 60, recipe: Recipe | None = None) -> tuple[SplitSession, Recorded]:
    recorded, acts = Recorded(), activations()
    session = SplitSession(
        Feed(acts), acts, recipe or Recipe(), recorded.screen, limits=Limits(draws=0)
    )
    session.top = top
    shown = session.make(0, top, session.recipe.method)
    recorded.put(session.show(session.picture(shown)))
    return session, recorded


def run(steps: Steps) -> list[str]:
    """Run a job here; what it reports."""
    said: list[JobProgress] = []
    for step in steps:
        take(step, said.append)
    return [progress.text for progress in said]


def test_it_needs_neither_traitlets_nor_a_kernel() -> None:
    code = (
        "import sys, neuronwidgets.widgets.split_explorer.session\n"
        "print({'traitlets', 'anywidget', 'ipywidgets', 'IPython'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_picture_is_a_set_of_traits() -> None:
    session, recorded = opened()
    traits = recorded.traits
    assert (traits["neuron"], traits["top"], traits["method"]) == (0, 60, "ward")
    assert traits["metric"] == "cosine"
    assert traits["threshold"] == session.threshold == session.split.suggested
    assert traits["_version"] == session.version == 1
    tree, about = unpack(traits["_tree"])
    assert tree["row"].tolist() == session.split.index.tolist()
    assert about["name"] == "neuron 0"
    assert len(session.concepts) == 3


def test_evidence_is_due_until_it_is_gathered() -> None:
    session, recorded = opened()
    assert session.due()
    run(session.work())
    assert not session.due()
    found = unpack(recorded.traits["_evidence"])[0]["node"]
    assert set(session.concepts.nodes.tolist()) <= set(found.tolist())
    assert recorded.traits["_scores"]
    # All possible concepts were looked up: another cut needs nothing, as the halves of so few
    # samples are not compared.
    session.choose("threshold", session.split.tree.top)
    assert not session.due()


def test_evidence_of_another_split_is_not_published() -> None:
    session, recorded = opened()
    steps = list(session.work())
    recorded.put(session.show(session.picture(session.make(3, 50, "ward"))))
    recorded.messages.clear()
    for step in steps:
        take(step)
    assert recorded.messages == []


def test_refined_membership_is_that_of_its_threshold() -> None:
    session, recorded = opened()
    session.choose("refined", True)
    assert session.due()
    assert not session.concepts.refined
    assert "k-means" in run(session.work())
    assert session.concepts.refined
    message, about = unpack(recorded.traits["_refinement"])
    assert about["threshold"] == session.threshold
    assert message["concept"].tolist() == session.concepts.assignment.tolist()
    session.choose("threshold", session.split.tree.top)
    assert not session.concepts.refined


def test_what_the_user_gave_comes_back_with_the_split() -> None:
    session, recorded = opened()
    session.choose("threshold", 1.25)
    session.choose("names", session.renamed(0, " mine "))
    recorded.put(session.show(session.picture(session.make(2, 60, "ward"))))
    assert (session.names, session.chosen) == ({}, False)
    recorded.put(session.show(session.picture(session.make(0, 60, "ward"))))
    assert recorded.traits["threshold"] == session.threshold == 1.25
    assert session.chosen
    assert "mine" in session.concepts.names
    assert session.version == 3


def test_a_threshold_of_the_widgets_own_is_no_choice() -> None:
    session, _ = opened()
    session.choose("threshold", session.split.suggested, by_user=False)
    assert not session.chosen
    session.choose("refined", True)
    assert not session.chosen
    session.choose("threshold", 2.0)
    assert session.chosen


def test_a_name_can_be_moved_and_taken_back() -> None:
    session, _ = opened()
    session.choose("names", session.renamed(1, "first"))
    session.choose("names", session.renamed(1, "second"))
    assert list(session.names.values()) == ["second"]
    assert session.renamed(1, "") == {}
    with pytest.raises(IndexError, match="concept 9 is not on the screen"):
        session.renamed(9, "x")


def test_only_another_split_is_made() -> None:
    session, _ = opened()
    shown = {"neuron": 0, "top": 60, "method": "ward", "metric": "cosine"}
    session.propose("neuron", shown)
    assert session.proposed() is None
    session.propose("top", {**shown, "top": 50})
    split = session.proposed()
    assert split is not None
    assert len(split.index) == 50
    assert session.proposed() is None
    with pytest.raises(IndexError, match="8 neurons"):
        session.propose("neuron", {**shown, "neuron": 8})
    # A metric goes with its method; another method begins with its own.
    session.propose("method", {**shown, "method": "average", "metric": "euclidean"})
    split = session.proposed()
    assert split is not None
    assert split.metric == "cosine"


def test_settings_go_with_their_method() -> None:
    session, _ = opened(recipe=Recipe("ward", {"metric": "euclidean"}, min_size=4))
    assert (session.split.metric, session.split.min_size) == ("euclidean", 4)
    assert Recipe.of(session.split) == session.recipe
    other = session.make(1, 60, "average")
    assert (other.metric, other.min_size) == ("cosine", 4)
    assert Recipe.of(nw.split(activations(), 0)).min_size is None


def test_a_request_is_answered_by_a_picture_or_by_an_error() -> None:
    session, recorded = opened()
    assert "clustering 40 samples" in run(session.resplit(5, 40, "average", None, "dot"))
    traits = recorded.traits
    assert (traits["neuron"], traits["top"], traits["method"]) == (5, 40, "average")
    assert traits["by"] == "dot"
    version = session.version
    run(session.resplit(99, 40, "ward", None, "dot"))
    assert "neuron 99" in recorded.errors[0]
    assert (session.version, session.split.neuron) == (version, 5)
    run(session.resplit(1, 40, "ward", None, "dot"))
    assert recorded.errors == []


def test_a_direction_is_split_again() -> None:
    session, recorded = opened()
    session.show(session.picture(session.make(np.arange(8.0), 60, "ward")))
    direction = session.split.direction
    run(session.resplit(None, 40, "ward", None, "cosine"))
    assert recorded.traits["neuron"] is None
    np.testing.assert_array_equal(session.split.direction, direction)


def test_newer_activations_keep_what_the_user_chose() -> None:
    session, recorded = opened()
    session.choose("threshold", 1.0)
    session.choose("names", session.renamed(0, "mine"))
    session.choose("selection", [3, 7])
    version, node = session.version, next(iter(session.names))
    steps = session.refreshed(activations(240))
    while True:
        try:
            take(next(steps))
        except StopIteration as end:
            show = end.value
            break
    assert session.version == version
    show()
    assert len(session.acts) == 240
    traits = recorded.traits
    assert (traits["threshold"], traits["selection"]) == (1.0, [3, 7])
    assert traits["_version"] == session.version == version + 1
    assert "mine" in session.concepts.names
    assert set(session.concepts.nodes.tolist()) <= set(
        unpack(traits["_evidence"])[0]["node"].tolist()
    )
    # What a view chose on the picture before is carried over; on one before that it is not.
    late = session.late(version, {"threshold": 2.0, "names": {node: "late"}})
    assert late["threshold"] == 2.0
    assert list(late["names"].values()) == ["late"]
    assert session.late(version - 1, {"threshold": 2.0, "names": {node: "late"}}) == {}


@pytest.mark.parametrize(
    ("check", "value", "words"),
    [
        ("check_threshold", -1.0, "threshold must be a height of the tree, 0 to .*, got -1"),
        ("check_threshold", float("nan"), "got nan"),
        ("check_selection", [120], "0 to 119"),
        ("check_names", {"119": "x"}, "'0' to '118', got '119'"),
        ("check_names", {"x": "y"}, "got 'x'"),
    ],
)
def test_what_does_not_fit_is_refused(check: str, value: Any, words: str) -> None:
    session, _ = opened()
    with pytest.raises((ValueError, IndexError), match=words):
        getattr(session, check)(value)


@pytest.mark.parametrize(("asked", "top"), [(None, 60), (30, 30)])
def test_newer_samples_have_more_on_top_unless_a_number_was_chosen(
    asked: int | None, top: int
) -> None:
    session, recorded = opened(asked)
    session.top = asked
    session.choose("threshold", 0.8)
    assert recorded.traits["top"] == (asked or 20)
    steps = session.refreshed(activations(1200))
    kept: list[Any] = []

    def job() -> Steps:
        kept.append((yield from steps))

    run(job())
    kept[0]()
    assert (recorded.traits["top"], recorded.traits["threshold"]) == (top, 0.8)
    for wanted in (top, 40):
        run(session.resplit(1, wanted, "ward", None, "cosine"))
        assert recorded.traits["top"] == wanted
        assert session.top == (asked if wanted == top else wanted)
