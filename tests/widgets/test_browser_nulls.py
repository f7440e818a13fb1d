"""The headings of NeuronBrowser's columns say what chance gives, or why they do not."""

from __future__ import annotations

import re

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.layer_splits.split_layer import DRAWS as LAYER_DRAWS
from neuronwidgets.widgets.neuron_browser.nulls import (
    GAUSSIAN,
    WITHOUT,
    Nulls,
    best_of,
)
from neuronwidgets.widgets.protocol.buffers import unpack

WAIT = 60.0


@pytest.fixture(scope="module")
def acts() -> nw.Activations:
    """Labels of unequal frequency, which no neuron knows; Gaussian activations."""
    rng = np.random.default_rng(3)
    return nw.Activations.from_arrays(
        rng.normal(size=(400, 60)), labels=np.repeat(["a", "b", "c"], [240, 120, 40]), layer="body"
    )


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text)]


def test_the_labels_null_is_what_neurons_that_know_no_label_reach(acts: nw.Activations) -> None:
    count, least, _ = numbers(Nulls(acts).about("label_entropy", 50))
    assert count == 50
    entropy = nw.label_entropy(acts, 50)
    assert 0.8 < (entropy >= least).mean() <= 1


@pytest.mark.parametrize("name", GAUSSIAN)
def test_the_null_of_a_shape_is_a_gaussian(acts: nw.Activations, name: str) -> None:
    low, high, _ = numbers(Nulls(acts).about(name, 50))
    found = nw.split_layer(acts, 20, scores=(name,), progress=False).scores[name]
    assert 0.6 < ((found >= low) & (found <= high)).mean() < 1


def test_the_heading_has_it_and_says_where_there_is_none(acts: nw.Activations) -> None:
    browser = nw.NeuronBrowser(acts, scores=("active", "label_entropy", "kurtosis"))
    assert browser.wait(WAIT)
    _, meta = unpack(browser._table)
    about = {column["name"]: column["about"] for column in meta["columns"]}
    assert about["active"].endswith(f"(ours). {WITHOUT['active']}")
    assert "20 random samples have" in about["label_entropy"]
    # Sentences: "Click to sort." follows them.
    assert all(each.endswith(".") and ".." not in each for each in about.values())
    assert "Gaussian activations have" in about["kurtosis"]
    browser.close()


def test_what_cannot_be_drawn_has_no_null() -> None:
    many = nw.Activations.from_arrays(np.zeros((300_000, 1), np.float32), layer="body")
    assert Nulls(many).about("kurtosis", 50).startswith("Not compared with chance")
    assert Nulls(many).about("label_entropy", 50) == ""
    assert Nulls(many).about("variety", 50) == ""


def test_the_best_of_many_neurons_without_groups_is_named() -> None:
    acts = nw.Activations.from_arrays(np.zeros((4, 400), np.float32))
    for name in ("polysemanticity", "geometry_p"):
        assert "Of 400 neurons" in Nulls(acts).about(name, 50)
    few, z = re.findall(r"about (\d+) have .* up to ([\d.]+)", best_of(400))[0]
    assert int(few) == 20
    # z of normal values, by as many draws as a layer's neurons have.
    rng = np.random.default_rng(0)
    null, own = rng.normal(size=(400, 400, LAYER_DRAWS)), rng.normal(size=(400, 400))
    best = ((own - null.mean(axis=2)) / null.std(axis=2)).max(axis=1)
    assert 0.02 < (best > float(z)).mean() < 0.09
