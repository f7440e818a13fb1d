"""Adds a concept on the screen of a NeuronBrowser to a library."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.core.checks import integer
from neuronwidgets.layer_splits.split_layer import split_layer
from neuronwidgets.libraries.library import Library
from neuronwidgets.widgets.base.jobs import JobProgress, Steps
from neuronwidgets.widgets.base.keeping import keep, listed
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.neuron_browser.choices import OWN, check_neurons
from neuronwidgets.widgets.neuron_browser.session import BrowserSession


@dataclass(frozen=True)
class Pin:
    """What a view adds.

    Attributes:
        neuron: the neuron.
        concept: the number of its concept at the present cut, from left to right in the tree.
        size: the samples that the view shows it with.
        name: the name that the user typed; "": the concept's own.
    """

    neuron: int
    concept: int
    size: int
    name: str = ""

    @classmethod
    def of(cls, wanted: dict[str, Any], session: BrowserSession) -> Pin:
        """The pin that a view asks for.

        Raises:
            ValueError: no such neuron, or no number of a concept.
        """
        layer = session.acts.layer
        (neuron,) = check_neurons("neuron", [wanted.get("neuron")], session.neurons, layer)
        concept, size = (integer(name, wanted.get(name), 0) for name in ("concept", "size"))
        return cls(neuron, concept, size, str(wanted.get("name", "")).strip())


def pinning(
    session: BrowserSession, pin: Pin, threshold: float, library: Library, screen: Screen
) -> Steps:
    """Add a concept, show the library, and go on with the work.

    Args:
        session: the browser's.
        pin: the concept.
        threshold: the height of all cuts on the common scale; -1: each tree's own.
        library: gets it.
        screen: shows it, or why it cannot be added.
    """
    yield JobProgress(0.0, "adding to the library")
    try:
        concepts = _concepts(session, pin.neuron, threshold)
        keep(library, concepts, pin.concept, pin.size, pin.name)
    except Exception as error:
        failure = error
        yield partial(screen.fail, failure)
    else:
        yield partial(screen.put, {"_library": listed(library)})
        yield screen.clear
    yield from session.work()


def _concepts(session: BrowserSession, neuron: int, threshold: float) -> Concepts:
    """The concepts of a neuron as the view cuts its tree."""
    layer = session.given
    if layer is None:
        wanted = {**session.splitting, "scores": ()}
        layer = split_layer(session.acts, neurons=[neuron], progress=False, **wanted)
    split = layer.split(neuron)
    if threshold == OWN:
        return split.cut(float(layer.threshold[layer.place(neuron)]))
    # Other metrics' heights are shares of each tree's own (see `Forest.absolute`).
    return split.cut(threshold * (1 if layer.settings.metric == "cosine" else split.tree.top))
