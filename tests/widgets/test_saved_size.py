"""What widgets add to a saved notebook (docs/benchmarks/latency.md has the numbers)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import ipywidgets
import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.widgets.base.front_end import front_end

MB = 1_000_000
DATA = 0.4 * MB
"""The most that an explorer saves beside its front end: bytes of JSON."""
COUNT = 3
"""Explorers in a notebook."""
ONE_MESSAGE = 10 * MB
"""The most bytes of one binary trait: some front ends refuse larger messages."""
LARGEST = 20_000


def activations(count: int, samples: Any) -> Any:
    """Three kinds of samples that all fire neuron 0."""
    rng, kind = np.random.default_rng(0), np.arange(count) % 3
    values = rng.normal(0, 0.3, (count, 16)).astype("f4")
    values[np.arange(count), 1 + kind] += 4
    values[:, 0] += 5
    return nw.Activations.from_arrays(values, samples, np.array(["a", "b", "c"])[kind])


def images(count: int = 2000) -> Any:
    """Noise, which no compression makes smaller."""
    pixels = np.random.default_rng(0).integers(0, 255, (count, 28, 28)).astype("u1")
    return activations(count, pixels)


def texts(count: int = 2000) -> Any:
    passages = [f"passage {i}: " + "some words of a text " * 30 for i in range(count)]
    return activations(count, passages)


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    widgets: list[Any] = []
    yield widgets
    for widget in widgets:
        widget.close()


def saved(widgets: list[Any]) -> str:
    """What JupyterLab writes into the notebook: all state, buffers in base64."""
    models = [part for widget in widgets for part in (widget, *widget._parts())]
    state = ipywidgets.Widget.get_manager_state(widgets=models)
    assert len(state["state"]) == 2 * len(widgets)  # each with its layout, once
    return json.dumps(state)


@pytest.mark.parametrize("samples", [images, texts])
@pytest.mark.parametrize("kind", ["SplitExplorer", "RangeExplorer"])
def test_explorers_stay_small(opened: list[Any], samples: Any, kind: str) -> None:
    acts = samples()
    opened += [getattr(nw, kind)(acts, neuron=neuron) for neuron in range(COUNT)]
    assert all(widget.wait(60) for widget in opened)
    name = {"SplitExplorer": "split-explorer", "RangeExplorer": "range-explorer"}[kind]
    code = len(json.dumps([front_end(f"{name}.js"), front_end(f"{name}.css")]))
    assert len(saved(opened)) < COUNT * (code + DATA)
    # A widget that no page shows is saved without its code and its arrays.
    for widget in opened:
        widget._presence.sleep()
    assert len(saved(opened)) < COUNT * 0.01 * MB


def test_the_largest_tree_is_one_message(opened: list[Any]) -> None:
    opened.append(nw.SplitExplorer(images(LARGEST), neuron=0, top=LARGEST))
    assert opened[0].wait(120)
    binary = {k: v for k, v in opened[0].get_state().items() if isinstance(v, bytes)}
    assert len(binary["_tree"]) > 10 * LARGEST
    assert max(map(len, binary.values())) < ONE_MESSAGE
