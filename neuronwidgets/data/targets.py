"""Targets, in the forms that training takes, as labels: one class for each sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neuronwidgets.core.labels import plain_labels


@dataclass(frozen=True)
class Targets:
    """The targets of a batch.

    Attributes:
        labels: one for each sample; `None` without.
        unfit: what the targets are instead of one class for each sample, for messages.
    """

    labels: Sequence[Any] | None = None
    unfit: str | None = None


def as_targets(values: Any, size: int | None = None, steps: tuple[int, ...] = ()) -> Targets:
    """Read targets: labels, a column of them, or one-hot rows, `B x C`, as the index of the one.

    Args:
        values: the targets as they came.
        size: `B`, the number of samples; `None` if unknown.
        steps: `(B, T)` where samples have tokens or steps: whole numbers of that shape are theirs.
    """
    table = _table(values)
    if table is None:
        try:
            rows = plain_labels(values)
        except (TypeError, ValueError):
            return Targets()
        return Targets(None if size is not None and len(rows) != size else rows)
    of_steps = table.shape == steps and table.dtype.kind != "f"
    if of_steps or (size is not None and len(table) != size):
        return Targets()
    if table.shape[1] == 1:
        column = table[:, 0]
        measured = column[(column != np.round(column)) & (column == column)]
        if len(measured):
            return Targets(unfit=f"measurements ({measured[0]:.6g}, ...)")
        return Targets(plain_labels(column))
    if not np.isin(table, (0, 1)).all():
        return Targets()
    if (table.sum(1) != 1).any():
        return Targets(unfit="rows of zeros and ones, as of several classes for a sample")
    return Targets(table.argmax(1).tolist())


def is_vector_target(value: Any, size: int) -> bool:
    """Whether `value` is the target of one sample, one-hot or one number, and not the labels of
    `size` samples."""
    if not isinstance(value, torch.Tensor | np.ndarray) or value.ndim != 1 or len(value) == size:
        return False
    return len(value) == 1 or as_targets([value]).labels is not None


def of_vectors(labels: Sequence[Any] | None) -> Targets | None:
    """Labels of which some are vectors, as targets; `None` for others, and where each vector is
    anything but the target of a sample."""
    kinds = (list, tuple, torch.Tensor, np.ndarray)
    if not any(isinstance(label, kinds) and np.ndim(label) for label in labels or ()):
        return None
    targets = as_targets(labels)
    return None if targets == Targets() else targets


def _table(values: Any) -> np.ndarray | None:
    """Numbers with two axes, an array or a list of rows, as an array; `None` for anything else."""
    if isinstance(values, torch.Tensor):
        values = _vector(values)
    elif isinstance(values, list | tuple):
        rows = [row for row in map(_vector, values) if row is not None]
        if len(rows) < len(values) or len({row.shape for row in rows}) != 1:
            return None
        values = np.array(rows)
    numbers = isinstance(values, np.ndarray) and values.ndim == 2 and values.dtype.kind in "biuf"
    return values if numbers and values.size else None


def _vector(value: Any) -> np.ndarray | None:
    if isinstance(value, torch.Tensor) and value.layout == torch.strided:
        value = value.detach().cpu()
        value = (value.float() if value.is_floating_point() else value).numpy()
    vector = isinstance(value, list | tuple | np.ndarray)
    return np.asarray(value) if vector else None
