"""RangeExplorer as its user sets it, from Python and from the view."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
import torch
import traitlets as t

import neuronwidgets as nw


def test_opens_where_a_label_stands_apart() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3, 1, (300, 20))
    values[:100, 13] += 9
    acts = nw.Activations.from_arrays(values, labels=["far"] * 100 + ["a", "b"] * 100)
    made = nw.RangeExplorer(acts)
    assert made.neuron == 13
    assert made._session.label_name == "far"
    assert made.capabilities == {"measure": False, "perplexity": False, "complete": False}
    assert made.status["state"] == "idle"
    assert made.measure == {}


def test_a_range_drawn_by_hand(explorer: Any, case: dict[str, Any]) -> None:
    explorer.edges = [None, 0.5, 1.0, 2.0]
    np.testing.assert_array_equal(explorer.interval, [[-np.inf, 0.5], [1.0, 2.0]])
    edit = explorer.edit
    place = edit.neurons.tolist().index(3)
    assert edit.low[place].tolist() == [-np.inf, 1.0]
    # Every other neuron has the band at the same z-scores of the label.
    own = case["acts"].values[case["acts"].labels == explorer.label].astype("f8")
    mean, std = own.mean(axis=0), own.std(axis=0)
    z = (np.array([[-np.inf, 0.5], [1.0, 2.0]]) - mean[3]) / std[3]
    for j, low, high in zip(edit.neurons, edit.low, edit.high, strict=True):
        np.testing.assert_allclose([low, high], (mean[j] + z * std[j]).T, rtol=1e-5)
    assert explorer.wait(30)
    explorer.this_neuron_only = True
    assert explorer.edit.neurons.tolist() == [3]
    with explorer.mask(), torch.no_grad():
        inside = case["model"].below(torch.from_numpy(case["data"]))[:, 3]
    with torch.no_grad():
        before = case["model"].below(torch.from_numpy(case["data"]))[:, 3]
    gone = (before <= 0.5) | ((before >= 1) & (before <= 2))
    torch.testing.assert_close(
        inside, torch.where(gone, float(case["acts"].values[:, 3].mean()), before)
    )
    # Another width, or another label: the drawn one is over.
    explorer.tau = 1.0
    assert explorer.edges == []
    assert explorer.interval[0].tolist() == pytest.approx(explorer.ranges.interval(3, "boot", 1.0))
    explorer.edges = [0.0, 1.0]
    explorer.neuron = 5
    assert explorer.edges == []


def test_without_observers_the_range_is_that_of_the_traits(explorer: Any) -> None:
    explorer.unobserve_all("tau")
    explorer.tau = 1.0
    expected = explorer.ranges.interval(3, "boot", 1.0)
    assert explorer.interval[0].tolist() == pytest.approx(expected)
    explorer.top = 0.5
    assert explorer.wait(30)
    assert explorer.measure["for"]["tau"] == 1.0
    explorer.neuron = 5
    assert explorer.wait(30)
    assert explorer.measure["for"]["tau"] == 1.0


def test_a_late_drag_is_dropped(explorer: Any) -> None:
    explorer.set_state({"edges": [0.0, 1.0], "_view_version": explorer._version})
    assert explorer.edges == [0.0, 1.0]
    old = explorer._version
    explorer.neuron = 4
    explorer.set_state({"edges": [7.0, 9.0], "_view_version": old})
    assert explorer.edges == []
    explorer.set_state({"label": 2, "tau": 1.5, "edges": [], "_view_version": explorer._version})
    assert (explorer.label, explorer.tau) == (2, 1.5)


def test_messages_of_the_view(explorer: Any) -> None:
    explorer._on_view_message(None, {"type": "neuron.request", "neuron": 7}, [])
    assert explorer.neuron == 7
    explorer._on_view_message(None, {"type": "neuron.request", "neuron": 70}, [])
    assert explorer.neuron == 7
    assert "neuron 70 is not in layer 'below'" in explorer.status["text"]
    explorer._on_view_message(None, {"type": "prompt.request", "prompt": "x"}, [])
    assert "no language model" in explorer.status["text"]
    explorer.tau = 1.0
    assert explorer.status["state"] != "error"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("label", "cap", "label 'cap' has no range here"),
        ("label", 3, "0 to 2"),
        ("label", True, "label True"),
        ("tau", 4.1, "tau must be 0 to 4 .*, got 4.1"),
        ("tau", float("nan"), "got nan"),
        ("rule", "best", "rule must be one of .*, got 'best'"),
        ("top", 0, "above 0 .*, got 0"),
        ("top", 1.5, "at most 1, got 1.5"),
        ("edges", [2.0, 1.0], "ascending"),
        ("edges", [1.0], "ascending"),
        ("edges", [0.0, None, 1.0, 2.0], "ascending"),
        ("neuron", 10, "neuron 10 is not in layer"),
    ],
)
def test_refused_in_words_and_nothing_changes(
    explorer: Any, name: str, value: Any, words: str
) -> None:
    before = getattr(explorer, name)
    with pytest.raises((t.TraitError, IndexError), match=words):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before


def test_bad_input(case: dict[str, Any]) -> None:
    acts, model = case["acts"], case["model"]
    options = {"model": model, "data": case["data"], "labels": case["labels"]}
    cases: list[tuple[Any, str]] = [
        (lambda: nw.RangeExplorer(acts.values), "got a ndarray"),
        (lambda: nw.RangeExplorer(nw.Activations.from_arrays(acts.values)), "has no labels"),
        (lambda: nw.RangeExplorer(acts, **options), "pass classes="),
        (lambda: nw.RangeExplorer(acts, data=case["data"]), "pass model="),
        (lambda: nw.RangeExplorer(acts, model=model, texts=["a"]), "pass model= and data="),
        (lambda: nw.RangeExplorer(acts, **{**options, "labels": ["hat"]}, classes=case["classes"]),
         "got 1 entries"),
        (lambda: nw.RangeExplorer(acts, neuron=99), "neuron 99"),
        (lambda: nw.RangeExplorer(acts).mask(), "no model"),
        (lambda: nw.RangeExplorer(acts).complete("x"), "no language model"),
    ]  # fmt: skip
    for make, words in cases:
        with pytest.raises((ValueError, TypeError, IndexError), match=words):
            make()
    moved = nw.RangeExplorer(
        nw.Activations.from_arrays(acts.values, labels=acts.labels, layer="nowhere",
                                   label_names=acts.label_names)
    )  # fmt: skip
    with pytest.raises(ValueError, match="'nowhere' does not exist in"), moved.mask(model):
        pass


def test_a_page_of_its_own(explorer: Any, tmp_path: Any) -> None:
    text = explorer.to_html(tmp_path / "ranges").read_text("utf-8")
    assert "RangeExplorer(neuron 3 of layer" in text
    state = json.loads(re.findall(r'id="state">(.*?)</script>', text, re.S)[0])
    assert base64.b64decode(state["_picture"][1]) == explorer._picture
    assert "cdn" not in text


def test_former_names_of_traits_work_and_warn(explorer: Any) -> None:
    with pytest.warns(DeprecationWarning, match="use RangeExplorer.this_neuron_only"):
        explorer.alone = True
    assert explorer.this_neuron_only
    with pytest.warns(DeprecationWarning, match="use RangeExplorer.capabilities"):
        assert explorer.can == explorer.capabilities
