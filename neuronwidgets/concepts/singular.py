"""Directions of a whole layer: right singular vectors of its activations.

O'Mahony et al. (arXiv 2304.09707) split these beside the neurons' axes ("SVD directions").
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.checks import integer
from neuronwidgets.core.modes import own_modes
from neuronwidgets.display.html import table

GRAM = 4096
"""Up to so many neurons or samples, the smaller number counts, their products are kept (0.13 GB)
and decomposed; above, Lanczos' method reads the activations about 30 times or more."""
FULL = 1024
"""Up to so many, all directions are found at once; above, Lanczos' method finds `k`."""
BLOCK = 1 << 22
"""Numbers read at once: 34 MB in float64."""
ROUNDING = 1e-7
"""Singular values below this share of the largest cannot be told from rounding: their squares are
what is decomposed."""


@dataclass(frozen=True, repr=False, eq=False)
class SingularDirections:
    """The directions along which a layer varies most, strongest first.

    Attributes:
        layer: the layer's name.
        directions: float64 `k x D`, right singular vectors of the `S x D` activations, of unit
            length and orthogonal; the largest component of each is positive.
        values: float64 `k`, their singular values.
        explained: float64 `k`, each one's share of the sum of all squares (of the variance, if
            centered).
        centered: whether the mean was taken away before.
    """

    layer: str
    directions: np.ndarray
    values: np.ndarray
    explained: np.ndarray
    centered: bool

    def __len__(self) -> int:
        return len(self.directions)

    def __repr__(self) -> str:
        kind = "centered, " if self.centered else ""
        return (
            f"SingularDirections({len(self)} of layer {self.layer!r}, {kind}"
            f"{self.explained.sum():.0%} of the sum of squares)"
        )

    def _repr_html_(self) -> str:
        rows = [
            (str(i), f"{value:.4g}", f"{share:.1%}")
            for i, (value, share) in enumerate(zip(self.values, self.explained, strict=True))
        ]
        head = ("direction", "singular value", "explained")
        return f"<p>{html.escape(repr(self))}</p>{table(head, rows)}"


@own_modes()
def singular_directions(acts: Any, k: int = 10, center: bool = False) -> SingularDirections:
    """The `k` right singular vectors of a layer's activations with the largest singular values.

    `nw.split(acts, found.directions[0])` splits one. A direction has two ends: `-directions[0]`
    has other top samples.

    Computed in float64 from the products of neurons (or of samples, where these are fewer), read
    in blocks: activations on disk take the memory of one block and of these products.

    Args:
        acts: the layer's activations, or a plain `S x D` array.
        k: how many; fewer come back where the rest is nothing but rounding.
        center: take the mean away first (principal components); the paper does not.

    Raises:
        ValueError: more than `min(S, D)` directions, or activations that are all zero (with
            `center`: all the same).
    """
    acts = Activations.of(acts)
    k, least = integer("k", k, 1), min(acts.shape)
    if k > least:
        raise ValueError(
            f"k={k:,} is more than there is: {acts.shape[0]:,} samples of {acts.shape[1]:,} "
            f"neurons have at most {least:,} singular directions."
        )
    matrix = _Blocks(acts, center)
    # A mean has rounding, too.
    if matrix.total <= 1e-24 * len(acts) * (matrix.mean**2).sum():
        same = "the same on every sample" if center else "zero"
        raise ValueError(f"layer {acts.layer!r} is {same}: it has no singular directions.")
    if not np.isfinite(matrix.total):
        raise ValueError(
            f"layer {acts.layer!r} holds numbers whose squares do not fit in float64: bring them "
            "to a smaller scale."
        )
    by_samples = acts.shape[0] < acts.shape[1]
    squares, found = _largest(matrix, by_samples, k)
    values = np.sqrt(np.maximum(squares, 0))
    kept = values > ROUNDING * values[0]
    values, found = values[kept], found[:, kept]
    if by_samples:
        found = matrix.back(found) / values
    found = found / np.linalg.norm(found, axis=0)
    peak = found[np.abs(found).argmax(axis=0), np.arange(len(values))]
    directions = (found * np.where(peak < 0, -1, 1)).T
    return SingularDirections(
        acts.layer, directions, values, values**2 / matrix.total, bool(center)
    )


class _Blocks:
    """`S x D` activations as float64, a block of rows or of columns at a time."""

    def __init__(self, acts: Activations, center: bool) -> None:
        self.values, self.shape = acts.values, acts.shape
        self.mean = np.zeros(acts.shape[1])
        if center:
            self.mean = sum(block.sum(axis=0) for _, block in self.rows()) / len(acts)
        with np.errstate(over="ignore", invalid="ignore"):
            self.total = float(sum((block**2).sum() for _, block in self.rows()))

    def rows(self) -> Iterator[tuple[slice, np.ndarray]]:
        step = max(1, BLOCK // self.shape[1])
        for start in range(0, self.shape[0], step):
            part = slice(start, start + step)
            yield part, self.values[part].astype(np.float64) - self.mean

    def columns(self) -> Iterator[tuple[slice, np.ndarray]]:
        step = max(1, BLOCK // self.shape[0])
        for start in range(0, self.shape[1], step):
            part = slice(start, start + step)
            yield part, self.values[:, part].astype(np.float64) - self.mean[part]

    def gram(self, by_samples: bool) -> np.ndarray:
        """The products of neurons, `D x D`, or of samples, `S x S`."""
        out = np.zeros((min(self.shape),) * 2)
        for _, block in self.columns() if by_samples else self.rows():
            out += block @ block.T if by_samples else block.T @ block
        return out

    def times(self, by_samples: bool, vector: np.ndarray) -> np.ndarray:
        """The same matrix of products times a vector, without keeping it."""
        out = np.zeros(len(vector))
        for _, block in self.columns() if by_samples else self.rows():
            out += block @ (vector @ block) if by_samples else (block @ vector) @ block
        return out

    def back(self, left: np.ndarray) -> np.ndarray:
        """From left singular vectors, `S x k`, to right ones, `D x k`, times their values."""
        return np.concatenate([block.T @ left for _, block in self.columns()])


def _largest(matrix: _Blocks, by_samples: bool, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` largest eigenvalues of the products, largest first, and their vectors."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import LinearOperator, eigsh

    size = min(matrix.shape)
    if size <= FULL or k > size // 10:
        values, vectors = eigh(matrix.gram(by_samples), subset_by_index=[size - k, size - 1])
    else:
        if size <= GRAM:
            products: Any = matrix.gram(by_samples)
        else:
            products = LinearOperator(
                (size, size), lambda x: matrix.times(by_samples, np.ravel(x)), dtype=np.float64
            )
        # Where Lanczos' method begins is drawn, from a seed: the same input, the same result.
        start = np.random.default_rng(0).normal(size=size)
        values, vectors = eigsh(products, k, which="LA", v0=start)
    order = np.argsort(-values, kind="stable")
    return values[order], vectors[:, order]
