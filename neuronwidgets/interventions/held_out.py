"""Held-out samples with their classes, batch by batch, for measuring what edits cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.labels import plain_label, plain_labels
from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batches import batches
from neuronwidgets.models.classes import class_codes, class_logits, is_binary, logits_of
from neuronwidgets.models.forward import move
from neuronwidgets.models.left_padding import LeftPadding

LIKE_SHARES = 4
"""So many log-odds are not all between 0 and 1 by chance."""


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
        self._labels = None if labels is None else plain_labels(labels)
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
            place = batch.dataset_index
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
            bare = [i for i, row in enumerate(rows) if plain_label(row) is None]
            if bare:
                raise ValueError(
                    f"sample {place[bare[0]]} has no label: what a mask costs is measured on "
                    "labelled samples. Leave the others out."
                )
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
        from neuronwidgets.activations.samples import Samples

        faces = Samples(batch.size, images=batch.images, texts=batch.texts)
        for i, mark in enumerate(faces.fingerprints()):
            if mark in self._seen:
                raise ValueError(
                    f"sample {place[i]} is one of those that the ranges were made from: what a "
                    "mask costs is measured on held-out data only."
                )


class Answers:
    """Reads a classifier's outputs: logits or probabilities `B x classes`; of two classes also the
    log-odds of the second, `B` or `B x 1`. Which of them is told by its first outputs, which have
    to be the model's own, without an edit.

    Args:
        classes: how many.
        predict: the model's output -> one of these; not given: its logits, or the output itself.
    """

    def __init__(self, classes: int, predict: Callable[[Any], Any] | None) -> None:
        self._classes, self._predict = classes, predict
        self._probabilities: bool | None = None

    @own_modes()
    def __call__(self, output: Any, codes: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The class predicted for each sample, int64 `B`, and the probability of its own, float32
        `B`; `codes` are the samples' classes, int64 `B`."""
        found = logits_of(output, self._predict)
        logits = class_logits(found, len(codes), self._classes).float()
        if self._probabilities is None:
            self._probabilities = _are_probabilities(logits)
            if is_binary(found, len(codes), self._classes):
                _require_odds(found)
        share = (logits if self._probabilities else logits.softmax(dim=-1)).cpu()
        sure = share[torch.arange(len(codes), device="cpu"), codes]
        return share.argmax(dim=-1).numpy(), sure.numpy()


def _are_probabilities(logits: torch.Tensor) -> bool:
    return bool((logits >= 0).all() and ((logits.sum(dim=-1) - 1).abs() < 1e-3).all())


def _require_odds(found: torch.Tensor) -> None:
    """Refuse what looks like the probabilities of a sigmoid."""
    if len(found) >= LIKE_SHARES and ((found >= 0) & (found <= 1)).all():
        raise ValueError(
            f"the model's one output is between 0 and 1 on all of the first {len(found)} samples, "
            "as a probability is, and log-odds are needed: pass predict=, e.g. lambda output: "
            "torch.logit(output, 1e-6); or, if they are log-odds, lambda output: "
            "torch.stack([-output.flatten(), output.flatten()], 1) / 2."
        )
