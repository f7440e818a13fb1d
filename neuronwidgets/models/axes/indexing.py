"""What `tensor[index]` does to the axes of a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from neuronwidgets.models.axes.labels import (
    BATCH,
    NEURON,
    UNKNOWN,
    Axis,
    Labels,
    axis,
    kind_of,
    known,
    resized,
    unknown,
)


def indexed(
    tensor: torch.Tensor, index: Any, shape: tuple[int, ...], find: Callable[[Any], Labels]
) -> Labels:
    """The labels of `tensor[index]`, whose shape is `shape`."""
    labels = find(tensor)
    keys = list(index) if isinstance(index, tuple) else [index]
    if len(keys) == 1 and _is_list(keys[0]) and not any(map(known, labels)):
        return _looked_up(keys[0], shape, find)
    taken = sum(1 for key in keys if key is not None and key is not Ellipsis)
    if Ellipsis not in [key for key in keys if not _is_list(key)]:
        keys.append(Ellipsis)
    made: list[Axis] = []
    lists = 0
    waiting = iter(labels)
    for key in keys:
        if key is None:
            made.append(axis(UNKNOWN, 1))
        elif key is Ellipsis:
            made += [next(waiting) for _ in range(len(labels) - taken)]
        elif isinstance(key, slice):
            made.append(_sliced(next(waiting), key, shape, len(made)))
        elif _is_list(key):
            lists += 1
            label = next(waiting)
            # A choice of neurons or of positions; chosen samples are no longer in their order.
            made.append(axis(UNKNOWN, 1) if BATCH in kind_of(label) else label)
        else:
            next(waiting)
    if lists > 1 or len(made) != len(shape):
        return unknown(shape)
    return tuple(map(resized, made, shape))


def _is_list(key: Any) -> bool:
    return isinstance(key, list | np.ndarray) or (isinstance(key, torch.Tensor) and key.ndim > 0)


def _looked_up(key: Any, shape: tuple[int, ...], find: Callable[[Any], Labels]) -> Labels:
    """Rows of a table by whole numbers: an embedding."""
    ids = find(key) if isinstance(key, torch.Tensor) else ()
    if len(ids) != len(shape) - 1 or not any(map(known, ids)):
        return unknown(shape)
    return (*ids, axis(NEURON, shape[-1]))


def _sliced(label: Axis, key: slice, shape: tuple[int, ...], place: int) -> Axis:
    size = shape[place] if place < len(shape) else 0
    cut = resized(label, size)
    return cut if cut is label or BATCH not in kind_of(label) else axis(UNKNOWN, size)
