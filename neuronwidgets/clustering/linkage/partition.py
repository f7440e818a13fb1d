"""Principal axes of points, and an order in which near points are near each other."""

from __future__ import annotations

import numpy as np
import torch

AXES = 32
"""Directions, at most, that are looked at."""


def axes(points: torch.Tensor) -> torch.Tensor:
    """float64 `D x AXES`, orthonormal: about the directions in which float64 `points` vary most.

    Two steps of subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4).
    """
    count, width = points.shape
    generator = torch.Generator().manual_seed(0)
    shape = width, min(AXES, width, count)
    start = torch.randn(shape, dtype=torch.float32, generator=generator)
    coarse, found = points.float(), start.to(points.device)
    mean = coarse.mean(0)
    for _ in range(2):
        along = coarse @ found - mean @ found
        found = torch.linalg.qr(coarse.T @ along - mean[:, None] * along.sum(0))[0]
    return torch.linalg.qr(found.double())[0]


def halves(along: np.ndarray, tile: int) -> tuple[np.ndarray, list[int]]:
    """Halve points across the axis of their largest variance until `tile` or less are together.

    Args:
        along: float `S x axes`.

    Returns:
        int64 `S`, the order of the points, and the edges between the parts, from 0 to `S`.
    """
    todo, done, edges = [np.arange(len(along))], [], [0]
    while todo:
        part = todo.pop()
        if len(part) <= tile:
            done.append(part)
            edges.append(edges[-1] + len(part))
            continue
        some = along[part]
        part = part[np.argsort(some[:, some.var(0).argmax()], kind="stable")]
        middle = min(-(-len(part) // (2 * tile)) * tile, len(part) - 1)
        todo += [part[middle:], part[:middle]]
    return np.concatenate(done), edges
