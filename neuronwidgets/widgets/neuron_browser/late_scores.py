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
    seen: Callable[[], Sequence[int]],
) -> Iterator[bool]:
    """Compute the late scores of a forest's neurons, `count` neurons at a time.

    The forest keeps no distances, so neurons are split again: that takes a small part of the time.

    Args:
        acts: the activations.
        forest: gets the scores.
        splitting: the arguments of `split_layer`, with the late scores.
        count: neurons in one step.
        seen: the neurons in view, asked before each step.

    Yields:
        whether the neurons of the step are in view.
    """
    while len(unscored := forest.neurons[forest.unscored]):
        first = np.array([neuron for neuron in seen() if neuron in unscored], np.int64)
        neurons = (first if len(first) else unscored)[:count]
        *_, done = split_layer(acts, neurons=neurons, stream=True, progress=False, **splitting)
        forest.score(done)
        yield len(first) > 0
