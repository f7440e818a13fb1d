"""Collects every neuron's top samples while data is read, by the rules of `top_samples`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neuronwidgets.activations.top_samples import FEWEST
from neuronwidgets.capturing.collectors import fused
from neuronwidgets.capturing.collectors.chunk import EMPTY, Chunk, in_cache
from neuronwidgets.capturing.collectors.collector import Collector
from neuronwidgets.capturing.collectors.entering import Bound, entering
from neuronwidgets.core.checks import integer

if TYPE_CHECKING:
    from typing_extensions import Self

PADDING = -1
"""The key after the last top sample of a neuron with fewer than `k`."""
_FIRST = -(1 << 63)
"""A key that sorts before all others."""


@dataclass(frozen=True, eq=False)
class NeuronTops:
    """The top samples of each of `D` neurons, as `activations.top_samples` chooses them.

    A key is `sample * 2^24 + position` (or `sample * 2^24` for whole samples), see `Chunk.key`.

    Attributes:
        keys: int64 `D x k`, strongest first, -1 after the last.
        activations: float32 `D x k`, NaN after the last.
        least: int64 `D`, the key of a row on which each neuron is at its minimum.
        minimum: float32 `D`, that minimum.
        shared: bool `D`, whether several rows have it.
        first: int64, the keys of the first two rows of the data.
        seen: the number of rows.
    """

    keys: np.ndarray
    activations: np.ndarray
    least: np.ndarray
    minimum: np.ndarray
    shared: np.ndarray
    first: np.ndarray
    seen: int

    @property
    def rows(self) -> np.ndarray:
        """int64, sorted: the keys of all rows that splitting the layer needs."""
        keys = np.unique(np.concatenate([self.keys.ravel(), self.least, self.first]))
        return keys[keys != PADDING]

    def index(self) -> np.ndarray:
        """int64 `D x k`: the top samples as indices into `rows`, -1 after the last."""
        return np.where(self.keys == PADDING, -1, np.searchsorted(self.rows, self.keys))


class Candidates(Collector):
    """The `k` top samples of each neuron, by the rules of `activations.top_samples`.

    It keeps the `k` largest values of each neuron, the `k` largest of rows with different vectors
    (told apart by a 64-bit hash), and the minimum. Rows must be finite. Ties go to the smaller
    sample, then position, so the result does not depend on the order of rows. Memory: about
    `90 k D` bytes.

    A value is remembered if it exceeds the neuron's `k`-th at the last clearing. Values are cleared
    when there are twice as many as needed, about `log2(rows / k)` times in all.
    """

    _settings = ("k",)
    _latest = _FIRST
    """The largest key so far: a row with a smaller one may win a tie."""
    _cleared = 0
    """Rows seen at the last clearing."""
    _buffers: tuple[torch.Tensor, ...] | None = None
    """On a GPU with kernels, entries before `_drain`: values, keys and hashes `D x 4 k`, and how
    many each neuron has. Never in a state that is kept."""

    def __init__(self, k: int = 100) -> None:
        self.k = integer("k", k, 1)
        self.seen = 0
        self._waiting: list[tuple[torch.Tensor, ...]] = []

    def _start(self, neurons: int, device: torch.device) -> None:
        def full(value: Any, dtype: torch.dtype, size: int = neurons) -> torch.Tensor:
            return torch.full((size,), value, dtype=dtype, device=device)

        # One entry for each remembered value, in the order of `_clear`.
        self._neuron = full(0, torch.int64, 0)
        self._value = full(0, torch.float32, 0)
        self._key = full(0, torch.int64, 0)
        self._hash = full(0, torch.int64, 0)
        # The k-th value and its key; NaN, which every value exceeds, if there are fewer.
        self._bound = full(torch.nan, torch.float32)
        self._bound_key = full(EMPTY, torch.int64)
        self._least = full(torch.inf, torch.float32)
        self._least_key = full(EMPTY, torch.int64)
        self._shared = full(False, torch.bool)
        self._first = full(EMPTY, torch.int64, 2)
        # Odd factors lose no bits.
        random = torch.Generator().manual_seed(0)
        factors = torch.randint(-(1 << 62), 1 << 62, (neurons,), generator=random) * 2 + 1
        self._factors = factors.to(device)

    def add(self, chunk: Chunk) -> None:
        if self._add_layers([self], chunk):
            return
        for part in self._admit(chunk).parts():
            start = 0
            while start < len(part):
                # As many rows as were seen bring about `k` entries per neuron.
                step = max(self.k, self.seen)
                self._add(part.part(start, start + step))
                start += step

    @classmethod
    def _add_layers(cls, collectors: Sequence[Self], chunk: Chunk) -> bool:
        k = collectors[0].k
        if not fused.usable(chunk.device) or not fused.buffers_fit(2 * k, 4 * k):
            return False
        for one, layer in zip(collectors, chunk.layers(), strict=True):
            one._admit(layer)
        chunk = chunk.narrowed()
        if not len(chunk) or not chunk.neurons:
            return True
        seen = max(k, max(one.seen for one in collectors))
        early = [one._note(chunk) for one in collectors]
        ties = any(early) or not chunk.ascending
        states = [one._state() for one in collectors]
        for part in chunk.doubling(seen):
            hashes = fused.hashes_of(part.fused, collectors[0]._factors)
            distinct = fused.Distinct(hashes, part.sums)
            fused.append(part.fused, part.key, states, k, ties, distinct)
        return True

    def to(self, device: torch.device | str) -> None:
        if self._waiting or self._buffers is not None:
            here, there = self._bound.device, torch.device(device)
            if here.type != there.type or there.index not in (None, here.index):
                self._clear()
        super().to(device)

    def merge(self, other: Self) -> None:
        peer = self._peer(other)
        if peer is None:
            return
        self.seen += peer.seen
        self._waiting.append((peer._neuron, peer._value, peer._key, peer._hash))
        self._latest = max(self._latest, peer._latest)
        self._first = torch.cat([self._first, peer._first]).sort().values[:2]
        self._take_least(peer._least, peer._least_key, peer._shared)
        self._clear()

    def result(self) -> NeuronTops:
        if self.neurons is None:
            raise ValueError("Candidates has seen no rows.")
        self._clear()
        neuron, value, key, is_first, rank, distinct_rank = (
            part.cpu().numpy() for part in (self._neuron, self._value, self._key, *self._ranks())
        )
        # As `resting_value`: a minimum that several samples share.
        resting = torch.where(self._shared, self._least, -torch.inf).cpu().numpy()
        active = value > resting[neuron]
        top = active & (rank < self.k)
        different = active & is_first & (distinct_rank < self.k)
        count, different_count = (
            np.bincount(neuron[chosen], minlength=self.neurons) for chosen in (top, different)
        )
        copies_count = different_count < np.minimum(FEWEST, count)
        chosen = np.flatnonzero(np.where(copies_count[neuron], top, different))
        neuron, counts = neuron[chosen], np.where(copies_count, count, different_count)
        place = np.arange(len(chosen)) - (np.cumsum(counts) - counts)[neuron]
        keys = np.full((self.neurons, self.k), PADDING)
        activations = np.full((self.neurons, self.k), np.nan, np.float32)
        keys[neuron, place], activations[neuron, place] = key[chosen], value[chosen]
        first = self._first.cpu().numpy()
        least, minimum, shared = (
            part.cpu().numpy() for part in (self._least_key, self._least, self._shared)
        )
        first = first[first < EMPTY]
        return NeuronTops(keys, activations, least, minimum, shared, first, self.seen)

    def __getstate__(self) -> dict[str, Any]:
        if self.neurons is not None:
            self._clear()
        return super().__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        # `setattr` interns the names, on which the bytes of the next state depend.
        for name, value in state.items():
            setattr(self, name, value)
        # A tensor in states of earlier versions.
        self._latest = int(self._latest)

    def _add(self, chunk: Chunk) -> None:
        rows, key = chunk.rows, chunk.key
        share = self.k / max(1, self._cleared or self.seen)
        ties = self._note(chunk)
        least = chunk.extremes[0].float()
        changed = ((least < self._least) | ((least == self._least) & ~self._shared)).nonzero()[:, 0]
        if len(changed):
            equal = rows[:, changed] == least[changed]
            least_key = torch.full_like(self._least_key, EMPTY)
            least_key[changed] = key[equal.byte().argmax(0)]
            shared = torch.zeros_like(self._shared)
            shared[changed] = equal.sum(0) > 1
            self._take_least(least, least_key, shared)
        bound, used = Bound(self._bound, self._bound_key, ties), torch.zeros_like(self._bound_key)
        # A share of one makes no groups, for which there is always room.
        entries = entering(chunk, bound, used, share) or entering(chunk, bound, used, 1.0)
        assert entries is not None
        if not len(entries.row):
            return
        assert self.neurons is not None
        # Adding zero turns -0.0 into 0.0.
        hashes = self._hashes(rows, entries.row)
        self._waiting.append((entries.neuron, entries.values + 0.0, entries.keys, hashes))
        if sum(len(waiting[0]) for waiting in self._waiting) > self.k * self.neurons:
            self._clear()

    def _note(self, chunk: Chunk) -> bool:
        """Count rows and keep the first two. Whether one may have a smaller key than one before."""
        first, last = chunk.span
        ties, self._latest = first <= self._latest, max(self._latest, last)
        if ties or self.seen < 2:
            self._first = torch.cat([self._first, chunk.key]).sort().values[:2]
        self.seen += len(chunk)
        return ties

    def _state(self) -> tuple[torch.Tensor, ...]:
        """What `fused.append` changes."""
        if self._buffers is None:
            assert self.neurons is not None
            shape, device = (self.neurons, 4 * self.k), self._bound.device
            values = torch.empty(shape, dtype=torch.float32, device=device)
            keys, hashes = (torch.empty(shape, dtype=torch.int64, device=device) for _ in range(2))
            self._buffers = values, keys, hashes, torch.zeros_like(self._bound_key)
        values, keys, hashes, used = self._buffers
        bounds = self._bound, self._bound_key
        least = self._least, self._least_key, self._shared
        return values, keys, used, *bounds, hashes, *least

    def _drain(self) -> None:
        """Let entries in buffers wait among the others."""
        if self._buffers is None:
            return
        values, keys, hashes, used = self._buffers
        del self._buffers
        filled = torch.arange(values.shape[1], device=used.device) < used[:, None]
        neuron, slot = filled.nonzero(as_tuple=True)
        # Adding zero turns -0.0 into 0.0.
        entries = values[neuron, slot] + 0.0, keys[neuron, slot], hashes[neuron, slot]
        self._waiting.append((neuron, *entries))

    def _hashes(self, rows: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """int64 `E`: the hashes of the chosen rows (int64 `E`). Equal rows have equal hashes, as
        sums of integers have no rounding."""
        if rows.device.type != "cpu":
            return self._hash_of(rows)[chosen]
        entering = torch.zeros(len(rows), dtype=torch.bool).index_fill_(0, chosen, True)
        index, hashes = entering.nonzero()[:, 0], torch.zeros(len(rows), dtype=torch.int64)
        step = max(1, (in_cache(rows.device) or 1) // rows.shape[1])
        for some in torch.split(index, step):
            hashes[some] = self._hash_of(rows[some])
        return hashes[chosen]

    def _hash_of(self, rows: torch.Tensor) -> torch.Tensor:
        # Adding zero turns -0.0 into 0.0.
        return ((rows + 0.0).view(torch.int32) * self._factors).sum(1)

    def _take_least(self, least: torch.Tensor, key: torch.Tensor, shared: torch.Tensor) -> None:
        """Compare minima with those of other rows: `D` values, their keys, and whether several of
        the other rows have them."""
        less, equal = least < self._least, least == self._least
        self._shared = torch.where(less, shared, self._shared | equal)
        self._least = torch.where(less, least, self._least)
        self._least_key = torch.where(less, key, self._least_key)

    def _clear(self) -> None:
        """Keep the entries that may be in the result, sorted by neuron, value and key."""
        self._drain()
        if not self._waiting:
            return
        own = (self._neuron, self._value, self._key, self._hash)
        self._cleared = self.seen
        columns = [torch.cat(parts) for parts in zip(own, *self._waiting, strict=True)]
        self._waiting = []
        neuron, value, key, _ = columns
        order = _by_neuron_and_value(neuron, value, key)
        self._neuron, self._value, self._key, self._hash = (
            part.index_select(0, order) for part in columns
        )
        is_first, rank, distinct_rank = self._ranks()
        last = is_first & (distinct_rank == self.k - 1)
        self._bound[self._neuron[last]] = self._value[last]
        self._bound_key[self._neuron[last]] = self._key[last]
        kept = (rank < self.k) | (is_first & (distinct_rank < self.k))
        self._neuron, self._value, self._key, self._hash = (
            part[kept] for part in (self._neuron, self._value, self._key, self._hash)
        )

    def _ranks(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """For each entry: whether it is the first with its vector, its rank among its neuron's
        entries, and among those that are first."""
        neuron, value = self._neuron, self._value
        is_first = torch.ones_like(neuron, dtype=torch.bool)
        tied = (neuron[1:] == neuron[:-1]) & (value[1:] == value[:-1])
        if bool(tied.any()):
            no = tied.new_zeros(1)
            # Entries with one neuron and value are a run. Within it, the first of each hash counts.
            run = torch.cat([no, ~tied]).cumsum(0)
            among = (torch.cat([tied, no]) | torch.cat([no, tied])).nonzero()[:, 0]
            among = among[self._hash[among].argsort(stable=True)]
            among = among[run[among].argsort(stable=True)]
            hashes, runs = self._hash[among], run[among]
            copy = (hashes[1:] == hashes[:-1]) & (runs[1:] == runs[:-1])
            is_first[among[1:][copy]] = False
        assert self.neurons is not None
        counts = torch.bincount(neuron, minlength=self.neurons)
        before = counts.cumsum(0) - counts
        rank = torch.arange(len(neuron), device=neuron.device) - before[neuron]
        firsts = is_first.long().cumsum(0) - is_first.long()
        # The number of first ones before each neuron's entries.
        base = torch.cat([firsts, firsts.new_zeros(1)])[before.clamp(max=len(neuron))]
        return is_first, rank, firsts - base[neuron]


def _by_neuron_and_value(
    neuron: torch.Tensor, value: torch.Tensor, key: torch.Tensor
) -> torch.Tensor:
    """int64 `E`: the order of entries by neuron, then from the largest value, then by key."""
    # One number holds neuron and value: as integers, the bits of positive floats are in order.
    bits = value.view(torch.int32).long()
    code = neuron * (1 << 33) - torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    order = _argsort(code)
    code = code.index_select(0, order)
    tied = code[1:] == code[:-1]
    if not bool(tied.any()):
        return order
    no = tied.new_zeros(1)
    among = (torch.cat([tied, no]) | torch.cat([no, tied])).nonzero()[:, 0]
    by_key = among[key[order[among]].argsort(stable=True)]
    order[among] = order[by_key[code[by_key].argsort(stable=True)]]
    return order


def _argsort(code: torch.Tensor) -> torch.Tensor:
    """The order of `E` numbers; equal ones in any order."""
    if code.device.type != "cpu":
        return code.argsort()
    # NumPy's is several times as fast as torch's, which keeps equal ones in order.
    return torch.from_numpy(np.argsort(code.numpy()))
