"""A histogram of every neuron, in one pass and without a known range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neuronwidgets.capturing.collectors import fused
from neuronwidgets.capturing.collectors.chunk import Chunk
from neuronwidgets.capturing.collectors.collector import Collector
from neuronwidgets.capturing.collectors.device import read
from neuronwidgets.core.checks import integer

if TYPE_CHECKING:
    from typing_extensions import Self

_MIN_EXPONENT = -100
"""Exponent of the narrowest bin: 2^-100 keeps all edges normal numbers in float32."""


@dataclass(frozen=True, eq=False)
class Histograms:
    """Histograms of `D` neurons, each with `B` equal bins of its own.

    Attributes:
        counts: int64 `D x B`.
        start, width: float64 `D`, the lower edge of the first bin and the width of all bins. A
            value at an edge is in the upper bin.
        least, most: float64 `D`, the smallest and largest value; NaN without values.
        excluded: int64 `D`, the number of NaN and infinite values, which are left out.
    """

    counts: np.ndarray
    start: np.ndarray
    width: np.ndarray
    least: np.ndarray
    most: np.ndarray
    excluded: np.ndarray

    @property
    def edges(self) -> np.ndarray:
        """float64 `D x (B + 1)`: the edges of the bins."""
        bins = np.arange(self.counts.shape[1] + 1)
        return self.start[:, None] + bins * self.width[:, None]

    @property
    def densities(self) -> np.ndarray:
        """float64 `D x B`: densities, which integrate to 1 for each neuron; NaN without values."""
        total = self.counts.sum(1)
        with np.errstate(invalid="ignore"):
            return self.counts / (total * self.width)[:, None]

    def quantile(self, q: Any) -> np.ndarray:
        """The `q` quantile of each neuron: float64 `D`, or `D x Q` for `Q` shares.

        It differs by at most one bin's width from `np.quantile(values, q, method="inverted_cdf")`
        and is exact at 0 and 1. NaN without values.

        Raises:
            ValueError: a share outside 0 to 1.
        """
        shares = np.atleast_1d(np.asarray(q, np.float64))
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(f"q must be a share from 0 to 1, or several, got {q!r}.")
        total = self.counts.sum(1)[:, None]
        # The rank among the sorted values, from 1.
        rank = np.clip(np.ceil(shares * total), 1, np.maximum(total, 1))
        cumulative = self.counts.cumsum(1)
        bin_index = np.stack([(cumulative >= one[:, None]).argmax(1) for one in rank.T], axis=1)
        inside = np.take_along_axis(self.counts, bin_index, 1)
        before = np.take_along_axis(cumulative, bin_index, 1) - inside
        fraction = (rank - before - 0.5) / np.maximum(inside, 1)
        values = self.start[:, None] + (bin_index + fraction) * self.width[:, None]
        values = np.clip(values, self.least[:, None], self.most[:, None])
        values = np.where(rank <= 1, self.least[:, None], values)
        values = np.where(rank >= total, self.most[:, None], values)
        return values if np.ndim(q) else values[:, 0]

    def to_frame(self) -> Any:
        """A `pandas.DataFrame`, a row per neuron and bin that is not empty: `neuron`, `low`, `high`
        (the bin's edges), `count`, `density`."""
        import pandas as pd

        neuron, bin_index = np.nonzero(self.counts)
        low = self.start[neuron] + bin_index * self.width[neuron]
        return pd.DataFrame(
            {
                "neuron": neuron,
                "low": low,
                "high": low + self.width[neuron],
                "count": self.counts[neuron, bin_index],
                "density": self.densities[neuron, bin_index],
            }
        )


class Histogram(Collector):
    """A histogram of every neuron, without a known range.

    A neuron's bins are `2^e` wide and begin at multiples of `2^e`, with the least `e` for which
    `bins` bins hold all values so far. If a value falls outside, neighbouring bins are merged in
    pairs, as often as necessary. No count moves to a wrong bin, so that counts are exact and
    independent of the order of rows and of merging. Bins may so be twice as wide as necessary:

        width <= max(2 (most - least) / (bins - 1), 2^-23 max|value|, 2^-100),

    where the second term is the resolution of float32. A negative value within 2^-149 widths of 0
    may count in the bin above 0. NaN and infinite values are left out and counted. Memory:
    `8 bins D` bytes.

    Args:
        bins: `B`, at least 16.
    """

    _settings = ("bins",)
    _per_neuron = dict.fromkeys(
        ("_counts", "_excluded", "_least", "_most", "_exponent", "_first"), 0
    )

    def __init__(self, bins: int = 256) -> None:
        self.bins = integer("bins", bins, 16)

    def _start(self, neurons: int, device: torch.device) -> None:
        self._counts = torch.zeros(neurons, self.bins, dtype=torch.int64, device=device)
        self._excluded = torch.zeros(neurons, dtype=torch.int64, device=device)
        self._least = torch.full((neurons,), torch.inf, dtype=torch.float32, device=device)
        self._most = torch.full((neurons,), -torch.inf, dtype=torch.float32, device=device)
        self._exponent, self._first = grid(self._least, self._most, self.bins)

    def add(self, chunk: Chunk) -> None:
        chunk = self._admit(chunk)
        if not len(chunk):
            return
        if fused.usable(chunk.device) and fused.grid_fits(self.bins):
            self._add_fused(chunk)
            return
        least, most = chunk.extremes
        if not chunk.finite:
            finite_rows = [(rows, rows.isfinite()) for rows in chunk.blocks]
            least, most = (
                torch.cat(
                    [reduce(rows.masked_fill(~finite, start), 0) for rows, finite in finite_rows]
                )
                for reduce, start in ((torch.amin, torch.inf), (torch.amax, -torch.inf))
            )
        self._widen(least.float(), most.float())
        for neurons, tile in chunk.tiles():
            self._count(neurons, tile.given, chunk.finite)

    def _add_fused(self, chunk: Chunk) -> None:
        """Widen the bins without asking the device whether they must be, and count."""
        extremes = self._least, self._most
        state = (self._counts, self._excluded, *extremes, self._exponent, self._first)
        fused.count(chunk.fused, chunk.sums, state, _MIN_EXPONENT)

    def merge(self, other: Self) -> None:
        peer = self._peer(other)
        if peer is None:
            return
        self._widen(peer._least, peer._most)
        peer._widen(self._least, self._most)
        self._counts += peer._counts
        self._excluded += peer._excluded

    def result(self) -> Histograms:
        if self.neurons is None:
            raise ValueError("Histogram has seen no rows.")
        width = np.ldexp(1.0, self._exponent.cpu().numpy())
        none = self._least > self._most
        least, most = (
            value.masked_fill(none, torch.nan).double().cpu().numpy()
            for value in (self._least, self._most)
        )
        first = self._first.cpu().numpy()
        return Histograms(
            self._counts.cpu().numpy().copy(),
            first * width,
            width,
            least,
            most,
            self._excluded.cpu().numpy().copy(),
        )

    def _count(self, neurons: slice, rows: torch.Tensor, finite: bool) -> None:
        """Count the rows of some of the neurons."""
        # A power of two: no digit of a narrow value is lost.
        bins = rows.float() * power(-self._exponent[neurons]).float()
        # In float32, whole numbers are exact up to 2^24, which the grid does not exceed.
        bins = bins.floor_().sub_(self._first[neurons].float())
        if not finite:
            bins = bins.nan_to_num_(self.bins, self.bins, self.bins)
        # The last bin of each neuron is for excluded values.
        width = self.bins + 1
        size = rows.shape[1] * width
        fits = size < 1 << 31 and rows.device.type == "cpu"
        index = bins.to(torch.int32 if fits else torch.int64)
        index += torch.arange(rows.shape[1], device=rows.device, dtype=index.dtype) * width
        counts = counted(index.flatten(), size).view(-1, width)
        self._counts[neurons] += counts[:, :-1]
        self._excluded[neurons] += counts[:, -1]

    def _widen(self, least: torch.Tensor, most: torch.Tensor) -> None:
        """Widen the bins to hold values from `least` to `most` (`D` each; none if least > most)."""
        self._least = torch.minimum(self._least, least)
        self._most = torch.maximum(self._most, most)
        exponent, first = grid(self._least, self._most, self.bins)
        if not read(((exponent != self._exponent) | (first != self._first)).any()[None])[0]:
            return
        # A shift to the right is the floor of a division by a power of two.
        old = self._first[:, None] + torch.arange(self.bins, device=first.device)
        new = (old >> (exponent - self._exponent).clamp(max=62)[:, None]) - first[:, None]
        new.clamp_(0, self.bins - 1)  # only empty bins can be outside
        self._counts = torch.zeros_like(self._counts).scatter_add_(1, new, self._counts)
        self._exponent, self._first = exponent, first


def counted(index: torch.Tensor, size: int) -> torch.Tensor:
    """int64 `size`: how often each number is in `index`."""
    if index.device.type == "cpu":
        return torch.bincount(index, minlength=size)
    # `bincount` would wait for a GPU.
    counts = torch.zeros(size, dtype=torch.int64, device=index.device)
    return counts.scatter_add_(0, index, counts.new_ones(()).expand_as(index))


def grid(least: torch.Tensor, most: torch.Tensor, bins: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The finest grid of `bins` bins that holds values from `least` to `most` (`D` each).

    Returns int64 `D` each: `e`, for bins of width `2^e`, and `first`, the multiple of `2^e` where
    they begin. A wider range never has a finer grid.
    """
    none = least > most
    low, high = (value.masked_fill(none, 0).double() for value in (least, most))
    span = (high - low) / bins
    size = torch.maximum(low.abs(), high.abs())
    exponent = torch.where(span > 0, exponent_of(span), _MIN_EXPONENT)
    # 24 bits hold a float32.
    exponent = exponent.maximum(exponent_of(size) - 24).clamp(min=_MIN_EXPONENT)
    exponent = torch.where(size > 0, exponent, _MIN_EXPONENT)
    first, last = ((value / power(exponent)).floor() for value in (low, high))
    exponent = exponent + (last - first >= bins)
    return exponent, (low / power(exponent)).floor().long()


def exponent_of(values: torch.Tensor) -> torch.Tensor:
    """The least `e` with `|value| < 2^e`: int64."""
    return torch.frexp(values).exponent.long()


def power(exponent: torch.Tensor) -> torch.Tensor:
    """`2^e`, exactly, for `e` from -1022 to 1023: its bits are the exponent's. Float64."""
    return ((exponent.long() + 1023) << 52).view(torch.float64)
