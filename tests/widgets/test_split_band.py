"""SplitExplorer's activation band: another split on release, and what the band alone shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.split_explorer.activation_band import BINS, histogram

MIDDLE = (0.5, 0.9)


def activations() -> nw.Activations:
    """Neuron 0's top is of one kind; two others, of which one is at the top too, are below it."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (600, 8)).astype("f4")
    values[:, 0] = np.linspace(0, 1, 600)
    top = np.arange(600) >= 540
    kind = np.where(top, 1, 2 + np.arange(600) % 2)
    kind[560:590] = 2
    values[np.arange(600), kind] += 3
    return nw.Activations.from_arrays(values, labels=kind)


def message(explorer: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    assert explorer.wait(60)
    return unpack(explorer._evidence)


def test_a_view_asks_for_a_band_and_for_the_top_again() -> None:
    acts = activations()
    explorer = nw.SplitExplorer(acts, 0, 40)
    assert explorer.band is None
    request = {"type": "split.request", "neuron": 0, "top": 40, "method": "ward"}
    explorer._on_view_message(explorer, {**request, "band": [0.5, 0.9]}, [])
    assert explorer.wait(60)
    assert explorer.band == MIDDLE
    expected = nw.split(acts, 0, 40, band=MIDDLE)
    assert explorer.split.index.tolist() == expected.index.tolist()
    assert "band 0.5 to 0.9" in repr(explorer.split)
    # Another neuron is split by the same band, and the code says so.
    explorer._on_view_message(explorer, {**request, "neuron": 3}, [])
    assert explorer.wait(60)
    assert (explorer.neuron, explorer.split.band) == (3, MIDDLE)
    explorer._on_view_message(explorer, {**request, "band": None}, [])
    assert explorer.wait(60)
    assert explorer.band is None
    assert explorer.split.index.tolist() == nw.split(acts, 0, 40).index.tolist()
    explorer.close()


def test_the_trait_is_checked_and_keeps_what_the_user_chose() -> None:
    explorer = nw.SplitExplorer(activations(), 0, 40)
    explorer.threshold = 1.5
    explorer.band = MIDDLE
    assert explorer.split.band == MIDDLE
    explorer.threshold = 0.75
    explorer.band = None
    assert explorer.threshold == 1.5
    explorer.band = MIDDLE
    assert explorer.threshold == 0.75
    for wrong in ((0.9, 0.5), (0.2, 1.5)):
        with pytest.raises(ValueError, match="band must be two quantiles"):
            explorer.band = wrong
    assert explorer.split.band == explorer.band == MIDDLE
    explorer.close()


def test_a_wrong_band_of_a_view_is_said_and_what_is_shown_stays() -> None:
    explorer = nw.SplitExplorer(activations(), 0, 40)
    request = {"type": "split.request", "neuron": 0, "top": 40, "method": "ward"}
    explorer._on_view_message(explorer, {**request, "band": [0.9, 0.1]}, [])
    assert explorer.wait(60)
    assert explorer.status["state"] == "error"
    assert "band must be two quantiles" in explorer.status["text"]
    assert explorer.band is None
    explorer.close()


def test_a_neuron_without_samples_in_the_band_does_not_drop_it() -> None:
    values = np.array(activations().values)
    values[:, 5] = np.arange(600) > 590
    narrow = (0.5, 0.5001)
    explorer = nw.SplitExplorer(nw.Activations.from_arrays(values), 5, 40, band=narrow)
    explorer.neuron = 0
    assert explorer.split.at_rest
    assert explorer.split.band == explorer.band == narrow
    explorer.close()


def test_concepts_of_the_middle_are_compared_with_those_of_the_top() -> None:
    acts = activations()
    explorer = nw.SplitExplorer(acts, 0, 60, band=(0.3, 0.85))
    arrays, about = message(explorer)
    split = explorer.split
    expected = nw.band_only(explorer.concepts)
    nodes = arrays["band_node"].tolist()
    for node, cosine, chance in zip(
        explorer.concepts.nodes.tolist(), expected.cosine, expected.chance, strict=True
    ):
        place = nodes.index(node)
        assert arrays["band_cosine"][place] == pytest.approx(cosine, abs=1e-5)
        assert arrays["band_chance"][place] == pytest.approx(chance)
    assert about["band"]["limit"] == expected.limit
    # Kind 3 is nowhere near the top, kind 2 is.
    kinds = acts.labels[split.index] + 1
    only = {
        int(np.bincount(kinds[group]).argmax()): bool(cosine < expected.limit)
        for group, cosine in zip(explorer.concepts.groups, expected.cosine, strict=True)
    }
    assert only == {2: False, 3: True}
    explorer.band = None
    assert "band" not in message(explorer)[1]
    explorer.close()


def test_the_histogram_counts_every_sample_once() -> None:
    along = np.random.default_rng(0).normal(size=1000).astype("f4")
    counts = histogram(along)["histogram"]
    assert counts.dtype == np.int32
    assert (len(counts), counts.sum()) == (BINS, 1000)
    assert histogram(np.ones(10, np.float32)) == {}
    explorer = nw.SplitExplorer(activations(), 0, 40)
    np.testing.assert_array_equal(
        unpack(explorer._tree)[0]["histogram"], histogram(explorer.acts.along(0))["histogram"]
    )
    explorer.close()
