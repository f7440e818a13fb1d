"""RangeExplorer's session, without a widget and without a kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.jobs import JobProgress, Steps, take
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.range_explorer.classes import Classes, enough
from neuronwidgets.widgets.range_explorer.effects import MaskEffects
from neuronwidgets.widgets.range_explorer.mask_cost import MaskCost
from neuronwidgets.widgets.range_explorer.session import CHOICES, RangeSession

NAMES = ["bag", "boot", "hat"]


def activations(count: int = 150, names: list[str] = NAMES) -> nw.Activations:
    rng = np.random.default_rng(0)
    kind = np.arange(count) % len(names)
    values = rng.normal(size=(count, 6)).astype("f4")
    values[np.arange(count), kind] += 4
    return nw.Activations.from_arrays(values, labels=np.array(names)[kind], layer="body")


class Recorded:
    """A screen that keeps the traits it gets."""

    def __init__(self) -> None:
        self.traits: dict[str, Any] = {}
        self.measured: list[int] = []
        self.widths: list[int] = []
        self.screen = Screen(self.put, lambda error: None, lambda: None)

    def put(self, traits: Mapping[str, Any]) -> None:
        self.traits |= traits
        if "curve" in traits:
            self.widths.append(len(traits["curve"]["tau"]))
        if "measure" in traits:
            self.measured.append(traits["measure"]["samples"])


def opened(
    acts: nw.Activations | None = None, effects: MaskEffects | None = None
) -> tuple[RangeSession, Recorded]:
    acts, recorded = activations() if acts is None else acts, Recorded()
    session = RangeSession(Feed(acts), Classes.of(acts), recorded.screen, effects)
    recorded.put(session.begin(1, "boot"))
    return session, recorded


def run(steps: Steps) -> list[str]:
    """Run a job here; what it reports."""
    said: list[JobProgress] = []
    for step in steps:
        take(step, said.append)
    return [progress.text for progress in said]


def measured() -> MaskEffects:
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("body", nn.Identity())
    model.add_module("head", nn.Linear(6, 3))
    data = np.random.default_rng(1).normal(size=(60, 6)).astype("f4")

    def cost(classes: Classes) -> MaskCost:
        return MaskCost(
            model, data, "body", classes.label_names, classes.ranges.seen, labels=NAMES * 20,
            texts=None, language_model=None, tokenizer=None, classes=NAMES, predict=None,
            transform=None, batch_size=20, max_length=None, neuron_axis=None, at="output",
        )  # fmt: skip

    return MaskEffects(cost)


def test_it_needs_neither_traitlets_nor_a_kernel() -> None:
    code = (
        "import sys, neuronwidgets.widgets.range_explorer.session\n"
        "print({'traitlets', 'anywidget', 'ipywidgets', 'IPython'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_picture_is_a_set_of_traits() -> None:
    session, recorded = opened()
    traits = recorded.traits
    assert (traits["neuron"], traits["label"], session.label_name) == (1, 1, "boot")
    assert (traits["edges"], traits["selection"]) == ([], [])
    assert traits["_version"] == session.version == 1
    assert unpack(traits["_picture"])[1]["labels"] == NAMES
    expected = nw.ranges(session.acts).interval(1, "boot", 2.0)
    assert session.interval[0].tolist() == pytest.approx(expected)
    assert set(session.edits()) == {"range", "neuron"}


def test_without_a_neuron_it_begins_where_a_label_stands_apart() -> None:
    session, _ = opened()
    assert session.begin(None, None)["neuron"] == session.label
    assert session.begin(None, "hat")["neuron"] == 2
    with pytest.raises(ValueError, match="label 'cap' has no range here"):
        session.begin(None, "cap")
    with pytest.raises(IndexError, match="neuron 6"):
        session.begin(6, None)


def test_a_drawn_range_ends_with_its_label_and_its_width() -> None:
    session, _ = opened()
    for name, value in (("label", 2), ("tau", 1.0), ("rule", "quantile")):
        assert session.choose("edges", [None, 0.5], by_view=True) == {}
        assert session.interval.tolist() == [[-np.inf, 0.5]]
        version = session.version
        assert session.choose(name, value, by_view=True) == {"edges": []}
        assert (session.edges, session.version) == ([], version)
    session.choose("edges", [0.0, 1.0], by_view=True)
    # Python's change makes a drag that is under way meaningless.
    assert session.choose("tau", 2.0, by_view=False) == {"edges": [], "_version": 2}
    assert session.late(1, {"edges": [0.0, 1.0]}) == {}
    assert session.choose("top", 0.5, by_view=False) == {}
    assert session.late(2, {"edges": [0.0, 1.0], "selection": [1]}) == {"edges": [0.0, 1.0]}


def test_a_drawn_band_is_the_mask_of_every_masked_neuron() -> None:
    session, _ = opened()
    acts, ranges = session.acts, session.classes.ranges
    session.choose("top", 0.5, by_view=True)
    session.choose("edges", [3.0, None], by_view=True)
    edit = session.edits()["range"]
    assert len(edit.neurons) == 3
    assert 1 in edit.neurons
    own = acts.values[acts.labels == 1].astype("f8")
    z = (3.0 - own[:, 1].mean()) / own[:, 1].std()
    expected = own.mean(axis=0) + z * own.std(axis=0)
    np.testing.assert_allclose(edit.low[:, 0], expected[edit.neurons], rtol=1e-6)
    assert np.isposinf(edit.high).all()
    # As the rule is: its own range, dragged nowhere, is its own mask.
    for rule in ("gaussian", "quantile"):
        session.choose("rule", rule, by_view=True)
        session.choose("tau", 1.5, by_view=True)
        plain = session.edits()["range"]
        session.choose("edges", ranges.pieces(1, "boot", 1.5, rule).ravel().tolist(), by_view=True)
        drawn = session.edits()["range"]
        for name in ("neurons", "low", "high"):
            np.testing.assert_allclose(getattr(drawn, name), getattr(plain, name), rtol=1e-9)
    session.choose("this_neuron_only", True, by_view=True)
    assert session.edits()["range"].neurons.tolist() == [1]
    # A neuron that is not among the salient ones is masked with them while one draws on it.
    session.choose("this_neuron_only", False, by_view=True)
    session.choose("top", 0.2, by_view=True)
    session.show(5)
    session.choose("edges", [0.0, 1.0], by_view=True)
    assert set(session.edits()["range"].neurons) == {1, 5}


def test_of_many_labels_the_chosen_one_has_examples() -> None:
    kind = np.arange(400) % 80
    names = ["boot", *(f"label {i:03}" for i in range(79))]
    values = np.random.default_rng(0).normal(size=(400, 2))
    texts = [f"text {i}" for i in range(400)]
    session, _ = opened(
        nw.Activations.from_arrays(values, samples=texts, labels=np.array(names)[kind])
    )
    examples = unpack(session.choose("label", 3, by_view=True)["_examples"])[0]
    assert (examples["face_label"] == 3).sum() == 5


def test_newer_activations_keep_what_the_user_chose() -> None:
    session, recorded = opened(activations(100, ["boot", "hat"]))
    session.choose("edges", [0.0, 1.0], by_view=True)
    session.choose("selection", [3, 7], by_view=True)
    version = session.version
    assert session.label == 0
    steps = session.refreshed(activations(150))
    while True:
        try:
            take(next(steps))
        except StopIteration as end:
            show = end.value
            break
    assert len(session.acts) == 100
    show()
    traits = recorded.traits
    assert len(session.acts) == 150
    assert (traits["label"], session.label_name) == (1, "boot")
    assert (traits["edges"], traits["selection"]) == ([0.0, 1.0], [3, 7])
    assert traits["_version"] == version + 1
    assert session.late(version, {"edges": [0.0, 2.0]}) == {"edges": [0.0, 2.0]}
    # What a view calls 1 depends on the picture that it saw.
    assert session.label_since(version, 1) == 2
    assert session.label_since(version + 1, 1) == 1
    assert session.label_since(version, "hat") == "hat"


def test_masks_are_measured_once_for_each_choice() -> None:
    session, recorded = opened(effects=measured())
    assert session.due()
    assert "measuring the masks on 20 of 60 samples" in run(session.work())
    # After each batch, when all are measured, and with the random bands.
    assert recorded.measured == [20, 40, 60, 60, 60]
    assert set(recorded.traits["measure"]["for"]) == set(CHOICES)
    run(session.work())
    assert len(recorded.measured) == 5
    session.choose("tau", 1.0, by_view=True)
    run(session.work())
    assert len(recorded.measured) == 10
    assert recorded.traits["measure"]["for"]["tau"] == 1.0
    session.effects.close()
    assert not session.due()


def test_random_bands_that_were_interrupted_are_measured_later() -> None:
    session, recorded = opened(effects=measured())
    steps = session.work()
    while "done" not in recorded.traits.get("measure", {}):
        take(next(steps))
    steps.close()
    assert "random" not in recorded.traits["measure"]
    assert "measuring random bands of the same share" in run(session.work())
    random = recorded.traits["measure"]["random"]
    assert random["draws"] == 5
    assert random["perplexity"] == [None, None, None]
    for part in ("target", "other"):
        value, low, high = random[part]
        assert low <= value <= high
    # The masks themselves were not measured again, and another choice drops the old control.
    assert len(recorded.measured) == 5
    session.choose("tau", 0.5, by_view=True)
    steps = session.work()
    while recorded.traits["measure"]["for"]["tau"] != 0.5:
        take(next(steps))
    assert "random" not in recorded.traits["measure"]


def test_every_width_is_measured_ahead() -> None:
    session, recorded = opened(effects=measured())
    said = run(session.work())
    assert "cost curve: 16 of 17 widths" in said
    assert recorded.widths == list(range(1, 18))
    curve = recorded.traits["curve"]
    assert curve["tau"] == [i / 4 for i in range(17)]
    assert curve["for"] == {
        "neuron": None, "label": 1, "rule": "gaussian", "top": 0.3, "this_neuron_only": False,
    }  # fmt: skip
    # A width of the curve is what the bars say there.
    for tau in (1.0, 2.75):
        session.choose("tau", tau, by_view=True)
        run(session.work())
        at, bars = curve["tau"].index(tau), recorded.traits["measure"]
        for part in ("target", "other"):
            assert curve[part][at] == pytest.approx(bars[part]["range"][0])
            assert curve[f"{part}_nats"][at] == pytest.approx(bars[f"{part}_nats"]["range"][0])
    # Another width, or a band, has the same curve; another rule has its own.
    session.choose("edges", [3.0, 4.0], by_view=True)
    run(session.work())
    assert len(recorded.widths) == 17
    session.choose("rule", "quantile", by_view=True)
    run(session.work())
    assert recorded.widths[17:] == list(range(1, 18))
    assert recorded.traits["curve"]["for"]["rule"] == "quantile"


def test_a_curve_goes_on_where_it_was_interrupted() -> None:
    session, recorded = opened(effects=measured())
    steps = session.work()
    while len(recorded.widths) < 5:
        take(next(steps))
    steps.close()
    # The first measurement came before any width, and coarse widths before fine ones.
    assert recorded.measured == [20, 40, 60, 60, 60]
    assert recorded.traits["curve"]["tau"] == [0, 1, 2, 3, 4]
    session.choose("tau", 1.1, by_view=True)
    run(session.work())
    assert recorded.widths == list(range(1, 18))
    session.choose("this_neuron_only", True, by_view=True)
    run(session.work())
    assert recorded.traits["curve"]["for"]["neuron"] == 1
    assert len(recorded.widths) == 34


def test_without_models_nothing_is_due() -> None:
    session, recorded = opened()
    assert not session.due()
    assert run(session.work()) == []
    session.choose("prompt", "x", by_view=False)
    assert not session.due()
    assert "measure" not in recorded.traits


def test_held_out_data_that_does_not_fit_is_refused_at_the_door() -> None:
    acts = activations(names=["bag", "boot", "hat", "cap"])
    with pytest.raises(ValueError, match="'cap', which is not among the"):
        RangeSession(Feed(acts), Classes.of(acts), Recorded().screen, measured())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("label", "cap", "label 'cap' has no range here"),
        ("label", 3, "0 to 2"),
        ("label", True, "label True"),
        ("tau", 4.1, "tau must be 0 to 4 standard deviations, got 4.1"),
        ("rule", "best", "rule must be one of 'gaussian', .*, got 'best'"),
        ("top", 0, "top must be a share of the neurons, above 0 and at most 1, got 0"),
        ("edges", [2.0, 1.0], r"ascending order, .*, got \[2.0, 1.0\]"),
        ("neuron", 6, "neuron 6"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: Any, words: str) -> None:
    session, _ = opened()
    with pytest.raises((ValueError, IndexError), match=words):
        session.check(name, value)


def test_how_many_samples_are_enough_to_open() -> None:
    acts = nw.Activations.from_arrays(np.eye(4), labels=["b", "b", "c", "a"])
    assert enough(acts)
    assert enough(acts, "b")
    assert not enough(acts, "a")
    assert not enough(acts, "z")
    assert enough(acts, 2)
    assert not enough(acts, 3)
    assert not enough(nw.Activations.from_arrays(np.eye(3), labels=["a", "b", "c"]))
    numbers = nw.Activations.from_arrays(np.eye(4), labels=[1, 1, 2, 2])
    assert enough(numbers, 2)
    assert not enough(numbers, 0)
    assert enough(nw.Activations.from_arrays(np.eye(3)))


def test_lit_samples_lie_on_the_axis() -> None:
    values = np.arange(12.0).reshape(6, 2)
    acts = nw.Activations.from_arrays(values, labels=["a", "b", None, "a", "b", "b"])
    explorer = nw.RangeExplorer(acts, 1)
    explorer.lit = [0, 2, 4]  # sample 2 has no label
    assert explorer._lit_dots == [[1.0, 0.0], [9.0, 1.0]]
    explorer.neuron = 0
    assert explorer._lit_dots == [[0.0, 0.0], [8.0, 1.0]]
    explorer.lit = []
    assert explorer._lit_dots == []
