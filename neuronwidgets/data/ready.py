"""Batches that came ready for the model, as from a `DataLoader`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence

from neuronwidgets.core.labels import plain_labels
from neuronwidgets.data.batch import Batch, WordLabels
from neuronwidgets.data.images import pictures
from neuronwidgets.data.records import LABEL_COLUMNS, is_target
from neuronwidgets.data.token_ids import IdMaker


def ready(batch: Any, ids: IdMaker, per_word: bool) -> Batch:
    """A batch as the model takes it, with what can be told of its rows.

    `per_word`: labels may be of tokens.
    """
    labels: Any = None
    check_packed(batch)
    if isinstance(batch, tuple | list):
        batch = tuple(map(_tensor, batch))
        if len(batch) in (2, 3) and _is_mask(batch[1], batch[0]) and ids.takes("attention_mask"):
            labels = batch[2] if len(batch) == 3 else None
            batch = {"input_ids": batch[0], "attention_mask": batch[1]}
        elif len(batch) == 2 and isinstance(batch[0], torch.Tensor):
            batch, labels = batch
    if isinstance(batch, Mapping):
        # Texts beside what was made of them are no input.
        fields = {k: _tensor(v) for k, v in batch.items() if not _are_texts(v)}
        labels = next((batch[name] for name in LABEL_COLUMNS if name in batch), labels)
        for key in LABEL_COLUMNS:
            fields.pop(key, None)
        lead = next((v for v in fields.values() if isinstance(v, torch.Tensor)), None)
        if lead is None:
            raise TypeError(
                "data holds a mapping without a tensor: batches are mappings of names "
                "to tensors, such as a tokenizer's output with return_tensors='pt'."
            )
        images = pictures(fields.get("pixel_values"))
        if _are_ids(fields.get("input_ids")):
            return replace(_of_ids(fields, labels, ids, per_word), images=images)
        mask = fields.get("attention_mask")
        mask = mask.bool() if isinstance(mask, torch.Tensor) and mask.ndim == 2 else None
        return Batch(fields, len(lead), mask, mask, as_labels(labels, None), images)
    lead = batch[0] if isinstance(batch, tuple) else batch
    check_packed(lead)
    if isinstance(lead, np.ndarray):
        batch = lead = _tensor(lead)
    if not isinstance(lead, torch.Tensor) or lead.ndim == 0:
        raise TypeError(
            f"data holds a {type(lead).__name__}: strings, images, tensors of batches, "
            "(input, label) pairs or mappings are needed."
        )
    if _are_ids(batch):
        return _of_ids({"input_ids": batch}, labels, ids, per_word)
    labels = as_labels(labels, len(lead))
    return Batch(batch, len(lead), labels=labels, images=pictures(lead))


def check_packed(data: Any) -> None:
    """Refuse sequences that torch has packed, in which no sample has rows of its own."""
    if isinstance(data, PackedSequence):
        raise TypeError(
            "data holds a PackedSequence, whose samples lie among each other: pass the padded "
            "batch (torch.nn.utils.rnn.pad_packed_sequence), or a list of the sequences."
        )


def as_labels(values: Any, size: int | None) -> Sequence[Any] | None:
    """A batch's labels; `None` where these are no labels of its samples."""
    try:
        rows = plain_labels(values)
    except (TypeError, ValueError):
        return None
    return None if size is not None and len(rows) != size else rows


def _of_ids(fields: dict[str, Any], labels: Any, ids: IdMaker, per_word: bool) -> Batch:
    tokens = fields["input_ids"]
    found = torch.as_tensor(labels) if _are_ids(labels) else None
    if per_word and found is not None and found.shape == tokens.shape:
        if not is_target(found.cpu(), tokens.cpu()):
            rows = [[None if i < 0 else i for i in row] for row in found.tolist()]
            return ids(fields, [WordLabels(row) for row in rows])
        labels = None
    return replace(ids(fields), labels=as_labels(labels, len(tokens)))


def _are_ids(values: Any) -> bool:
    kinds = (torch.int16, torch.int32, torch.int64)
    return isinstance(values, torch.Tensor) and values.ndim == 2 and values.dtype in kinds


def _tensor(values: Any) -> Any:
    number = isinstance(values, np.ndarray) and values.dtype.kind in "biufc"
    return torch.from_numpy(values) if number else values


def _are_texts(values: Any) -> bool:
    return isinstance(values, list | tuple) and any(isinstance(value, str) for value in values)


def _is_mask(values: Any, ids: Any) -> bool:
    """Whether a second tensor says which token ids are no padding: in each row a run of ones."""
    if not _are_ids(ids) or not isinstance(values, torch.Tensor) or values.shape != ids.shape:
        return False
    steps = values.float().diff(dim=1).abs().sum(1)
    marks = (values == 0) | (values == 1)
    return bool(marks.all() and values.any(1).all() and (steps < 2).all())
