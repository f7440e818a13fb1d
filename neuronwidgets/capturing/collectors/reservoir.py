"""A uniform sample of a layer's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from neuronwidgets.capturing.collectors.collector import EMPTY, Chunk, Collector
from neuronwidgets.capturing.collectors.rows import KeptRows
from neuronwidgets.core.checks import integer

if TYPE_CHECKING:
    from typing_extensions import Self


class Reservoir(Collector):
    """A uniform sample of `size` rows without replacement (all rows, while there are fewer).

    A row's priority is a hash of seed, sample and position, and the smallest priorities stay
    (bottom-k sampling; Cohen and Kaplan, PODC 2007): so the same data give the same rows, whatever
    the batches, the order and the number of workers, and two layers read on the same data keep the
    same rows. Memory: `4 size D` bytes, taken at the first chunk.
    """

    _settings = ("size", "seed")

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = integer("size", size, 1)
        self.seed = integer("seed", seed, 0)
        self.seen = 0

    def _start(self, neurons: int, device: torch.device) -> None:
        self._rows = torch.zeros(self.size, neurons, dtype=torch.float32, device=device)
        self._place, self._priority, self._label = (
            torch.full((self.size,), value, device=device) for value in (EMPTY, EMPTY, -1)
        )

    def add(self, chunk: Chunk) -> None:
        chunk = self._admit(chunk)
        label = torch.full_like(chunk.sample, -1) if chunk.label is None else chunk.label
        self._offer(chunk.rows, chunk.place, priority(chunk.place, self.seed), label)
        self.seen += len(chunk)

    def merge(self, other: Self) -> None:
        peer = self._peer(other)
        if peer is not None:
            self._offer(peer._rows, peer._place, peer._priority, peer._label)
            self.seen += peer.seen

    def result(self) -> KeptRows:
        if self.neurons is None:
            raise ValueError("Reservoir has seen no rows.")
        order = self._place.argsort()[: min(self.size, self.seen)]
        sample, position = self._columns(self._place[order])
        rows, label = self._rows[order].cpu().numpy(), self._label[order].cpu().numpy()
        return KeptRows(rows, sample, position, label, self.seen)

    def _offer(
        self,
        rows: torch.Tensor,
        place: torch.Tensor,
        priority: torch.Tensor,
        label: torch.Tensor,
    ) -> None:
        """Let rows in that come before those that are kept, in their stead."""
        both = torch.cat([self._priority, priority])
        chosen = both.topk(self.size, largest=False, sorted=False).indices
        entering = chosen[chosen >= self.size] - self.size
        stays = torch.zeros(len(both), dtype=torch.bool, device=both.device)
        stays[chosen] = True
        free = (~stays[: self.size]).nonzero()[:, 0]
        self._rows[free] = rows[entering]
        self._place[free] = place[entering]
        self._priority[free] = priority[entering]
        self._label[free] = label[entering]


def priority(place: torch.Tensor, seed: int) -> torch.Tensor:
    """A hash of places (int64 `N`) and the seed that no two places share: int64 `N`."""
    start = mixed(torch.tensor(seed % (1 << 63), device=place.device))
    return mixed(mixed(place) + start)


def mixed(bits: torch.Tensor) -> torch.Tensor:
    """SplitMix64's step and finalizer (Steele, Lea and Flood, OOPSLA 2014) on 64-bit words that
    wrap around: one to one."""
    bits = bits + _signed(0x9E3779B97F4A7C15)
    bits = (bits ^ _right(bits, 30)) * _signed(0xBF58476D1CE4E5B9)
    bits = (bits ^ _right(bits, 27)) * _signed(0x94D049BB133111EB)
    return bits ^ _right(bits, 31)


def _right(bits: torch.Tensor, by: int) -> torch.Tensor:
    """A shift to the right that brings in zeros."""
    return (bits >> by) & ((1 << (64 - by)) - 1)


def _signed(word: int) -> int:
    return word - (1 << 64)
