"""What collectors have collected, and labels that are encoded as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.core.labels import (
    MEASURED,
    LabelEncoder,
    encode_labels,
    plain_label,
    plain_names,
)
from neuronwidgets.core.layer_place import At
from neuronwidgets.data.batch import Batch, Raw


@dataclass(frozen=True, eq=False)
class Collected(Sequence[Any]):
    """The collectors' results for one layer, in the order of `collect=`.

    `top, moments = nw.capture(..., collect=[nw.Top(100), nw.Moments()])`.

    Attributes:
        layer: the layer's name.
        results: one per collector.
        label_names: the names of the label codes.
        samples: the number of samples read.
        at: whether the layer's "output" or its "input" was read.
    """

    layer: str
    results: tuple[Any, ...]
    label_names: tuple[str, ...]
    samples: int
    at: At = "output"

    def __getitem__(self, index: Any) -> Any:
        return self.results[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        kinds = ", ".join(type(result).__name__ for result in self.results)
        at = "" if self.at == "output" else ", at='input'"
        return f"Collected(layer={self.layer!r}{at}, {self.samples:,} samples: {kinds})"


class LabelCodes:
    """Encodes labels as whole numbers while the data is read.

    Args:
        labels: the user's labels, all at once; `None` for labels that come with the data, which
            get codes in order of appearance.
        names: the names of whole-number labels; `None` takes the labels themselves.
    """

    def __init__(self, labels: list[Any] | None, names: Sequence[str] | None) -> None:
        self._given: np.ndarray | None = None
        self._encoder = LabelEncoder(plain_names(names))
        self._any_label = False
        if labels is not None:
            self._given, known = encode_labels(labels, len(labels), names)
            self._encoder = LabelEncoder(known)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the codes so far."""
        return self._encoder.names

    def about(self) -> dict[str, Any]:
        """The entry of a store's manifest: the names so far, and how to sort them at the end."""
        return {"names": list(self._encoder.names), "order": self._encoder.order}

    def resume(self, about: dict[str, Any]) -> None:
        """Continue from the result of `about`."""
        self._encoder.resume(about["names"], about["order"])
        self._any_label = self._encoder.order != "given" and bool(self._encoder.names)

    def of(self, dataset_index: np.ndarray, batch: Batch | Raw) -> np.ndarray | None:
        """The codes of a batch: int64 `B`, -1 for none; `None` until a label has come.

        Raises:
            ValueError: fewer labels than samples, or labels that are measurements.
        """
        if self._given is not None:
            item = dataset_index if batch.origin is None else batch.origin
            if item.max() >= len(self._given):
                raise ValueError(
                    f"labels must have one entry per sample, got {len(self._given):,} for more "
                    "samples."
                )
            return self._given[item]
        labels = batch.labels
        self._any_label = self._any_label or labels is not None
        if not self._any_label:
            return None
        if labels is None:
            return np.full(len(dataset_index), -1)
        return np.array([self._of(label) for label in labels], np.int64)

    def _of(self, label: Any) -> int:
        code = self._encoder.encode(plain_label(label))
        if code >= MEASURED:
            self._encoder.require_classes()
        return code
