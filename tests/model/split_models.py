"""The reference of `split_model`: a capture of all rows, and `split_layer` of each layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

import neuronwidgets as nw

WORDS = ["the", "cat", "sat", "on", "mat", "play", "playing", "player"]
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(WORDS, n)) for n in RNG.integers(1, 14, 90)]
SPLITTING = ("threshold", "method", "metric", "min_size", "refined", "scores", "draws", "seed")
CLOSE = {"rtol": 2e-4, "atol": 2e-5}
"""float32 rounds sums of a batch of other samples differently, by about 1e-6 of a value."""


def places(acts: nw.Activations, index: np.ndarray) -> np.ndarray:
    """`N x n x 2`: sample of the data and position of each row of `index`, -2 for none."""
    pairs = acts.samples.dataset_indices(np.maximum(index, 0).ravel())
    pairs[index.ravel() < 0] = -2
    return pairs.reshape(*index.shape, 2)


def same_as_by_layer(
    splits: nw.ModelSplits, model: nn.Module, data: Any, top: int, **options: Any
) -> None:
    """`splits` are those of a capture of every layer and `split_layer`."""
    splitting = {name: options.pop(name) for name in SPLITTING if name in options}
    whole = nw.capture(model, data, list(splits), progress=False, **options)
    for name in splits:
        want = nw.split_layer(whole[name], top, progress=False, **splitting)
        same_layer(splits[name], want)


def same_layer(found: nw.LayerSplit, want: nw.LayerSplit) -> None:
    """Top samples are equal to the bit, and what comes from their vectors is close."""
    mine, other = found.acts, want.acts
    assert mine is not None
    assert other is not None
    assert found.done
    np.testing.assert_array_equal(found.targets, want.targets)
    np.testing.assert_array_equal(found.tops, want.tops)
    np.testing.assert_array_equal(found.activations, want.activations)
    np.testing.assert_array_equal(places(mine, found.index), places(other, want.index))
    np.testing.assert_allclose(found.Z, want.Z, **CLOSE)
    np.testing.assert_allclose(found.threshold, want.threshold, **CLOSE)
    np.testing.assert_array_equal(found.assignment, want.assignment)
    np.testing.assert_allclose(found.vectors, want.vectors, **CLOSE)
    assert set(want.scores) - set(found.scores) <= {"wasserstein"}
    for name, column in found.scores.items():
        np.testing.assert_allclose(column, want.scores[name], rtol=2e-3, atol=2e-4, err_msg=name)
    np.testing.assert_allclose(mine.mean, other.mean, rtol=1e-6, atol=1e-8)
    assert mine.label_names == other.label_names
    assert (mine.labels is None) == (other.labels is None)
    assert (mine.pooling, mine.first, mine.at) == (other.pooling, other.first, other.at)
    for i in range(min(4, len(found))):
        assert found.names(i) == want.names(i)
    for neuron in found.neurons[:3].tolist():
        own, reference = found.concepts(neuron), want.concepts(neuron)
        np.testing.assert_array_equal(own.assignment, reference.assignment)
        np.testing.assert_allclose(own.vectors, reference.vectors, **CLOSE)
        for a, b in zip(own.split.index[:5], reference.split.index[:5], strict=True):
            if mine.samples.kind == "text":
                text = mine.samples.texts[mine.samples.item_of(int(a))]
                assert text == other.samples.texts[other.samples.item_of(int(b))]
