"""Batches that are ready for the model, as from a `DataLoader`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence

from neuronwidgets.data.accepted_inputs import Arguments
from neuronwidgets.data.batch import Batch, WordLabels
from neuronwidgets.data.batch_parts import are_texts, is_padding_name, padding_mask, parts_of
from neuronwidgets.data.images import pictures
from neuronwidgets.data.records import LABEL_COLUMNS, TARGETS, is_target
from neuronwidgets.data.targets import as_targets
from neuronwidgets.data.token_ids import IdMaker


def ready(
    batch: Any, ids: IdMaker, per_word: bool, arguments: Arguments,
    padding: torch.Tensor | None = None,
) -> Batch:  # fmt: skip
    """Turn one ready batch into a `Batch`, with its mask, labels and images where it has them.

    Args:
        batch: a tensor or array, a mapping, or a tuple of one of these with labels, a mask,
            lengths or further inputs, see `parts_of`.
        ids: makes batches of token ids.
        per_word: whether labels may be of tokens.
        arguments: what the model takes.
        padding: bool `B x T`, false at padding, of a mapping whose rows were padded here.

    Raises:
        TypeError: none of these.
    """
    labels: Any = None
    check_packed(batch)
    if isinstance(batch, tuple | list):
        batch = tuple(map(_tensor, batch))
        if arguments.names[1:3] == ("attention_mask", "token_type_ids"):
            batch = _in_order(batch)
        masked = len(batch) in (2, 3) and _is_mask(batch[1], batch[0])
        types = arguments.name(2) == "token_type_ids" and not per_word and _are_types(batch[2:])
        if masked and ids.takes("attention_mask") and not types:
            labels = batch[2] if len(batch) == 3 else None
            batch = {"input_ids": batch[0], "attention_mask": batch[1]}
        elif batch:
            parts = parts_of(batch, arguments)
            batch, labels, padding = parts.inputs, parts.labels, parts.mask
            if isinstance(batch, tuple) and arguments.name(0) == "input_ids":
                batch = {arguments.name(i): part for i, part in enumerate(batch)}
    if isinstance(batch, Mapping):
        # Texts beside their token ids are no input.
        fields = {k: _tensor(v) for k, v in batch.items() if not are_texts(v)}
        # One that takes none of the names takes the mapping.
        picks = any(map(ids.takes, fields))
        targets = [n for n in TARGETS if n in LABEL_COLUMNS or (picks and ids.refuses(n))]
        if labels is None:
            labels = next((batch[name] for name in targets if name in batch), None)
        for key in targets:
            fields.pop(key, None)
        lead = next((v for v in fields.values() if isinstance(v, torch.Tensor)), None)
        if lead is None:
            raise TypeError(
                "data holds a mapping without a tensor: a batch must map names to tensors, as a "
                "tokenizer's output with return_tensors='pt' does."
            )
        images = pictures(fields.get("pixel_values", lead if len(fields) == 1 else None))
        mask = fields.get("attention_mask")
        mask = mask.bool() if isinstance(mask, torch.Tensor) and mask.ndim == 2 else None
        if mask is None and padding is None:
            padding = padding_mask(fields.get("input_ids", lead), fields.items())
            dropped = [n for n in fields if picks and is_padding_name(n) and ids.refuses(n)]
            fields = {n: v for n, v in fields.items() if padding is None or n not in dropped}
        if _are_ids(fields.get("input_ids")):
            return replace(_of_ids(fields, labels, ids, per_word, padding), images=images)
        if mask is None and padding is None and len(fields) == 1 and _are_ids(lead):
            padding = ids.vocabulary.mask_of(lead.cpu())
        mask = mask if padding is None else padding.cpu()
        made = Batch(fields, len(lead), mask, mask, images=images)
        if len(fields) == 1 and _are_ids(lead):
            tokens = ids({"input_ids": lead}, padding=mask)
            if tokens.mask is not None and tokens.mask.shape == lead.shape:
                made = replace(tokens, inputs=fields)
        return replace(made, **vars(as_targets(labels, None, _steps(lead))))
    lead = batch[0] if isinstance(batch, tuple) else batch
    check_packed(lead)
    if isinstance(lead, np.ndarray):
        batch = lead = _tensor(lead)
    if not isinstance(lead, torch.Tensor) or lead.ndim == 0:
        raise TypeError(
            "data must hold strings, images, tensors of batches, (input, label) pairs or "
            f"mappings, got a {type(lead).__name__}."
        )
    if _are_ids(batch):
        return _of_ids({"input_ids": batch}, labels, ids, per_word, padding)
    labelled = vars(as_targets(labels, len(lead), _steps(lead)))
    content = None if padding is None else padding.cpu()
    if padding is not None and _are_ids(lead):
        tokens = ids({"input_ids": lead}, padding=padding)
        if tokens.mask is not None and tokens.mask.shape == lead.shape:
            return replace(tokens, inputs=batch, **labelled)
    return Batch(batch, len(lead), content, content, images=pictures(lead), **labelled)


def check_packed(data: Any) -> None:
    """Refuse torch's packed sequences, whose rows mix samples."""
    if isinstance(data, PackedSequence):
        raise TypeError(
            "data holds a PackedSequence, whose rows mix samples: pass the padded batch "
            "(torch.nn.utils.rnn.pad_packed_sequence), or a list of the sequences."
        )


