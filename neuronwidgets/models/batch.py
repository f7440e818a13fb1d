"""What every kind of data becomes: batches that a model accepts, and what each row was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Batch:
    """One batch.

    `inputs` goes to the model. `mask` (`B x T`, bool) is true at tokens that are not padding,
    `content` (`B x T`, bool) at those that are not special tokens either. `shown` holds what a
    person sees of each row: images (uint8, `H x W` or `H x W x 3`) or texts; `spans` each token's
    `(start, end)` characters in its text. `place` (int64 `B`) says where in the data each row
    stands, where the rows are not in the data's order.
    """

    inputs: Any
    size: int
    mask: torch.Tensor | None = None
    content: torch.Tensor | None = None
    labels: Sequence[Any] | None = None
    images: list[np.ndarray] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    spans: list[np.ndarray] = field(default_factory=list)
    place: np.ndarray | None = None


@dataclass(frozen=True)
class Source:
    """Batches to iterate once, the number of samples where known, and the labels' names."""

    batches: Iterator[Batch]
    total: int | None
    label_names: tuple[str, ...] | None = None
