"""What a table shows of every neuron of a layer: histogram, top samples, least and largest value.

A layer is read in blocks of rows, so that one on disk is read once for each pass.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.store.matrix import Stored

if TYPE_CHECKING:
    import torch

BINS = 32
"""Bins of a histogram."""
BLOCK = 1 << 25
"""Activations that are read in one step: 128 MB of float32."""
WIDTH = 1 << 22
"""Activations that are worked on at once: 16 MB, so that a step's results stay small."""

Steps = Generator[float, None, Any]


@dataclass(frozen=True, eq=False)
class Extremes:
    """The least, largest and top samples of `D` neurons.

    Attributes:
        least, largest: float32 `D`; NaN where a neuron has NaN values only.
        top: int32 `D x T`, the rows with the largest values, largest first, ties to the smaller
            row; -1 after the last of a neuron with fewer. Rows at the least value do not count, if
            several rows are there (the zeros of a ReLU), and neither do NaN values.
    """

    least: np.ndarray
    largest: np.ndarray
    top: np.ndarray


def extremes(values: np.ndarray | Stored, top: int) -> Generator[float, None, Extremes]:
    """The extremes of `S x D` values; each step yields the share that is done."""
    count, width = values.shape
    top = min(top, count)
    least, largest = np.full(width, np.inf, "f4"), np.full(width, -np.inf, "f4")
    value = np.full((width, top), -np.inf, "f4")
    row = np.full((width, top), count, np.int64)
    at_least = np.zeros(width, np.int64)
    for rows, columns, block in _blocks(values):
        smallest = block.amin(dim=1)
        if smallest.isnan().any():
            smallest = block.nan_to_num(np.inf, np.inf, -np.inf).amin(dim=1)
            block = block.nan_to_num(-np.inf, np.inf, -np.inf)
        lowest = smallest.numpy()
        best, index = _top(block, top)
        both_value = np.concatenate([value[columns], best], axis=1)
        both_row = np.concatenate([row[columns], index + rows.start], axis=1)
        # Rows come in order: of equal values the first in this table are the smaller rows.
        order = np.argsort(-both_value, axis=1, kind="stable")[:, :top]
        value[columns] = np.take_along_axis(both_value, order, 1)
        row[columns] = np.take_along_axis(both_row, order, 1)
        at_lowest = _counted(block, lowest, value[columns, -1])
        equal, lower = lowest == least[columns], lowest < least[columns]
        at_least[columns] = np.where(
            lower, at_lowest, at_least[columns] + np.where(equal, at_lowest, 0)
        )
        least[columns] = np.minimum(least[columns], lowest)
        largest[columns] = np.maximum(largest[columns], best[:, 0])
        yield (rows.start + (rows.stop - rows.start) * columns.stop / width) / count
    known = np.isfinite(value) & ~((value == least[:, None]) & (at_least > 1)[:, None])
    absent = largest < least
    least[absent] = largest[absent] = np.nan
    return Extremes(least, largest, np.where(known, row, -1).astype(np.int32))


def histograms(
    values: np.ndarray | Stored, least: np.ndarray, largest: np.ndarray, bins: int = BINS
) -> Generator[float, None, np.ndarray]:
    """Counts of `S x D` values in equal bins from each neuron's `least` to its `largest`.

    NaN values are not counted; those of a constant neuron are all in the first bin.

    Returns:
        int64 `D x bins`, after steps that yield the share that is done.
    """
    import torch

    count, width = values.shape
    counts = np.zeros((width, bins), np.int64)
    span = largest.astype(np.float64) - least
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scale = np.where(span > 0, bins / span, 0).astype(np.float32)
    for rows, columns, block in _blocks(values):
        low = torch.from_numpy(least[columns])[:, None]
        by = torch.from_numpy(scale[columns])[:, None]
        number = ((block - low) * by).clamp_(0, bins - 1)
        # NaN values go to an extra bin.
        number = number.nan_to_num_(nan=bins).to(torch.int32)
        number += torch.arange(len(block), dtype=torch.int32)[:, None] * (bins + 1)
        found = torch.bincount(number.ravel(), minlength=len(block) * (bins + 1))
        counts[columns] += found.view(len(block), bins + 1)[:, :bins].numpy()
        yield (rows.start + (rows.stop - rows.start) * columns.stop / width) / count
    return counts


def drawn(counts: np.ndarray) -> np.ndarray:
    """Histograms as they are drawn: uint8 `D x B`, the square root of the share of the fullest bin,
    times 255. A root shows the rare strong values, which a linear bar does not."""
    fullest = np.maximum(counts.max(axis=1, keepdims=True), 1)
    return np.ceil(255 * np.sqrt(counts / fullest)).astype(np.uint8)


def _blocks(values: np.ndarray | Stored) -> Iterator[tuple[slice, slice, torch.Tensor]]:
    """The values in blocks: their rows, their neurons, and float32 neurons x rows."""
    import torch

    count, width = values.shape
    height = max(1, BLOCK // width)
    for start in range(0, count, height):
        rows = slice(start, min(start + height, count))
        chunk = np.ascontiguousarray(values[rows], np.float32)
        step = max(1, WIDTH // (rows.stop - rows.start))
        for first in range(0, width, step):
            columns = slice(first, min(first + step, width))
            yield rows, columns, torch.from_numpy(chunk[:, columns]).T.contiguous()


def _top(block: torch.Tensor, top: int) -> tuple[np.ndarray, np.ndarray]:
    """The `top` largest of each line and their places, ties to the smaller place."""
    wide = min(top + 1, block.shape[1])
    found = block.topk(wide, dim=1)
    value, index = found.values.numpy(), found.indices.numpy()
    # Ties beyond the last: `topk` keeps any of them.
    for i in np.flatnonzero(value[:, -1] == value[:, min(top, wide) - 1]) if wide > top else ():
        line = block[i].numpy()
        bound = value[i, top - 1]
        above = np.flatnonzero(line > bound)
        ties = np.flatnonzero(line == bound)[: top - len(above)]
        index[i, :top] = np.concatenate([above, ties])
        value[i, :top] = line[index[i, :top]]
    value, index = value[:, :top], index[:, :top]
    order = np.lexsort((index, -value), axis=1)
    return np.take_along_axis(value, order, 1), np.take_along_axis(index, order, 1)


def _counted(block: torch.Tensor, lowest: np.ndarray, weakest: np.ndarray) -> np.ndarray:
    """How many values of each line are its lowest: 0 to 2, where a top sample may be among them.

    Elsewhere the number makes no difference, and is 0.
    """
    import torch

    counted = np.zeros(len(block), np.int64)
    at_rest = np.flatnonzero(lowest >= weakest)
    if len(at_rest):
        lines = block[torch.from_numpy(at_rest)]
        same = lines == torch.from_numpy(lowest[at_rest])[:, None]
        counted[at_rest] = same.sum(dim=1).clamp_(max=2).numpy()
    return counted
