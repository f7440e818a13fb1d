"""Labels of a tensor's axes, and the effect of reshaping on them.

The label of an axis is a tuple of parts `(kind, size)`, outermost first, whose sizes multiply to
the axis's size: an axis of texts x tokens is `(("b", 4), ("p", 7))`. An axis that is merged and
split again so keeps its kinds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

BATCH = "b"
NEURON = "n"
POSITION = "p"
MIXED = "m"
"""Neurons of a linear map over positions (the token-mixing half of an MLP-Mixer)."""
REORDERED = "r"
"""Samples in another order than the batch's, as in models that sort texts by their length."""
UNKNOWN = "?"

Part = tuple[str, int]
Axis = tuple[Part, ...]
Labels = tuple[Axis, ...]


class Order(str):
    """The kind of samples that were chosen by a list of rows: `BATCH` if they are in the batch's
    order, else `REORDERED`. `rows` has the sample of the batch in each row, int64 `B`."""

    rows: torch.Tensor

    def __new__(cls, rows: torch.Tensor) -> Order:
        same = rows.equal(torch.arange(len(rows)))
        kind = super().__new__(cls, BATCH if same else REORDERED)
        kind.rows = rows
        return kind


def unknown(shape: Iterable[int]) -> Labels:
    """Labels of a tensor whose axes are all unknown."""
    return tuple(((UNKNOWN, int(size)),) for size in shape)


def axis(kind: str, size: int) -> Axis:
    """The label of an axis of one kind."""
    return ((kind, int(size)),)


def kind_of(label: Axis) -> str:
    """The kinds of an axis's parts, outermost first, without repeats: "b", "bp", "n", "?", ..."""
    parts = [kind for kind, size in label if size != 1 or kind == BATCH]
    parts = parts or [kind for kind, _ in label][:1]
    kept = [kind for i, kind in enumerate(parts) if i == 0 or kind != parts[i - 1]]
    return "".join(kept) or UNKNOWN


def known(label: Axis) -> bool:
    """Whether no part of the axis is unknown."""
    return UNKNOWN not in kind_of(label)


def resized(label: Axis, size: int) -> Axis:
    """The label of the axis after a change of its size, as by a slice or a pool."""
    if math.prod(s for _, s in label) == size:
        return label
    kind = kind_of(label)
    return axis(kind if len(kind) == 1 else UNKNOWN, size)


def chosen(label: Axis, index: Any) -> Axis:
    """The label of an axis of samples after a list of rows, or a mask of them, is taken of it.

    Samples in their own order stay the batch, and those that come back to it are so again.
    """
    ((kind, size),) = label if len(label) == 1 else ((UNKNOWN, 0),)
    rows = torch.as_tensor(np.asarray(index) if isinstance(index, list) else index).cpu()
    rows = rows.nonzero().flatten() if rows.dtype == torch.bool and rows.ndim == 1 else rows
    if kind not in (BATCH, REORDERED) or rows.shape != (size,):
        return axis(UNKNOWN, 1)
    rows = torch.where(rows < 0, rows + size, rows).long()
    if isinstance(kind, Order):
        rows = kind.rows[rows]
    elif kind == REORDERED:
        return label
    return axis(Order(rows), size)


def fitted(labels: Sequence[Axis], shape: Sequence[int]) -> Labels:
    """`labels` where their sizes match `shape`, unknown elsewhere."""
    if len(labels) != len(shape):
        return unknown(shape)
    return tuple(
        label if label and math.prod(s for _, s in label) == size else axis(UNKNOWN, size)
        for label, size in zip(labels, shape, strict=True)
    )


def reshaped(labels: Labels, shape: Sequence[int]) -> Labels:
    """The labels after `reshape(shape)`, which merges parts or splits them into outer and inner."""
    if 0 in shape:
        return unknown(shape)
    remaining = [part for label in labels for part in label][::-1]
    result: list[Axis] = []
    for size in shape:
        group: list[Part] = []
        need = int(size)
        if need == 1:
            group = [remaining.pop()] if remaining and remaining[-1][1] == 1 else [(UNKNOWN, 1)]
        while need > 1:
            if not remaining:
                return unknown(shape)
            kind, count = remaining.pop()
            if need % count == 0:
                group.append((kind, count))
                need //= count
            elif count % need == 0:
                group.append((kind, need))
                remaining.append((kind, count // need))
                need = 1
            else:
                return unknown(shape)
        # A batch of one sample stays a batch.
        kept = tuple(part for part in group if part[1] != 1 or part[0] == BATCH)
        result.append(kept or tuple(group[:1]))
    return tuple(result)


def joined(first: Axis, second: Axis) -> Axis:
    """The label of the axis of a sum, from the labels of its two terms."""
    kinds = kind_of(first), kind_of(second)
    if kinds[0] == kinds[1] or (not known(second) and kinds[0] != UNKNOWN):
        return first
    if not known(first):
        return second
    # A residual stream plus the output of a map over its positions.
    if set(kinds) == {MIXED, POSITION}:
        return first if kinds[0] == POSITION else second
    return axis(UNKNOWN, math.prod(size for _, size in first))


def broadcast(tensors: Sequence[Labels], shape: Sequence[int]) -> Labels:
    """The labels of an elementwise result of `shape`. Axes align at the end, as in NumPy."""
    result = list(unknown(shape))
    for labels in tensors:
        offset = len(shape) - len(labels)
        if offset < 0:
            continue
        for i, label in enumerate(labels):
            if math.prod(size for _, size in label) == shape[offset + i]:
                result[offset + i] = joined(result[offset + i], label)
    return tuple(result)
