"""The map of a layer: a cell for each neuron, so that neighbours share top samples.

Neurons are embedded by their top samples (weighted by rarity, reduced by a randomized SVD: Halko,
Martinsson, Tropp 2011), bisected along principal axes together with the cells of a rectangle, and
then assigned to the cells of small tiles again and again (as in FLAS: Barthel, Hezel, Jung,
Schall 2023). Nothing is drawn at random but the SVD's start, whose seed is fixed.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

ASPECT = 1.4
"""Columns for each row."""
DIMENSIONS = 32
"""Dimensions of the embedding. More do not bring neighbours that share more."""
OVERSAMPLING = 8
"""Further dimensions, and the number of products that sharpen them (`POWER`)."""
POWER = 2
LEAF = 8
"""Neurons that are not bisected any more: the tiles order them."""
TURNS = 8
"""Steps of the power iteration that finds a principal axis: the direction need not be exact."""
RADII = (4, 4, 3, 3, 2, 2, 2, 1, 1, 1)
"""How far, in cells, the neighbours reach to which a tile's neurons are fitted, pass by pass."""
TILE = 10
"""Cells of a tile's side."""
PAIRS = 20_000
"""Pairs of neurons drawn for the control."""


@dataclass(frozen=True, eq=False)
class Placement:
    """The cells of `N` neurons.

    Attributes:
        columns, rows: the size of the rectangle. Neurons without top samples come last.
        column, row: int16 `N`, a cell for each neuron.
        shared: the share of the top samples that two neurons side by side have in common, mean.
        chance: the same for pairs drawn at random: the control.
    """

    columns: int
    rows: int
    column: np.ndarray
    row: np.ndarray
    shared: float
    chance: float


