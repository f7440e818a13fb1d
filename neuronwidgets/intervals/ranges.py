"""Where each class lives on each neuron's activation axis: arXiv 2502.06809, steps 2 and 5."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.modes import own_modes
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
TAIL = 0.005
"""The share of a class's samples on either side that the histograms need not resolve."""
_CHUNK = 1 << 23


@dataclass(frozen=True, repr=False, eq=False)
class Ranges:
    """Statistics of `C` labels on `D` neurons.

    Attributes:
        layer: the layer they are from.
        label_names: the `C` labels, in the order of the arrays.
        count: int64 `C`, samples of each label.
        mean, std: float64 `C x D`; `std` is the population's.
        magnitude: float64 `C x D`, mean absolute activation (the authors' "max activation").
        skewness, kurtosis: float64 `C x D`; a normal distribution has 0 and 3.
        ks: float64 `C x D`, Kolmogorov-Smirnov distance from the fitted normal.
        levels, quantiles: float64 `Q` (0 and 1 at the ends, in between those of every quarter of
            a normal deviation) and float64 `C x D x Q`.
        edges, histogram: float64 `D x (B + 1)` and int32 `C x D x B`, each neuron's own equal bins,
            the same for all labels; what lies beyond is counted in the first and last.
        seen: marks of the samples they are from (`Samples.marks`), so that what a mask costs is
            not measured on them.
        call: which of the layer's answers in a pass they are from; `None` where that is unknown.
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

    @property
    def neurons(self) -> int:
        """`D`."""
        return self.mean.shape[1]

    def label(self, label: Any) -> int:
        """The place of a label, given by its name, or by its place. Labels that are numbers
        themselves are meant by their value, whether as `5` or as `"5"`."""
        whole = isinstance(label, int | np.integer) and not isinstance(label, bool)
        name = str(label) if whole and self._numeric else label
        if isinstance(name, str) and name in self.label_names:
            return self.label_names.index(name)
        if whole and not self._numeric and 0 <= label < len(self.label_names):
            return int(label)
        names = ", ".join(map(repr, self.label_names[:14]))
        places = "" if self._numeric else f" (or their places, 0 to {len(self.label_names) - 1})"
        raise ValueError(f"label {label!r} has no range here; the labels are {names}{places}.")

    @property
    def _numeric(self) -> bool:
        return all(name.isdecimal() for name in self.label_names)

    @own_modes()
    def intervals(self, label: Any, tau: float = 2.0, rule: str = "gaussian") -> np.ndarray:
        """One label's range on every neuron: float64 `D x P x 2`, `P` pieces `[low, high]`.

        A neuron with fewer pieces has NaN for the rest. Ends belong to the range.

        Args:
            label: its name or number.
            tau: the width, in standard deviations (the paper: 2.0 to 2.5); infinite: everything.
            rule: "gaussian", `CR(j, c) = [mean - tau * std, mean + tau * std]` of the paper;
                "quantile", as much of the samples as `tau` is of a normal distribution; or
                "discriminative", as much on average over the neurons, and where the label
                outweighs the others most, in one, several or no pieces (`rules.least_shares`;
                to a hundredth of `tau`).

        Raises:
            ValueError: the label has a single sample, or the rule or width is unknown.
        """
        if not (isinstance(tau, int | float | np.number) and tau >= 0):
            raise ValueError(f"tau={tau!r}; a number of at least 0 is needed.")
        if rule not in RULES:
            raise ValueError(f"rule={rule!r}; one of {', '.join(map(repr, RULES))} is needed.")
        c = self.label(label)
        if self.count[c] < 2:
            raise ValueError(
                f"label {self.label_names[c]!r} has a single sample: a range needs at least two. "
                "Capture more of it, or leave it out (None among the labels)."
            )
        if not np.isfinite(tau):
            return np.tile([-np.inf, np.inf], (self.neurons, 1, 1))
        if rule == "gaussian":
            return gaussian(self.mean[c], self.std[c], tau)
        if rule == "quantile":
            return quantile(self.quantiles[c], tau)
        # Halves up, as the view rounds.
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
        found = self.intervals(label, tau, rule)[self._neuron(neuron)]
        return found[~np.isnan(found[:, 0])]

    @cached_property
    @own_modes()
    def densities(self) -> np.ndarray:
        """The histograms smoothed: float32 `C x D x B`, each row a share that sums to 1.

        A Gaussian kernel of Silverman's width (1986, eq. 3.31), for each label and neuron.
        """
        middle = np.searchsorted(SCORES, [-0.75, 0.75])
        spread = np.diff(self.quantiles[..., middle], axis=-1)[..., 0] / 1.5
        spread = np.where(spread > 0, np.minimum(spread, self.std), self.std)
        bins = self.edges[:, 1] - self.edges[:, 0]
        width = 0.9 * spread * self.count[:, None] ** -0.2 / bins
        labels, _, count = self.histogram.shape
        made = np.empty((labels, self.neurons, count), np.float32)
        step = max(1, _CHUNK // (4 * labels * count))
        for first in range(0, self.neurons, step):
            part = slice(first, first + step)
            made[:, part] = smoothed(self.histogram[:, part], width[:, part])
        return made

    @cached_property
    @own_modes()
    def least(self) -> np.ndarray:
        """What share of the density each width of a discriminative range asks for: `C x 401 x
        2`, see `rules.least_shares`."""
        every = range(len(self.label_names))
        return np.stack([least_shares(self.densities[c], self._others(c)) for c in every])

    @own_modes()
    def first_widths(self, neuron: int) -> np.ndarray:
        """The narrowest discriminative range of each label that each bin is in: uint16 `C x B`,
        see `rules.first_widths`."""
        own = self.densities[:, self._neuron(neuron)]
        others = (self._sum[neuron] - own) / max(1, len(own) - 1)
        return first_widths(own, others, self.least)

    @own_modes()
    def of_neuron(self, neuron: int) -> Ranges:
        """The ranges of one neuron alone, `D` = 1; its discriminative ones are as among all."""
        j = slice(self._neuron(neuron), neuron + 1)
        names = (*_ARRAYS, "quantiles", "histogram")
        parts: dict[str, Any] = {name: getattr(self, name)[:, j] for name in names}
        made = replace(self, **parts, edges=self.edges[j])
        made.__dict__.update(densities=self.densities[:, j], least=self.least)
        return made

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
        """How much of two labels' distributions coincides: float64 `C x C`, 0 to 1.

        The overlapping coefficient of the smoothed histograms, `sum_b min(p_b, q_b)`.
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
        whole = isinstance(neuron, int | np.integer) and not isinstance(neuron, bool)
        if not whole or not 0 <= neuron < self.neurons:
            raise IndexError(
                f"neuron {neuron!r} is not in layer {self.layer!r}, which has {self.neurons:,} "
                f"neurons: 0 to {self.neurons - 1:,}."
            )
        return int(neuron)

    def __repr__(self) -> str:
        return (
            f"Ranges(layer={self.layer!r}, {len(self.label_names)} labels x {self.neurons:,} "
            f"neurons, from {int(self.count.sum()):,} samples)"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left' dir='auto'>{html.escape(name)}</td><td>{count:,}</td>"
            f"<td>{np.nanmedian(skew):.2f}</td><td>{np.nanmedian(kurt):.2f}</td>"
            f"<td>{np.nanmedian(ks):.3f}</td></tr>"
            for name, count, skew, kurt, ks in zip(
                self.label_names, self.count, *map(_median_ready, (self.skewness, self.kurtosis,
                self.ks)), strict=True,
            )
        )  # fmt: skip
        return (
            f"<p>{html.escape(repr(self))}; medians over neurons</p><table><thead><tr><th>label"
            "</th><th>samples</th><th>skewness</th><th>kurtosis</th><th>KS to normal</th></tr>"
            f"</thead><tbody>{rows}</tbody></table>"
        )


