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
SAMPLE = 64
"""Clusters, about, from which it is judged whether a projection rules out enough."""
PAIRS = 1024
"""Merges in a temporary matrix of slots and merges, about."""


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
        projects: whether principal axes are asked; not again once they ruled out too little.
    """

    def __init__(
        self,
        centroids: Centroids,
        edges: list[int],
        axes: torch.Tensor,
        tuning: Tuning = DEFAULT,
    ) -> None:
        """`axes`, float64 `D x k`, orthonormal, are those along which the samples vary most."""
        self.centroids = centroids
        self.parallel = centroids.parallel
        self.tuning = tuning
        self.edges = edges
        self.tile = max(b - a for a, b in pairwise(edges))
        self.projects = True
        self.renew(axes)

    def renew(self, axes: torch.Tensor | None = None) -> None:
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
        projection = self._projection(axes) if self.projects else None
        self.parallel(
            lambda pair: self._bound_between(projection, *pair),
            [(tile, span) for tile in range(1, tiles) for span in self._spans(tile)],
        )

    def _projection(self, axes: torch.Tensor | None) -> Projection | None:
        """Clusters along `axes`, their principal axes if not given; `None`, from now on, where
        that rules out too little."""
        centroids = self.centroids
        slots = torch.arange(centroids.end, device=centroids.first.device)
        axes = principal_axes(centroids.means(slots), self.tuning.axes) if axes is None else axes

        def projected(part: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            mean = centroids.means(part)
            return mean @ axes, mean.square().sum(1)

        parts = self.parallel(projected, torch.split(slots, centroids.block_rows))
        along, square = map(torch.cat, zip(*parts, strict=True))
        off = (square - along.square().sum(1)).clamp_(min=0).sqrt_()
        lowered = (square + centroids.spread[: centroids.end]) * (1 - PROJECTED_ROUNDING) - 1e-30
        projection = Projection(
            torch.cat([along, off[:, None]], 1).float(),
            torch.where(centroids.alive, lowered, torch.inf).float(),
            torch.cat(
                [self.candidate_bound[a:b, t] for t, (a, b) in enumerate(pairwise(self.edges))]
            ),
        )
        self.projects = self._share_near(projection) < self.tuning.projected_share
        return projection if self.projects else None

    def _share_near(self, projection: Projection) -> float:
        """Of pairs of some clusters and a tile, the share that the axes leave open."""
        end, tiles = self.centroids.end, len(self.edges) - 1
        rows = torch.arange(0, end, -(-end // SAMPLE), device=projection.square.device)
        block = self._projected(projection, rows, slice(0, end))
        near = (block <= projection.upper[rows, None]).float()
        in_tile = near.new_zeros(len(rows), tiles).index_add_(1, self._tile_of(), near)
        return float((in_tile > 0).float().mean())

    def _tile_of(self) -> torch.Tensor:
        """int64, the tile of each slot in use."""
        sizes = torch.tensor([b - a for a, b in pairwise(self.edges)])
        return torch.repeat_interleave(sizes).to(self.centroids.square.device)

    def _projected(self, projection: Projection, rows: Slots, columns: Slots) -> torch.Tensor:
        """float32 `rows x columns`, never above the criterion, by their distances along the
        axes."""
        along, square, _ = projection
        block = torch.addmm(square[columns], along[rows], along[columns].T, alpha=-2)
        return self.centroids.to_criterion(block, square[rows], rows, columns)

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

    def _bound_between(
        self, projection: Projection | None, tile: int, span: tuple[int, int]
    ) -> None:
        """Bound the criterion between a tile and a range of tiles before it, both ways."""
        begin, end = self.edges[tile : tile + 2]
        low, high = self.edges[span[0]], self.edges[span[1]]
        rows, columns = slice(begin, end), slice(low, high)
        if projection is None:
            block = self.centroids.lower_bounds(rows, columns)
        else:
            block = self._bound_near(projection, rows, columns)
        self.record(columns, tile, block.T.clone(memory_format=torch.contiguous_format))
        for other in range(*span):
            part = block[:, self.edges[other] - low : self.edges[other + 1] - low]
            self.record(rows, other, part)

    def _bound_near(self, projection: Projection, rows: slice, columns: slice) -> torch.Tensor:
        """float32 `rows x columns`, lower bounds: by products where axes do not rule out that a
        cluster is nearest."""
        block = self._projected(projection, rows, columns)
        upper = projection.upper
        near_rows = (block <= upper[rows, None]).any(1).nonzero()[:, 0]
        near_columns = (block <= upper[columns]).any(0).nonzero()[:, 0]
        share = len(near_rows) / block.shape[0] + len(near_columns) / block.shape[1]
        if share >= 2 * self.tuning.whole_block_share:
            return self.centroids.lower_bounds(rows, columns)
        block[near_rows] = self.centroids.lower_bounds(near_rows + rows.start, columns)
        block[:, near_columns] = self.centroids.lower_bounds(rows, near_columns + columns.start)
        return block

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
        end = self.centroids.end
        tile_of = self._tile_of()
        pair_of = torch.full((end,), -1, device=tile_of.device)
        pair_of[merges.kept] = pair_of[merges.absorbed] = torch.arange(
            len(merges.kept), device=tile_of.device
        )
        crossing = (tile_of[merges.kept] != tile_of[merges.absorbed]).nonzero()[:, 0]
        crossing_merges = merges.part(crossing)
        step = max(self.tile, self.tuning.block_numbers // PAIRS)
        self.parallel(
            lambda begin: self._bound_rows_to_merged(
                slice(begin, min(begin + step, end)), merges, crossing_merges, pair_of, tile_of
            ),
            range(0, end, step),
        )

    def _bound_rows_to_merged(
        self,
        rows: slice,
        merges: Merges,
        crossing: Merges,
        pair_of: torch.Tensor,
        tile_of: torch.Tensor,
    ) -> None:
        """Bound the criterion from the slots `rows` to the new clusters.

        Args:
            crossing: those of `merges` whose pair is in two tiles.
            pair_of: int64, for each slot, its number in `merges`; -1 for none.
            tile_of: int64, for each slot, its tile.
        """
        kept, absorbed, n, m, value = merges
        candidates, candidate_bound = self.candidate[rows], self.candidate_bound[rows]
        rest_bound = self.rest_bound[rows]
        weight = self.centroids.weight[rows].float()
        # Rows whose candidate in a tile is one of a pair; `mate` is the other one of the pair.
        affected = (pair_of[candidates] >= 0) & (candidate_bound < torch.inf)
        row, tile = affected.nonzero(as_tuple=True)
        candidate = candidates[row, tile]
        pair = pair_of[candidate]
        stays = candidate == kept[pair]
        mate = torch.where(stays, absorbed[pair], kept[pair])
        mate_tile = tile_of[mate]
        mate_bound = candidate_bound[row, mate_tile]
        known = (candidates[row, mate_tile] == mate) & (mate_bound < torch.inf)
        mate_bound = torch.where(known, mate_bound, rest_bound[row, mate_tile])
        weights = torch.where(stays, n[pair], m[pair]), torch.where(stays, m[pair], n[pair])
        bound = self._updated(
            candidate_bound[row, tile], mate_bound, *weights, value[pair], weight[row]
        )
        self._lower_rest(rest_bound, crossing, tile_of, weight)
        stays |= mate_tile == tile
        candidate_bound[row, tile] = torch.where(stays, bound, torch.inf)
        candidates[row[stays], tile[stays]] = kept[pair[stays]]
        moved = ~stays & ~known
        flat = (row * rest_bound.shape[1] + mate_tile)[moved]
        rest_bound.view(-1).scatter_reduce_(0, flat, bound[moved], "amin")

    def _lower_rest(
        self,
        rest_bound: torch.Tensor,
        crossing: Merges,
        tile_of: torch.Tensor,
        weight: torch.Tensor,
    ) -> None:
        """Lower some rows of `rest_bound`, of clusters of `weight`, for pairs in two tiles.

        A pair in one tile leaves it as it is: merging brings no cluster nearer (reducibility).
        """
        for pairs in torch.split(
            torch.arange(len(crossing.kept), device=weight.device),
            max(1, self.tuning.block_numbers // len(weight)),
        ):
            kept, absorbed, n, m, value = crossing.part(pairs)
            tile, other = tile_of[kept], tile_of[absorbed]
            left, right = (rest_bound.index_select(1, tiles) for tiles in (tile, other))
            new = self._updated(left, right, n, m, value, weight[:, None])
            rest_bound.scatter_reduce_(1, tile.expand_as(new), new, "amin")

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
