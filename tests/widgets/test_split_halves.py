"""Whether the concepts on the cards come back from another half of the top samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.concepts.split import Split
from neuronwidgets.widgets.base.jobs import take
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.split_explorer.halves import Halves
from neuronwidgets.widgets.split_explorer.limits import Limits


@pytest.fixture(scope="module")
def split() -> Split:
    """Three kinds of samples that drive neuron 0."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.3, (300, 12)).astype("f4")
    strength = rng.uniform(1, 5, 300)
    values[np.arange(300), 1 + np.arange(300) % 3] += strength
    values[:, 0] = strength
    return nw.split(nw.Activations.from_arrays(values), 0, top=90)


def gathered(halves: Halves, nodes: list[int]) -> list[dict[str, Any]]:
    for step in halves.steps(nodes, lambda: None):
        take(step)
    assert not halves.lacks(nodes)
    cuts: list[dict[str, Any]] = halves.pack()["halves"]
    return cuts


def test_each_cut_has_the_agreement_of_its_concepts(split: Split) -> None:
    halves = Halves(split, Limits())
    assert halves.pack() == {}
    three = split.cut()
    two = split.cut(float(split.tree.merge_heights[-2]) * 1.01)
    assert (len(three), len(two)) == (3, 2)
    cuts = []
    for cut in (three, two):
        assert halves.lacks(cut.nodes.tolist())
        cuts = gathered(halves, cut.nodes.tolist())
    for cut, shown in zip((three, two), cuts, strict=True):
        agreement, chance, high = cut.half_agreement()
        assert shown["nodes"] == cut.nodes.tolist()
        np.testing.assert_allclose(shown["agreement"], agreement, atol=1e-4)
        np.testing.assert_allclose(shown["chance"], chance, atol=1e-4)
        np.testing.assert_allclose(shown["high"], high, atol=1e-4)
    # The planted kinds come back; two of them as one concept do so, too.
    assert min(cuts[0]["agreement"]) > 0.9
    assert min(cuts[0]["agreement"]) > max(cuts[0]["high"])
    assert max(cuts[0]["chance"]) < 0.8


def test_large_and_small_splits_and_cuts_without_concepts_are_left_out(split: Split) -> None:
    nodes = split.cut().nodes.tolist()
    few = nw.split(split.acts, 0, top=79)
    assert not Halves(few, Limits()).lacks(few.cut().nodes.tolist())
    assert not Halves(split, Limits(pairs=89)).lacks(nodes)
    assert not Halves(split, Limits()).lacks([])


def test_the_explorer_sends_them(split: Split) -> None:
    explorer = nw.SplitExplorer(split)
    assert explorer.wait(60)
    (cut,) = unpack(explorer._evidence)[1]["halves"]
    assert cut["nodes"] == explorer.concepts.nodes.tolist()
    explorer.close()
