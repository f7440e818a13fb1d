"""Collectors fed with what capture reads."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neuronwidgets.activations.activations import encode_labels
from neuronwidgets.capture.collectors import Chunk, Collector


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


class Collecting:
    """One layer's collectors: copies, so that what the user gave can be used again."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._collectors = [copy.deepcopy(collector) for collector in collectors]

    def add(
        self,
        rows: torch.Tensor,
        where: torch.Tensor | None,
        place: np.ndarray,
        label: np.ndarray | None,
    ) -> None:
        """Rows of a batch, their samples and positions in it, its samples' places and labels."""
        sample = torch.as_tensor(place, device=rows.device)
        code = None if label is None else torch.as_tensor(label, device=rows.device)
        position = None
        if where is not None:
            row, position = where[:, 0], where[:, 1]
            sample, code = sample[row], None if code is None else code[row]
        chunk = Chunk(rows, sample, position, code)
        for collector in self._collectors:
            collector.add(chunk)

    def collected(self, layer: str, names: tuple[str, ...], samples: int) -> Collected:
        results = tuple(collector.result() for collector in self._collectors)
        return Collected(layer, results, names, samples)


class Codes:
    """Labels as whole numbers while the data is read: as given, or in the order they come."""

    def __init__(self, labels: list[Any] | None, names: Sequence[str] | None) -> None:
        self._given: np.ndarray | None = None
        self._names: tuple[str, ...] | None = None if names is None else tuple(names)
        self._code: dict[str, int] = {}
        self._some = False
        if labels is not None:
            self._given, self._names = encode_labels(labels, len(labels), names)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._code) if self._names is None else self._names

    def of(self, place: np.ndarray, labels: Sequence[Any] | None) -> np.ndarray | None:
        """The codes of a batch, int64, -1 for none; `None` as long as nothing has a label."""
        if self._given is not None:
            if place.max() >= len(self._given):
                raise ValueError(
                    f"labels has {len(self._given):,} entries and the data has more samples: one "
                    "per sample is needed."
                )
            return self._given[place]
        self._some = self._some or labels is not None
        if not self._some:
            return None
        if labels is None:
            return np.full(len(place), -1)
        return np.array([self._of(label) for label in labels], np.int64)

    def _of(self, label: Any) -> int:
        if label is None or label == -1:
            return -1
        if self._names is not None:
            return int(label)
        return self._code.setdefault(str(label), len(self._code))