def _of_ids(
    fields: dict[str, Any],
    labels: Any,
    ids: IdMaker,
    per_word: bool,
    padding: torch.Tensor | None = None,
) -> Batch:
    tokens = fields["input_ids"]
    codes = torch.as_tensor(labels) if _are_ids(labels) else None
    if per_word and codes is not None and codes.shape == tokens.shape:
        if not is_target(codes.cpu(), tokens.cpu()):
            rows = [[None if i < 0 else i for i in row] for row in codes.tolist()]
            return ids(fields, [WordLabels(row) for row in rows], padding)
        labels = None
    targets = as_targets(labels, len(tokens), tuple(tokens.shape))
    return replace(ids(fields, padding=padding), **vars(targets))


def _steps(lead: torch.Tensor) -> tuple[int, ...]:
    """`(B, T)` of series or token ids, `()` of anything else."""
    return tuple(lead.shape[:2]) if lead.ndim == 3 or _are_ids(lead) else ()


def _are_ids(values: Any) -> bool:
    kinds = (torch.int16, torch.int32, torch.int64)
    return isinstance(values, torch.Tensor) and values.ndim == 2 and values.dtype in kinds


def _tensor(values: Any) -> Any:
    number = isinstance(values, np.ndarray) and values.dtype.kind in "biufc"
    return torch.from_numpy(values) if number else values


def _in_order(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """Ids, mask, token types, ..., also of parts in a tokenizer's order: ids, types, mask, ..."""
    if len(parts) > 2 and _is_mask(parts[2], parts[0]) and _are_ids(parts[1]):
        types, mask = parts[1], parts[2]
        if types.shape == mask.shape and not types.equal(mask) and bool((types <= mask).all()):
            return (parts[0], mask, types, *parts[3:])
    return parts


def _are_types(rest: Sequence[Any]) -> bool:
    """Whether the one part after ids and mask is of token types: each row one run of ones or none,
    not from its first token on."""
    if len(rest) != 1 or not _are_ids(rest[0]):
        return False
    types = rest[0]
    runs = types.diff(dim=1).abs().sum(1) < 3
    return bool(((types == 0) | (types == 1)).all() and runs.all() and not types[:, 0].any())


def _is_mask(values: Any, ids: Any) -> bool:
    """Whether a second tensor is an attention mask: one run of ones in each row of zeros."""
    if not _are_ids(ids) or not isinstance(values, torch.Tensor) or values.shape != ids.shape:
        return False
    steps = values.float().diff(dim=1).abs().sum(1)
    binary = (values == 0) | (values == 1)
    return bool(binary.all() and values.any(1).all() and (steps < 2).all())
