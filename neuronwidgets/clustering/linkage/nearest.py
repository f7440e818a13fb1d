"""The search for reciprocal nearest neighbours among clusters."""

from __future__ import annotations

import torch

from neuronwidgets.clustering.linkage.tile_bounds import TileBounds
from neuronwidgets.clustering.linkage.tuning import DEFAULT, Tuning

UNKNOWN = torch.iinfo(torch.int64).max
"""The key of a cluster whose nearest neighbour is not known."""


class Nearest:
    """The nearest neighbour of each cluster, looked for when it is asked for.

    Attributes, one row for each slot:
        value: float64, the criterion to the nearest neighbour; inf while it is not known.
        key: int64, `first ^ first` of the two (see `Centroids.first`), `UNKNOWN` while it is not
            known. It is the same from both sides.
    """

    def __init__(self, bounds: TileBounds, tuning: Tuning = DEFAULT) -> None:
        self.bounds = bounds
        self.centroids = bounds.centroids
        self.parallel = bounds.parallel
        self.tuning = tuning
        first = self.centroids.first
        self.value = torch.full_like(first, torch.inf, dtype=torch.float64)
        self.key = torch.full_like(first, UNKNOWN)

    def pairs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Slots of reciprocal nearest neighbours, the smaller `first` first: at least one pair.

        Only clusters with small distances look for their nearest neighbour: those far out would
        lose it again and again before their turn comes.
        """
        first = self.centroids.first
        rows = self.centroids.alive.nonzero()[:, 0]
        while True:
            reach = self.value[rows]
            unknown = (~(reach < torch.inf)).nonzero()[:, 0]
            if len(unknown):
                searching = rows[unknown]
                bound = torch.minimum(
                    self.bounds.rest_bound[searching], self.bounds.candidate_bound[searching]
                )
                reach[unknown] = bound.amin(1).double()
                rank = 1 + int(self.tuning.search_share * (len(reach) - 1))
                limit = reach.kthvalue(rank).values
                self._search(rows[unknown[reach[unknown] <= limit]], limit)
            known = rows[self.key[rows] != UNKNOWN]
            other = self.centroids.slot_of[first[known] ^ self.key[known]]
            mutual = (self.key[known] == self.key[other]) & (first[known] < first[other])
            if not len(unknown) and not mutual.any():
                # Rounding made a ring of nearly equal pairs: its shortest is as good as any.
                mutual[self.value[known].argmin()] = True
            if mutual.any():
                left, right = known[mutual], other[mutual]
                swap = first[left] > first[right]
                return torch.where(swap, right, left), torch.where(swap, left, right)

    def merge(self, kept: torch.Tensor, absorbed: torch.Tensor, value: torch.Tensor) -> None:
        """Merge pairs of clusters, at the criterion `value`, into the slots `kept`."""
        bereft = self._neighbours_of(kept, absorbed)
        self.bounds.merge(kept, absorbed, value)
        for slots in (kept, bereft):
            self.value[slots] = torch.inf
            self.key[slots] = UNKNOWN
        kept_slots = self.bounds.refresh()
        if kept_slots is not None:
            for values in (self.value, self.key):
                values[: len(kept_slots)] = values[kept_slots]

    def _neighbours_of(self, kept: torch.Tensor, absorbed: torch.Tensor) -> torch.Tensor:
        """Slots whose nearest neighbour is one of those that merge."""
        centroids = self.centroids
        merging = torch.zeros_like(centroids.slot_of, dtype=torch.bool)
        merging[centroids.first[kept]] = merging[centroids.first[absorbed]] = True
        known = centroids.alive & (self.key[: centroids.end] != UNKNOWN)
        slots = known.nonzero()[:, 0]
        return slots[merging[centroids.first[slots] ^ self.key[slots]]]

    def _search(self, rows: torch.Tensor, limit: torch.Tensor) -> None:
        """Find the nearest neighbour of each of the slots `rows`, where it is within `limit`.

        Where it is not, the bounds say so from now on.
        """
        bounds = self.bounds
        rest, candidate = bounds.rest_bound[rows], bounds.candidate_bound[rows]
        first_turn = True
        while len(rows):
            value = self.value[rows, None]
            unknown = value == torch.inf
            allowed = torch.where(unknown, limit, value)
            measure, visit = candidate <= allowed, rest <= allowed
            if first_turn:
                # The most promising first: what it finds rules out most of the others.
                measure &= _least(candidate) | ~unknown
                visit &= _least(rest) | ~unknown
            visit &= ~measure.any(1, keepdim=True)
            open_rows = (measure | visit).any(1)
            if not open_rows.all():
                still_open = open_rows.nonzero()[:, 0]
                rows, rest, candidate, measure, visit = (
                    x[still_open] for x in (rows, rest, candidate, measure, visit)
                )
            if measure.any():
                self._measure_candidates(rows, measure, limit)
            if visit.any():
                self._visit(rows, visit, limit)
                first_turn = False
            # What was measured or visited is settled, unless it was beyond the limit: what is
            # found in the end can be beyond it too, by float32's rounding.
            unknown = self.value[rows, None] == torch.inf
            candidate[measure | visit] = torch.inf
            candidate = torch.where(
                (measure | visit) & unknown, bounds.candidate_bound[rows], candidate
            )
            rest[visit] = torch.inf
            rest = torch.where(visit & unknown, bounds.rest_bound[rows], rest)

    def _measure_candidates(
        self, rows: torch.Tensor, which: torch.Tensor, limit: torch.Tensor
    ) -> None:
        """Measure the candidates of `rows` in the tiles of bool `rows x tiles` `which`."""
        line, tile = which.nonzero(as_tuple=True)
        row = rows[line]
        candidate = self.bounds.candidate[row, tile]
        value = self.centroids.measure(row, candidate)
        below = value.float()
        below = torch.nextafter(below, below.new_tensor(-torch.inf))
        self.bounds.candidate_bound[row, tile] = below
        offered = (below <= limit) | (self.value[row] < torch.inf)
        self._offer(row[offered], candidate[offered], value[offered])

    def _visit(self, rows: torch.Tensor, which: torch.Tensor, limit: torch.Tensor) -> None:
        """Look at all clusters of the tiles of bool `rows x tiles` `which`.

        Each of `rows` is offered what float32 cannot tell from its nearest one, unless none is
        known yet and this one is beyond `limit`.
        """
        centroids, edges = self.centroids, self.bounds.edges
        upper = self.value.float()
        upper = torch.nextafter(upper, upper.new_tensor(torch.inf))
        counts = which.sum(0).tolist()
        tiles = [tile for tile, count in enumerate(counts) if count]
        self.bounds.multiplied += sum(counts[t] * (edges[t + 1] - edges[t]) for t in tiles)

        def candidates(tile: int) -> tuple[torch.Tensor, ...]:
            low, high = edges[tile : tile + 2]
            tile_rows = rows[which[:, tile]]
            block = centroids.lower_bounds(tile_rows, slice(low, high))
            inside = ((tile_rows >= low) & (tile_rows < high)).nonzero()[:, 0]
            block[inside, tile_rows[inside] - low] = torch.inf
            least, column = block.min(1)
            # Beyond this nothing can be nearest.
            most = least + centroids.rounding_margin(tile_rows, column + low)
            most = torch.minimum(upper[tile_rows], most)
            beyond = (least > limit) & (self.value[tile_rows] == torch.inf)
            most[beyond | (least == torch.inf)] = -torch.inf
            line, column = (block <= most[:, None]).nonzero(as_tuple=True)
            value = block[line, column]
            if len(line) > self.tuning.crowd * len(tile_rows):
                line = torch.unique(line)
                column = centroids.nearest_measured(tile_rows[line], low, high)
                value = block[line, column]
            self.bounds.record(tile_rows, tile, block)
            return tile_rows[line], column + low, value, most[line]

        parts = zip(*self.parallel(candidates, tiles), strict=True)
        row, candidate, value, most = (torch.cat(part) for part in parts)
        upper.scatter_reduce_(0, row, most, "amin")
        near = value <= upper[row]
        row, candidate = row[near], candidate[near]
        self._offer(row, candidate, centroids.measure(row, candidate))

    def _offer(self, rows: torch.Tensor, others: torch.Tensor, values: torch.Tensor) -> None:
        """Make `others` the nearest neighbours of `rows` where `values` is the least so far."""
        before = self.value[rows]
        self.value.scatter_reduce_(0, rows, values, "amin")
        after = self.value[rows]
        self.key[rows[after < before]] = UNKNOWN
        # Ties go by `first ^ first`: neighbours in a row of equal distances pair up at once (by
        # the smaller `first` they would make a chain), and no ring of ties stays unmerged.
        best = values == after
        rows, others = rows[best], others[best]
        first = self.centroids.first
        self.key.scatter_reduce_(0, rows, first[rows] ^ first[others], "amin")


def _least(bounds: torch.Tensor) -> torch.Tensor:
    """bool `rows x tiles`: the first of the smallest entries of each row."""
    least = torch.zeros_like(bounds, dtype=torch.bool)
    return least.scatter_(1, bounds.argmin(1, keepdim=True), True)
