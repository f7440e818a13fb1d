"""Every row, in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from neuronwidgets.capturing.collectors.chunk import Chunk
from neuronwidgets.capturing.collectors.collector import Collector

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, eq=False)
class KeptRows:
    """`N` rows of a layer, sorted by sample, then position.

    Attributes:
        values: float32 `N x D`.
        sample: int64 `N`, the text or image of each.
        position: int64 `N`, the token or map position of each; `None` for whole samples.
        label: int64 `N`, label codes, -1 for unlabelled.
        seen: the number of rows of which these are a sample.
    """

    values: np.ndarray
    sample: np.ndarray
    position: np.ndarray | None
    label: np.ndarray
    seen: int


class Rows(Collector):
    """Every row, in the CPU's memory: `4 D + 24` bytes each."""

    def __init__(self) -> None:
        self._kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, chunk: Chunk) -> None:
        chunk = self._admit(chunk)
        rows, key = chunk.rows.cpu().numpy(), chunk.key.cpu().numpy()
        label = np.full(len(rows), -1) if chunk.label is None else chunk.label.cpu().numpy()
        self._kept.append((rows.copy(), key, label.copy()))

    def merge(self, other: Self) -> None:
        peer = self._peer(other)
        if peer is not None:
            self._kept.extend(peer._kept)

    def result(self) -> KeptRows:
        if self.neurons is None:
            raise ValueError("Rows has seen no rows.")
        values, key, label = (np.concatenate(column) for column in zip(*self._kept, strict=True))
        order = key.argsort(kind="stable")
        sample, position = self._columns(torch.from_numpy(key[order]))
        return KeptRows(values[order], sample, position, label[order], len(values))