def placement(top: np.ndarray, samples: int) -> Generator[float, None, Placement]:
    """Place `N` neurons by their top samples; each step yields the share that is done.

    Args:
        top: int `N x n`, rows of the activations; -1: fewer.
        samples: how many samples there are.
    """
    from threadpoolctl import threadpool_limits

    count = len(top)
    rows = max(1, round(math.sqrt(count / ASPECT)))
    columns = -(-count // rows)
    rows = -(-count // columns)
    alive = np.flatnonzero((top >= 0).any(axis=1))
    order = np.concatenate([alive, np.setdiff1d(np.arange(count), alive)])
    cell = np.empty(count, np.int64)
    cell[order] = np.arange(count)
    # Small products on several threads wait for each other.
    with threadpool_limits(1, "blas"):
        if len(alive) > 2:
            points = _embedding(top[alive], samples)
    yield 0.3
    with threadpool_limits(1, "blas"):
        if len(alive) > 2:
            cell[alive] = _bisected(points, columns)
    yield 0.6
    for number, radius in enumerate(RADII if len(alive) > 2 else ()):
        with threadpool_limits(1, "blas"):
            cell[alive] = _fitted(points, cell[alive], columns, rows, radius, number)
        yield 0.6 + 0.3 * (number + 1) / len(RADII)
    column, row = (part.astype(np.int16) for part in (cell % columns, cell // columns))
    return Placement(columns, rows, column, row, *_shared(top, cell, columns, samples))


def _membership(top: np.ndarray, samples: int) -> tuple[Any, np.ndarray]:
    """A sparse matrix of ones, neurons x samples; and how many top samples each neuron has."""
    from scipy.sparse import csr_matrix

    known = top >= 0
    sizes = known.sum(axis=1)
    start = np.concatenate([[0], np.cumsum(sizes)])
    ones = np.ones(start[-1], np.float32)
    return csr_matrix((ones, top[known], start), shape=(len(top), samples)), sizes


def _embedding(top: np.ndarray, samples: int) -> np.ndarray:
    """float32 `N x 32`: neurons with the same top samples are near, rare samples count more."""
    member, sizes = _membership(top, samples)
    weight = np.log(len(top) / np.maximum(np.bincount(member.indices, minlength=samples), 1))
    values = (weight + 1 / len(top)).astype(np.float32)[member.indices]
    starts = np.cumsum(sizes) - sizes
    norm = np.sqrt(np.add.reduceat(values**2, starts))
    member.data = values / np.repeat(norm, sizes)
    across = member.T.tocsr()
    dimensions = min(DIMENSIONS, samples, len(top))
    wide = min(dimensions + OVERSAMPLING, samples, len(top))
    basis = np.random.default_rng(0).standard_normal((samples, wide)).astype(np.float32)
    for _ in range(POWER):
        basis, _ = np.linalg.qr(across @ (member @ basis))
    left, scale, _ = np.linalg.svd(member @ basis, full_matrices=False)
    points: np.ndarray = left[:, :dimensions] * scale[:dimensions]
    return points


def _bisected(points: np.ndarray, columns: int) -> np.ndarray:
    """int64 `N`: a cell for each neuron, of the first `N` of the rectangle.

    Cells are cut in two across their longer side, neurons along their principal axis. The sides of
    an axis are those of the cut before it that had the same direction.
    """
    cells = np.arange(len(points))
    place = np.stack([cells % columns, cells // columns], axis=1)
    out = np.empty(len(points), np.int64)
    none = np.zeros(points.shape[1], points.dtype)
    waiting = [(cells, cells, (none, none))]
    while waiting:
        neurons, free, axes = waiting.pop()
        if len(neurons) <= LEAF:
            out[neurons] = free
            continue
        where = place[free]
        across = int(np.ptp(where[:, 1]) > np.ptp(where[:, 0]))
        centred = points[neurons] - points[neurons].mean(axis=0)
        axis = _principal_axis(centred, axes[across])
        half = len(neurons) // 2
        by_axis = np.argsort(centred @ axis, kind="stable")
        by_place = np.lexsort((where[:, 1 - across], where[:, across]))
        kept = (axis, axes[1]) if across == 0 else (axes[0], axis)
        waiting += [
            (neurons[by_axis[part]], free[by_place[part]], kept)
            for part in (slice(None, half), slice(half, None))
        ]
    return out


def _principal_axis(centred: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The direction of the largest variance, on the side of the axis `before` it."""
    covariance = centred.T @ centred
    axis = covariance[int(np.argmax(np.diagonal(covariance)))]
    for _ in range(TURNS):
        norm = np.sqrt(axis @ axis)
        if norm == 0:
            return before
        axis = covariance @ (axis / norm)
    side = axis @ before
    if side == 0:
        side = axis[np.argmax(np.abs(axis))]
    return axis if side >= 0 else -axis


def _fitted(
    points: np.ndarray, cell: np.ndarray, columns: int, rows: int, radius: int, number: int
) -> np.ndarray:
    """Assign the neurons of each tile to its cells anew: int64 `N`.

    Each cell asks for the mean of the neurons around it. Tiles shift from pass to pass.
    """
    from scipy.ndimage import uniform_filter
    from scipy.optimize import linear_sum_assignment

    norm = np.linalg.norm(points, axis=1, keepdims=True)
    unit = points / np.where(norm > 0, norm, 1)
    neuron_at = np.full(columns * rows, -1)
    neuron_at[cell] = np.arange(len(cell))
    field = np.zeros((columns * rows, points.shape[1]), np.float32)
    field[cell] = unit
    size = 2 * radius + 1
    around = uniform_filter(
        field.reshape(rows, columns, -1), (size, size, 1), mode="constant"
    ).reshape(columns * rows, -1)
    length = np.linalg.norm(around, axis=1, keepdims=True)
    around /= np.where(length > 0, length, 1)
    shift_x, shift_y = number % 2 * TILE // 2, number // 2 % 2 * TILE // 2
    for y in range(-shift_y, rows, TILE):
        lines = np.arange(max(0, y), min(rows, y + TILE))[:, None] * columns
        for x in range(-shift_x, columns, TILE):
            tile = (lines + np.arange(max(0, x), min(columns, x + TILE))).ravel()
            tile = tile[neuron_at[tile] >= 0]
            neurons = neuron_at[tile]
            fit = unit[neurons] @ around[tile].T
            chosen, to = linear_sum_assignment(fit, maximize=True)
            neuron_at[tile[to]] = neurons[chosen]
    out = np.empty(len(cell), np.int64)
    taken = np.flatnonzero(neuron_at >= 0)
    out[neuron_at[taken]] = taken
    return out


def _shared(top: np.ndarray, cell: np.ndarray, columns: int, samples: int) -> tuple[float, float]:
    """The mean share of common top samples: of neurons side by side, and of random pairs."""
    alive = np.flatnonzero((top >= 0).any(axis=1))
    if len(alive) < 2:
        return 0.0, 0.0
    member, sizes = _membership(top, samples)
    neuron_at = np.full((int(cell.max()) // columns + 1) * columns, -1)
    neuron_at[cell[alive]] = alive
    grid = neuron_at.reshape(-1, columns)
    beside = [
        np.stack([one.ravel(), other.ravel()])
        for one, other in ((grid[:, :-1], grid[:, 1:]), (grid[:-1], grid[1:]))
    ]
    near = np.concatenate(beside, axis=1)
    near = near[:, (near >= 0).all(axis=0)]
    rng = np.random.default_rng(0)
    one = rng.integers(0, len(alive), PAIRS)
    other = (one + rng.integers(1, len(alive), PAIRS)) % len(alive)

    def mean(pairs: np.ndarray) -> float:
        common = member[pairs[0]].multiply(member[pairs[1]]).sum(axis=1)
        fewest = np.minimum(sizes[pairs[0]], sizes[pairs[1]])
        return float((np.asarray(common).ravel() / fewest).mean())

    return mean(near), mean(alive[np.stack([one, other])])
