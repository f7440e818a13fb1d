"""The top-activating rows of each neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neuronwidgets.capturing.collectors.collector import EMPTY, Chunk, Collector
from neuronwidgets.core.checks import integer

if TYPE_CHECKING:
    from typing_extensions import Self

_FIRST = -(1 << 63)
"""A key that sorts before all others."""


@dataclass(frozen=True, eq=False)
class Tops:
    """The `K` top-activating rows of each of `D` neurons: `k` rows, or all if fewer were seen.

    Attributes:
        values: float32 `D x K`, strongest first; NaN if too few rows were not NaN.
        sample: int64 `D x K`, the text or image of each; -1 where `values` is NaN.
        position: int64 `D x K`, the token or map position of each; `None` for whole samples.
        nan: int64 `D`, rows left out because they were NaN for the neuron.
        seen: rows seen, including those.
    """

    values: np.ndarray
    sample: np.ndarray
    position: np.ndarray | None
    nan: np.ndarray
    seen: int

    def to_frame(self) -> Any:
        """A `pandas.DataFrame`, a row per neuron and rank: `neuron`, `rank` (from 0), `value`,
        `sample`, and `position` where there are any."""
        import pandas as pd

        neuron, rank = np.nonzero(self.sample >= 0)
        columns = {"neuron": neuron, "rank": rank}
        columns |= {"value": self.values[neuron, rank], "sample": self.sample[neuron, rank]}
        if self.position is not None:
            columns["position"] = self.position[neuron, rank]
        return pd.DataFrame(columns)


class Top(Collector):
    """The `k` top-activating rows of each neuron.

    The result is exact and independent of the order of rows: ties go to the smaller sample, then
    position. NaN is left out and counted. Memory: `36 k D` bytes.

    A row enters a neuron's buffer if it exceeds the `k`-th value of the last clearing. Once a
    buffer is full, all are cleared down to `k` by `torch.topk`. After `n` rows, a row enters with a
    probability of about `k / n`, so that nearly all work is one comparison per value.
    """

    _settings = ("k",)

    def __init__(self, k: int = 100) -> None:
        self.k = integer("k", k, 1)
        self.seen = 0

    def _start(self, neurons: int, device: torch.device) -> None:
        shape = (neurons, 3 * self.k)
        self._values = torch.full(shape, -torch.inf, dtype=torch.float32, device=device)
        self._places = torch.full(shape, EMPTY, device=device)
        self._nan = torch.zeros(neurons, dtype=torch.int64, device=device)
        # Free slots at the end of the buffers, which all of the first rows enter.
        self._room = 3 * self.k
        self._used = torch.full((neurons,), self.k, device=device)
        # The k-th value of the last clearing; NaN, which every value exceeds, if there are fewer.
        self._bound = torch.full((neurons,), torch.nan, dtype=torch.float32, device=device)
        self._bound_place = torch.full((neurons,), EMPTY, device=device)
        self._latest = torch.full((), _FIRST, device=device)

    def add(self, chunk: Chunk) -> None:
        for part in self._admit(chunk).parts():
            # A comparison widens narrow rows as it reads them: they need no float32 copy.
            rows, key = part.given, part.key
            rows = rows.float() if rows.dtype == torch.float64 else rows
            while len(rows):
                # As many rows as were seen bring about `k` entries per neuron, which fit.
                step = self._room or self.seen
                self._add(rows[:step], key[:step])
                rows, key = rows[step:], key[step:]

    def merge(self, other: Self) -> None:
        peer = self._peer(other)
        if peer is None:
            return
        self.seen += peer.seen
        self._nan += peer._nan
        self._latest = torch.maximum(self._latest, peer._latest)
        self._clear(peer._values, peer._places)

    def result(self) -> Tops:
        if self.neurons is None:
            raise ValueError("Top has seen no rows.")
        self.to(self._values.device)
        self._clear()
        kept = min(self.k, self.seen)
        values, keys = self._values[:, : self.k], self._places[:, : self.k]
        order = keys.argsort(dim=1, stable=True)
        values, keys = values.gather(1, order), keys.gather(1, order)
        order = values.argsort(dim=1, stable=True, descending=True)[:, :kept]
        values, keys = values.gather(1, order), keys.gather(1, order)
        sample, position = self._columns(keys)
        values = values.masked_fill(keys == EMPTY, torch.nan)
        return Tops(values.cpu().numpy(), sample, position, self._nan.cpu().numpy(), self.seen)

    def _add(self, rows: torch.Tensor, key: torch.Tensor) -> None:
        late = bool(key.amin() <= self._latest)
        self._latest = torch.maximum(self._latest, key.amax())
        self.seen += len(rows)
        if not self._room:
            if self._append(rows, key, late):
                return
            self._clear()
            if self._append(rows, key, late):
                return
        nan = rows.isnan()
        self._nan += nan.sum(0)
        values = rows.masked_fill(nan, -torch.inf).T.float()
        keys = torch.where(nan.T, EMPTY, key)
        if not self._room:
            self._clear(values, keys)
            return
        start = self._values.shape[1] - self._room
        self._values[:, start : start + len(rows)] = values
        self._places[:, start : start + len(rows)] = keys
        self._room -= len(rows)
        if not self._room:
            self._clear()

    def _append(self, rows: torch.Tensor, key: torch.Tensor, late: bool) -> bool:
        """Append the rows that exceed the bound to the buffers. False if they do not fit."""
        # "rows > bound" would miss NaN, which must be counted.
        enters = (rows <= self._bound).logical_not_()
        if late:
            enters |= (rows == self._bound) & (key[:, None] < self._bound_place)
        # Flat indices take half the time of pairs.
        flat = enters.flatten().nonzero()[:, 0]
        if len(flat) == 0:
            return True
        neurons, width = self._values.shape
        values = rows.flatten().index_select(0, flat).float()
        nan = values.isnan()
        nans, neuron = torch.zeros_like(self._nan), flat % neurons
        count = counted(neuron, neurons)
        # One read of the device for both.
        fullest, any_nan = torch.stack([(self._used + count).amax(), nan.any().long()]).tolist()
        if any_nan:
            nans = counted(neuron[nan], neurons)
            flat, values, neuron = flat[~nan], values[~nan], neuron[~nan]
            count -= nans
            fullest = int((self._used + count).amax())
        if fullest > width:
            return False
        # The n-th entry of a neuron goes n slots after the used ones.
        neuron, order = neuron.sort(stable=True)
        start = torch.arange(neurons, device=flat.device) * width + self._used
        slot = torch.arange(len(flat), device=flat.device)
        slot += (start - count.cumsum(0) + count).index_select(0, neuron)
        entry_keys = key.index_select(0, flat.index_select(0, order) // neurons)
        self._values.view(-1).index_copy_(0, slot, values.index_select(0, order))
        self._places.view(-1).index_copy_(0, slot, entry_keys)
        self._used += count
        self._nan += nans
        return True

    def _clear(self, values: torch.Tensor | None = None, keys: torch.Tensor | None = None) -> None:
        """Reduce each buffer, with `D x M` further values if given, to its `k` largest values."""
        k = self.k
        if values is not None and keys is not None:
            values = torch.cat([self._values, values], 1)
            keys = torch.cat([self._places, keys], 1)
        else:
            values, keys = self._values, self._places
        values, keys = best(values, keys, k)
        self._values[:, :k], self._values[:, k:] = values, -torch.inf
        self._places[:, :k], self._places[:, k:] = keys, EMPTY
        self._used.fill_(k)
        self._room = 0 if self.seen >= 3 * k else 2 * k
        bound = values.amin(1)
        full = keys.amax(1) < EMPTY
        self._bound = torch.where(full, bound, torch.nan)
        self._bound_place = torch.where(values == bound[:, None], keys, _FIRST).amax(1)


def counted(index: torch.Tensor, size: int) -> torch.Tensor:
    """int64 `size`: how often each number is in `index`. `bincount` would wait for a GPU."""
    counts = torch.zeros(size, dtype=torch.int64, device=index.device)
    return counts.scatter_add_(0, index, torch.ones_like(index))


def best(values: torch.Tensor, keys: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `k` largest of each row of `D x M` values, unordered. Ties go to the smaller key."""
    top = values.topk(k, dim=1, sorted=False)
    bound = top.values.amin(1, keepdim=True)
    if bool(((values >= bound).sum(1) == k).all()):
        return top.values, keys.gather(1, top.indices)
    # Take all values above the bound, then those at the bound by key.
    rank = torch.where(values == bound, keys, EMPTY).masked_fill_(values > bound, _FIRST)
    index = rank.topk(k, dim=1, largest=False, sorted=False).indices
    return values.gather(1, index), keys.gather(1, index)