def _median_ready(values: np.ndarray) -> np.ndarray:
    """Rows without any number would make `nanmedian` warn: zero them."""
    return np.where(np.isnan(values).all(axis=1, keepdims=True), 0, values)


@own_modes()
def ranges(acts: Activations, bins: int = BINS) -> Ranges:
    """Statistics of each label on each neuron.

    Label-free: `ranges(concepts.labelled())` takes a split's concepts for labels.

    Args:
        acts: labelled activations. Unlabelled samples, and labels without samples, are left out.
        bins: of the histograms.

    Raises:
        ValueError: the activations have no labels.
    """
    acts = labelled(acts)
    assert acts.labels is not None
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise ValueError(f"bins={bins!r}; a whole number of at least 1 is needed.")
    codes = [c for c in range(len(acts.label_names)) if (acts.labels == c).any()]
    members = [np.flatnonzero(acts.labels == c) for c in codes]
    known = np.flatnonzero(acts.labels >= 0)
    neurons = acts.shape[1]
    shape = (len(codes), neurons)
    parts = {name: np.empty(shape) for name in _ARRAYS}
    quantiles = np.empty((*shape, len(LEVELS)))
    counts = np.empty((*shape, bins), np.int32)
    edges = np.empty((neurons, bins + 1))
    step = max(1, _CHUNK // len(known))
    for first in range(0, neurons, step):
        part = slice(first, first + step)
        block = acts.values[:, part]
        edges[part] = _edges([block[rows] for rows in members], bins)
        for c, rows in enumerate(members):
            values = block[rows].astype(np.float64)
            mean, std, skewness, kurtosis = moments(values)
            found = (
                mean, std, np.abs(values).mean(axis=0), skewness, kurtosis,
                kolmogorov_smirnov(values, mean, std),
            )  # fmt: skip
            for name, row in zip(_ARRAYS, found, strict=True):
                parts[name][c, part] = row
            quantiles[c, part] = np.quantile(values, LEVELS, axis=0).T
            counts[c, part] = histogram(values, edges[part])
    return Ranges(
        acts.layer,
        tuple(acts.label_names[c] for c in codes),
        np.array([len(rows) for rows in members]),
        **parts,
        levels=LEVELS,
        quantiles=quantiles,
        edges=edges,
        histogram=counts,
        seen=frozenset(acts.samples.fingerprints()),
        call=acts.call,
    )


def labelled(acts: Any) -> Activations:
    """`acts`, or a split's concepts as activations; refused in words if nothing has a label."""
    if hasattr(acts, "labelled"):
        acts = acts.labelled()
    if hasattr(acts, "so_far"):
        acts = Activations.of(acts)
    if not isinstance(acts, Activations):
        raise TypeError(f"acts is a {type(acts).__name__}; labelled Activations (from capture or "
                        "from_arrays), or Concepts, are needed.")  # fmt: skip
    if acts.labels is None or not (acts.labels >= 0).any():
        raise ValueError(
            f"layer {acts.layer!r} has no labels: give capture(..., labels=...), "
            "from_arrays(..., labels=...), or concepts.labelled()."
        )
    return acts


def _edges(values: list[np.ndarray], bins: int) -> np.ndarray:
    """Equal bins that hold the bulk of every class: float64 `D x (bins + 1)`."""
    ends = np.stack([np.quantile(v, [TAIL, 1 - TAIL], axis=0) for v in values]).astype(np.float64)
    low, high = ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)
    margin = np.where(high > low, 0.05 * (high - low), np.maximum(0.5, np.abs(low) * 1e-3))
    return np.linspace(low - margin, high + margin, bins + 1, axis=1)


_ARRAYS = ("mean", "std", "magnitude", "skewness", "kurtosis", "ks")
