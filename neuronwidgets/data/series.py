"""Tells series, each a sample of a list, from ready batches of vectors: both have two axes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.compiled import plain
from neuronwidgets.data.batch import Batch, Raw

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


def of_one_length(chunks: Iterable[Raw]) -> Iterator[Raw]:
    """Batches of series `F x T`, split where the length changes: convolutions read padding."""
    for raw in chunks:
        heads = [row[0] if isinstance(row, tuple) else row for row in raw.rows]
        shapes = [tuple(getattr(head, "shape", ())) for head in heads]
        # Of one width T x F, which `padded` takes, or of one shape.
        features_first = len({shape[:1] for shape in shapes}) == 1 < len({*shapes})
        starts = [0]
        if features_first and len({shape[-1:] for shape in shapes}) > 1:
            starts += [i for i in range(1, len(shapes)) if shapes[i] != shapes[i - 1]]
        for start, end in zip(starts, [*starts[1:], len(shapes)], strict=True):
            index = None if raw.dataset_index is None else raw.dataset_index[start:end]
            yield replace(raw, rows=raw.rows[start:end], dataset_index=index)


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
