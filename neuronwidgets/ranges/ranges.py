"""Where each class lives on each neuron's activation axis: arXiv 2502.06809, steps 2 and 5."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations import Activations
from neuronwidgets.ranges.statistics import histogram, kolmogorov_smirnov, moments

BINS = 64
LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
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
        levels, quantiles: `Q` and float64 `C x D x Q`.
        edges, histogram: float64 `D x (B + 1)` and int64 `C x D x B`, each neuron's own bins, the
            same for all labels.
        seen: marks of the samples they are from (`Samples.marks`), so that what a mask costs is
            not measured on them.
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
    levels: tuple[float, ...]
    quantiles: np.ndarray
    edges: np.ndarray
    histogram: np.ndarray
    seen: frozenset[int] = frozenset()

    @property
    def neurons(self) -> int:
        """`D`."""
        return self.mean.shape[1]

    def label(self, label: Any) -> int:
        """The number of a label, given by its name or number."""
        if isinstance(label, str) and label in self.label_names:
            return self.label_names.index(label)
        whole = isinstance(label, int | np.integer) and not isinstance(label, bool)
        if whole and 0 <= label < len(self.label_names):
            return int(label)
        names = ", ".join(map(repr, self.label_names[:14]))
        raise ValueError(
            f"label {label!r} has no range here; the labels are {names} (or their numbers, 0 to "
            f"{len(self.label_names) - 1})."
        )

    def intervals(self, label: Any, tau: float = 2.0) -> np.ndarray:
        """`[mean - tau * std, mean + tau * std]` of one label on every neuron: float64 `D x 2`.

        `CR(j, c)` of the paper, for all neurons `j`; its `tau` is 2.0 to 2.5.
        """
        if not (isinstance(tau, int | float | np.number) and tau >= 0):
            raise ValueError(f"tau={tau!r}; a number of at least 0 is needed.")
        c = self.label(label)
        half = tau * self.std[c] if np.isfinite(tau) else np.full(self.neurons, np.inf)
        return np.stack([self.mean[c] - half, self.mean[c] + half], axis=1)

    def interval(self, neuron: int, label: Any, tau: float = 2.0) -> tuple[float, float]:
        """One neuron's interval for one label: `(low, high)`."""
        low, high = self.intervals(label, tau)[self._neuron(neuron)]
        return float(low), float(high)

    def overlap(self, neuron: int) -> np.ndarray:
        """How much of two labels' distributions coincides: float64 `C x C`, 0 to 1.

        The overlapping coefficient of the histograms, `sum_b min(p_b, q_b)`.
        """
        counts = self.histogram[:, self._neuron(neuron)]
        share = counts / counts.sum(axis=1, keepdims=True)
        return np.minimum(share[:, None], share[None]).sum(axis=2)

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
            f"<tr><td style='text-align:left'>{html.escape(name)}</td><td>{count:,}</td>"
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


def ranges(acts: Activations, bins: int = BINS) -> Ranges:
    """Statistics of each label on each neuron.

    Label-free: `ranges(concepts.labelled())` takes a split's concepts for labels.

    Args:
        acts: labelled activations. Unlabelled samples, and labels without samples, are left out.
        bins: of the histograms.

    Raises:
        ValueError: the activations have no labels.
    """
    if acts.labels is None or not (acts.labels >= 0).any():
        raise ValueError(
            f"layer {acts.layer!r} has no labels: give capture(..., labels=...), "
            "from_arrays(..., labels=...), or concepts.labelled()."
        )
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise ValueError(f"bins={bins!r}; a whole number of at least 1 is needed.")
    codes = [c for c in range(len(acts.label_names)) if (acts.labels == c).any()]
    members = [np.flatnonzero(acts.labels == c) for c in codes]
    known = np.flatnonzero(acts.labels >= 0)
    neurons = acts.shape[1]
    shape = (len(codes), neurons)
    parts = {name: np.empty(shape) for name in _ARRAYS}
    quantiles = np.empty((*shape, len(LEVELS)))
    counts = np.empty((*shape, bins), np.int64)
    edges = np.empty((neurons, bins + 1))
    step = max(1, _CHUNK // len(known))
    for first in range(0, neurons, step):
        part = slice(first, first + step)
        block = acts.values[:, part]
        low, high = block[known].min(axis=0), block[known].max(axis=0)
        edges[part] = np.linspace(low, high, bins + 1, axis=1)
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
        seen=frozenset(acts.samples.marks()),
    )


_ARRAYS = ("mean", "std", "magnitude", "skewness", "kurtosis", "ks")
