"""SplitExplorer with any method, and on a split that is there already."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.concepts.methods.method import Clustering
from neuronwidgets.concepts.methods.registry import METHODS
from neuronwidgets.widgets.protocol.buffers import unpack

PLAIN = ["ward", "average", "complete", "single", "kmeans"]


def activations() -> nw.Activations:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.3, (120, 8)).astype("f4") + 1
    values[np.arange(120), 1 + np.arange(120) % 3] += 4
    return nw.Activations.from_arrays(values, labels=np.arange(120) % 3, layer="deep")


def ask(explorer: Any, **request: Any) -> None:
    explorer._on_split_request({"neuron": 0, "top": 100, "method": "ward", **request})
    assert explorer.wait(30)


def test_settings_go_with_their_method() -> None:
    acts = activations()
    explorer = nw.SplitExplorer(acts, neuron=0, method="kmeans", k=4)
    assert explorer._methods == PLAIN
    assert explorer.method == "kmeans"
    assert len(explorer.concepts) == 4
    (own,) = [s for s in explorer._suggestions if "method" in s["best"]]
    assert (own["threshold"], own["concepts"]) == (explorer.threshold, 4)
    explorer.neuron = 1
    assert (explorer.split.settings, len(explorer.concepts)) == ({"k": 4}, 4)
    explorer.method = "ward"
    assert explorer.split.settings == {}
    ask(explorer, method="average")
    assert explorer.split.metric == "cosine"
    ask(explorer, method="kmeans", neuron=2)
    assert len(explorer.concepts) == 4
    explorer.threshold = 0.1
    assert len(explorer.concepts) != 4


def test_a_split_is_shown_as_it_is_and_others_are_made_like_it() -> None:
    acts = activations()
    made = nw.split(acts, 3, 60, "average", "euclidean", min_size=9)
    explorer = nw.SplitExplorer(made)
    assert explorer.split is made
    assert (explorer.neuron, explorer.top, explorer.method) == (3, 60, "average")
    assert explorer.threshold == made.suggested
    explorer.neuron = 5
    other = explorer.split
    assert (other.method, other.metric, other.min_size, len(other.index)) == (
        "average", "euclidean", 9, 60,
    )  # fmt: skip
    explorer.top = 40
    assert explorer.split.min_size == 9


def test_the_least_size_follows_the_top_where_nobody_chose_it() -> None:
    explorer = nw.SplitExplorer(nw.split(activations(), 3, 40))
    assert explorer.split.min_size == 2
    explorer.top = 120
    assert explorer.split.min_size == 6
    by_kmeans = nw.SplitExplorer(nw.split(activations(), 3, 100, method="kmeans", k=60))
    assert by_kmeans.split.min_size == 1
    by_kmeans.method = "ward"
    assert by_kmeans.split.min_size == 5


def test_a_direction_and_a_threshold() -> None:
    acts = activations()
    direction = nw.singular_directions(acts, 2, center=True).directions[1]
    explorer = nw.SplitExplorer(nw.split(acts, direction), threshold=3.5, refined=True)
    assert explorer.wait(30)
    assert (explorer.neuron, explorer.threshold) == (None, 3.5)
    assert explorer.concepts.refined
    explorer.top = 30
    np.testing.assert_array_equal(explorer.split.direction, nw.split(acts, direction).direction)


def test_what_a_split_says_already_is_refused() -> None:
    made = nw.split(activations(), 0)
    for name, value in {"neuron": 3, "top": 5, "method": "ward", "layer": "deep", "k": 3,
                        "metric": "cosine", "min_size": 4}.items():  # fmt: skip
        with pytest.raises(ValueError, match=f"{name}= is given with a split, which has it alread"):
            nw.SplitExplorer(made, **{name: value})


def test_attribution_goes_on_with_its_model() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5))
    x = torch.randn(80, 4)
    acts = nw.capture(model, x, "2", progress=False)
    made = nw.split(acts, 1, method="attribution", model=model, data=x, below="1")
    explorer = nw.SplitExplorer(made)
    assert explorer._methods == [*PLAIN, "attribution", "effect"]
    ask(explorer, neuron=2, top=50, method="attribution")
    assert explorer.split.points is not None
    assert explorer.split.points.shape == (50, 6)
    assert unpack(explorer._tree)[1]["elsewhere"]
    plain = nw.SplitExplorer(acts)
    assert plain._methods == PLAIN
    assert "elsewhere" not in unpack(plain._tree)[1]
    with pytest.raises(TypeError, match="needs model= and below="):
        nw.SplitExplorer(acts).method = "attribution"

    # Where it cannot be made again, the view says why, and what is on the screen stays.
    with torch.no_grad():
        model[2].weight += 1
    ask(explorer, neuron=3, top=50, method="attribution")
    assert explorer.status["state"] == "error"
    assert "gives other activations than those that were captured" in explorer.status["text"]
    assert explorer.neuron == 2


def test_a_method_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def mine(given: Any) -> Clustering:
        return Clustering(nw.linkage(given.vectors))

    with monkeypatch.context() as patch:
        patch.setitem(METHODS, "mine", mine)
        made = nw.split(activations(), 0, method="mine")
        assert nw.SplitExplorer(activations())._methods == [*PLAIN, "mine"]
    explorer = nw.SplitExplorer(made)
    assert explorer._methods == [*PLAIN, "mine"]
    ask(explorer, neuron=1, method="mine")
    assert "method must be one of 'ward'" in explorer.status["text"]
    ask(explorer, neuron=1, method="ward")
    assert (explorer.neuron, explorer.method) == (1, "ward")
