"""The rows that activate each neuron most."""

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


@dataclass(frozen=True, eq=False)
class Tops:
    """The `K` strongest rows of each of `D` neurons; `K` is `k`, or the rows seen if fewer.

    Attributes:
        values: float32 `D x K`, strongest first; NaN where all further rows were NaN.
        sample: int64 `D x K`, the text or image of each; -1 where there is none.
        position: int64 `D x K`, its token or map position; `None` where rows are whole samples.
        nan: int64 `D`, rows left out because they were NaN there.
        seen: rows seen, with those.
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
        at = (neuron, rank)
        columns = {"neuron": neuron, "rank": rank}
        columns |= {"value": self.values[at], "sample": self.sample[at]}
        if self.position is not None:
            columns["position"] = self.position[at]
        return pd.DataFrame(columns)


class Top(Collector):
    """The `k` rows that activate each neuron most, for all neurons at once.

    Exact, and the same whatever the order of the rows: equal values are taken and listed by smaller
    sample, then position. NaN never enters and is counted. Memory: `36 k D` bytes.

    A row enters a neuron's buffer if it beats the `k`-th value of the last clearing; once a buffer
    is full, all are cleared down to `k` by `torch.topk`. After `n` rows a further one enters with a
    chance of about `k / n`, so nearly all that is left to do is one comparison per value.
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
        # The first rows all go into the buffers: there are so many free slots for them at the end.
        self._room = 3 * self.k
        self._used = torch.full((neurons,), self.k, device=device)
        # What the k-th row of the last clearing was; NaN (beaten by all) while there are fewer.
        self._bound = torch.full((neurons,), torch.nan, dtype=torch.float32, device=device)
        self._bound_place = torch.full((neurons,), EMPTY, device=device)
        self._latest = torch.full((), _FIRST, device=device)

    def add(self, chunk: Chunk) -> None:
        for part in self._admit(chunk).parts():
            rows, place = part.rows, part.place
            while len(rows):
                # As many as were seen bring about `k` newcomers per neuron, which fit.
                step = self._room or self.seen
                self._add(rows[:step], place[:step])
                rows, place = rows[step:], place[step:]

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
        values, places = self._values[:, : self.k], self._places[:, : self.k]
        order = places.argsort(dim=1, stable=True)
        values, places = values.gather(1, order), places.gather(1, order)
        order = values.argsort(dim=1, stable=True, descending=True)[:, :kept]
        values, places = values.gather(1, order), places.gather(1, order)
        sample, position = self._columns(places)
        values = values.masked_fill(places == EMPTY, torch.nan)
        return Tops(values.cpu().numpy(), sample, position, self._nan.cpu().numpy(), self.seen)

    def _add(self, rows: torch.Tensor, place: torch.Tensor) -> None:
        late = bool(place.amin() <= self._latest)
        self._latest = torch.maximum(self._latest, place.amax())
        self.seen += len(rows)
        if not self._room:
            if self._append(rows, place, late):
                return
            self._clear()
            if self._append(rows, place, late):
                return
        nan = rows.isnan()
        self._nan += nan.sum(0)
        values = rows.masked_fill(nan, -torch.inf).T
        places = torch.where(nan.T, EMPTY, place)
        if not self._room:
            self._clear(values, places)
            return
        start = self._values.shape[1] - self._room
        self._values[:, start : start + len(rows)] = values
        self._places[:, start : start + len(rows)] = places
        self._room -= len(rows)
        if not self._room:
            self._clear()

    def _append(self, rows: torch.Tensor, place: torch.Tensor, late: bool) -> bool:
        """Put the rows that may enter into the buffers, if they fit."""
        # Not "rows > bound": that would miss NaN, which has to be counted.
        enters = (rows <= self._bound).logical_not_()
        if late:
            enters |= (rows == self._bound) & (place[:, None] < self._bound_place)
        # Flat indices: half the time of pairs of them.
        flat = enters.flatten().nonzero()[:, 0]
        if len(flat) == 0:
            return True
        neurons, width = self._values.shape
        values = rows.flatten().index_select(0, flat)
        nan = values.isnan()
        nans = torch.zeros_like(self._nan)
        if nan.any():
            nans = torch.bincount(flat[nan] % neurons, minlength=neurons)
            flat, values = flat[~nan], values[~nan]
        neuron = flat % neurons
        count = torch.bincount(neuron, minlength=neurons)
        if int((self._used + count).amax()) > width:
            return False
        # The n-th newcomer of a neuron goes n slots behind what is used.
        neuron, order = neuron.sort(stable=True)
        start = torch.arange(neurons, device=flat.device) * width + self._used
        slot = torch.arange(len(flat), device=flat.device)
        slot += (start - count.cumsum(0) + count).index_select(0, neuron)
        newcomers = place.index_select(0, flat.index_select(0, order) // neurons)
        self._values.view(-1).index_copy_(0, slot, values.index_select(0, order))
        self._places.view(-1).index_copy_(0, slot, newcomers)
        self._used += count
        self._nan += nans
        return True

    def _clear(
        self, values: torch.Tensor | None = None, places: torch.Tensor | None = None
    ) -> None:
        """Leave each neuron's best `k` of its buffer, and of `D x M` more."""
        k = self.k
        if values is not None and places is not None:
            values = torch.cat([self._values, values], 1)
            places = torch.cat([self._places, places], 1)
        else:
            values, places = self._values, self._places
        values, places = best(values, places, k)
        self._values[:, :k], self._values[:, k:] = values, -torch.inf
        self._places[:, :k], self._places[:, k:] = places, EMPTY
        self._used.fill_(k)
        self._room = 0 if self.seen >= 3 * k else 2 * k
        bound = values.amin(1)
        full = places.amax(1) < EMPTY
        self._bound = torch.where(full, bound, torch.nan)
        self._bound_place = torch.where(values == bound[:, None], places, _FIRST).amax(1)


def best(values: torch.Tensor, places: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `k` largest of each row of `D x M` values, ties to the smaller place, in no order."""
    found = values.topk(k, dim=1, sorted=False)
    bound = found.values.amin(1, keepdim=True)
    if bool(((values >= bound).sum(1) == k).all()):
        return found.values, places.gather(1, found.indices)
    # All above the bound, and then those at it by their place.
    turn = torch.where(values == bound, places, EMPTY).masked_fill_(values > bound, _FIRST)
    index = turn.topk(k, dim=1, largest=False, sorted=False).indices
    return values.gather(1, index), places.gather(1, index)
