"""Scores that take longer than the trees: those of the neurons in view come first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.layer_splits.split_layer import split_layer
from neuronwidgets.overviews.forest import Forest


def scoring(
    acts: Activations,
    forest: Forest,
    splitting: Mapping[str, Any],
    count: int,
    first: Callable[[], Sequence[int]],
) -> Iterator[np.ndarray]:
    """Compute the late scores of a forest's neurons, `count` neurons at a time.

    The forest keeps no distances, so neurons are split again: that takes a small part of the time.

    Args:
        acts: the activations.
        forest: gets the scores.
        splitting: the arguments of `split_layer`, with the late scores.
        count: neurons in one step.
        first: the neurons that come before the others, asked before each step.

    Yields:
        int64: the neurons of the step.
    """
    while len(unscored := forest.neurons[forest.unscored]):
        left = set(unscored.tolist())
        urgent = [neuron for neuron in dict.fromkeys(first()) if neuron in left]
        neurons = np.array(urgent or unscored, np.int64)[:count]
        *_, done = split_layer(acts, neurons=neurons, stream=True, progress=False, **splitting)
        forest.score(done)
        yield neurons
