"""The search for reciprocal nearest neighbours among clusters."""

from __future__ import annotations

import torch

from neuronwidgets.clustering.linkage.centroids import UNSEEN
from neuronwidgets.clustering.linkage.tile_bounds import Bounds

SHARE = 0.5
"""The share of clusters whose nearest one is looked for at once."""
CROWD = 16
"""Candidates for each row on average, from which on all pairs of a tile are measured."""


class Neighbours(Bounds):
    """Clusters that look for their nearest ones: `near` and `key` are what they found."""

    def offer(self, one: torch.Tensor, other: torch.Tensor, value: torch.Tensor) -> None:
        """Let `near` and `key` of the slots `one` know of `other`, at `value`."""
        before = self.near[one]
        self.near.scatter_reduce_(0, one, value, "amin")
        now = self.near[one]
        self.key[one[now < before]] = UNSEEN
        # Equal pairs in the order of `name ^ name`: neighbours in a row of equals pair up at once
        # (the smaller name would make a chain of them), and no ring of equals stays unmerged.
        best = value == now
        one, other = one[best], other[best]
        self.key.scatter_reduce_(0, one, self.name[one] ^ self.name[other], "amin")

    def search(self, rows: torch.Tensor, limit: torch.Tensor) -> None:
        """Find the nearest cluster of each of the slots `rows`, where it is within `limit`.

        Where it is not, the bounds say so from now on.
        """
        bound, least = self.bound[rows], self.least[rows]
        alone = True
        while len(rows):
            near = self.near[rows, None]
            lost = near == torch.inf
            allowed = torch.where(lost, limit, near)
            ask, todo = least <= allowed, bound <= allowed
            if alone:
                # The most promising first: what it finds spares most of the others.
                best = torch.zeros_like(ask).scatter_(1, least.argmin(1, keepdim=True), True)
                ask &= best | ~lost
                best = torch.zeros_like(ask).scatter_(1, bound.argmin(1, keepdim=True), True)
                todo &= best | ~lost
            todo &= ~ask.any(1, keepdim=True)
            which = (ask | todo).any(1)
            if not which.all():
                # The others know all that they can.
                some = which.nonzero()[:, 0]
                rows, bound, least, ask, todo = (x[some] for x in (rows, bound, least, ask, todo))
            if ask.any():
                self.ask(rows, ask, limit)
            if todo.any():
                self.visit(rows, todo, limit)
                alone = False
            # What was measured or seen has told all, unless it was beyond the limit: what is found
            # in the end can be so too, by what float32 has wrong.
            lost = self.near[rows, None] == torch.inf
            least[ask | todo] = torch.inf
            least = torch.where((ask | todo) & lost, self.least[rows], least)
            bound[todo] = torch.inf
            bound = torch.where(todo & lost, self.bound[rows], bound)

    def ask(self, rows: torch.Tensor, which: torch.Tensor, limit: torch.Tensor) -> None:
        """Measure the guesses of `rows` where bool `rows x tiles` `which` says so."""
        line, tile = which.nonzero(as_tuple=True)
        one = rows[line]
        other = self.guess[one, tile]
        value = self.exact(one, other)
        below = value.float()
        below = torch.nextafter(below, below.new_tensor(-torch.inf))
        self.least[one, tile] = below
        fine = (below <= limit) | (self.near[one] < torch.inf)
        self.offer(one[fine], other[fine], value[fine])

    def visit(self, rows: torch.Tensor, todo: torch.Tensor, limit: torch.Tensor) -> None:
        """Look at all clusters of the tiles where bool `rows x tiles` `todo` says so.

        Each of `rows` is offered what float32 cannot tell from the nearest one, unless it has
        none yet and this one is beyond `limit`.
        """
        upper = self.near.float()
        upper = torch.nextafter(upper, upper.new_tensor(torch.inf))
        counts = todo.sum(0).tolist()
        tiles = [tile for tile, count in enumerate(counts) if count]
        self.work += sum(counts[t] * (self.edges[t + 1] - self.edges[t]) for t in tiles)

        def look(tile: int) -> tuple[torch.Tensor, ...]:
            low, high = self.edges[tile : tile + 2]
            here = rows[todo[:, tile]]
            block = self.products(here, slice(low, high))
            own = ((here >= low) & (here < high)).nonzero()[:, 0]
            block[own, here[own] - low] = torch.inf
            least, at = block.min(1)
            # Twice what rounding can do above the least: nothing farther can be nearest.
            most = at + low
            wrong = 2.5 * self.slack * (self.low[here] + self.low[most]) + 1e-29
            if self.criterion == "ward":
                wrong /= self.inverse[here] + self.inverse[most]
            most = torch.minimum(upper[here], least + wrong)
            none = (least > limit) & (self.near[here] == torch.inf)
            most[none | (least == torch.inf)] = -torch.inf
            line, column = (block <= most[:, None]).nonzero(as_tuple=True)
            value = block[line, column]
            if len(line) > CROWD * len(here):
                line = torch.unique(line)
                column = self.nearest(here[line], low, high)
                value = block[line, column]
            self.note(here, tile, block)
            return here[line], column + low, value, most[line]

        seen = zip(*self.every(look, tiles), strict=True)
        one, other, value, most = (torch.cat(x) for x in seen)
        upper.scatter_reduce_(0, one, most, "amin")
        some = value <= upper[one]
        one, other = one[some], other[some]
        self.offer(one, other, self.exact(one, other))

    def pairs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Slots of reciprocal nearest neighbours, the smaller name first: at least one pair.

        Only clusters with small distances are asked for their nearest: those far out would lose
        it again and again before their turn comes.
        """
        rows = self.alive.nonzero()[:, 0]
        while True:
            reach = self.near[rows]
            known = reach < torch.inf
            lost = (~known).nonzero()[:, 0]
            if len(lost):
                some = rows[lost]
                bound = torch.minimum(self.bound[some], self.least[some])
                reach[lost] = bound.amin(1).double()
                limit = reach.kthvalue(1 + int(SHARE * (len(reach) - 1))).values
                self.search(rows[lost[reach[lost] <= limit]], limit)
            found = rows[self.key[rows] != UNSEEN]
            other = self.slot[self.name[found] ^ self.key[found]]
            mutual = (self.key[found] == self.key[other]) & (self.name[found] < self.name[other])
            if not len(lost) and not mutual.any():
                # Rounding made a ring of nearly equal pairs: its shortest is as good as any.
                mutual[self.near[found].argmin()] = True
            if mutual.any():
                one, other = found[mutual], other[mutual]
                swap = self.name[one] > self.name[other]
                return torch.where(swap, other, one), torch.where(swap, one, other)
