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
from neuronwidgets.core.warning import warn
from neuronwidgets.data.batch import Batch, Raw
from neuronwidgets.data.targets import Targets, of_vectors

_DROPPED = "none"
"""`order` in the manifest of a store whose data has targets that are no classes."""


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

    Attributes:
        dropped: whether the data's targets turned out to be no classes. No sample has a label
            then; codes that were given before have no names.
    """

    def __init__(self, labels: list[Any] | None, names: Sequence[str] | None) -> None:
        self._given: np.ndarray | None = None
        self._encoder = LabelEncoder(plain_names(names))
        self._any_label = self.dropped = False
        if labels is not None:
            self._given, known = encode_labels(labels, len(labels), names)
            self._encoder = LabelEncoder(known)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the codes so far."""
        return self._encoder.names

    def about(self) -> dict[str, Any]:
        """The entry of a store's manifest: the names so far, and how to sort them at the end."""
        order = _DROPPED if self.dropped else self._encoder.order
        return {"names": list(self._encoder.names), "order": order}

    def resume(self, about: dict[str, Any]) -> None:
        """Continue from the result of `about`."""
        if about["order"] == _DROPPED:
            self._encoder, self.dropped = LabelEncoder(), True
            return
        self._encoder.resume(about["names"], about["order"])
        self._any_label = self._encoder.order != "given" and bool(self._encoder.names)

    def of(
        self, dataset_index: np.ndarray, batch: Batch | Raw, classes: bool = False
    ) -> np.ndarray | None:
        """The codes of a batch: int64 `B`, -1 for none; `None` until a label has come, and once
        the data's targets are `dropped`. With `classes`, measurements are refused instead.

        Raises:
            ValueError: fewer labels than samples, or measurements.
        """
        if self._given is not None:
            item = dataset_index if batch.origin is None else batch.origin
            if item.max() >= len(self._given):
                raise ValueError(
                    f"labels must have one entry per sample, got {len(self._given):,} for more "
                    "samples."
                )
            return self._given[item]
        unfit = batch.unfit if isinstance(batch, Batch) else None
        targets = of_vectors(batch.labels) or Targets(batch.labels, unfit)
        if targets.unfit is not None and not self.dropped:
            self._drop(targets.unfit)
        labels = targets.labels
        self._any_label = self._any_label or labels is not None
        if not self._any_label or self.dropped:
            return None
        if labels is None:
            return np.full(len(dataset_index), -1)
        codes = np.empty(len(labels), np.int64)
        for i, label in enumerate(labels):
            codes[i] = self._encoder.encode(plain_label(label))
            if classes and codes[i] >= MEASURED:
                self._encoder.require_classes()
            if codes[i] >= MEASURED and (shown := self._encoder.measurements) is not None:
                self._drop(f"measurements ({shown}, ...)")
                return None
        return codes

    def _drop(self, unfit: str) -> None:
        """Go on without labels, with a warning of what the data's targets are."""
        self._encoder, self.dropped = LabelEncoder(), True
        warn(
            f"the data's targets are {unfit}, not one class for each sample: no sample has a "
            "label. Pass labels=..., e.g. targets > threshold, or one column of several."
        )
