"""What edits cost, batch by batch, for someone who watches and changes their mind."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from neuronwidgets.core.compat import in_place_changes
from neuronwidgets.interventions.edited_forward import Batched, Passes
from neuronwidgets.interventions.intervention import Intervention
from neuronwidgets.models.hooks import evaluating, undisturbed

KEEP = 1 << 29
"""Bytes of activations below the layer that are kept for the next edit."""
BASE = "base"
Arrays = tuple[np.ndarray, ...]


@dataclass
class _Batch:
    inputs: Any
    about: Any
    passes: Batched | None = None
    scores: dict[Hashable, Arrays] = field(default_factory=dict)


class Meter:
    """Scores of a model's outputs under edits, on batches that are read once.

    The first call runs the whole model on each batch; later ones resume at the layer, as far as
    `keep` bytes reach, and what was scored before under the same key is not computed again.
    """

    def __init__(
        self, model: nn.Module, passes: Passes, source: Iterable[tuple[Any, Any]],
        score: Callable[[Any, Any, Any], Arrays], keep: int = KEEP,
    ) -> None:  # fmt: skip
        """`source` yields `(inputs, about)`; `score(output, inputs, about)` gives arrays `B`."""
        self._model, self._passes, self._score = model, passes, score
        self._source = iter(source)
        self._batches: list[_Batch] = []
        self._keep = self._left = keep
        self._end: Exception | None = None
        self._stamp = _stamp(model)
        # A job that was cancelled may still be at its last batch.
        self._lock = threading.Lock()

    def changed(self) -> bool:
        """Whether the model's weights are others than those that were measured."""
        return self._stamp != _stamp(self._model)

    def measuring(self, edits: Mapping[Hashable, Intervention]) -> Iterator[dict[Hashable, Arrays]]:
        """After each batch, the scores so far: "base" and each edit's, arrays joined."""
        done: dict[Hashable, list[Arrays]] = {BASE: [], **{key: [] for key in edits}}
        with self._lock:
            if self.changed():
                self._stamp, self._left = _stamp(self._model), self._keep
                for batch in self._batches:
                    batch.passes = None
                    batch.scores.clear()
        for i in itertools.count():
            with self._lock:
                found = self._batch(i)
                if found is None:
                    return
                missing = [key for key in done if key not in found.scores]
                if missing:
                    with undisturbed(), evaluating(self._model):
                        self._fill(found, missing, edits)
                scores = dict(found.scores)
            for key, parts in done.items():
                parts.append(scores[key])
            yield {
                key: tuple(np.concatenate(column) for column in zip(*parts, strict=True))
                for key, parts in done.items()
            }

    def _batch(self, place: int) -> _Batch | None:
        if place < len(self._batches):
            return self._batches[place]
        if self._end is not None:
            if isinstance(self._end, StopIteration):
                return None
            raise self._end
        try:
            self._batches.append(_Batch(*next(self._source)))
        except Exception as error:
            # A source that has failed is at its end, but not because it is through.
            self._end = error
            return self._batch(place)
        return self._batches[-1]

    def _fill(
        self, batch: _Batch, missing: list[Hashable], edits: Mapping[Hashable, Intervention]
    ) -> None:
        passes = batch.passes
        if passes is None:
            passes = self._passes.on(batch.inputs)
            if BASE in missing or BASE not in batch.scores:
                batch.scores[BASE] = self._score(passes.base, batch.inputs, batch.about)
            # Logits and caches are large; what was scored is not needed again.
            passes.base = None
            if 0 < passes.size <= self._left:
                batch.passes = passes
                self._left -= passes.size
        for key in missing:
            if key != BASE:
                output = passes.under(edits[key])
                batch.scores[key] = self._score(output, batch.inputs, batch.about)


def _stamp(model: nn.Module) -> tuple[tuple[int, int], ...]:
    """Which weights a model has: changes when one is replaced, or changed in place."""
    weights = (*model.parameters(), *model.buffers())
    # Nothing is counted of those that were made in `torch.inference_mode`.
    return tuple((id(w), -1 if w.is_inference() else in_place_changes(w)) for w in weights)
