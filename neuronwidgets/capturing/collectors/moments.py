"""Mean, variance, skewness and kurtosis of every neuron, in one pass."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neuronwidgets.capturing.collectors import fused
from neuronwidgets.capturing.collectors.chunk import Chunk, in_cache
from neuronwidgets.capturing.collectors.collector import Collector

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, eq=False)
class MomentTable:
    """Statistics of `D` neurons: arrays of shape `D`, or of `C x D` for `C` labels.

    Attributes:
        count: int64, the number of values that the statistics are from.
        mean, variance: float64; the population variance. NaN without values.
        skewness, kurtosis: float64; 0 and 3 for a normal distribution. NaN for constant values.
        least, most: float64, the smallest and largest value; NaN without values.
        active: float64, the share of values above 0.
        excluded: int64, the number of NaN and infinite values, which are left out.
        labels: the same for each label code (`C x D`), if asked for. Unlabelled rows count in
            none.
    """

    count: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    skewness: np.ndarray
    kurtosis: np.ndarray
    least: np.ndarray
    most: np.ndarray
    active: np.ndarray
    excluded: np.ndarray
    labels: MomentTable | None = None

    @property
    def std(self) -> np.ndarray:
        """The population standard deviation."""
        return np.sqrt(self.variance)

    def to_frame(self) -> Any:
        """A `pandas.DataFrame`, a row per neuron.

        With labels, a row per label code and neuron; the statistics of all rows come first, with
        label -1.
        """
        import pandas as pd

        shape = (-1, self.mean.shape[-1])
        tables = [self] if self.labels is None else [self, self.labels]
        names = [field.name for field in fields(self) if field.name != "labels"]
        columns = {
            name: np.concatenate([getattr(table, name).reshape(shape) for table in tables])
            for name in names
        }
        groups, neurons = columns["mean"].shape
        keys = {"neuron": np.tile(np.arange(neurons), groups)}
        if self.labels is not None:
            keys = {"label": np.repeat(np.arange(groups) - 1, neurons), **keys}
        return pd.DataFrame(keys | {name: column.ravel() for name, column in columns.items()})


class Moments(Collector):
    """Count, mean, variance, skewness, kurtosis, extremes and share of active values.

    Each batch's central moments are computed in float64 about its own mean and merged by the
    pairwise formulas of Chan, Golub and LeVeque (1979) and Pébay (SAND2008-6212). A mean far from
    0 so costs no precision: the first four moments equal those of `scipy.stats` on float64 to
    about 1e-9, for any batches. NaN and infinite values are left out and counted.

    Args:
        by_label: also compute them for each label code. Memory: 72 bytes per neuron and label.
    """

    _settings = ("by_label",)
    _per_neuron = MappingProxyType({"_sums": 2})

    def __init__(self, by_label: bool = False) -> None:
        self.by_label = by_label

    def _start(self, neurons: int, device: torch.device) -> None:
        # With `by_label`, group 0 holds unlabelled rows and group 1 label 0.
        self._sums = empty_sums(1, neurons, device)

    def add(self, chunk: Chunk) -> None:
        if self.by_label and chunk.label is None:
            raise ValueError("Moments(by_label=True) needs labels, got rows without labels.")
        chunk = self._admit(chunk)
        if not len(chunk):
            return
        if self.by_label:
            for part in chunk.parts():
                self._add_labelled(part)
            return
        if fused.usable(chunk.device):
            fused.combine(self._sums, chunk.sums)
            return
        finite, extremes = chunk.finite, chunk.extremes
        at_once = in_cache(chunk.device)
        for neurons, tile in chunk.tiles():
            sums = power_sums(tile.given, finite, at_once)
            self._sums[:, 0, neurons] = combine(self._sums[:, 0, neurons], sums)
        if finite:
            self._sums[5, 0] = torch.minimum(self._sums[5, 0], extremes[0])
            self._sums[6, 0] = torch.maximum(self._sums[6, 0], extremes[1])

    def merge(self, other: Self) -> None:
        peer = self._peer(other)
        if peer is not None:
            groups = torch.arange(peer._sums.shape[1], device=peer._sums.device)
            self._add_sums(groups, peer._sums)

    def result(self) -> MomentTable:
        if self.neurons is None:
            raise ValueError("Moments has seen no rows.")
        labels = table(self._sums[:, 1:]) if self.by_label else None
        return table(reduce(combine, self._sums.unbind(1)), labels)

    def _add_labelled(self, chunk: Chunk) -> None:
        assert chunk.label is not None
        groups, member = torch.unique(chunk.label + 1, return_inverse=True)
        if int(groups[0]) < 0:
            raise ValueError(
                f"label codes must be 0 or more, or -1 for unlabelled, got {int(groups[0]) - 1}."
            )
        self._add_sums(groups, summarise(chunk.rows, member, len(groups)))

    def _add_sums(self, groups: torch.Tensor, sums: torch.Tensor) -> None:
        short = int(groups.amax()) + 1 - self._sums.shape[1]
        if short > 0:
            more = empty_sums(short, self._sums.shape[2], self._sums.device)
            self._sums = torch.cat([self._sums, more], 1)
        self._sums[:, groups] = combine(self._sums[:, groups], sums)


def empty_sums(groups: int, neurons: int, device: torch.device) -> torch.Tensor:
    """The sums of no rows: float64 `9 x G x D`.

    The nine are: count, mean, the sums of the 2nd, 3rd and 4th powers of the differences from the
    mean, least, most, number above 0, number excluded.
    """
    sums = torch.zeros(9, groups, neurons, dtype=torch.float64, device=device)
    sums[5], sums[6] = torch.inf, -torch.inf
    return sums


def power_sums(rows: torch.Tensor, finite: bool, at_once: int | None = None) -> torch.Tensor:
    """The sums (see `empty_sums`) of `N x D` rows as one group: float64 `9 x D`.

    The powers are of the differences from a mean in float32. What that is wrong by, a small share
    of the spread, is taken out at the end.

    Args:
        rows: float32 or narrower.
        finite: whether all values are finite. The extremes are then left out: as of no rows.
        at_once: about how many values are widened to float64 at once; `None` for all.
    """
    sums = empty_sums(1, rows.shape[1], rows.device)[:, 0]
    real = None if finite else rows.isfinite()
    if real is None:
        sums[0] = len(rows)
    else:
        sums[0], sums[8] = real.sum(0), (~real).sum(0)
        sums[5] = rows.masked_fill(~real, torch.inf).amin(0)
        sums[6] = rows.masked_fill(~real, -torch.inf).amax(0)
        rows = rows.masked_fill(~real, 0)
    count = sums[0].clamp(min=1)
    largest = torch.finfo(torch.float32).max
    mean = rows.sum(0, dtype=torch.float32) / count.float()
    # The sum may be too large for float32.
    pivot = mean.nan_to_num(0, largest, -largest).double()
    powers = sums.new_zeros(4, rows.shape[1])
    step = len(rows) if at_once is None else max(1, at_once // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        off = rows[start : start + step].double()
        # Products with a vector of ones read values once and make no copies.
        ones = off.new_ones(len(off))
        sums[7] += ones @ torch.gt(off, 0, out=torch.empty_like(off))
        off.sub_(pivot)
        if real is not None:
            off.masked_fill_(~real[start : start + step], 0)
        square = off * off
        powers[0] += ones @ off
        powers[1] += ones @ square
        powers[2] += ones @ off.mul_(square)
        powers[3] += ones @ square.mul_(square)
    first, second, third, fourth = powers
    gap = first / count
    sums[1] = pivot + gap
    sums[2] = second - gap * first
    sums[3] = third - 3 * gap * second + 2 * gap**2 * first
    sums[4] = fourth - 4 * gap * third + 6 * gap**2 * second - 3 * gap**3 * first
    return sums


def summarise(rows: torch.Tensor, member: torch.Tensor, groups: int) -> torch.Tensor:
    """The sums (see `empty_sums`) of `N x D` rows. `member` (int64 `N`) is each row's group."""
    finite = None if bool(rows.sum().isfinite()) else rows.isfinite()
    wide = rows.double() if finite is None else rows.double().masked_fill_(~finite, 0)
    share = (member == torch.arange(groups, device=rows.device)[:, None]).double()

    def total(values: torch.Tensor) -> torch.Tensor:
        # Not `index_add`: its order, and so its rounding, varies on a GPU.
        return share @ values.double()

    def extreme(which: str, start: float) -> torch.Tensor:
        values = rows if finite is None else rows.masked_fill(~finite, start)
        empty = torch.full((groups, rows.shape[1]), start, dtype=values.dtype, device=rows.device)
        return empty.scatter_reduce_(0, member[:, None].expand_as(rows), values, which)

    size = share.sum(1, keepdim=True).expand(-1, rows.shape[1])
    count = size if finite is None else total(finite)
    mean = total(wide) / count.clamp(min=1)
    off = wide.sub_(mean[member])
    if finite is not None:
        off.masked_fill_(~finite, 0)
    square = off * off
    second, third = total(square), total(off.mul_(square))
    fourth = total(square.mul_(square))
    positive = rows > 0
    active = total(positive if finite is None else positive & finite)
    least, most = extreme("amin", torch.inf), extreme("amax", -torch.inf)
    each = (count, mean, second, third, fourth, least, most, active, size - count)
    return torch.stack([part.double() for part in each])


