"""Clusters of points in slots, and what is between them, from products and from differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Literal

import torch

Criterion = Literal["ward", "average"]
"""Twice the growth of the sum of squares, or the mean squared distance of two clusters' points."""

Every = Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]
"""Calls a function with everything in a list, perhaps on several threads."""

Slots = slice | torch.Tensor
"""A range of slots, or their numbers."""

ROOM = 2**20
"""Numbers in a temporary matrix of float64 rows, at most: 8 MB."""
UNSEEN = torch.iinfo(torch.int64).max


def each(do: Callable[[Any], Any], things: Iterable[Any]) -> list[Any]:
    """`Every` on this thread."""
    return [do(thing) for thing in things]


class Clusters:
    """The clusters that are left, in slots; a tile is a range of slots.

    A new cluster takes the slot of one of its two.

    Attributes, one row per slot:
        centre: float64 `slots x D`, centroids.
        coarse: float32 `slots x D`, the same for the products.
        weight, spread: float64, number of points and their mean squared distance from `centre`.
        low: float32, `|coarse|^2 + spread` less all that rounding can do; inf in an empty slot.
        inverse: float32, half of `1 / weight`.
        name: int64, the smallest point in it. `slot` goes back.
    """

    def __init__(
        self,
        centre: torch.Tensor,
        weight: torch.Tensor,
        name: torch.Tensor,
        edges: list[int],
        criterion: Criterion,
        every: Every = each,
    ) -> None:
        """`centre`, `weight` and `name` are changed; `edges` are those of the tiles, from 0."""
        count, width = centre.shape
        device = centre.device
        self.criterion = criterion
        self.every = every
        self.edges = edges
        self.tile = max(b - a for a, b in pairwise(edges))
        self.rows = max(1, ROOM // width)
        # Higham, Accuracy and Stability of Numerical Algorithms, (3.5): a product of D terms is
        # wrong by at most D u |x||y|; 32 more for the roundings around it.
        self.slack = 1.01 * (width + 32) * 2.0**-24
        self.centre = centre
        self.coarse = torch.empty(count, width, dtype=torch.float32, device=device)
        self.weight = weight
        self.spread = torch.zeros(count, dtype=torch.float64, device=device)
        self.low = torch.empty(count, dtype=torch.float32, device=device)
        self.inverse = torch.empty(count, dtype=torch.float32, device=device)
        self.name = name
        self.slot = torch.zeros(int(name.max()) + 1, dtype=torch.int64, device=device)
        self.slot[name] = torch.arange(count, device=device)
        self.prepare(torch.arange(count, device=device))

    @property
    def end(self) -> int:
        """The slots in use."""
        return self.edges[-1]

    @property
    def alive(self) -> torch.Tensor:
        """bool, one for each slot in use."""
        return self.low[: self.end] < torch.inf

    def prepare(self, rows: torch.Tensor) -> None:
        """What products need of the slots `rows`."""
        for some in torch.split(rows, self.rows):
            coarse = self.centre[some].float()
            self.coarse[some] = coarse
            square = coarse.double().square_().sum(1) + self.spread[some]
            # What is left of squares below the smallest float32 is no larger than 1e-30.
            self.low[some] = (square * (1 - self.slack) - 1e-30).float()
        self.inverse[rows] = (0.5 / self.weight[rows]).float()

    def products(self, rows: Slots, columns: Slots) -> torch.Tensor:
        """float32 `rows x columns`, never above the criterion; inf for an empty slot."""
        left, right = self.coarse[rows], self.coarse[columns]
        block = torch.addmm(self.low[columns], left, right.T, alpha=-2)
        return self.scaled(block, self.low[rows], rows, columns)

    def scaled(
        self, block: torch.Tensor, own: torch.Tensor, rows: Slots, columns: Slots
    ) -> torch.Tensor:
        """The criterion, from squared distances that lack the rows' `own` squares; in place."""
        block += own[:, None]
        if self.criterion == "ward":
            block /= self.inverse[rows, None] + self.inverse[columns]
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

    def unite(self, one: torch.Tensor, other: torch.Tensor) -> None:
        """Make one cluster of each pair, in the slot of `one`."""
        n, m = self.weight[one], self.weight[other]
        share = m / (n + m)
        apart = torch.empty_like(n)
        for begin in range(0, len(one), self.rows):
            part = slice(begin, begin + self.rows)
            far = self.centre[other[part]] - self.centre[one[part]]
            apart[part] = far.square().sum(1)
            self.centre[one[part]] += far.mul_(share[part, None])
        if self.criterion == "average":
            within = (1 - share) * (self.spread[one] + share * apart)
            self.spread[one] = within + share * self.spread[other]
        self.weight[one] = n + m
        self.prepare(one)
        self.low[other] = torch.inf

    def close_up(self, keep: torch.Tensor) -> None:
        """Move the slots `keep`, in ascending order, to the front."""
        for values in (self.weight, self.spread, self.low, self.inverse, self.name):
            values[: len(keep)] = values[keep]
        # Every row moves down, so blocks can be moved in order and in place.
        for begin in range(0, len(keep), self.rows):
            some = keep[begin : begin + self.rows]
            self.centre[begin : begin + len(some)] = self.centre[some]
            self.coarse[begin : begin + len(some)] = self.coarse[some]
        self.slot[self.name[: len(keep)]] = torch.arange(len(keep), device=keep.device)
