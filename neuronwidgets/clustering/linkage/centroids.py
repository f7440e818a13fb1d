"""The clusters that are left: their centroids, and the criterion between them."""

from __future__ import annotations

from typing import Literal

import torch

from neuronwidgets.clustering.block_threads import ParallelMap, serial_map
from neuronwidgets.clustering.linkage.tuning import DEFAULT, Tuning

Criterion = Literal["ward", "average"]
"""Ward: twice the growth of the sum of squares. Average: the mean squared distance of the samples
of two clusters."""

Slots = slice | torch.Tensor
"""A range of slots, or their numbers."""


def taken(values: torch.Tensor, slots: Slots) -> torch.Tensor:
    """Rows of `values`: a view of a range of slots, or a copy."""
    # Faster than `values[slots]`.
    return values[slots] if isinstance(slots, slice) else values.index_select(0, slots)


class Centroids:
    """One cluster in each slot, with its centroid and what the criterion needs besides.

    Two clusters that merge leave the new one in the slot of one of them, and an empty slot.

    Attributes:
        mean: float64 `S x D`, the centroid of each cluster, in the row of the sample `first`.
        slot_of: int64 `S`, the inverse of `first`.
        end: the number of slots in use.

    Attributes, one row for each slot:
        coarse: float32 `slots x D`, centroids for products.
        weight: float64, the number of samples.
        spread: float64, the mean squared distance of the samples from the centroid.
        square: float32, `|coarse|^2 + spread`, lowered by all that rounding can do to a product;
            inf in an empty slot.
        half_inverse: float32, `0.5 / weight`.
        first: int64, the smallest sample, which names the cluster.
    """

    def __init__(
        self,
        points: torch.Tensor,
        weight: torch.Tensor,
        first: torch.Tensor,
        criterion: Criterion,
        tuning: Tuning = DEFAULT,
        parallel: ParallelMap = serial_map,
    ) -> None:
        """Take over all samples, `S x D`, and `weight` and `first`; they are changed from now
        on."""
        count, width = len(first), points.shape[1]
        device = points.device
        self.criterion = criterion
        self.parallel = parallel
        self.block_rows = max(1, tuning.block_numbers // width)
        # Higham, Accuracy and Stability of Numerical Algorithms, (3.5): a product of D terms is
        # wrong by at most D u |x||y|; 32 more for the roundings around it.
        self.rounding = 1.01 * (width + 32) * 2.0**-24
        self.end = count
        self.mean = points
        self.coarse = torch.empty(count, width, dtype=torch.float32, device=device)
        self.weight = weight
        self.spread = torch.zeros(count, dtype=torch.float64, device=device)
        self.square = torch.empty(count, dtype=torch.float32, device=device)
        self.half_inverse = torch.empty(count, dtype=torch.float32, device=device)
        self.first = first
        slots = torch.arange(count, device=device)
        self.slot_of = torch.zeros(len(points), dtype=torch.int64, device=device)
        self.slot_of[first] = slots
        self.parallel(lambda part: self._prepare(part, self.means(part)), self._blocks(slots))

    @property
    def alive(self) -> torch.Tensor:
        """bool, one for each slot in use: whether it holds a cluster."""
        return self.square[: self.end] < torch.inf

    def means(self, slots: Slots) -> torch.Tensor:
        """float64 `slots x D`, a copy of their centroids."""
        return self.mean.index_select(0, self.first[slots])

    def _blocks(self, slots: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """`slots` in parts whose centroids fit in a temporary matrix."""
        return torch.split(slots, self.block_rows)

    def _prepare(self, slots: torch.Tensor, mean: torch.Tensor) -> None:
        """Store what products need of `slots`, whose centroids are `mean`."""
        coarse = mean.float()
        self.coarse[slots] = coarse
        square = coarse.double().square_().sum(1) + self.spread[slots]
        # What is left of squares below the smallest float32 is no larger than 1e-30.
        self.square[slots] = (square * (1 - self.rounding) - 1e-30).float()
        self.half_inverse[slots] = (0.5 / self.weight[slots]).float()

    def lower_bounds(self, rows: Slots, columns: Slots) -> torch.Tensor:
        """float32 `rows x columns`, by a product, never above the criterion; inf for an empty
        slot."""
        left, right = taken(self.coarse, rows), taken(self.coarse, columns)
        block = torch.addmm(self.square[columns], left, right.T, alpha=-2)
        return self.to_criterion(block, self.square[rows], rows, columns)

    def to_criterion(
        self, block: torch.Tensor, row_squares: torch.Tensor, rows: Slots, columns: Slots
    ) -> torch.Tensor:
        """Turn a block that lacks `row_squares` to be squared distances into the criterion."""
        block += row_squares[:, None]
        if self.criterion == "ward":
            block /= self.half_inverse[rows, None] + self.half_inverse[columns]
        return block

    def rounding_margin(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """float32, for pairs of slots: twice what rounding can do to `lower_bounds`."""
        margin = 2.5 * self.rounding * (self.square[left] + self.square[right]) + 1e-29
        if self.criterion == "ward":
            margin /= self.half_inverse[left] + self.half_inverse[right]
        return margin

    def measure(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """float64, the criterion of pairs of slots, from differences of centroids."""

        def squared_distances(pairs: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            left, right = map(self.means, pairs)
            return left.sub_(right).square_().sum(1)

        parts = zip(*map(self._blocks, (left, right)), strict=True)
        square = torch.cat(self.parallel(squared_distances, parts))
        if self.criterion == "ward":
            n, m = self.weight[left], self.weight[right]
            return square * (2 * n * m / (n + m))
        return square + (self.spread[left] + self.spread[right])

    def nearest_measured(self, rows: torch.Tensor, low: int, high: int) -> torch.Tensor:
        """int64: which of the slots `low` to `high`, counted from `low`, is nearest to each row.

        Every pair is measured in float64, for clusters that float32 cannot tell apart.
        """
        keys = self.first[rows, None] ^ self.first[low:high]
        excluded = (keys == 0) | ~(self.square[low:high] < torch.inf)
        square = torch.cdist(
            self.means(rows),
            self.means(slice(low, high)),
            compute_mode="donot_use_mm_for_euclid_dist",
        ).square_()
        if self.criterion == "ward":
            square /= 0.5 / self.weight[rows, None] + 0.5 / self.weight[low:high]
        else:
            square += self.spread[rows, None] + self.spread[low:high]
        square[excluded] = torch.inf
        keys[square > square.amin(1, keepdim=True)] = torch.iinfo(keys.dtype).max
        return keys.argmin(1)

    def merge(self, kept: torch.Tensor, absorbed: torch.Tensor) -> None:
        """Merge pairs of slots: the new cluster is in `kept`, and `absorbed` becomes empty."""
        n, m = self.weight[kept], self.weight[absorbed]
        share = m / (n + m)
        self.weight[kept] = n + m

        def merged(pairs: tuple[torch.Tensor, ...]) -> None:
            left, right, moved = pairs
            mean = self.means(left)
            difference = self.means(right).sub_(mean)
            if self.criterion == "average":
                square = difference.square().sum(1)
                within = (1 - moved) * (self.spread[left] + moved * square)
                self.spread[left] = within + moved * self.spread[right]
            mean.add_(difference.mul_(moved[:, None]))
            self.mean[self.first[left]] = mean
            self._prepare(left, mean)

        self.parallel(merged, zip(*map(self._blocks, (kept, absorbed, share)), strict=True))
        self.square[absorbed] = torch.inf

    def close_up(self, keep: torch.Tensor) -> None:
        """Move the slots `keep`, in ascending order, to the front; the others are dropped."""
        self.end = len(keep)
        for values in (self.weight, self.spread, self.square, self.half_inverse, self.first):
            values[: self.end] = values[keep]
        # Every row moves down, so blocks can be moved in order and in place.
        for begin in range(0, self.end, self.block_rows):
            part = keep[begin : begin + self.block_rows]
            self.coarse[begin : begin + len(part)] = self.coarse[part]
        self.slot_of[self.first[: self.end]] = torch.arange(self.end, device=keep.device)
