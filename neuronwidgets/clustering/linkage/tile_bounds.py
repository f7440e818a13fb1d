"""Lower bounds on the criterion between clusters and tiles, kept valid while clusters merge."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch

from neuronwidgets.clustering.linkage.centroids import Centroids, Slots
from neuronwidgets.clustering.linkage.partition import principal_axes
from neuronwidgets.clustering.linkage.tuning import DEFAULT, Tuning

ROUNDING = 2.0**-20
"""Relative error, more than a few steps of float32 can make."""
PROJECTED_ROUNDING = 2.0**-16
"""Relative error, more than a squared distance along the axes can have in float32."""


class Projection(NamedTuple):
    """Clusters along the principal axes, one row for each slot in use."""

    along: torch.Tensor
    """float32 `slots x (axes + 1)`; the last column is the distance from the axes' subspace."""
    square: torch.Tensor
    """float32, the whole squared norm and the spread, lowered by what rounding can do."""
    upper: torch.Tensor
    """float32, the lower bound to the nearest cluster of its own tile."""


class Merges(NamedTuple):
    """Pairs of slots that merge, one row for each pair."""

    kept: torch.Tensor
    absorbed: torch.Tensor
    kept_weight: torch.Tensor
    absorbed_weight: torch.Tensor
    value: torch.Tensor
    """float32, the criterion between the two."""

    def part(self, which: torch.Tensor) -> Merges:
        """Those whose numbers are `which`."""
        return Merges(*(values[which] for values in self))


