"""Clusters of points and their nearest neighbours, exactly, from blocks of products."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch

Criterion = Literal["ward", "average"]
"""Twice the growth of the sum of squares, or the mean squared distance of two clusters' points."""

Every = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]
"""Calls a function with everything in a list, perhaps on several threads."""

TILE = 512
"""Clusters in a tile, at least (on a CPU: a block of products fits in the second-level cache)."""
MOST_TILES = 64
"""Tiles, about: so the bounds take memory linear in the number of points."""
ROOM = 2**20
"""Numbers in a temporary matrix of float64 rows, at most: 8 MB."""
SPAN = 1024
"""Slots in a block of products, about."""
FULL = 0.75
"""Empty slots are closed up when fewer than this share are in use."""
UNSEEN = torch.iinfo(torch.int64).max


def each(do: Callable[[Any], Any], things: Iterable[Any]) -> list[Any]:
    """`Every` on this thread."""
    return [do(thing) for thing in things]


class Clusters:
    """The clusters that are left, in slots, with bounds on how near they are to each other.

    A tile is a range of slots. `bound[i, t]` is never above the criterion between `i` and any
    other cluster in tile `t`; by reducibility merging cannot break it. New clusters go into new
    slots at the end, so that one minimum over a block of products keeps it true.

    Attributes, one row per slot:
        centre: float64 `slots x D`, centroids.
        coarse: float32 `slots x D`, the same for the products.
        weight, spread: float64, number of points and their mean squared distance from `centre`.
        low: float32, `|coarse|^2 + spread` less all that rounding can do; inf in an empty slot.
        inverse: float32, half of `1 / weight`.
        name: int64, the smallest point in it. `slot` goes back.
        near, key: float64 and int64, the criterion to the nearest cluster, and `name ^ its name`.
        bound: float32 `slots x tiles`.
    """

    def __init__(
        self,
        centre: torch.Tensor,
        weight: torch.Tensor,
        name: torch.Tensor,
        criterion: Criterion,
        every: Every = each,
    ) -> None:
        count, width = centre.shape
        device = centre.device
        # Room for new clusters until the next tidying.
        slots = count + count // 4 + 1
        self.criterion = criterion
        self.every = every
        self.tile = max(TILE, -(-count // MOST_TILES))
        self.rows = max(1, ROOM // width)
        self.columns = 2 * (-(-slots // self.tile)) + 4
        # Higham, Accuracy and Stability of Numerical Algorithms, (3.5): a product of D terms is
        # wrong by at most D u |x||y|; 32 more for the roundings around it.
        self.slack = 1.01 * (width + 32) * 2.0**-24
        real = partial(torch.zeros, dtype=torch.float64, device=device)
        self.centre = real(slots, width)
        self.coarse = torch.zeros(slots, width, dtype=torch.float32, device=device)
        self.weight = real(slots)
        self.spread = real(slots)
        self.low = torch.full((slots,), torch.inf, device=device)
        self.inverse = torch.ones(slots, device=device)
        self.name = torch.zeros(slots, dtype=torch.int64, device=device)
        self.slot = torch.zeros(int(name.max()) + 1, dtype=torch.int64, device=device)
        self.near = real(slots) + torch.inf
        self.key = torch.full((slots,), UNSEEN, device=device)
        self.bound = torch.full((slots, self.columns), torch.inf, device=device)
        self.edges = [0]
        self.append(centre, weight, real(count), name)

    @property
    def end(self) -> int:
        """The slots in use."""
        return self.edges[-1]

    @property
    def alive(self) -> torch.Tensor:
        """bool, one for each slot in use."""
        return self.low[: self.end] < torch.inf

    def append(
        self, centre: torch.Tensor, weight: torch.Tensor, spread: torch.Tensor, name: torch.Tensor
    ) -> None:
        """Put clusters into new slots and bound their distances."""
        begin, end = self.end, self.end + len(name)
        new = slice(begin, end)
        self.centre[new] = centre
        self.coarse[new] = centre
        self.weight[new] = weight
        self.spread[new] = spread
        self.inverse[new] = 0.5 / weight
        square = torch.cat(
            [x.double().square_().sum(1) for x in torch.split(self.coarse[new], self.rows)]
        )
        # What is left of squares below the smallest float32 is no larger than 1e-30.
        self.low[new] = (square + spread) * (1 - self.slack) - 1e-30
        self.name[new] = name
        self.slot[name] = torch.arange(begin, end, device=name.device)
        self.near[new] = torch.inf
        self.key[new] = UNSEEN
        self.bound[new] = torch.inf
        while begin < end:
            last = len(self.edges) - 2
            if last < 0 or begin - self.edges[last] >= self.tile:
                self.edges.append(begin)
                last += 1
            upto = min(end, self.edges[last] + self.tile)
            self.edges[-1] = upto
            self.compare(begin, upto)
            begin = upto

    def compare(self, begin: int, end: int) -> None:
        """Bound the distances of the last slots, which are in one tile, to all."""
        last = len(self.edges) - 2
        spans = []
        tile = 0
        while tile <= last:
            first, low = tile, self.edges[tile]
            while tile <= last and self.edges[tile + 1] - low <= max(SPAN, self.tile):
                tile += 1
            spans.append((first, tile))

        def bound(span: tuple[int, int]) -> None:
            low, high = (self.edges[x] for x in span)
            block = self.products(slice(begin, end), low, high)
            if high == end:
                block[:, begin - low :].fill_diagonal_(torch.inf)
            for one in range(*span):
                part = slice(self.edges[one] - low, self.edges[one + 1] - low)
                torch.amin(block[:, part], 1, out=self.bound[begin:end, one])
            seen = self.bound[low:high, last]
            torch.minimum(seen, block.amin(0), out=seen)

        self.every(bound, spans)

    def products(self, rows: slice | torch.Tensor, low: int, high: int) -> torch.Tensor:
        """float32 `rows x (high - low)`, never above the criterion; inf for an empty slot."""
        block = torch.addmm(
            self.low[low:high], self.coarse[rows], self.coarse[low:high].T, alpha=-2
        )
        block += self.low[rows, None]
        if self.criterion == "ward":
            block /= self.inverse[rows, None] + self.inverse[low:high]
        return block

    def exact(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """float64, the criterion of pairs of slots, from differences."""

        def measure(pairs: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            return (self.centre[pairs[0]] - self.centre[pairs[1]]).square_().sum(1)

        parts = zip(torch.split(one, self.rows), torch.split(other, self.rows), strict=True)
        square = torch.cat(self.every(measure, parts))
        if self.criterion == "ward":
            n, m = self.weight[one], self.weight[other]
            return square * (2 * n * m / (n + m))
        return square + (self.spread[one] + self.spread[other])

    def nearest(self, rows: torch.Tensor, low: int, high: int) -> torch.Tensor:
        """int64, for each of the slots `rows` which slot from `low` on is nearest, in float64.

        For points that float32 cannot tell apart: every pair is measured, as differences.
        """
        names = self.name[rows, None] ^ self.name[low:high]
        far = (names == 0) | ~(self.low[low:high] < torch.inf)
        square = torch.cdist(
            self.centre[rows], self.centre[low:high], compute_mode="donot_use_mm_for_euclid_dist"
        ).square_()
        if self.criterion == "ward":
            square /= 0.5 / self.weight[rows, None] + 0.5 / self.weight[low:high]
        else:
            square += self.spread[rows, None] + self.spread[low:high]
        square[far] = torch.inf
        names[square > square.amin(1, keepdim=True)] = UNSEEN
        return names.argmin(1)

    def tidy(self) -> None:
        """Close up the empty slots and join small neighbouring tiles."""
        alive = self.alive
        keep = alive.nonzero()[:, 0]
        sizes = [int(alive[a:b].sum()) for a, b in pairwise(self.edges)]
        joined: list[list[int]] = []
        edges = [0]
        for tile, size in enumerate(sizes):
            if joined and edges[-1] - edges[-2] + size <= self.tile:
                joined[-1].append(tile)
                edges[-1] += size
            else:
                joined.append([tile])
                edges.append(edges[-1] + size)
        bound = self.bound[keep]
        self.bound.fill_(torch.inf)
        for column, tiles in enumerate(joined):
            self.bound[: len(keep), column] = bound[:, tiles].amin(1)
        columns = self.weight, self.spread, self.low, self.inverse, self.name, self.near, self.key
        for values in columns:
            values[: len(keep)] = values[keep]
        self.low[len(keep) :] = torch.inf
        # Every row moves down, so blocks can be moved in order and in place.
        for begin in range(0, len(keep), self.rows):
            some = keep[begin : begin + self.rows]
            self.centre[begin : begin + len(some)] = self.centre[some]
            self.coarse[begin : begin + len(some)] = self.coarse[some]
        self.slot[self.name[: len(keep)]] = torch.arange(len(keep), device=keep.device)
        self.edges = edges

    def merge(self, one: torch.Tensor, other: torch.Tensor) -> None:
        """Make one cluster of each pair."""
        n, m = self.weight[one], self.weight[other]
        share = m / (n + m)
        name = self.name[one]
        centre = torch.empty(len(one), self.centre.shape[1], dtype=torch.float64, device=n.device)
        apart = torch.empty_like(n)
        for begin in range(0, len(one), self.rows):
            part = slice(begin, begin + self.rows)
            far = self.centre[other[part]] - self.centre[one[part]]
            apart[part] = far.square().sum(1)
            centre[part] = self.centre[one[part]] + far.mul_(share[part, None])
        spread = torch.zeros_like(n)
        if self.criterion == "average":
            spread = (1 - share) * (self.spread[one] + share * apart) + share * self.spread[other]
        gone = torch.zeros_like(self.slot, dtype=torch.bool)
        gone[name] = gone[self.name[other]] = True
        self.low[one] = self.low[other] = torch.inf
        tiles = len(self.edges) + len(one) // self.tile + 1
        crowded = self.end + len(one) > len(self.low) or tiles > self.columns
        if crowded or self.alive.sum() < FULL * self.end:
            self.tidy()
        rows = (self.alive & (self.key[: self.end] != UNSEEN)).nonzero()[:, 0]
        lost = rows[gone[self.name[rows] ^ self.key[rows]]]
        self.near[lost] = torch.inf
        self.key[lost] = UNSEEN
        self.append(centre, n + m, spread, name)
