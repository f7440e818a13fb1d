"""What every kind of data becomes: batches that a model accepts, and what each row was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from neuronwidgets.modes import own_modes


@dataclass(frozen=True)
class Batch:
    """One batch.

    `inputs` goes to the model. `mask` (`B x T`, bool) is true at tokens that are not padding,
    `content` (`B x T`, bool) at those that are not special tokens either. `shown` holds what a
    person sees of each row: images (uint8, `H x W` or `H x W x 3`) or texts; `spans` each token's
    `(start, end)` characters in its text. `place` (int64 `B`) says which sample of the data each
    row is, where the rows are not in the data's order; `origin` (int64 `B`) which of the data's
    texts it is a window of, where texts are split.
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
    origin: np.ndarray | None = None

    def part(self, rows: Sequence[int]) -> Batch:
        """Some of the rows."""
        index = torch.as_tensor(list(rows), dtype=torch.int64)

        def some(column: Any) -> Any:
            return [column[i] for i in rows] if column is not None and len(column) else column

        return Batch(
            pick(self.inputs, index, self.size),
            len(index),
            None if self.mask is None else self.mask[index],
            None if self.content is None else self.content[index],
            some(self.labels),
            some(self.images),
            some(self.texts),
            some(self.spans),
            None if self.place is None else self.place[index.numpy()],
            None if self.origin is None else self.origin[index.numpy()],
        )


def pick(inputs: Any, index: torch.Tensor, size: int) -> Any:
    """Some rows of every tensor that has `size` of them."""
    if isinstance(inputs, torch.Tensor):
        return inputs[index] if inputs.ndim and len(inputs) == size else inputs
    if isinstance(inputs, Mapping):
        return {key: pick(value, index, size) for key, value in inputs.items()}
    if isinstance(inputs, tuple | list):
        return tuple(pick(value, index, size) for value in inputs)
    return inputs


def which(place: np.ndarray | None, i: int) -> str:
    """What messages call row `i` of a batch whose rows are at `place` in the data."""
    return f"row {i} of its batch" if place is None else f"sample {int(place[i]):,}"


@dataclass(frozen=True)
class Raw:
    """The rows of one batch before anything is made of them: small to send, quick to skip."""

    rows: Any
    labels: Sequence[Any] | None = None
    place: np.ndarray | None = None
    origin: np.ndarray | None = None


@dataclass(frozen=True)
class _Make:
    """Tokenizers and image processors make tensors where the notebook says; here, on the CPU."""

    make: Callable[[Raw], Batch]

    def __call__(self, raw: Raw) -> Batch:
        with own_modes():
            return self.make(raw)


@dataclass(frozen=True)
class Source:
    """What to read once: the rows of each batch, what makes a batch of them, the number of samples
    where known, and the labels' names. `told` if a batch's rows alone say how many samples it has
    and their labels."""

    raw: Iterator[Raw]
    make: Callable[[Raw], Batch]
    total: int | None
    label_names: tuple[str, ...] | None = None
    told: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "make", _Make(self.make))

    @property
    def batches(self) -> Iterator[Batch]:
        """The batches, one at a time."""
        return map(self.make, self.raw)
