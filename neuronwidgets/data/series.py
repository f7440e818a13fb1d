"""Tells series, each a sample of a list, from ready batches of vectors: both have two axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.compiled import plain
from neuronwidgets.data.batch import Batch

_FIRST = (nn.RNNBase, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.Embedding)


def series_width(model: nn.Module | None) -> int | None:
    """The numbers that each step of a model's series has; `None` for models of anything else.

    These are models that begin with a recurrent layer or a convolution over one axis, or with a
    linear layer before recurrent or transformer layers.
    """
    parts = [] if model is None else list(plain(model).modules())
    first = next((part for part in parts if isinstance(part, _FIRST)), None)
    width = None
    if isinstance(first, nn.RNNBase):
        width = first.input_size
    elif isinstance(first, nn.Conv1d):
        width = first.in_channels
    elif isinstance(first, nn.Linear) and any(
        isinstance(part, nn.RNNBase | nn.TransformerEncoderLayer) for part in parts
    ):
        width = first.in_features
    # Of one number a step, series may come as batches without that axis.
    return width if width is not None and width > 1 else None


def is_series(item: Any, width: int | None) -> bool:
    """Whether `item` is one series, `T x F` or `F x T`, of a model with `series_width`."""
    if width is None or not isinstance(item, torch.Tensor | np.ndarray) or item.ndim != 2:
        return False
    floats = item.is_floating_point() if isinstance(item, torch.Tensor) else item.dtype.kind == "f"
    return bool(floats) and width in item.shape


def padded(rows: Sequence[np.ndarray]) -> Batch | None:
    """A batch of series `T x F` of different lengths; `None` if more than that differs."""
    if {row.ndim for row in rows} != {2} or len({row.shape[1] for row in rows}) > 1:
        return None
    if not all(map(len, rows)):
        return None
    kept = torch.float16 if all(row.dtype == np.float16 for row in rows) else torch.float32
    series = [torch.from_numpy(np.ascontiguousarray(row)).to(kept) for row in rows]
    steps = torch.nn.utils.rnn.pad_sequence(series, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(steps.shape[1]) < lengths[:, None]
    return Batch(steps, len(rows), mask, mask)
