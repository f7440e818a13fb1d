"""The lower layers of a concept graph: those that were given, and those that the model reads."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.steps import mapped
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.jobs import JobProgress
from neuronwidgets.widgets.split_explorer.model_use import ModelUse, name_of

if TYPE_CHECKING:
    from neuronwidgets.effects.graph.edges import Layer
    from neuronwidgets.effects.graph.passage import Rerun

READING = ("data", "tokenizer", "transform", "batch_size", "max_length", "neuron_axis")


class LowerLayers:
    """Lower layers with the concepts of their neurons, each read and cut once.

    Args:
        use: the model, and the layers that were given.
        upper: the name of the layer that is split.
        feed: a capture that may have read lower layers, too.
    """

    def __init__(self, use: ModelUse, upper: str, feed: Feed) -> None:
        self._use, self._upper, self._feed = use, upper, feed
        self._known: dict[str, Layer] = {}
        self._of: Activations | None = None

    @property
    def rerun(self) -> Rerun:
        """The model, and how the activations were captured from it."""
        from neuronwidgets.effects.graph.passage import Rerun

        return Rerun(self._use.model, **self._use.reading(*READING))

    def name_below(self, layer: str) -> str | None:
        """The layer whose concepts feed those of `layer`; `None` if there is none."""
        from neuronwidgets.effects.graph.lower import layer_below

        chain = [self._upper, *map(name_of, self._use.layers_below)]
        number = chain.index(layer) + 1 if layer in chain else len(chain)
        return chain[number] if number < len(chain) else layer_below(self._use.model, layer)

    def known_below(self, layer: str) -> list[Any]:
        """What is known of the layers below `layer`, from top to bottom, for another explorer."""
        below = []
        while (name := self.name_below(layer)) is not None:
            if name not in self._known:
                break
            below.append(self._known[name].acts)
            layer = name
        return below

    def getting(self, acts: Activations, name: str) -> Generator[JobProgress, None, Layer]:
        """Steps that return the layer `name` on the samples of `acts`."""
        from neuronwidgets.effects.graph.edges import Layer, require_same_samples
        from neuronwidgets.effects.graph.lower import reading_lower

        if self._of is not acts:
            # A capture that has grown has other samples.
            self._known, self._of = {}, acts
        if name not in self._known:
            given = self._named(name)
            if given is None:
                text = f"reading {name} on {len(acts):,} samples"
                yield JobProgress(0.0, text)
                steps = reading_lower(acts, name, self.rerun)
                given = yield from mapped(steps, lambda share: JobProgress(share, text))
            layer = Layer(given)
            require_same_samples(acts, layer.acts)
            self._known[name] = layer
        return self._known[name]

    def written(self, names: Sequence[str]) -> dict[str, Any]:
        """The arguments of `concept_graph` that give these layers, as values for `given`."""
        use = self._use
        given = [name_of(layer) for layer in use.layers_below]
        mine = given[: len(names)] == list(names)
        read = names[0] if len(names) == 1 else list(names)
        return {"below": use.below if mine else read, "model": use.model, **use.reading(*READING)}

    def _named(self, name: str) -> Any:
        """The layer of this name that was given, or that the capture has read; `None` without."""
        for given in self._use.layers_below:
            if not isinstance(given, str) and name_of(given) == name:
                return given
        capturing = self._feed.capturing
        if capturing is None or not capturing.done or name not in capturing.layers:
            return None
        read = capturing.so_far()
        found = read.get(name) if isinstance(read, dict) else None
        return found if isinstance(found, Activations) else None
