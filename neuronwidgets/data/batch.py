"""What every kind of data becomes: batches that a model accepts, and what each row was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from neuronwidgets.core.modes import own_modes


@dataclass(frozen=True, eq=False)
class WordLabels:
    """A label for each word of a text, and where the words stand in it (int32 `W x 2`); without
    `spans`, for each token."""

    labels: list[Any]
    spans: np.ndarray | None = None

    def within(self, first: int, last: int) -> WordLabels:
        """Those of the characters from `first` to `last`, a text of their own."""
        assert self.spans is not None
        there = (self.spans[:, 0] < last) & (self.spans[:, 1] > first)
        labels = [label for label, keep in zip(self.labels, there, strict=True) if keep]
        return WordLabels(labels, self.spans[there] - first)

    def of_tokens(self, tokens: np.ndarray) -> np.ndarray:
        """Which of the words each token is of, int32 `T`, -1 for none; `tokens` is where they
        stand, int32 `T x 2`."""
        assert self.spans is not None
        last = int(max(tokens[:, 1].max(initial=0), self.spans[:, 1].max(initial=0)))
        words = np.full(last + 1, -1, np.int32)
        for i, (start, end) in enumerate(self.spans.tolist()):
            words[start:end] = i
        found = np.full(len(tokens), -1, np.int32)
        for token, (start, end) in enumerate(tokens.tolist()):
            # A token may begin with the space before its word, or be no more than that.
            there = words[start : end + 1] if end > start else words[:0]
            there = there[there >= 0]
            found[token] = there[0] if len(there) else -1
        return found


@dataclass(frozen=True)
class Batch:
    """One batch.

    `inputs` goes to the model. `mask` (`B x T`, bool) is true at tokens that are not padding,
    `content` (`B x T`, bool) at those that are not special tokens either. `shown` holds what a
    person sees of each row: images (uint8, `H x W` or `H x W x 3`) or texts; `spans` each token's
    `(start, end)` characters in its text. `place` (int64 `B`) says which sample of the data each
    row is, where the rows are not in the data's order; `origin` (int64 `B`) which of the data's
    texts it is a window of, where texts are split. Where `labels` are of words, `words` (int32 `T`
    for each row) says which of them each token has, -1 for none.
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
    words: list[np.ndarray] = field(default_factory=list)

    def part(self, rows: Sequence[int]) -> Batch:
        """Some of the rows."""
        index = torch.tensor(list(rows), dtype=torch.int64, device="cpu")

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
            some(self.words),
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


@dataclass
class Tally:
    """How many samples of the data were looked at, and which of them were left out, so far."""

    seen: int = 0
    left_out: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Make:
    """Tokenizers and image processors make tensors where the notebook says; here, on the CPU."""

    make: Callable[[Raw], Batch]

    def __call__(self, raw: Raw) -> Batch:
        with own_modes():
            return self.make(raw)


@dataclass(frozen=True)
class Source:
    """What to read once.

    Attributes:
        raw: the rows of each batch.
        make: makes a batch of them.
        total: the number of samples in the data, where known.
        label_names: the labels' names.
        told: whether a batch's rows alone say how many samples it has and their labels.
        disorder: why the samples come in another order than the data set has them, in words;
            `None` where they do not.
        tally: of samples that may be left out.
    """

    raw: Iterator[Raw]
    make: Callable[[Raw], Batch]
    total: int | None
    label_names: tuple[str, ...] | None = None
    told: bool = False
    disorder: str | None = None
    tally: Tally | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "make", _Make(self.make))

    @property
    def batches(self) -> Iterator[Batch]:
        """The batches, one at a time."""
        return map(self.make, self.raw)

    @property
    def expected(self) -> int | None:
        """The number of samples without those that were left out so far; `None` if not known."""
        left_out = 0 if self.tally is None else len(self.tally.left_out)
        return None if self.total is None else self.total - left_out

    def keep_order(self, what: str, instead: str = "") -> None:
        """Refuse data whose samples come in another order than its data set has them; `what` says
        what needs that order, and `instead` what else would do."""
        if self.disorder is not None:
            raise ValueError(
                f"{what} in the order of the data set, and data comes in another: {self.disorder}. "
                f"Pass shuffle=False{instead}."
            )
