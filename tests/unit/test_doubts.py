"""Neurons whose top samples are of one kind for another reason than their meaning."""

from __future__ import annotations

import numpy as np

import neuronwidgets as nw
from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.samples import Samples
from neuronwidgets.concepts.doubts import doubt


def tokens(texts: int = 60, length: int = 5, seed: int = 0) -> Activations:
    """Random vectors of tokens; neuron 0 is for position 0, neuron 1 for nothing, neuron 2 for
    tokens whose vectors are nearly equal."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(texts * length, 12)).astype("f4")
    item, token = np.divmod(np.arange(len(values)), length)
    values[token == 0, 0] += 20
    alike = np.flatnonzero(token > 0)[:40]
    values[alike] = 0.001 * values[alike] + np.eye(12, dtype="f4")[2] * 30
    samples = Samples(
        len(values), texts=[f"text {i}" for i in range(texts)],
        spans=[np.zeros((length, 2), np.int64)] * texts, item=item, token=token,
    )  # fmt: skip
    return Activations("layer", values, samples)


def test_one_position_and_equal_vectors_are_said() -> None:
    acts = tokens()
    assert nw.split(acts, 0, top=30).doubt == (
        "100% of its top samples are at position 0 of their texts"
    )
    assert nw.split(acts, 1, top=30).doubt == ""
    assert nw.split(acts, 2, top=30).doubt == "most of its top samples have nearly equal vectors"
    assert "Note: 100% of its top samples" in nw.split(acts, 0, top=30)._repr_html_()


def test_most_top_samples_of_one_text_are_said() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 6)).astype("f4")
    values[40:60, 0] += 20
    item = np.repeat(np.arange(15), 20)
    images = [np.zeros((4, 4), np.uint8)] * 15
    for kind, word in (({"texts": ["text"] * 15}, "text"), ({"images": images}, "image")):
        of = Samples(300, item=item, token=np.arange(300) % 20, **kind)
        split = nw.split(Activations("layer", values, of), 0, top=30)
        assert split.doubt == f"67% of its top samples are of one {word}"
    # Windows are of their texts, too.
    of = Samples(300, texts=["text"] * 300, origin=item)
    assert "one text" in nw.split(Activations("layer", values, of), 0, top=30).doubt
    assert nw.split(Activations("layer", values, of), 1, top=30).doubt == ""
    # A text that is most of the data is no surprise.
    of = Samples(300, texts=["text"] * 300, origin=np.where(np.arange(300) < 200, 2, item))
    assert nw.split(Activations("layer", values, of), 0, top=30).doubt == ""


def test_data_that_stand_at_one_position_say_nothing() -> None:
    acts = tokens(length=1)
    assert nw.split(acts, 1, top=20).doubt == ""


def test_they_do_not_rank_first() -> None:
    layer = nw.split_layer(tokens(), top=30, progress=False)
    doubted = {int(layer.neurons[i]) for i, text in enumerate(layer.doubts) if text}
    assert {0, 2} <= doubted
    order = [int(layer.neurons[i]) for i in layer.ranked]
    assert set(order[-len(doubted) :]) == doubted
    frame = layer.to_frame()
    assert frame["doubts"].iloc[-1]
    assert not frame["doubts"].iloc[0]
    calm = nw.split_layer(np.random.default_rng(0).normal(size=(50, 4)), top=20, progress=False)
    assert calm.doubts == ("",) * 4
    assert "doubts" not in calm.to_frame()


def test_the_largest_cluster_below_the_height_counts() -> None:
    samples = Samples(6)
    Z = np.array([[0, 1, 0.001, 2], [2, 3, 0.002, 2], [6, 7, 0.005, 4], [4, 5, 0.4, 2],
                  [8, 9, 0.9, 6]])  # fmt: skip
    assert "nearly equal" in doubt(samples, np.arange(6), Z, "cosine")
    Z[2, 2] = 0.02
    assert doubt(samples, np.arange(6), Z, "cosine") == ""
    assert doubt(samples, np.arange(6), Z, "euclidean") == ""
