"""The search for reciprocal nearest neighbours among clusters."""

from __future__ import annotations

import torch

from neuronwidgets.concepts.clusters import UNSEEN, Clusters

SHARE = 0.5
"""The share of clusters whose nearest one is looked for at once."""
CROWD = 16
"""Candidates for each row on average, from which on all pairs of a tile are measured."""


class Neighbours(Clusters):
    """Clusters that look for their nearest ones: `near` and `key` are what they found."""

    def offer(self, one: torch.Tensor, other: torch.Tensor) -> None:
        """Let `near` and `key` of the slots `one` know of `other`."""
        value = self.exact(one, other)
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
        """Find the nearest cluster of each of the slots `rows`, where it can be within `limit`.

        Where it cannot, the bounds say so from now on.
        """
        bound = self.bound[rows, : len(self.edges) - 1]
        while True:
            near = self.near[rows, None]
            # The most promising tile first; then all that can hold a nearer one.
            first = torch.zeros_like(bound, dtype=torch.bool)
            first.scatter_(1, bound.argmin(1, keepdim=True), True)
            todo = torch.where(near < torch.inf, bound <= near, first & (bound <= limit))
            if not todo.any():
                return
            self.visit(rows, todo, limit)
            # A tile that was found to be beyond the limit may have to be seen again.
            fresh = self.bound[rows, : bound.shape[1]]
            bound = torch.where(todo, torch.where(near < torch.inf, torch.inf, fresh), bound)
            bound[todo & (fresh <= limit)] = torch.inf

    def visit(self, rows: torch.Tensor, todo: torch.Tensor, limit: torch.Tensor) -> None:
        """Look at all clusters of the tiles where bool `rows x tiles` `todo` says so.

        Each of `rows` is offered what float32 cannot tell from the nearest one, unless it has
        none yet and this one is beyond `limit`.
        """
        upper = self.near.float()
        upper = torch.nextafter(upper, upper.new_tensor(torch.inf))

        def look(tile: int) -> tuple[torch.Tensor, ...]:
            low, high = self.edges[tile : tile + 2]
            here = rows[todo[:, tile]]
            block = self.products(here, low, high)
            own = ((here >= low) & (here < high)).nonzero()[:, 0]
            block[own, here[own] - low] = torch.inf
            least, at = block.min(1)
            self.bound[here, tile] = least
            block[(least > limit) & (self.near[here] == torch.inf)] = torch.inf
            # Twice what rounding can do above the least: nothing farther can be nearest.
            at += low
            wrong = 2.5 * self.slack * (self.low[here] + self.low[at]) + 1e-29
            if self.criterion == "ward":
                wrong /= self.inverse[here] + self.inverse[at]
            most = torch.minimum(upper[here], least + wrong)
            line, at = ((block <= most[:, None]) & (block < torch.inf)).nonzero(as_tuple=True)
            if len(line) > CROWD * len(here):
                line = torch.unique(line)
                at = self.nearest(here[line], low, high)
            return here[line], at + low, block[line, at], most[line]

        tiles = todo.any(0).nonzero()[:, 0].tolist()
        seen = zip(*self.every(look, tiles), strict=True)
        one, other, value, most = (torch.cat(x) for x in seen)
        upper.scatter_reduce_(0, one, most, "amin")
        some = value <= upper[one]
        self.offer(one[some], other[some])

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
                reach[lost] = self.bound[rows[lost], : len(self.edges) - 1].amin(1).double()
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
