"""Widgets that follow each other."""

from __future__ import annotations

import threading

import ipywidgets
import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.widgets.link import link


def acts(seed: int = 0, width: int = 6, layer: str = "a", count: int = 60) -> nw.Activations:
    values = np.abs(np.random.default_rng(seed).normal(size=(count, width)))
    labels = [f"l{i % 3}" for i in range(count)]
    return nw.Activations.from_arrays(values, [f"t{i}" for i in range(count)], labels, layer)


def test_two_explorers_show_the_same_neuron_and_samples() -> None:
    same = acts()
    a, b = nw.SplitExplorer(same, 1, 20), nw.SplitExplorer(same, 4, 20)
    linked = link(a, b)
    assert b.neuron == 1
    b.neuron = 3
    assert a.neuron == 3
    a.selection = [5, 7]
    assert b.selection == [5, 7]
    linked.unlink()
    a.neuron = 0
    assert b.neuron == 3
    assert "SplitExplorer and SplitExplorer: neuron, selection" in repr(linked)


def test_a_split_and_ranges_follow_each_other() -> None:
    same = acts()
    a, b = nw.SplitExplorer(same, 2, 20), nw.RangeExplorer(same, 5)
    link(a, b)
    assert b.neuron == 2
    b.neuron = 4
    assert a.neuron == 4


def test_samples_are_found_again_in_another_order() -> None:
    values = np.random.default_rng(0).normal(size=(30, 4))
    full = nw.Activations.from_arrays(values, layer="a")
    part = nw.Activations.from_arrays(values[:20], layer="b")
    a, b = nw.SplitExplorer(full, 0, 10), nw.SplitExplorer(part, 1, 10)
    link(a, b)
    assert b.neuron == 1  # another layer: its numbers mean others
    a.selection = [3, 25, 7]
    assert b.selection == [3, 7]


def test_neurons_of_other_layers_are_linked_only_if_asked_for() -> None:
    a, b = nw.SplitExplorer(acts(), 1, 20), nw.SplitExplorer(acts(layer="b"), 3, 20)
    linked = link(a, b)
    assert "neuron" not in linked.names
    link(a, b, "neuron")
    assert b.neuron == 1


def test_what_the_other_refuses_is_shown_there() -> None:
    a, b = nw.SplitExplorer(acts(), 5, 20), nw.SplitExplorer(acts(width=3), 0, 20)
    link(a, b, "neuron")
    assert b.neuron == 0
    assert b.status["state"] == "error"
    assert "neuron" in b.status["text"]
    a.neuron = 2
    assert b.neuron == 2


def test_any_trait_can_be_named() -> None:
    same = acts()
    a, b = nw.SplitExplorer(same, 1, 20), nw.SplitExplorer(same, 1, 20)
    link(a, b, "threshold")
    b.threshold = 0.5
    assert a.threshold == 0.5


def test_what_cannot_be_linked_is_said() -> None:
    same = acts()
    a, b = nw.SplitExplorer(same, 1, 20), nw.RangeExplorer(same, 1)
    with pytest.raises(ValueError, match="do not both have a trait 'threshold'"):
        link(a, b, "threshold")
    with pytest.raises(ValueError, match="same one twice"):
        link(a, a)
    with pytest.raises(TypeError, match=r"ipywidgets\.link"):
        link(a, ipywidgets.IntSlider())


def test_two_threads_from_two_sides_do_not_block_each_other() -> None:
    same = acts()
    a, b = nw.SplitExplorer(same, 0, 20), nw.SplitExplorer(same, 0, 20)
    link(a, b)

    def turn(widget: nw.SplitExplorer, neurons: list[int]) -> None:
        for neuron in neurons:
            widget.neuron = neuron

    sides = [(a, [1, 2, 3] * 5), (b, [4, 5, 0] * 5)]
    threads = [threading.Thread(target=turn, args=side, daemon=True) for side in sides]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert a.neuron == b.neuron


def test_plain_ipywidgets_follow() -> None:
    explorer = nw.SplitExplorer(acts(), 1, 20)
    slider = ipywidgets.IntSlider(max=5)
    ipywidgets.link((explorer, "neuron"), (slider, "value"))
    assert slider.value == 1
    slider.value = 4
    assert explorer.neuron == 4
    with pytest.raises(IndexError, match="neuron 99 is not in layer 'a'"):
        explorer.neuron = 99
