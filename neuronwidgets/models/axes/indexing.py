"""The effect of `tensor[index]` on the labels of axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from neuronwidgets.models.axes.labels import (
    BATCH,
    NEURON,
    REORDERED,
    UNKNOWN,
    Axis,
    Labels,
    axis,
    chosen,
    kind_of,
    known,
    resized,
    unknown,
)


def indexed(
    tensor: torch.Tensor, index: Any, shape: tuple[int, ...], find: Callable[[Any], Labels]
) -> Labels:
    """The labels of `tensor[index]`, whose shape is `shape`. `find` gives a tensor's labels."""
    labels = find(tensor)
    keys = list(index) if isinstance(index, tuple) else [index]
    if keys and _is_list(keys[0]) and all(map(_is_whole, keys[1:])) and not any(map(known, labels)):
        return _looked_up(keys[0], shape, find)
    taken = sum(1 for key in keys if key is not None and key is not Ellipsis)
    if Ellipsis not in [key for key in keys if not _is_list(key)]:
        keys.append(Ellipsis)
    result: list[Axis] = []
    lists = 0
    remaining = iter(labels)
    for key in keys:
        if key is None:
            result.append(axis(UNKNOWN, 1))
        elif key is Ellipsis:
            result += [next(remaining) for _ in range(len(labels) - taken)]
        elif isinstance(key, slice):
            result.append(_sliced(next(remaining), key, shape, len(result)))
        elif _is_list(key):
            lists += 1
            label = next(remaining)
            # Chosen neurons or positions keep their kind.
            result.append(chosen(label, key) if {*kind_of(label)} & {BATCH, REORDERED} else label)
        else:
            next(remaining)
    if lists > 1 or len(result) != len(shape):
        return unknown(shape)
    return tuple(map(resized, result, shape))


def _is_list(key: Any) -> bool:
    return isinstance(key, list | np.ndarray) or (isinstance(key, torch.Tensor) and key.ndim > 0)


def _is_whole(key: Any) -> bool:
    """Whether a key takes all of its axes, as `:` in `table[ids, :]`."""
    return key is Ellipsis or (isinstance(key, slice) and key == slice(None))


def _looked_up(key: Any, shape: tuple[int, ...], find: Callable[[Any], Labels]) -> Labels:
    """Rows of a table at integer indices: an embedding."""
    ids = find(key) if isinstance(key, torch.Tensor) else ()
    if len(ids) != len(shape) - 1 or not any(map(known, ids)):
        return unknown(shape)
    return (*ids, axis(NEURON, shape[-1]))


def _sliced(label: Axis, key: slice, shape: tuple[int, ...], index: int) -> Axis:
    size = shape[index] if index < len(shape) else 0
    cut = resized(label, size)
    return cut if cut is label or BATCH not in kind_of(label) else axis(UNKNOWN, size)
