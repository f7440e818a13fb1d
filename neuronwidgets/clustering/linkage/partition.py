"""An order of samples in which near ones are close to each other, and its parts."""

from __future__ import annotations

import numpy as np
import torch


def principal_axes(points: torch.Tensor, most: int) -> torch.Tensor:
    """float64 `D x k`, orthonormal: about the directions in which float64 `points` vary most.

    `k` is `most`, or fewer for fewer points or columns. Two steps of subspace iteration (Halko,
    Martinsson and Tropp 2011, algorithm 4.4).
    """
    count, width = points.shape
    generator = torch.Generator().manual_seed(0)
    shape = width, min(most, width, count)
    start = torch.randn(shape, dtype=torch.float32, generator=generator)
    coarse, axes = points.float(), start.to(points.device)
    mean = coarse.mean(0)
    for _ in range(2):
        along = coarse @ axes - mean @ axes
        axes = torch.linalg.qr(coarse.T @ along - mean[:, None] * along.sum(0))[0]
    return torch.linalg.qr(axes.double())[0]


def bisect(along: np.ndarray, tile: int) -> tuple[np.ndarray, list[int]]:
    """Halve points across the axis of their largest variance until no part has more than `tile`.

    Args:
        along: float `S x axes`, the points along some axes.

    Returns:
        int64 `S`, the order of the points, and the edges between the parts, from 0 to `S`.
    """
    waiting, done, edges = [np.arange(len(along))], [], [0]
    while waiting:
        part = waiting.pop()
        if len(part) <= tile:
            done.append(part)
            edges.append(edges[-1] + len(part))
            continue
        values = along[part]
        part = part[np.argsort(values[:, values.var(0).argmax()], kind="stable")]
        middle = min(-(-len(part) // (2 * tile)) * tile, len(part) - 1)
        waiting += [part[middle:], part[:middle]]
    return np.concatenate(done), edges
