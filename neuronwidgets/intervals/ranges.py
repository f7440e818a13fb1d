"""Each label's range of activation on each neuron (arXiv 2502.06809, steps 2 and 5)."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.checks import integer, is_integer, number, one_of
from neuronwidgets.core.labels import are_numbers, index_of
from neuronwidgets.core.layer_place import At
from neuronwidgets.core.modes import own_modes
from neuronwidgets.display.html import table
from neuronwidgets.intervals.random_bands import random_bands
from neuronwidgets.intervals.rules import (
    EXTREME,
    LEVELS,
    RULES,
    SCORES,
    STEPS,
    discriminative,
    first_widths,
    gaussian,
    least_shares,
    quantile,
    smoothed,
)
from neuronwidgets.intervals.statistics import histogram, kolmogorov_smirnov, moments

BINS = 128
"""Bins of each neuron's histogram, unless told otherwise."""
TAIL = 0.005
"""Share of a label's samples at each end that may fall outside the histogram's bins, so that one
extreme value does not widen them all."""
CHUNK = 1 << 23
"""Values that are worked on at once, so that a float64 copy of them takes 64 MiB."""


@dataclass(frozen=True, repr=False, eq=False)
class Ranges:
    """Statistics of `C` labels on `D` neurons.

    Attributes:
        layer: the layer they are from.
        label_names: the `C` labels, in the order of the arrays.
        count: int64 `C`, the number of samples of each label.
        mean, std: float64 `C x D`; `std` is the population's standard deviation.
        magnitude: float64 `C x D`, mean absolute activation (the authors' "max activation").
        skewness, kurtosis: float64 `C x D`; a normal distribution has 0 and 3.
        ks: float64 `C x D`, Kolmogorov-Smirnov distance from the fitted normal.
        levels: float64 `Q`, the probabilities of the quantiles: 0, those of every quarter of a
            standard deviation of a normal distribution from -3 to 3, and 1.
        quantiles: float64 `C x D x Q`.
        edges: float64 `D x (B + 1)`, equal bins of each neuron, the same for all labels.
        histogram: int32 `C x D x B`; values beyond the edges are counted in the first and last bin.
        seen: fingerprints of the samples that the ranges are from, so that the cost of a mask is
            not measured on them.
        call: which of the layer's calls in a pass they are from; `None` where that is unknown.
        at: whether they are of the layer's "output" or its "input".
    """

    layer: str
    label_names: tuple[str, ...]
    count: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    magnitude: np.ndarray
    skewness: np.ndarray
    kurtosis: np.ndarray
    ks: np.ndarray
    levels: np.ndarray
    quantiles: np.ndarray
    edges: np.ndarray
    histogram: np.ndarray
    seen: frozenset[int] = frozenset()
    call: int | None = None
    at: At = "output"

    @property
    def neurons(self) -> int:
        """`D`, the number of neurons."""
        return self.mean.shape[1]

    def label(self, label: Any) -> int:
        """The index of a label, given by its name or its index.

        Labels whose names are numbers are given by their value: 5, 5.0 or "5".
        """
        index = index_of(label, self.label_names)
        if index >= 0:
            return index
        names = ", ".join(map(repr, self.label_names[:14]))
        indices = "" if are_numbers(self.label_names) else f" (or 0 to {len(self.label_names) - 1})"
        raise ValueError(f"label {label!r} has no range here; the labels are {names}{indices}.")

    def several(self, label: Any) -> int:
        """The index of a label that has a range; raises `ValueError` if it has a single sample."""
        c = self.label(label)
        if self.count[c] < 2:
            raise ValueError(
                f"label {self.label_names[c]!r} has a single sample, and a range needs at least "
                "two. Capture more samples of it, or leave it out (None among the labels)."
            )
        return c

    @own_modes()
    def intervals(self, label: Any, tau: float = 2.0, rule: str = "gaussian") -> np.ndarray:
        """One label's range on every neuron: float64 `D x P x 2`, `P` pieces `[low, high]`.

        A neuron with fewer pieces has NaN for the rest. Ends belong to the range.

        Args:
            label: the label's name or index.
            tau: the width in standard deviations (the paper: 2.0 to 2.5); infinite for all values.
            rule: "gaussian", the paper's `CR(j, c) = [mean - tau * std, mean + tau * std]`;
                "quantile", the central share of the label's samples that a normal distribution has
                within `tau`; or "discriminative", the bins where the label's density exceeds the
                other labels' most, in one, several or no pieces, with that share of the samples on
                average over the neurons (`rules.least_shares`; `tau` is rounded to hundredths).

        Raises:
            ValueError: the label has a single sample, `tau` is negative, or the rule is unknown.
        """
        number("tau", tau, least=0, infinite=True)
        one_of("rule", rule, RULES)
        c = self.several(label)
        if not np.isfinite(tau):
            return np.tile([-np.inf, np.inf], (self.neurons, 1, 1))
        if rule == "gaussian":
            return gaussian(self.mean[c], self.std[c], tau)
        if rule == "quantile":
            return quantile(self.quantiles[c], tau)
        # Rounded half up, as the front end does.
        least = self.least[c, int(min(tau, EXTREME) * STEPS + 0.5)]
        return discriminative(self.densities[c], self._others(c), self.edges, least)

    def interval(self, neuron: int, label: Any, tau: float = 2.0) -> tuple[float, float]:
        """One neuron's `[mean - tau * std, mean + tau * std]` for one label: `(low, high)`."""
        ((low, high),) = self.pieces(neuron, label, tau).tolist()
        return low, high

    def pieces(
        self, neuron: int, label: Any, tau: float = 2.0, rule: str = "gaussian"
    ) -> np.ndarray:
        """One neuron's range for one label by any rule: float64 `P x 2`, see `intervals`."""
        pieces = self.intervals(label, tau, rule)[self._neuron(neuron)]
        return pieces[~np.isnan(pieces[:, 0])]

    @own_modes()
    def random_bands(
        self, neurons: Any, low: np.ndarray, high: np.ndarray, seed: int = 0
    ) -> np.ndarray:
        """Bands at random places that hold as many samples as given ones: float64 `k x 2 x 2`.

        Shares are of all labels' samples together, to the resolution of `histogram`. A band may
        begin near the upper end of the axis and go on at the lower end, see
        `neuronwidgets.intervals.random_bands`.

        Args:
            neurons: their `k` numbers.
            low, high: float64 `k x P`, the given bands in disjoint pieces, NaN where one has fewer.
            seed: of the places; a neuron has the same place whichever others are given.
        """
        index = np.asarray(neurons, np.int64)
        edges = self.edges[index].astype(np.float64)
        # The end bins also count what is beyond their edges.
        edges[:, 0] = np.minimum(edges[:, 0], self.quantiles[:, index, 0].min(axis=0))
        edges[:, -1] = np.maximum(edges[:, -1], self.quantiles[:, index, -1].max(axis=0))
        start = np.random.default_rng(seed).random(self.neurons)[index]
        return random_bands(self._counts[index], edges, low, high, start)

    @cached_property
    def _counts(self) -> np.ndarray:
        """All labels' samples in each bin: int64 `D x B`."""
        return np.asarray(self.histogram.sum(axis=0, dtype=np.int64))

    @cached_property
    @own_modes()
    def densities(self) -> np.ndarray:
        """Smoothed histograms: float32 `C x D x B`; each row sums to 1.

        The kernel is Gaussian, of Silverman's width (1986, eq. 3.31) for each label and neuron.
        """
        return self._densities(CHUNK)

    def _densities(self, chunk: int) -> np.ndarray:
        """`densities`, computed for about `chunk` values at once."""
        middle = np.searchsorted(SCORES, [-0.75, 0.75])
        spread = np.diff(self.quantiles[..., middle], axis=-1)[..., 0] / 1.5
        spread = np.where(spread > 0, np.minimum(spread, self.std), self.std)
        bins = self.edges[:, 1] - self.edges[:, 0]
        width = 0.9 * spread * self.count[:, None] ** -0.2 / bins
        labels, _, count = self.histogram.shape
        densities = np.empty((labels, self.neurons, count), np.float32)
        step = max(1, chunk // (4 * labels * count))
        for first in range(0, self.neurons, step):
            part = slice(first, first + step)
            densities[:, part] = smoothed(self.histogram[:, part], width[:, part])
        return densities

    @cached_property
    @own_modes()
    def least(self) -> np.ndarray:
        """The least share of the density in a discriminative range of each width: float64
        `C x 401 x 2`, see `rules.least_shares`."""
        every = range(len(self.label_names))
        return np.stack([least_shares(self.densities[c], self._others(c)) for c in every])

    @own_modes()
    def first_widths(self, neuron: int) -> np.ndarray:
        """The narrowest discriminative range of each label that holds each bin: uint16 `C x B`,
        see `rules.first_widths`."""
        densities = self.densities[:, self._neuron(neuron)]
        others = (self._sum[neuron] - densities) / max(1, len(densities) - 1)
        return first_widths(densities, others, self.least)

    @own_modes()
    def of_neuron(self, neuron: int) -> Ranges:
        """The ranges of one neuron, `D` = 1, with its discriminative ranges among all neurons."""
        j = slice(self._neuron(neuron), neuron + 1)
        names = (*_ARRAYS, "quantiles", "histogram")
        parts: dict[str, Any] = {name: getattr(self, name)[:, j] for name in names}
        ranges_of_neuron = replace(self, **parts, edges=self.edges[j])
        ranges_of_neuron.__dict__.update(densities=self.densities[:, j], least=self.least)
        return ranges_of_neuron

    @cached_property
    @own_modes()
    def _sum(self) -> np.ndarray:
        return np.asarray(self.densities.sum(axis=0, dtype=np.float64))

    @own_modes()
    def others(self, label: Any) -> np.ndarray:
        """The mean density of all labels but one: float64 `D x B`."""
        return self._others(self.label(label))

    def _others(self, c: int) -> np.ndarray:
        return np.asarray((self._sum - self.densities[c]) / max(1, len(self.label_names) - 1))

    @own_modes()
    def overlap(self, neuron: int) -> np.ndarray:
        """Overlapping coefficients of the labels on one neuron: float64 `C x C`, 0 to 1.

        `sum_b min(p_b, q_b)` of two labels' smoothed histograms.
        """
        share = self.densities[:, self._neuron(neuron)].astype(np.float64)
        rows = [np.minimum(row, share).sum(axis=1) for row in share]
        return np.minimum(1, np.stack(rows))

    @own_modes()
    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row per label and neuron."""
        import pandas as pd

        labels = np.repeat(np.array(self.label_names, object), self.neurons)
        neurons = np.tile(np.arange(self.neurons), len(self.label_names))
        columns = ("mean", "std", "magnitude", "skewness", "kurtosis", "ks")
        values = {name: getattr(self, name).ravel() for name in columns}
        return pd.DataFrame({"label": labels, "neuron": neurons, **values})

    def _neuron(self, neuron: int) -> int:
        if not is_integer(neuron) or not 0 <= neuron < self.neurons:
            raise IndexError(
                f"neuron {neuron!r} is not in layer {self.layer!r}, which has {self.neurons:,} "
                f"neurons: 0 to {self.neurons - 1:,}."
            )
        return int(neuron)

    def __repr__(self) -> str:
        at = "" if self.at == "output" else ", at='input'"
        return (
            f"Ranges(layer={self.layer!r}{at}, {len(self.label_names)} labels x {self.neurons:,} "
            f"neurons, from {int(self.count.sum()):,} samples)"
        )

    def _repr_html_(self) -> str:
        rows = [
            (html.escape(name), f"{count:,}", f"{np.nanmedian(skew):.2f}",
             f"{np.nanmedian(kurt):.2f}", f"{np.nanmedian(ks):.3f}")
            for name, count, skew, kurt, ks in zip(
                self.label_names, self.count, *map(_without_empty_rows,
                (self.skewness, self.kurtosis, self.ks)), strict=True,
            )
        ]  # fmt: skip
        head = ("label", "samples", "skewness", "kurtosis", "KS to normal")
        return f"<p>{html.escape(repr(self))}; medians over neurons</p>{table(head, rows, {0})}"


def _without_empty_rows(values: np.ndarray) -> np.ndarray:
    """Replace rows of NaN by zeros, since `nanmedian` warns of them."""
    return np.where(np.isnan(values).all(axis=1, keepdims=True), 0, values)


@own_modes()
def ranges(acts: Activations, bins: int = BINS, *, chunk: int = CHUNK) -> Ranges:
    """Statistics of each label on each neuron.

    Without class labels, `ranges(concepts.labelled())` takes a split's concepts as labels.

    Args:
        acts: labelled activations. Unlabelled samples, and labels without samples, are left out.
        bins: the number of bins of the histograms.
        chunk: values that are worked on at once. It changes memory and time, not the result.

    Raises:
        ValueError: the activations have no labels.
    """
    acts = labelled(acts)
    assert acts.labels is not None
    integer("bins", bins, 1)
    codes = [c for c in range(len(acts.label_names)) if (acts.labels == c).any()]
    rows_of_label = [np.flatnonzero(acts.labels == c) for c in codes]
    known = np.flatnonzero(acts.labels >= 0)
    neurons = acts.shape[1]
    shape = (len(codes), neurons)
    parts = {name: np.empty(shape) for name in _ARRAYS}
    quantiles = np.empty((*shape, len(LEVELS)))
    counts = np.empty((*shape, bins), np.int32)
    edges = np.empty((neurons, bins + 1))
    step = max(1, chunk // len(known))
    for first in range(0, neurons, step):
        part = slice(first, first + step)
        block = acts.values[:, part]
        edges[part] = _edges([block[rows] for rows in rows_of_label], bins)
        for c, rows in enumerate(rows_of_label):
            values = block[rows].astype(np.float64)
            mean, std, skewness, kurtosis = moments(values)
            statistics = (
                mean, std, np.abs(values).mean(axis=0), skewness, kurtosis,
                kolmogorov_smirnov(values, mean, std),
            )  # fmt: skip
            for name, row in zip(_ARRAYS, statistics, strict=True):
                parts[name][c, part] = row
            quantiles[c, part] = np.quantile(values, LEVELS, axis=0).T
            counts[c, part] = histogram(values, edges[part])
    return Ranges(
        acts.layer,
        tuple(acts.label_names[c] for c in codes),
        np.array([len(rows) for rows in rows_of_label]),
        **parts,
        levels=LEVELS,
        quantiles=quantiles,
        edges=edges,
        histogram=counts,
        seen=frozenset(acts.samples.fingerprints()),
        call=acts.call,
        at=acts.at,
    )


def labelled(acts: Any) -> Activations:
    """`acts`, or a split's concepts as labelled activations; raises unless a sample has a label."""
    if hasattr(acts, "labelled"):
        acts = acts.labelled()
    if hasattr(acts, "so_far") or isinstance(acts, Mapping):
        acts = Activations.of(acts)
    if not isinstance(acts, Activations):
        raise TypeError("acts must be labelled Activations (from capture or from_arrays), or "
                        f"Concepts, got a {type(acts).__name__}.")  # fmt: skip
    if acts.labels is None or not (acts.labels >= 0).any():
        raise ValueError(
            f"layer {acts.layer!r} has no labels: use capture(..., labels=...), "
            "from_arrays(..., labels=...), or concepts.labelled()."
        )
    return acts


def _edges(values: list[np.ndarray], bins: int) -> np.ndarray:
    """Equal bins that hold all but the tails of every label: float64 `D x (bins + 1)`."""
    ends = np.stack([np.quantile(v, [TAIL, 1 - TAIL], axis=0) for v in values]).astype(np.float64)
    low, high = ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)
    margin = np.where(high > low, 0.05 * (high - low), np.maximum(0.5, np.abs(low) * 1e-3))
    return np.linspace(low - margin, high + margin, bins + 1, axis=1)


_ARRAYS = ("mean", "std", "magnitude", "skewness", "kurtosis", "ks")
