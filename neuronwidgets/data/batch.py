"""Batches: the model's inputs, with the labels, texts and images of their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.targets import of_vectors


@dataclass(frozen=True, eq=False)
class WordLabels:
    """One label per word of a text, or per token where `spans` is `None`.

    Attributes:
        labels: `W` labels.
        spans: int32 `W x 2`, the `(start, end)` characters of each word.
    """

    labels: list[Any]
    spans: np.ndarray | None = None

    def within(self, first: int, last: int) -> WordLabels:
        """Labels of the words in the characters `first` to `last`, counted from `first`."""
        assert self.spans is not None
        overlaps = (self.spans[:, 0] < last) & (self.spans[:, 1] > first)
        labels = [label for label, keep in zip(self.labels, overlaps, strict=True) if keep]
        return WordLabels(labels, self.spans[overlaps] - first)

    def of_tokens(self, tokens: np.ndarray) -> np.ndarray:
        """The word that each token belongs to: int32 `T`, -1 for none.

        Args:
            tokens: int32 `T x 2`, the `(start, end)` characters of each token.
        """
        assert self.spans is not None
        last = int(max(tokens[:, 1].max(initial=0), self.spans[:, 1].max(initial=0)))
        word_of_character = np.full(last + 1, -1, np.int32)
        for i, (start, end) in enumerate(self.spans.tolist()):
            word_of_character[start:end] = i
        word_of_token = np.full(len(tokens), -1, np.int32)
        for token, (start, end) in enumerate(tokens.tolist()):
            # A token may begin with the space before its word, or be that space alone.
            words = word_of_character[start : end + 1] if end > start else word_of_character[:0]
            words = words[words >= 0]
            word_of_token[token] = words[0] if len(words) else -1
        return word_of_token


@dataclass(frozen=True)
class Batch:
    """One batch of `B` samples.

    Attributes:
        inputs: the model's inputs.
        size: `B`.
        mask: bool `B x T`, false at padding.
        content: bool `B x T`, false at padding and at special tokens.
        labels: one label per row, or `WordLabels` per row.
        images: one image per row, uint8 `H x W` or `H x W x 3`, for display.
        texts: one text per row, for display.
        spans: one array per row, int32 `T x 2`: the `(start, end)` characters of each token.
        dataset_index: int64 `B`, each row's index into the data set; `None` where rows come in
            its order.
        origin: int64 `B`, the text that each row is a window of; `None` where texts are not split.
        words: one array per row, int32 `T`: each token's index into the row's `WordLabels`, -1
            for none.
        unfit: what the data's targets are instead of one class per row, see `as_targets`.
    """

    inputs: Any
    size: int
    mask: torch.Tensor | None = None
    content: torch.Tensor | None = None
    labels: Sequence[Any] | None = None
    images: list[np.ndarray] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    spans: list[np.ndarray] = field(default_factory=list)
    dataset_index: np.ndarray | None = None
    origin: np.ndarray | None = None
    words: list[np.ndarray] = field(default_factory=list)
    unfit: str | None = None

    def part(self, rows: Sequence[int]) -> Batch:
        """The batch with the given rows only."""
        index = torch.tensor(list(rows), dtype=torch.int64, device="cpu")

        def rows_of(column: Any) -> Any:
            return [column[i] for i in rows] if column is not None and len(column) else column

        return Batch(
            pick(self.inputs, index, self.size),
            len(index),
            None if self.mask is None else self.mask[index],
            None if self.content is None else self.content[index],
            rows_of(self.labels),
            rows_of(self.images),
            rows_of(self.texts),
            rows_of(self.spans),
            None if self.dataset_index is None else self.dataset_index[index.numpy()],
            None if self.origin is None else self.origin[index.numpy()],
            rows_of(self.words),
            self.unfit,
        )


def pick(inputs: Any, index: torch.Tensor, size: int) -> Any:
    """`inputs` with the rows at `index` of every tensor that has `size` rows."""
    if isinstance(inputs, torch.Tensor):
        return inputs[index] if inputs.ndim and len(inputs) == size else inputs
    if isinstance(inputs, Mapping):
        return {key: pick(value, index, size) for key, value in inputs.items()}
    if isinstance(inputs, tuple | list):
        return tuple(pick(value, index, size) for value in inputs)
    return inputs


def row_title(dataset_index: np.ndarray | None, i: int) -> str:
    """The name of row `i` of a batch in messages: its sample where `dataset_index` is known."""
    return f"row {i} of its batch" if dataset_index is None else f"sample {int(dataset_index[i]):,}"


@dataclass(frozen=True)
class Raw:
    """The rows of one batch before tokenization: small to send, quick to skip.

    Attributes:
        rows: texts, token ids, images or arrays.
        labels, dataset_index, origin: as in `Batch`.
    """

    rows: Any
    labels: Sequence[Any] | None = None
    dataset_index: np.ndarray | None = None
    origin: np.ndarray | None = None


@dataclass
class Tally:
    """Counts samples while data is read.

    Attributes:
        seen: samples read so far.
        left_out: indices of the empty ones among them.
    """

    seen: int = 0
    left_out: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _MakeInOwnModes:
    """Calls `make` under `own_modes`, so that tokenizers and processors make tensors on the CPU
    whatever default device the notebook has set. Labels that are vectors become one per row."""

    make: Callable[[Raw], Batch]

    def __call__(self, raw: Raw) -> Batch:
        with own_modes():
            batch = self.make(raw)
        targets = of_vectors(batch.labels)
        return batch if targets is None else replace(batch, **vars(targets))


@dataclass(frozen=True)
class BatchSource:
    """A data set as a stream of batches, which can be read once.

    Attributes:
        raw: the rows of each batch.
        make: turns `Raw` rows into a `Batch`.
        total: the number of samples in the data; `None` if unknown.
        label_names: the names of whole-number labels.
        rows_are_samples: whether `Raw` already has one row and one label per sample. False for
            ready batches, of which only `make` tells.
        shuffle_reason: why samples do not come in the data set's order, for messages; `None`
            where they do.
        tally: counts samples that are left out; `None` where none can be.
    """

    raw: Iterator[Raw]
    make: Callable[[Raw], Batch]
    total: int | None
    label_names: tuple[str, ...] | None = None
    rows_are_samples: bool = False
    shuffle_reason: str | None = None
    tally: Tally | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "make", _MakeInOwnModes(self.make))

    @property
    def batches(self) -> Iterator[Batch]:
        """The batches, made one at a time."""
        return map(self.make, self.raw)

    @property
    def expected(self) -> int | None:
        """The number of samples, less those left out so far; `None` if unknown."""
        left_out = 0 if self.tally is None else len(self.tally.left_out)
        return None if self.total is None else self.total - left_out

    def keep_order(self, what: str, instead: str = "") -> None:
        """Refuse data that is shuffled.

        Args:
            what: subject and verb of the message: what needs the data set's order.
            instead: a second remedy, beside `shuffle=False`.
        """
        if self.shuffle_reason is not None:
            raise ValueError(
                f"{what} in the order of the data set, and data comes in another: "
                f"{self.shuffle_reason}. Pass shuffle=False{instead}."
            )