def combine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The sums (see `empty_sums`) of the union of two sets of rows."""
    n_a, mean_a, second_a, third_a, fourth_a = a[:5]
    n_b, mean_b, second_b, third_b, fourth_b = b[:5]
    count = n_a + n_b
    n = count.clamp(min=1)
    # Shares: products of counts lose precision from 2^53 on.
    p, q, gap = n_a / n, n_b / n, mean_b - mean_a
    second = second_a + second_b + gap**2 * n_a * q
    third = third_a + third_b + gap**3 * n_a * q * (p - q) + 3 * gap * (p * second_b - q * second_a)
    fourth = (
        fourth_a
        + fourth_b
        + gap**4 * n_a * q * (p * p - p * q + q * q)
        + 6 * gap**2 * (p * p * second_b + q * q * second_a)
        + 4 * gap * (p * third_b - q * third_a)
    )
    least, most = torch.minimum(a[5], b[5]), torch.maximum(a[6], b[6])
    return torch.stack(
        [count, mean_a + gap * q, second, third, fourth, least, most, *(a[7:] + b[7:])]
    )


def table(sums: torch.Tensor, labels: MomentTable | None = None) -> MomentTable:
    """The statistics of sums (see `empty_sums`)."""
    count, mean, second, third, fourth, least, most, active, excluded = sums.cpu().numpy()
    has_values = count > 0
    # Rounding leaves constant neurons a tiny variance: treat them as constant.
    constant = ~(least < most)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(constant, 0.0, second / count)
        skewness = np.where(constant, np.nan, third / count / variance**1.5)
        kurtosis = np.where(constant, np.nan, fourth / count / variance**2)
        share = active / count
    mean, variance, skewness, kurtosis, least, most, share = np.where(
        has_values, (mean, variance, skewness, kurtosis, least, most, share), np.nan
    )
    return MomentTable(
        count.astype(np.int64),
        mean,
        variance,
        skewness,
        kurtosis,
        least,
        most,
        share,
        excluded.astype(np.int64),
        labels,
    )
