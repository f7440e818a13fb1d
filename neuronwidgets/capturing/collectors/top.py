"""The top-activating rows of each neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from neuronwidgets.capturing.collectors import fused
from neuronwidgets.capturing.collectors.chunk import EMPTY, Chunk, scratch
from neuronwidgets.capturing.collectors.collector import Collector
from neuronwidgets.capturing.collectors.device import read
from neuronwidgets.capturing.collectors.entering import Bound, entering, group_size
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

    A value enters its neuron's buffer if it exceeds the `k`-th value of the last clearing. Once a
    buffer is full, all are cleared down to `k` by `torch.topk`. After `n` rows, a value enters with
    a probability of about `k / n`, so that nearly all work is one comparison per value. Layers that
    come side by side share the buffers, and a GPU is read once a batch for all of them. With Triton
    it is not read at all: kernels mark what enters, append it and clear.
    """

    _settings = ("k",)
    _per_neuron = dict.fromkeys(
        ("_values", "_places", "_nan", "_used", "_bound", "_bound_place"), 0
    )
    _latest = _FIRST
    """The largest key so far: a row with a smaller one may win a tie."""
    _cleared = 0
    """Rows seen at the last clearing."""
    _ahead: ClassVar[bool | None] = None
    """See `entering`."""

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

    def add(self, chunk: Chunk) -> None:
        chunk = self._admit(chunk)
        if fused.usable(chunk.device) and fused.buffers_fit(self.k, self._values.shape[1]):
            self._add_fused(chunk)
            return
        start = 0
        while start < len(chunk):
            # As many rows as were seen bring about `k` entries per neuron, which fit.
            share = self.k / max(1, self._cleared or self.seen)
            at_once = scratch(chunk.device) * group_size(share) // max(1, chunk.neurons)
            step = self._room or min(self.seen, max(1, at_once))
            self._add(chunk.part(start, start + step), share)
            start += step

    def _add_fused(self, chunk: Chunk) -> None:
        """Append and clear in one kernel: nothing is read back."""
        if not len(chunk):
            return
        first, last = chunk.span
        ties, self._latest = first <= self._latest, max(self._latest, last)
        if self._room:
            # The first rows fill the buffers from their beginning on.
            self._used.fill_(max(self.k, self._values.shape[1] - self._room))
            self._room = 0
        state = (self._values, self._places, self._used, self._bound, self._bound_place, self._nan)
        for part in chunk.doubling(max(self.k, self.seen)):
            self.seen += len(part)
            if part.neurons:
                fused.append(part.fused, part.key, [state], self.k, ties or not chunk.ascending)

    def merge(self, other: Self) -> None:
        peer = self._peer(other)
        if peer is None:
            return
        self.seen += peer.seen
        self._nan += peer._nan
        self._latest = max(self._latest, peer._latest)
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

    def __setstate__(self, state: dict[str, Any]) -> None:
        # `setattr` interns the names, on which the bytes of the next state depend.
        for name, value in state.items():
            setattr(self, name, value)
        # A tensor in states of earlier versions.
        self._latest = int(self._latest)

    def _add(self, part: Chunk, share: float) -> None:
        first, last = part.span
        ties, self._latest = first <= self._latest, max(self._latest, last)
        self.seen += len(part)
        if not part.neurons:
            return
        if not self._room:
            if self._append(part, ties, share):
                return
            self._clear()
            if self._append(part, ties, share):
                return
            for rows in part.parts():
                values, keys, nan = self._columns_of(rows)
                self._nan += nan
                self._clear(values, keys)
            return
        start = self._values.shape[1] - self._room
        stop = start + len(part)
        for neurons, tile in part.tiles():
            values, keys, nan = self._columns_of(tile)
            self._nan[neurons] += nan
            self._values[neurons, start:stop], self._places[neurons, start:stop] = values, keys
        self._room -= len(part)
        if not self._room:
            self._clear()

    def _columns_of(self, part: Chunk) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Each neuron's values and keys, `D x N`, and its number of NaN, which stand last."""
        nan = part.given.isnan()
        values = part.given.masked_fill(nan, -torch.inf).T.float()
        return values, torch.where(nan.T, EMPTY, part.key), nan.sum(0)

    def _append(self, part: Chunk, ties: bool, share: float) -> bool:
        """Append the values that exceed the bound to the buffers. False if they do not fit."""
        bound = Bound(self._bound, self._bound_place, ties)
        entries = entering(part, bound, self._used, share, self._ahead)
        neurons, width = self._values.shape
        if entries is None or entries.fullest > width:
            return False
        # The n-th entry of a neuron goes n slots after the used ones.
        neuron, order = entries.neuron.sort(stable=True)
        start = torch.arange(neurons, device=neuron.device) * width + self._used
        slot = torch.arange(len(neuron), device=neuron.device)
        slot += (start - entries.counts.cumsum(0) + entries.counts).index_select(0, neuron)
        self._values.view(-1).index_copy_(0, slot, entries.values.index_select(0, order))
        self._places.view(-1).index_copy_(0, slot, entries.keys.index_select(0, order))
        self._used += entries.counts
        self._nan += entries.nan
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
        self._cleared = self.seen
        self._room = 0 if self.seen >= 3 * k else 2 * k
        bound = values.amin(1)
        full = keys.amax(1) < EMPTY
        self._bound = torch.where(full, bound, torch.nan)
        self._bound_place = torch.where(values == bound[:, None], keys, _FIRST).amax(1)


def best(values: torch.Tensor, keys: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `k` largest of each row of `D x M` values, unordered. Ties go to the smaller key."""
    top = values.topk(k, dim=1, sorted=False)
    bound = top.values.amin(1, keepdim=True)
    if read(((values >= bound).sum(1) == k).all()[None])[0]:
        return top.values, keys.gather(1, top.indices)
    # Take all values above the bound, then those at the bound by key.
    rank = torch.where(values == bound, keys, EMPTY).masked_fill_(values > bound, _FIRST)
    index = rank.topk(k, dim=1, largest=False, sorted=False).indices
    return values.gather(1, index), keys.gather(1, index)
