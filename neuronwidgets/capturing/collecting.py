"""Collectors fed with what capture reads, and its labels as codes."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neuronwidgets.capturing.collectors import Collector
from neuronwidgets.capturing.rows import LayerRows
from neuronwidgets.core.labels import (
    MEASURED,
    LabelEncoder,
    encode_labels,
    plain_label,
    plain_names,
)
from neuronwidgets.data.batch import Batch, Raw


@dataclass(frozen=True, eq=False)
class Collected(Sequence[Any]):
    """What the collectors found in one layer: their results, in the order they were given.

    `top, moments = nw.capture(..., collect=[nw.Top(100), nw.Moments()])`.

    Attributes:
        layer: the layer's name.
        results: one per collector.
        label_names: the names of the label codes, in their order.
        samples: how many samples were read.
    """

    layer: str
    results: tuple[Any, ...]
    label_names: tuple[str, ...]
    samples: int

    def __getitem__(self, index: Any) -> Any:
        return self.results[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        what = ", ".join(type(result).__name__ for result in self.results)
        return f"Collected(layer={self.layer!r}, {self.samples:,} samples: {what})"


class Sinks:
    """The layers' collectors: copies, so that what the user gave can be used again."""

    def __init__(
        self, layers: Sequence[str], collectors: Sequence[Collector], nonfinite: str | None
    ) -> None:
        self._nonfinite = nonfinite
        self.collectors = {
            name: [copy.deepcopy(collector) for collector in collectors]
            for name in (layers if collectors else ())
        }

    def __bool__(self) -> bool:
        return bool(self.collectors)

    def add(self, rows: list[LayerRows]) -> list[LayerRows]:
        """A batch of all layers. Returns the rows that are finite, where that is asked for."""
        if not self.collectors:
            return rows
        if self._nonfinite is not None:
            refuse = self._nonfinite == "refuse"
            finite = [part.finite().cpu().numpy() for part in rows]
            # A batch that is refused enters no collector with a part of it.
            rows = [p.without(f, refuse) for p, f in zip(rows, finite, strict=True)]
        for part in rows:
            chunk = part.chunk()
            for collector in self.collectors[part.layer]:
                collector.add(chunk)
        return rows

    def merge(self, others: dict[str, list[Collector]]) -> None:
        """Take in what was collected elsewhere."""
        for name, collectors in self.collectors.items():
            for mine, other in zip(collectors, others[name], strict=True):
                mine.merge(other)

    def results(self, layer: str) -> list[Any]:
        return [collector.result() for collector in self.collectors.get(layer, [])]

    def state(self) -> bytes:
        """For a store; equal states give equal bytes."""
        return pickled(self.collectors)

    def resume(self, state: bytes) -> None:
        """Go on from what `state` gave."""
        self.collectors = pickle.loads(state)


class _Pickler(pickle.Pickler):
    """Tensors by their values: torch's own way writes down where in memory they lie."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.dtype != torch.bfloat16:
            return torch.from_numpy, (value.detach().cpu().contiguous().numpy(),)
        return NotImplemented


def pickled(state: Any) -> bytes:
    """Equal states give equal bytes."""
    out = io.BytesIO()
    _Pickler(out, protocol=4).dump(state)
    return out.getvalue()


class Codes:
    """Labels as whole numbers while the data is read: as given, or in the order they come."""

    def __init__(self, labels: list[Any] | None, names: Sequence[str] | None) -> None:
        self._given: np.ndarray | None = None
        self._encoder = LabelEncoder(plain_names(names))
        self._some = False
        if labels is not None:
            self._given, known = encode_labels(labels, len(labels), names)
            self._encoder = LabelEncoder(known)

    @property
    def names(self) -> tuple[str, ...]:
        return self._encoder.names

    def about(self) -> dict[str, Any]:
        """For a store: the names so far, and how to sort those that came as they came."""
        return {"names": list(self._encoder.names), "order": self._encoder.order}

    def resume(self, about: dict[str, Any]) -> None:
        """Go on from what `about` gave."""
        self._encoder.resume(about["names"], about["order"])
        self._some = self._encoder.order != "given" and bool(self._encoder.names)

    def of(self, place: np.ndarray, batch: Batch | Raw) -> np.ndarray | None:
        """The codes of a batch, int64, -1 for none; `None` as long as nothing has a label."""
        if self._given is not None:
            item = place if batch.origin is None else batch.origin
            if item.max() >= len(self._given):
                raise ValueError(
                    f"labels has {len(self._given):,} entries and the data has more samples: one "
                    "per sample is needed."
                )
            return self._given[item]
        labels = batch.labels
        self._some = self._some or labels is not None
        if not self._some:
            return None
        if labels is None:
            return np.full(len(place), -1)
        return np.array([self._of(label) for label in labels], np.int64)

    def _of(self, label: Any) -> int:
        code = self._encoder.encode(plain_label(label))
        if code >= MEASURED:
            self._encoder.require_classes()
        return code
