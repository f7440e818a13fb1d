"""Held-out samples with their classes, batch by batch, for measuring what edits cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.models import LeftPadding, batches, class_codes, logits_of, move


@dataclass(frozen=True)
class Labelled:
    """One batch: the model's inputs and each row's class, int64 `B`."""

    inputs: Any
    codes: torch.Tensor

    def __len__(self) -> int:
        return len(self.codes)


class HeldOut:
    """Samples that the ranges were not made from, and what the model calls their labels.

    `total` is their number where known. Iterates once.
    """

    def __init__(
        self, model: nn.Module, data: Any, names: Sequence[str], seen: frozenset[int],
        labels: Any = None, tokenizer: Any = None, transform: Callable[[Any], Any] | None = None,
        batch_size: int = 64, max_length: int | None = None,
    ) -> None:  # fmt: skip
        self._source = batches(
            data, model=model, processor=tokenizer, transform=transform, batch_size=batch_size,
            max_length=max_length,
        )  # fmt: skip
        self._model, self._names, self._seen = model, names, seen
        self._labels = None if labels is None else list(np.asarray(labels, object))
        if self._labels is not None:
            self._source.keep_order("labels= are", ", or data that carries its labels")
        if self._labels is not None and self._source.total not in (None, len(self._labels)):
            raise self._unequal(self._source.total)

    @property
    def total(self) -> int | None:
        return self._source.expected

    def __iter__(self) -> Iterator[Labelled]:
        done = 0
        for batch in map(LeftPadding.of_output(self._model), self._source.batches):
            place = batch.place
            if place is None:
                place = np.arange(done, done + batch.size)
            done = int(place.max()) + 1
            rows: Any = batch.labels
            if self._labels is not None:
                if done > len(self._labels):
                    raise self._unequal(None)
                rows = [self._labels[i] for i in place.tolist()]
            elif rows is None:
                raise ValueError("the data has no labels: pass labels=, one per sample.")
            self._refuse_seen(batch, place)
            codes = class_codes(list(rows), self._names, self._source.label_names)
            yield Labelled(move(self._model, batch.inputs), codes)
        if self._source.tally is not None:
            done = self._source.tally.seen
        if self._labels is not None and done != len(self._labels):
            raise self._unequal(done)

    def _unequal(self, count: int | None) -> ValueError:
        assert self._labels is not None
        many = "more" if count is None else f"{count:,}"
        return ValueError(
            f"labels has {len(self._labels):,} entries and data has {many} samples: one per "
            "sample is needed."
        )

    def _refuse_seen(self, batch: Any, place: np.ndarray) -> None:
        if not self._seen:
            return
        from neuronwidgets.activations import Samples

        faces = Samples(batch.size, images=batch.images, texts=batch.texts)
        for i, mark in enumerate(faces.marks()):
            if mark in self._seen:
                raise ValueError(
                    f"sample {place[i]} is one of those that the ranges were made from: what a "
                    "mask costs is measured on held-out data only."
                )


def answers(
    output: Any, codes: torch.Tensor, classes: int, predict: Callable[[Any], torch.Tensor] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each sample's class was predicted, bool `B`, and its probability, float32 `B`."""
    logits = logits_of(output, predict, (len(codes), classes))
    share = logits.float().softmax(dim=-1).cpu()
    sure = share[torch.arange(len(codes)), codes]
    return (share.argmax(dim=-1) == codes).numpy(), sure.numpy()
