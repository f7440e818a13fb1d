"""Held-out samples with their classes, batch by batch, and a classifier's predictions."""

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

ENOUGH_OUTPUTS = 4
"""Samples. So many values between 0 and 1 are unlikely to be log-odds and are refused."""


@dataclass(frozen=True)
class LabelledBatch:
    """One batch: the model's inputs and each sample's class, int64 `B`."""

    inputs: Any
    codes: torch.Tensor

    def __len__(self) -> int:
        return len(self.codes)


class HeldOut:
    """Held-out samples with the classes of their labels. Iterates once.

    `seen` are the fingerprints of the samples that the ranges are from; such samples are refused.
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
        """The number of samples, where it is known."""
        return self._source.expected

    def __iter__(self) -> Iterator[LabelledBatch]:
        done = 0
        for batch in map(LeftPadding.of_output(self._model), self._source.batches):
            dataset_index = batch.dataset_index
            if dataset_index is None:
                dataset_index = np.arange(done, done + batch.size)
            done = int(dataset_index.max()) + 1
            rows: Any = batch.labels
            if self._labels is not None:
                if done > len(self._labels):
                    raise self._unequal(None)
                rows = [self._labels[i] for i in dataset_index.tolist()]
            elif rows is None:
                raise ValueError("the data has no labels: pass labels=, one per sample.")
            self._refuse_seen(batch, dataset_index)
            unlabelled = [i for i, row in enumerate(rows) if plain_label(row) is None]
            if unlabelled:
                raise ValueError(
                    f"sample {dataset_index[unlabelled[0]]} has no label: the cost of a mask is "
                    "measured on labelled samples. Leave the others out."
                )
            codes = class_codes(list(rows), self._names, self._source.label_names)
            yield LabelledBatch(move(self._model, batch.inputs), codes)
        if self._source.tally is not None:
            done = self._source.tally.seen
        if self._labels is not None and done != len(self._labels):
            raise self._unequal(done)

    def _unequal(self, count: int | None) -> ValueError:
        assert self._labels is not None
        many = "more" if count is None else f"{count:,}"
        return ValueError(
            f"labels must have one entry per sample, got {len(self._labels):,} entries and data "
            f"with {many} samples."
        )

    def _refuse_seen(self, batch: Any, place: np.ndarray) -> None:
        if not self._seen:
            return
        from neuronwidgets.activations.samples import Samples

        samples = Samples(batch.size, images=batch.images, texts=batch.texts)
        for i, mark in enumerate(samples.fingerprints()):
            if mark in self._seen:
                raise ValueError(
                    f"sample {place[i]} is one of those that the ranges are from: the cost of a "
                    "mask is measured on held-out data only."
                )


class PredictionReader:
    """Reads predictions from a classifier's outputs.

    Outputs are logits or probabilities, `B x classes`. With two classes, they may also be the
    log-odds of the second, `B` or `B x 1`. The first outputs decide whether they are probabilities,
    so they must be the model's own, without an edit.

    Args:
        classes: the number of classes.
        predict: the model's output -> one of these; not given: its logits, or the output itself.
    """

    def __init__(self, classes: int, predict: Callable[[Any], Any] | None) -> None:
        self._classes, self._predict = classes, predict
        self._probabilities: bool | None = None

    @own_modes()
    def __call__(self, output: Any, codes: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The predicted class of each sample, int64 `B`, and the probability of its true class,
        float32 `B`; `codes` are the true classes, int64 `B`."""
        return self._read(self._logits(output, codes), codes)

    @own_modes()
    def with_nats(self, output: Any, codes: torch.Tensor) -> tuple[np.ndarray, ...]:
        """As by a call, and the log-probability of the true class in nats, float32 `B`."""
        logits = self._logits(output, codes)
        if self._probabilities:
            # A probability of 0 has no logarithm.
            nats = logits.clamp(min=torch.finfo(torch.float32).tiny).log()
        else:
            nats = logits.log_softmax(dim=-1)
        return *self._read(logits, codes), _of_class(nats.cpu(), codes).numpy()

    def _logits(self, output: Any, codes: torch.Tensor) -> torch.Tensor:
        raw = logits_of(output, self._predict)
        logits = class_logits(raw, len(codes), self._classes).float()
        if self._probabilities is None:
            self._probabilities = _are_probabilities(logits)
            if is_binary(raw, len(codes), self._classes):
                _require_odds(raw)
        return logits

    def _read(self, logits: torch.Tensor, codes: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        probability = (logits if self._probabilities else logits.softmax(dim=-1)).cpu()
        return probability.argmax(dim=-1).numpy(), _of_class(probability, codes).numpy()


def _of_class(values: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Each sample's value of its class."""
    return values[torch.arange(len(codes), device="cpu"), codes]


def _are_probabilities(logits: torch.Tensor) -> bool:
    return bool((logits >= 0).all() and ((logits.sum(dim=-1) - 1).abs() < 1e-3).all())


def _require_odds(odds: torch.Tensor) -> None:
    """Refuse values that look like the probabilities of a sigmoid."""
    if len(odds) >= ENOUGH_OUTPUTS and ((odds >= 0) & (odds <= 1)).all():
        raise ValueError(
            "the model's one output must be log-odds, but looks like a probability: it is between "
            f"0 and 1 on all of the first {len(odds)} samples. Pass predict=, e.g. lambda output: "
            "torch.logit(output, 1e-6); or, if the outputs are log-odds, lambda output: "
            "torch.stack([-output.flatten(), output.flatten()], 1) / 2."
        )
