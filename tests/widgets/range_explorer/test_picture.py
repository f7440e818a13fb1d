"""The picture that RangeExplorer sends to its view, and the size of its state."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuronwidgets as nw
from neuronwidgets.widgets.protocol.buffers import unpack


def test_the_picture_is_the_ranges(explorer: Any, case: dict[str, Any]) -> None:
    tensors, about = unpack(explorer._picture)
    found = nw.ranges(case["acts"])
    assert about["labels"] == list(found.label_names)
    assert about["count"] == found.count.tolist()
    np.testing.assert_allclose(tensors["mean"], found.mean[:, 3])
    share = tensors["density"].astype("f8") ** 2
    share /= share.sum(1, keepdims=True)
    np.testing.assert_allclose(share, found.densities[:, 3], atol=1e-3)
    for c in range(3):
        mine = tensors["activation"][tensors["start"][c] : tensors["start"][c + 1]]
        expected = np.sort(case["acts"].values[case["acts"].labels == c, 3])
        np.testing.assert_array_equal(mine, expected)
        best = np.argsort(-found.magnitude[c], kind="stable").tolist()
        assert tensors["rank"][c] == 1 + best.index(3)
        assert about["salient"][c] == best[0]


def test_concepts_of_a_split_have_ranges(case: dict[str, Any]) -> None:
    concepts = nw.split(case["acts"], 2, top=60).cut()
    made = nw.RangeExplorer(concepts)
    assert made.neuron == 2
    tensors, about = unpack(made._picture)
    assert about["what"] == "concept"
    assert len(about["labels"]) == len(concepts)
    assert about["colors"] == list(concepts.colors)
    np.testing.assert_array_equal(np.diff(tensors["start"]), concepts.sizes)


def test_a_label_with_one_sample_is_shown_without_a_range() -> None:
    values = np.random.default_rng(0).normal(size=(21, 4))
    acts = nw.Activations.from_arrays(values, labels=["a", "b"] * 10 + ["this_neuron_only"])
    made = nw.RangeExplorer(acts, 1)
    _, about = unpack(made._picture)
    assert about["why"][about["labels"].index("this_neuron_only")].startswith(
        "It has a single sample"
    )
    made.label = "this_neuron_only"
    assert made.status["state"] == "idle"
    with pytest.raises(ValueError, match="single sample"):
        made.interval  # noqa: B018


def state_of(made: Any) -> int:
    """Bytes of state, the front end's code aside."""
    state = {k: v for k, v in made._exported().items() if k not in ("_esm", "_css")}
    return sum(len(v) if isinstance(v, bytes) else len(json.dumps(v)) for v in state.values())


@pytest.mark.parametrize(
    ("labels", "each", "kind", "most"),
    [
        (100, 4, "none", 9e4),
        (1000, 4, "image", 1e6),
        (1000, 4, "text", 1e6),
        (1000, 200, "none", 1e6),
        (2000, 4, "none", 2e6),
    ],
)
def test_state_grows_with_the_labels_and_not_with_their_square(
    labels: int, each: int, kind: str, most: float
) -> None:
    rng = np.random.default_rng(0)
    count = labels * each
    values = rng.random((count, 2), "f4")
    samples: Any = None
    if kind == "image":
        samples = rng.integers(0, 255, (count, 12, 12, 3), "u1")
    elif kind == "text":
        samples = [f"a text of some length, which is number {i}" for i in range(count)]
    names = [f"label number {c}" for c in range(labels)]
    acts = nw.Activations.from_arrays(values, samples, np.arange(count) % labels, label_names=names)
    made = nw.RangeExplorer(acts, 1)
    assert state_of(made) < most
    # The examples are those of the label that is chosen, and some others.
    made.label = names[labels - 7]
    faces, _ = unpack(made._examples)
    if kind == "none":
        assert len(faces["face"]) == 0
    else:
        own = faces["face"][faces["face_label"] == labels - 7]
        assert len(own) == min(each, 24)
        assert set(acts.labels[own]) == {labels - 7}
        assert len(set(faces["face_label"])) > 10
    assert state_of(made) < most


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), labels=st.integers(1, 7), kind=st.sampled_from("ncdz"))
def test_each_width_has_the_bins_that_the_picture_says(seed: int, labels: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(40 * labels, 3)) + rng.normal(size=(labels, 3)).repeat(40, axis=0)
    if kind == "c":  # of few values, and one that never changes
        values = values.round()
        values[:, 1] = 2
    elif kind == "d":  # all labels alike
        values = np.tile(values[:40], (labels, 1))
    elif kind == "z":  # a label on its own
        values[:40] += 1000
    acts = nw.Activations.from_arrays(values, labels=np.arange(labels).repeat(40))
    found = nw.ranges(acts)
    for neuron in range(3):
        first, edges = found.first_widths(neuron), found.edges[neuron]
        middle = (edges[1:] + edges[:-1]) / 2
        for c in range(labels):
            for step in (0, 1, 7, 50, 99, 100, 137, 200, 333, 399, 400):
                pieces = found.pieces(neuron, str(c), step / 100, "discriminative")
                inside = ((middle >= pieces[:, :1]) & (middle <= pieces[:, 1:])).any(axis=0)
                np.testing.assert_array_equal(first[c] <= step, inside)


def test_many_samples_are_thinned() -> None:
    values = np.random.default_rng(0).normal(size=(45_000, 2)).astype("f4")
    acts = nw.Activations.from_arrays(values, labels=np.arange(45_000) % 2)
    tensors, about = unpack(nw.RangeExplorer(acts, 0)._picture)
    assert about["count"] == [22_500, 22_500]
    assert np.diff(tensors["start"]).tolist() == [20_000, 20_000]
    assert tensors["activation"][0] == values[::2, 0].min()
