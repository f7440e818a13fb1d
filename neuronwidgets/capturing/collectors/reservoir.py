"""A uniform sample of a layer's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from neuronwidgets.capturing.collectors.chunk import EMPTY, Chunk
from neuronwidgets.capturing.collectors.collector import Collector
from neuronwidgets.capturing.collectors.rows import KeptRows
from neuronwidgets.core.checks import integer

if TYPE_CHECKING:
    from typing_extensions import Self


class Reservoir(Collector):
    """A uniform sample of `size` rows without replacement; all rows while there are fewer.

    A row's priority is a hash of seed, sample and position, and the rows with the smallest
    priorities are kept (bottom-k sampling; Cohen and Kaplan, PODC 2007). So the same data give the
    same rows, for any batches, order, number of workers and layer. Memory: `4 size D` bytes,
    allocated at the first chunk.
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
        self._offer(chunk.given, chunk.key, priority(chunk.key, self.seed), label)
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
        key: torch.Tensor,
        priority: torch.Tensor,
        label: torch.Tensor,
    ) -> None:
        """Replace kept rows by rows of smaller priority."""
        all_priorities = torch.cat([self._priority, priority])
        chosen = all_priorities.topk(self.size, largest=False, sorted=False).indices
        entering = chosen[chosen >= self.size] - self.size
        kept = torch.zeros(len(all_priorities), dtype=torch.bool, device=priority.device)
        kept[chosen] = True
        free = (~kept[: self.size]).nonzero()[:, 0]
        self._rows[free] = rows[entering].float()
        self._place[free] = key[entering]
        self._priority[free] = priority[entering]
        self._label[free] = label[entering]


def priority(key: torch.Tensor, seed: int) -> torch.Tensor:
    """A hash of keys and the seed, without collisions between keys: int64 `N` of int64 `N`."""
    start = mixed(torch.tensor(seed % (1 << 63), device=key.device))
    return mixed(mixed(key) + start)


def mixed(bits: torch.Tensor) -> torch.Tensor:
    """SplitMix64's step and finalizer (Steele, Lea and Flood, OOPSLA 2014) on wrapping 64-bit
    words, a bijection."""
    bits = bits + _signed(0x9E3779B97F4A7C15)
    bits = (bits ^ _right(bits, 30)) * _signed(0xBF58476D1CE4E5B9)
    bits = (bits ^ _right(bits, 27)) * _signed(0x94D049BB133111EB)
    return bits ^ _right(bits, 31)


def _right(bits: torch.Tensor, by: int) -> torch.Tensor:
    """A logical shift to the right."""
    return (bits >> by) & ((1 << (64 - by)) - 1)


def _signed(word: int) -> int:
    """An unsigned 64-bit word above 2^63 as a signed one."""
    return word - (1 << 64)
