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

ROUNDING = 1e-7
"""Singular values below this share of the largest may be rounding errors, because their squares
are computed."""


@dataclass(frozen=True)
class MatrixSizes:
    """Sizes up to which each algorithm is used. A matrix's size is the smaller of `S` and `D`.

    Attributes:
        gram: size up to which the matrix of dot products is kept in memory (0.13 GB). Above it
            Lanczos' method reads the activations about 30 times or more.
        full: size up to which all directions are computed at once. Above it Lanczos' method
            computes `k`.
        block: numbers read at once: 34 MB in float64.
    """

    gram: int = 4096
    full: int = 1024
    block: int = 1 << 22


@dataclass(frozen=True, repr=False, eq=False)
class SingularDirections:
    """The directions along which a layer varies most, strongest first.

    Attributes:
        layer: the layer's name.
        directions: float64 `k x D`, right singular vectors of the `S x D` activations, of unit
            length and orthogonal; the largest component of each is positive.
        values: float64 `k`, their singular values.
        explained: float64 `k`, the share of the sum of all squares (of the variance, if centered)
            along each direction.
        centered: whether the mean was subtracted.
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


def singular_directions(acts: Any, k: int = 10, center: bool = False) -> SingularDirections:
    """The `k` right singular vectors of a layer's activations with the largest singular values.

    `nw.split(acts, result.directions[0])` splits along one. A direction has two ends: the top
    samples of `-directions[0]` are others.

    Computed in float64 from the dot products of neurons (or of samples, if these are fewer). The
    activations are read in blocks, so those on disk take the memory of one block and the products.

    Args:
        acts: the layer's activations, or a plain `S x D` array.
        k: the number of directions; fewer are returned if the others are rounding errors.
        center: subtract the mean first (principal components); the paper does not.

    Raises:
        ValueError: more than `min(S, D)` directions, or activations that are all zero (with
            `center`: all the same).
    """
    return decomposed(acts, k, center)


@own_modes()
def decomposed(
    acts: Any, k: int, center: bool, *, sizes: MatrixSizes = MatrixSizes()
) -> SingularDirections:
    """`singular_directions` with given `sizes`."""
    acts = Activations.of(acts)
    k, least = integer("k", k, 1), min(acts.shape)
    if k > least:
        raise ValueError(
            f"k must be at most {least:,}, the number of singular directions of "
            f"{acts.shape[0]:,} samples of {acts.shape[1]:,} neurons; got {k:,}."
        )
    matrix = _Blocks(acts, center, sizes.block)
    # The mean has a rounding error.
    if matrix.total <= 1e-24 * len(acts) * (matrix.mean**2).sum():
        same = "the same on every sample" if center else "zero"
        raise ValueError(f"layer {acts.layer!r} is {same}: it has no singular directions.")
    if not np.isfinite(matrix.total):
        raise ValueError(
            f"layer {acts.layer!r} holds numbers whose squares do not fit in float64: bring them "
            "to a smaller scale."
        )
    by_samples = acts.shape[0] < acts.shape[1]
    squares, vectors = _largest(matrix, by_samples, k, sizes)
    values = np.sqrt(np.maximum(squares, 0))
    kept = values > ROUNDING * values[0]
    values, vectors = values[kept], vectors[:, kept]
    if by_samples:
        vectors = matrix.right_vectors(vectors) / values
    vectors = vectors / np.linalg.norm(vectors, axis=0)
    peak = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))]
    directions = (vectors * np.where(peak < 0, -1, 1)).T
    return SingularDirections(
        acts.layer, directions, values, values**2 / matrix.total, bool(center)
    )


class _Blocks:
    """`S x D` activations as float64, a block of rows or columns (`block` numbers) at a time."""

    def __init__(self, acts: Activations, center: bool, block: int) -> None:
        self.values, self.shape, self.block = acts.values, acts.shape, block
        self.mean = np.zeros(acts.shape[1])
        if center:
            self.mean = sum(block.sum(axis=0) for _, block in self.rows()) / len(acts)
        with np.errstate(over="ignore", invalid="ignore"):
            self.total = float(sum((block**2).sum() for _, block in self.rows()))

    def rows(self) -> Iterator[tuple[slice, np.ndarray]]:
        step = max(1, self.block // self.shape[1])
        for start in range(0, self.shape[0], step):
            part = slice(start, start + step)
            yield part, self.values[part].astype(np.float64) - self.mean

    def columns(self) -> Iterator[tuple[slice, np.ndarray]]:
        step = max(1, self.block // self.shape[0])
        for start in range(0, self.shape[1], step):
            part = slice(start, start + step)
            yield part, self.values[:, part].astype(np.float64) - self.mean[part]

    def gram(self, by_samples: bool) -> np.ndarray:
        """The dot products of neurons, `D x D`, or of samples, `S x S`."""
        out = np.zeros((min(self.shape),) * 2)
        for _, block in self.columns() if by_samples else self.rows():
            out += block @ block.T if by_samples else block.T @ block
        return out

    def times(self, by_samples: bool, vector: np.ndarray) -> np.ndarray:
        """The product of `gram(by_samples)` and a vector, without that matrix."""
        out = np.zeros(len(vector))
        for _, block in self.columns() if by_samples else self.rows():
            out += block @ (vector @ block) if by_samples else (block @ vector) @ block
        return out

    def right_vectors(self, left: np.ndarray) -> np.ndarray:
        """Right singular vectors, `D x k`, times their singular values, from left ones, `S x k`."""
        return np.concatenate([block.T @ left for _, block in self.columns()])


def _largest(
    matrix: _Blocks, by_samples: bool, k: int, sizes: MatrixSizes
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` largest eigenvalues of the dot products, largest first, and their vectors."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import LinearOperator, eigsh

    size = min(matrix.shape)
    if size <= sizes.full or k > size // 10:
        values, vectors = eigh(matrix.gram(by_samples), subset_by_index=[size - k, size - 1])
    else:
        if size <= sizes.gram:
            products: Any = matrix.gram(by_samples)
        else:
            products = LinearOperator(
                (size, size), lambda x: matrix.times(by_samples, np.ravel(x)), dtype=np.float64
            )
        # Lanczos' method starts from a random vector; the seed makes the result deterministic.
        start = np.random.default_rng(0).normal(size=size)
        values, vectors = eigsh(products, k, which="LA", v0=start)
    order = np.argsort(-values, kind="stable")
    return values[order], vectors[:, order]
