"""The ranks of the samples of each neuron, kept for the activations that were ranked last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from neuronwidgets.activations.activations import Activations

KEPT = 1 << 27
"""Activations of a layer whose ranks are kept, at most: 512 MB."""
BLOCK = 1 << 22
"""Activations that are ranked in one step: 16 MB."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """`n` samples of `D` neurons, as ranks.

    Attributes:
        ranks: float32 `n x D`, `2 rank - (n + 1)`: whole numbers about 0. Ties share their mean.
        squares: float64 `D`, the sums of their squares.
        mean, std: float64 `D`, of the activations.
    """

    ranks: np.ndarray
    squares: np.ndarray
    mean: np.ndarray
    std: np.ndarray


_kept: WeakKeyDictionary[Activations, list[Ranked]] = WeakKeyDictionary()


def parts(acts: Activations, rows: np.ndarray | None) -> Iterator[tuple[slice, Ranked]]:
    """The neurons, block after block, with their ranks on `rows` (`None`: on all samples)."""
    count = len(acts) if rows is None else len(rows)
    step = max(1, BLOCK // count)
    starts = range(0, acts.shape[1], step)
    kept = _kept.get(acts) if rows is None else None
    new: list[Ranked] = []
    for number, start in enumerate(starts):
        columns = slice(start, min(start + step, acts.shape[1]))
        if kept is not None:
            yield columns, kept[number]
            continue
        part = slice(None) if rows is None else rows
        new.append(ranked(np.asarray(acts.values[part, columns])))
        yield columns, new[-1]
        if rows is not None or acts.values.size > KEPT:
            new.clear()
    if kept is None and len(new) == len(starts):
        _kept[acts] = new


def ranked(values: np.ndarray) -> Ranked:
    """Rank `n x D` values, each column by itself."""
    import torch

    count = len(values)
    by_neuron = torch.from_numpy(np.ascontiguousarray(values)).T.contiguous()
    in_order, order = by_neuron.sort(dim=1)
    tied = (in_order[:, 1:] == in_order[:, :-1]).numpy()
    # The first and the last place of each run of ties.
    place = np.arange(count, dtype=np.int32)
    first = np.broadcast_to(place, in_order.shape).copy()
    first[:, 1:][tied] = 0
    np.maximum.accumulate(first, axis=1, out=first)
    last = np.broadcast_to(place, in_order.shape).copy()
    last[:, :-1][tied] = count
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    centred = torch.from_numpy((first + last - (count - 1)).astype(np.float32))
    ranks = torch.empty_like(centred).scatter_(1, order, centred)
    mean = values.mean(axis=0, dtype=np.float64)
    constant = (in_order[:, 0] == in_order[:, -1]).numpy()
    variance = ((values - mean) ** 2).mean(axis=0)
    return Ranked(
        ranks.T.contiguous().numpy(),
        (centred.double() ** 2).sum(dim=1).numpy(),
        mean,
        np.where(constant, 0.0, np.sqrt(variance)),
    )
