"""Searches one layer's activations in the ways that NeuronBrowser has."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from neuronwidgets.activations.activations import Activations
from neuronwidgets.overviews.search import (
    Match,
    Query,
    Standard,
    by_contrast,
    by_name,
    by_output,
    by_samples,
    by_text,
)
from neuronwidgets.widgets.neuron_browser.promoted import Promoted


class Searcher:
    """Searches activations; what searches have in common is computed once."""

    def __init__(self, acts: Activations, model: Any, tokenizer: Any, promoted: Promoted) -> None:
        self._acts, self._model, self._tokenizer = acts, model, tokenizer
        self._promoted = promoted
        self._standard: Standard | None = None

    def matched(self, query: Query, running: bool) -> Generator[float, None, Match]:
        """What a search finds; each step yields the share that is done.

        Args:
            query: what is searched for.
            running: whether a capture uses the model.

        Raises:
            ValueError, TypeError, IndexError: nothing can be searched for in this way.
        """
        acts, text = self._acts, query.text
        if query.kind == "name":
            return (yield from by_name(acts, text))
        if query.kind == "contrast":
            return (yield from by_contrast(acts, query.these, query.those))
        if query.kind in ("text", "promoted") and running:
            raise ValueError("the model is in use until the capture has ended: search then.")
        if query.kind == "promoted":
            return by_output(text, (yield from self._promoted.lens(acts)))
        if self._standard is None:
            self._standard = Standard.of(acts)
        yield 0.5
        if query.kind == "samples":
            return by_samples(acts, query.these, self._standard)
        return by_text(acts, text, self._model, self._tokenizer, self._standard)
