"""The trees of one neuron by state, cause and effect, and how far they agree with the default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.widgets.protocol.buffers import unpack

INPUTS = torch.randn(200, 5, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def explorer() -> Iterator[Any]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    acts = nw.capture(model, INPUTS, "3", progress=False)
    made = nw.SplitExplorer(acts, 0, 40, model=model, data=INPUTS)
    assert made.wait(60)
    yield made
    made.close()


def test_all_three_are_offered_with_a_model_only(explorer: Any) -> None:
    assert {"ward", "attribution", "effect"} < set(explorer._methods)
    assert list(nw.METHODS) == explorer._methods
    plain = nw.SplitExplorer(explorer.acts, 0, 40)
    assert not {"attribution", "effect"} & set(plain._methods)
    plain.close()


def test_the_first_layer_of_neurons_has_no_tree_by_cause() -> None:
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    acts = nw.capture(model, INPUTS, "1", progress=False)
    explorer = nw.SplitExplorer(acts, 0, 40, model=model, data=INPUTS)
    assert "effect" in explorer._methods
    assert "attribution" not in explorer._methods
    explorer.close()


@pytest.mark.parametrize("method", ["attribution", "effect"])
def test_a_tree_is_that_of_split_and_says_how_it_agrees(explorer: Any, method: str) -> None:
    request = {"type": "split.request", "neuron": 0, "top": 40, "method": method}
    explorer._on_view_message(explorer, request, [])
    assert explorer.wait(60)
    model = explorer._session.recipe.use.model
    settings = {"below": "1"} if method == "attribution" else {}
    expected = nw.split(explorer.acts, 0, 40, method, model=model, data=INPUTS, **settings)
    np.testing.assert_allclose(explorer.split.Z, expected.Z, atol=1e-6)
    agreement = unpack(explorer._evidence)[1]["agreement"]
    both = nw.compare_splits(expected, nw.split(explorer.acts, 0, 40))
    assert agreement["index"] == pytest.approx(both.suggested[0, 1])
    assert agreement["clusters"] == both.clusters.tolist()
    assert agreement["chance"] == pytest.approx(both.chance[0, 1, 0], abs=0.1)


def test_nothing_is_said_of_the_default_tree(explorer: Any) -> None:
    request = {"type": "split.request", "neuron": 0, "top": 40, "method": "ward"}
    explorer._on_view_message(explorer, request, [])
    assert explorer.wait(60)
    assert "agreement" not in unpack(explorer._evidence)[1]
    explorer._on_view_message(explorer, {**request, "metric": "euclidean"}, [])
    assert explorer.wait(60)
    assert 0 < unpack(explorer._evidence)[1]["agreement"]["index"] <= 1


def test_a_language_model_s_many_outputs_are_resumed_exactly() -> None:
    from neuronwidgets.widgets.split_explorer.model_use import ModelUse

    model = nn.Linear(2, 2)
    model.config = type("Config", (), {"vocab_size": 4096})()  # type: ignore[assignment]
    use = ModelUse(model, tokenizer=str)
    known = use.settings(["model", "order", "tokenizer", "data"], "layer")
    assert known == {"model": model, "order": "exact", "tokenizer": str}
    assert ModelUse(nn.Linear(2, 2)).settings(["order"], "layer") == {}