class TileBounds:
    """What is known of the clusters in every tile; a tile is a range of slots.

    Attributes, one row for each slot, one column for each tile:
        candidate: int64, a slot in that tile, probably the nearest one there.
        candidate_bound: float32, never above the criterion to `candidate`; inf if there is none.
        rest_bound: float32, never above the criterion to all others in that tile.

    Other attributes:
        edges: the first slot of each tile, and the end of the last one.
        multiplied: pairs of slots that searches have multiplied since `renew`.
    """

    def __init__(self, centroids: Centroids, edges: list[int], tuning: Tuning = DEFAULT) -> None:
        self.centroids = centroids
        self.parallel = centroids.parallel
        self.tuning = tuning
        self.edges = edges
        self.tile = max(b - a for a, b in pairwise(edges))
        self.renew()

    def renew(self) -> None:
        """Compute all bounds again by products, half of the matrix of them.

        A projection is never longer than what is projected: where the distance along a few axes
        already rules out that two clusters are nearest, it is the bound.
        """
        centroids, tiles = self.centroids, len(self.edges) - 1
        self.multiplied = 0
        self.rest_bound = centroids.square.new_full((centroids.end, tiles), torch.inf)
        self.candidate_bound = torch.full_like(self.rest_bound, torch.inf)
        self.candidate = torch.zeros_like(self.rest_bound, dtype=torch.int64)
        self.parallel(self._bound_within, range(tiles))
        projection = self._projection()
        self.parallel(
            lambda pair: self._bound_between(projection, *pair),
            [(tile, span) for tile in range(1, tiles) for span in self._spans(tile)],
        )

    def _projection(self) -> Projection:
        centroids = self.centroids
        mean = centroids.mean[: centroids.end]
        axes = principal_axes(mean, self.tuning.axes)
        blocks = torch.split(mean, centroids.block_rows)
        along = torch.cat([block @ axes for block in blocks])
        square = torch.cat([block.square().sum(1) for block in blocks])
        off = (square - along.square().sum(1)).clamp_(min=0).sqrt_()
        lowered = (square + centroids.spread[: centroids.end]) * (1 - PROJECTED_ROUNDING) - 1e-30
        return Projection(
            torch.cat([along, off[:, None]], 1).float(),
            torch.where(centroids.alive, lowered, torch.inf).float(),
            torch.cat(
                [self.candidate_bound[a:b, t] for t, (a, b) in enumerate(pairwise(self.edges))]
            ),
        )

    def _spans(self, upto: int) -> list[tuple[int, int]]:
        """Ranges of the tiles before `upto`, each of about `tuning.block_slots` slots."""
        most = max(self.tuning.block_slots, self.tile)
        spans = []
        tile = 0
        while tile < upto:
            begin, low = tile, self.edges[tile]
            while tile < upto and self.edges[tile + 1] - low <= most:
                tile += 1
            spans.append((begin, tile))
        return spans

    def _bound_within(self, tile: int) -> None:
        """Bound the criterion among the clusters of one tile."""
        rows = slice(*self.edges[tile : tile + 2])
        block = self.centroids.lower_bounds(rows, rows)
        self.record(rows, tile, block.fill_diagonal_(torch.inf))

    def _bound_between(self, projection: Projection, tile: int, span: tuple[int, int]) -> None:
        """Bound the criterion between a tile and a range of tiles before it, both ways."""
        begin, end = self.edges[tile : tile + 2]
        low, high = self.edges[span[0]], self.edges[span[1]]
        rows, columns = slice(begin, end), slice(low, high)
        along, square, upper = projection
        block = torch.addmm(square[columns], along[rows], along[columns].T, alpha=-2)
        self.centroids.to_criterion(block, square[rows], rows, columns)
        near_rows = (block <= upper[rows, None]).any(1).nonzero()[:, 0]
        near_columns = (block <= upper[columns]).any(0).nonzero()[:, 0]
        share = len(near_rows) / (end - begin) + len(near_columns) / (high - low)
        if share >= 2 * self.tuning.whole_block_share:
            block = self.centroids.lower_bounds(rows, columns)
        else:
            block[near_rows] = self.centroids.lower_bounds(near_rows + begin, columns)
            block[:, near_columns] = self.centroids.lower_bounds(rows, near_columns + low)
        self.record(columns, tile, block.T.clone(memory_format=torch.contiguous_format))
        for other in range(*span):
            part = block[:, self.edges[other] - low : self.edges[other + 1] - low]
            self.record(rows, other, part)

    def record(self, rows: Slots, tile: int, block: torch.Tensor) -> None:
        """Take over bounds on all criteria between `rows` and a tile; `block` is changed."""
        least, column = block.min(1, keepdim=True)
        self.candidate_bound[rows, tile] = least[:, 0]
        self.candidate[rows, tile] = self.edges[tile] + column[:, 0]
        self.rest_bound[rows, tile] = block.scatter_(1, column, torch.inf).amin(1)

    def merge(self, kept: torch.Tensor, absorbed: torch.Tensor, value: torch.Tensor) -> None:
        """Merge pairs of clusters, at the criterion `value`, and update the bounds."""
        weight = self.centroids.weight
        weights = weight[kept].float(), weight[absorbed].float()
        merges = Merges(kept, absorbed, *weights, value.float())
        self._bound_from_merged(merges)
        self.centroids.merge(kept, absorbed)
        self._bound_to_merged(merges)

    def _updated(
        self,
        left: torch.Tensor,
        right: torch.Tensor,
        n: torch.Tensor,
        m: torch.Tensor,
        value: torch.Tensor,
        weight: torch.Tensor,
    ) -> torch.Tensor:
        """float32, never above the criterion between a cluster of `weight` samples and the one
        that `n` and `m` samples merge into at `value`, from bounds on the two: `left` and `right`
        (Lance and Williams 1967)."""
        left, right = left.clamp(min=0), right.clamp(min=0)
        if self.centroids.criterion == "average":
            return (n * left + m * right) / (n + m) * (1 - ROUNDING)
        grown = (weight + n) * left + (weight + m) * right
        return (grown * (1 - ROUNDING) - weight * value * (1 + ROUNDING)) / (weight + n + m)

    def _bound_from_merged(self, merges: Merges) -> None:
        """Bound the criterion from the new clusters to the old ones, in the rows `kept`.

        Of a third cluster's weight only the range is known: the least bound is at one of its ends.
        """
        kept, absorbed = merges.kept, merges.absorbed
        n, m, value = (values[:, None] for values in merges[2:])
        alive = self.centroids.alive
        ends = [w.float() for w in self.centroids.weight[: self.centroids.end][alive].aminmax()]

        def updated(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return torch.minimum(
                *(self._updated(left, right, n, m, value, weight) for weight in ends)
            )

        left, right = self.candidate_bound[kept], self.candidate_bound[absorbed]
        left_candidate, right_candidate = self.candidate[kept], self.candidate[absorbed]
        left[left_candidate == absorbed[:, None]] = torch.inf
        right[right_candidate == kept[:, None]] = torch.inf
        left_rest, right_rest = self.rest_bound[kept], self.rest_bound[absorbed]
        same = (left_candidate == right_candidate) & (left < torch.inf) & (right < torch.inf)
        to_left = torch.where(same, updated(left, right), updated(left, right_rest))
        to_right = torch.where(same, torch.inf, updated(left_rest, right))
        self.candidate_bound[kept] = torch.minimum(to_left, to_right)
        self.candidate[kept] = torch.where(to_left <= to_right, left_candidate, right_candidate)
        self.rest_bound[kept] = torch.minimum(
            updated(left_rest, right_rest), torch.maximum(to_left, to_right)
        )

    def _bound_to_merged(self, merges: Merges) -> None:
        """Bound the criterion from all clusters to the new ones, in the columns of their tiles."""
        kept, absorbed, n, m, value = merges
        end = self.centroids.end
        slots = torch.arange(end, device=kept.device)
        tile_of = torch.bucketize(slots, kept.new_tensor(self.edges[1:]), right=True)
        pair_of = torch.full((end,), -1, device=kept.device)
        pair_of[kept] = pair_of[absorbed] = torch.arange(len(kept), device=kept.device)
        # Rows whose candidate in a tile is one of a pair; `mate` is the other one of the pair.
        affected = (pair_of[self.candidate[:end]] >= 0) & (self.candidate_bound[:end] < torch.inf)
        row, tile = affected.nonzero(as_tuple=True)
        candidate = self.candidate[row, tile]
        pair = pair_of[candidate]
        stays = candidate == kept[pair]
        mate = torch.where(stays, absorbed[pair], kept[pair])
        mate_tile = tile_of[mate]
        mate_bound = self.candidate_bound[row, mate_tile]
        known = (self.candidate[row, mate_tile] == mate) & (mate_bound < torch.inf)
        mate_bound = torch.where(known, mate_bound, self.rest_bound[row, mate_tile])
        weights = torch.where(stays, n[pair], m[pair]), torch.where(stays, m[pair], n[pair])
        weight = self.centroids.weight[:end].float()
        bound = self._updated(
            self.candidate_bound[row, tile], mate_bound, *weights, value[pair], weight[row]
        )
        self._lower_rest(merges, slots, tile_of, weight)
        stays |= mate_tile == tile
        self.candidate_bound[row, tile] = torch.where(stays, bound, torch.inf)
        self.candidate[row[stays], tile[stays]] = kept[pair[stays]]
        moved = ~stays & ~known
        flat = (row * self.rest_bound.shape[1] + mate_tile)[moved]
        self.rest_bound.view(-1).scatter_reduce_(0, flat, bound[moved], "amin")

    def _lower_rest(
        self, merges: Merges, slots: torch.Tensor, tile_of: torch.Tensor, weight: torch.Tensor
    ) -> None:
        """Lower `rest_bound` of all `slots` where a pair was in two tiles.

        A pair in one tile leaves it as it is: merging brings no cluster nearer (reducibility).
        """
        crossing = (tile_of[merges.kept] != tile_of[merges.absorbed]).nonzero()[:, 0]
        if not len(crossing):
            return

        def lower(rows: torch.Tensor) -> None:
            bound = self.rest_bound[rows]
            for chunk in torch.split(crossing, max(1, self.tuning.block_numbers // len(rows))):
                kept, absorbed, n, m, value = merges.part(chunk)
                tile, other = tile_of[kept], tile_of[absorbed]
                left, right = bound[:, tile], bound[:, other]
                new = self._updated(left, right, n, m, value, weight[rows, None])
                bound.scatter_reduce_(1, tile.expand_as(new), new, "amin")
            self.rest_bound[rows] = bound

        self.parallel(lower, torch.split(slots, self.tile))

    def refresh(self) -> torch.Tensor | None:
        """Close up empty slots and compute stale bounds again, where that is due.

        Returns:
            int64, the slots that were kept and moved to the front, or `None` if none moved.
        """
        alive = self.centroids.alive
        clusters = int(alive.sum())
        stale = self.multiplied > self.tuning.stale_share * clusters**2
        keep = None
        if stale or clusters < self.tuning.full_share * self.centroids.end:
            keep = self._close_up(alive)
        if stale:
            self.renew()
        return keep

    def _close_up(self, alive: torch.Tensor) -> torch.Tensor:
        """Close up the empty slots and join small neighbouring tiles: the slots that are kept."""
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
        new_slot = alive.cumsum(0) - 1
        rest_bound, candidate_bound = self.rest_bound[keep], self.candidate_bound[keep]
        candidate = new_slot[self.candidate[keep]]
        self.rest_bound, self.candidate_bound, self.candidate = (
            x.new_empty(len(keep), len(joined)) for x in (rest_bound, candidate_bound, candidate)
        )
        for column, tiles in enumerate(joined):
            bounds = candidate_bound[:, tiles]
            self.candidate_bound[:, column], best = bounds.min(1)
            self.candidate[:, column] = candidate[:, tiles].gather(1, best[:, None])[:, 0]
            bounds.scatter_(1, best[:, None], torch.inf)
            self.rest_bound[:, column] = torch.minimum(rest_bound[:, tiles].amin(1), bounds.amin(1))
        self.centroids.close_up(keep)
        self.edges = edges
        return keep
