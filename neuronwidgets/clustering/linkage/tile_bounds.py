"""Lower bounds on how near clusters are to those in each tile, kept true while they merge."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch

from neuronwidgets.clustering.linkage.centroids import ROOM, UNSEEN, Clusters, Slots
from neuronwidgets.clustering.linkage.partition import axes

SPAN = 1024
"""Slots in a block of products, about."""
FULL = 0.75
"""Empty slots are closed up when fewer than this share are in use."""
STALE = 0.25
"""Bounds are made anew when searches have multiplied this share of all pairs."""
MANY = 0.7
"""From this share of rows and columns on that the axes leave in doubt, a block is multiplied
whole."""
SAFE = 2.0**-20
"""More than what a few steps of float32 can have wrong, relatively."""
VAGUE = 2.0**-16
"""The same for squared distances along the axes."""


class Bounds(Clusters):
    """Clusters, with the most that is known about every tile.

    Attributes, one row per slot, one column per tile but for the first two:
        near, key: float64 and int64, the criterion to the nearest cluster, and `name ^ its name`.
        guess: int64, a slot in that tile, probably the nearest one there.
        least: float32, never above the criterion to `guess`; inf if there is none.
        bound: float32, never above the criterion to all others in that tile.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        count, device = len(self.centre), self.centre.device
        self.near = torch.full((count,), torch.inf, dtype=torch.float64, device=device)
        self.key = torch.full((count,), UNSEEN, device=device)
        self.renew()

    def renew(self) -> None:
        """Bounds from products, half of the matrix of them.

        A projection is never longer: where the distances along a few axes already say that two
        clusters are not nearest, they are the bound.
        """
        end, tiles = self.end, len(self.edges) - 1
        self.work = 0
        self.bound = self.low.new_full((end, tiles), torch.inf)
        self.least = torch.full_like(self.bound, torch.inf)
        self.guess = torch.zeros_like(self.bound, dtype=torch.int64)
        self.every(self.inside, range(tiles))
        self.upper = torch.cat(
            [self.least[a:b, t] for t, (a, b) in enumerate(pairwise(self.edges))]
        )
        found = axes(self.centre[:end])
        along = torch.cat([x @ found for x in torch.split(self.centre[:end], self.rows)])
        square = torch.cat([x.square().sum(1) for x in torch.split(self.centre[:end], self.rows)])
        off = (square - along.square().sum(1)).clamp_(min=0).sqrt_()
        self.along = torch.cat([along, off[:, None]], 1).float()
        short = (square + self.spread[:end]) * (1 - VAGUE) - 1e-30
        self.short = torch.where(self.alive, short, torch.inf).float()
        self.every(
            self.between,
            [(tile, span) for tile in range(1, tiles) for span in self.spans(tile)],
        )
        del self.along, self.short, self.upper

    def spans(self, upto: int) -> list[tuple[int, int]]:
        """Ranges of tiles before `upto`, each of about `SPAN` slots."""
        out = []
        tile = 0
        while tile < upto:
            first, low = tile, self.edges[tile]
            while tile < upto and self.edges[tile + 1] - low <= max(SPAN, self.tile):
                tile += 1
            out.append((first, tile))
        return out

    def inside(self, tile: int) -> None:
        """Bounds of one tile's clusters among themselves."""
        low, high = self.edges[tile : tile + 2]
        rows = slice(low, high)
        self.note(rows, tile, self.products(rows, rows).fill_diagonal_(torch.inf))

    def between(self, pair: tuple[int, tuple[int, int]]) -> None:
        """Bounds of one tile's clusters and those in a range of tiles before it, both ways."""
        tile, (first, last) = pair
        begin, end = self.edges[tile : tile + 2]
        low, high = self.edges[first], self.edges[last]
        rows, columns = slice(begin, end), slice(low, high)
        block = torch.addmm(self.short[columns], self.along[rows], self.along[columns].T, alpha=-2)
        self.scaled(block, self.short[rows], rows, columns)
        some = (block <= self.upper[rows, None]).any(1).nonzero()[:, 0]
        others = (block <= self.upper[columns]).any(0).nonzero()[:, 0]
        if len(some) / (end - begin) + len(others) / (high - low) >= MANY:
            block = self.products(rows, columns)
        else:
            block[some] = self.products(some + begin, columns)
            block[:, others] = self.products(rows, others + low)
        self.note(columns, tile, block.T.clone(memory_format=torch.contiguous_format))
        for one in range(first, last):
            self.note(rows, one, block[:, self.edges[one] - low : self.edges[one + 1] - low])

    def note(self, rows: Slots, tile: int, block: torch.Tensor) -> None:
        """Take bounds on all criteria between `rows` and a tile; `block` is changed."""
        least, at = block.min(1, keepdim=True)
        self.least[rows, tile] = least[:, 0]
        self.guess[rows, tile] = self.edges[tile] + at[:, 0]
        self.bound[rows, tile] = block.scatter_(1, at, torch.inf).amin(1)

    def merge(self, one: torch.Tensor, other: torch.Tensor, value: torch.Tensor) -> None:
        """Make one cluster of each pair, in the slot of `one`; `value` is their criterion."""
        n, m, apart = (x.float() for x in (self.weight[one], self.weight[other], value))
        gone = torch.zeros_like(self.slot, dtype=torch.bool)
        gone[self.name[one]] = gone[self.name[other]] = True
        found = (self.alive & (self.key[: self.end] != UNSEEN)).nonzero()[:, 0]
        lost = found[gone[self.name[found] ^ self.key[found]]]
        self.become(one, other, n[:, None], m[:, None], apart[:, None])
        self.unite(one, other)
        for some in (one, lost):
            self.near[some] = torch.inf
            self.key[some] = UNSEEN
        self.follow(one, other, n, m, apart)
        left = int(self.alive.sum())
        stale = self.work > STALE * left**2
        if stale or left < FULL * self.end:
            self.tidy()
        if stale:
            self.renew()

    def updated(
        self,
        left: torch.Tensor,
        right: torch.Tensor,
        n: torch.Tensor,
        m: torch.Tensor,
        apart: torch.Tensor,
        weight: torch.Tensor,
    ) -> torch.Tensor:
        """float32, never above the criterion between a cluster of `weight` points and that which
        `n` and `m` points become, from bounds to these (Lance and Williams 1967)."""
        left, right = left.clamp(min=0), right.clamp(min=0)
        if self.criterion == "average":
            return (n * left + m * right) / (n + m) * (1 - SAFE)
        grown = (weight + n) * left + (weight + m) * right
        return (grown * (1 - SAFE) - weight * apart * (1 + SAFE)) / (weight + n + m)

    def become(
        self,
        one: torch.Tensor,
        other: torch.Tensor,
        n: torch.Tensor,
        m: torch.Tensor,
        apart: torch.Tensor,
    ) -> None:
        """Bounds of the new clusters to what was there before, in the slots of `one`.

        Of a third cluster's weight only the range is known; the least is at one of its ends.
        """
        ends = [w.float() for w in self.weight[: self.end][self.alive].aminmax()]

        def new(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return torch.minimum(*(self.updated(left, right, n, m, apart, w) for w in ends))

        left, right = self.least[one], self.least[other]
        mine, theirs = self.guess[one], self.guess[other]
        left[mine == other[:, None]] = torch.inf
        right[theirs == one[:, None]] = torch.inf
        bound, bounds = self.bound[one], self.bound[other]
        same = (mine == theirs) & (left < torch.inf) & (right < torch.inf)
        first = torch.where(same, new(left, right), new(left, bounds))
        second = torch.where(same, torch.inf, new(bound, right))
        self.least[one] = torch.minimum(first, second)
        self.guess[one] = torch.where(first <= second, mine, theirs)
        self.bound[one] = torch.minimum(new(bound, bounds), torch.maximum(first, second))

    def follow(
        self,
        one: torch.Tensor,
        other: torch.Tensor,
        n: torch.Tensor,
        m: torch.Tensor,
        apart: torch.Tensor,
    ) -> None:
        """Bounds of all clusters to the new ones."""
        end = self.end
        slots = torch.arange(end, device=one.device)
        tile = torch.bucketize(slots, one.new_tensor(self.edges[1:]), right=True)
        pair = torch.full((end,), -1, device=one.device)
        pair[one] = pair[other] = torch.arange(len(one), device=one.device)
        # Who had guessed one of the two, in tile `t`; the other one of them is `mate`.
        held = (pair[self.guess[:end]] >= 0) & (self.least[:end] < torch.inf)
        row, t = held.nonzero(as_tuple=True)
        it = self.guess[row, t]
        p = pair[it]
        stays = it == one[p]
        mate = torch.where(stays, other[p], one[p])
        there = tile[mate]
        known = (self.guess[row, there] == mate) & (self.least[row, there] < torch.inf)
        theirs = torch.where(known, self.least[row, there], self.bound[row, there])
        weights = torch.where(stays, n[p], m[p]), torch.where(stays, m[p], n[p])
        weight = self.weight[:end].float()
        made = self.updated(self.least[row, t], theirs, *weights, apart[p], weight[row])
        # All others' bounds: they are the same if the two were in one tile.
        cross = (tile[one] != tile[other]).nonzero()[:, 0]

        def lower(rows: torch.Tensor) -> None:
            old = self.bound[rows]
            for some in torch.split(cross, max(1, ROOM // len(rows))):
                s, u = tile[one[some]], tile[other[some]]
                new = self.updated(
                    old[:, s], old[:, u], n[some], m[some], apart[some], weight[rows, None]
                )
                old.scatter_reduce_(1, s.expand_as(new), new, "amin")
            self.bound[rows] = old

        if len(cross):
            self.every(lower, torch.split(slots, self.tile))
        stays |= there == t
        self.least[row, t] = torch.where(stays, made, torch.inf)
        self.guess[row[stays], t[stays]] = one[p[stays]]
        new = ~stays & ~known
        flat = (row * self.bound.shape[1] + there)[new]
        self.bound.view(-1).scatter_reduce_(0, flat, made[new], "amin")

    def tidy(self) -> None:
        """Close up the empty slots and join small neighbouring tiles."""
        alive = self.alive
        keep = alive.nonzero()[:, 0]
        joined: list[list[int]] = []
        edges = [0]
        for tile, (a, b) in enumerate(pairwise(self.edges)):
            size = int(alive[a:b].sum())
            if joined and edges[-1] - edges[-2] + size <= self.tile:
                joined[-1].append(tile)
                edges[-1] += size
            else:
                joined.append([tile])
                edges.append(edges[-1] + size)
        place = alive.cumsum(0) - 1
        bound, least, guess = self.bound[keep], self.least[keep], place[self.guess[keep]]
        self.bound, self.least, self.guess = (
            x.new_empty(len(keep), len(joined)) for x in (bound, least, guess)
        )
        for column, tiles in enumerate(joined):
            some = least[:, tiles]
            self.least[:, column], at = some.min(1)
            self.guess[:, column] = guess[:, tiles].gather(1, at[:, None])[:, 0]
            some.scatter_(1, at[:, None], torch.inf)
            self.bound[:, column] = torch.minimum(bound[:, tiles].amin(1), some.amin(1))
        self.close_up(keep)
        for values in (self.near, self.key):
            values[: len(keep)] = values[keep]
        self.edges = edges
