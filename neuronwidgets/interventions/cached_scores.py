"""Scores of a model under edits, batch by batch. Scores are kept for the next edit."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from neuronwidgets.core.compat import in_place_changes
from neuronwidgets.interventions.edited_forward import EditedBatch, EditedForward
from neuronwidgets.interventions.intervention import Intervention
from neuronwidgets.models.hooks import evaluating, undisturbed

KEEP = 1 << 29
"""Bytes of activations below the layer that are kept for the next edit: 512 MiB."""
BASE = "base"
"""The key of the scores without an edit."""
Arrays = tuple[np.ndarray, ...]


@dataclass
class _Scored:
    """One batch of the source: its recorded forward pass and its scores by key."""

    inputs: Any
    about: Any
    forward: EditedBatch | None = None
    scores: dict[Hashable, Arrays] = field(default_factory=dict)


class CachedScores:
    """Scores of a model's outputs under edits. Each batch of the source is read once.

    The first call runs the whole model on each batch. Later calls resume at the layer for the
    batches whose activations fit into `keep` bytes. A score with a known key is not computed again.
    """

    def __init__(
        self, model: nn.Module, forward: EditedForward, source: Iterable[tuple[Any, Any]],
        score: Callable[[Any, Any, Any], Arrays], keep: int = KEEP,
    ) -> None:  # fmt: skip
        """`source` yields `(inputs, about)`; `score(output, inputs, about)` gives arrays `B`."""
        self._model, self._forward, self._score = model, forward, score
        self._source = iter(source)
        self._batches: list[_Scored] = []
        self._keep = self._free = keep
        self._end: Exception | None = None
        self._weights = _weights_version(model)
        # A cancelled job may still be at its last batch.
        self._lock = threading.Lock()

    def changed(self) -> bool:
        """Whether the model's weights have changed since they were scored."""
        return self._weights != _weights_version(self._model)

    def measuring(self, edits: Mapping[Hashable, Intervention]) -> Iterator[dict[Hashable, Arrays]]:
        """After each batch, the scores so far: "base" and each edit's, arrays joined."""
        parts: dict[Hashable, list[Arrays]] = {BASE: [], **{key: [] for key in edits}}
        with self._lock:
            if self.changed():
                self._weights, self._free = _weights_version(self._model), self._keep
                for batch in self._batches:
                    batch.forward = None
                    batch.scores.clear()
        for i in itertools.count():
            with self._lock:
                scored = self._batch(i)
                if scored is None:
                    return
                missing = [key for key in parts if key not in scored.scores]
                if missing:
                    with undisturbed(), evaluating(self._model):
                        self._fill(scored, missing, edits)
                scores = dict(scored.scores)
            for key, batches in parts.items():
                batches.append(scores[key])
            yield {
                key: tuple(np.concatenate(column) for column in zip(*batches, strict=True))
                for key, batches in parts.items()
            }

    def _batch(self, index: int) -> _Scored | None:
        if index < len(self._batches):
            return self._batches[index]
        if self._end is not None:
            if isinstance(self._end, StopIteration):
                return None
            raise self._end
        try:
            self._batches.append(_Scored(*next(self._source)))
        except Exception as error:
            # A source that failed gives no more batches, so later calls raise the same error.
            self._end = error
            return self._batch(index)
        return self._batches[-1]

    def _fill(
        self, batch: _Scored, missing: list[Hashable], edits: Mapping[Hashable, Intervention]
    ) -> None:
        forward = batch.forward
        if forward is None:
            forward = self._forward.on(batch.inputs)
            if BASE in missing or BASE not in batch.scores:
                batch.scores[BASE] = self._score(forward.base, batch.inputs, batch.about)
            # Logits and caches are large, and the base is scored now.
            forward.base = None
            if 0 < forward.size <= self._free:
                batch.forward = forward
                self._free -= forward.size
        for key in missing:
            if key != BASE:
                output = forward.under(edits[key])
                batch.scores[key] = self._score(output, batch.inputs, batch.about)


def _weights_version(model: nn.Module) -> tuple[tuple[int, int], ...]:
    """Differs after a weight was replaced or changed in place."""
    weights = (*model.parameters(), *model.buffers())
    # Tensors that were made in `torch.inference_mode` have no version.
    return tuple((id(w), -1 if w.is_inference() else in_place_changes(w)) for w in weights)
