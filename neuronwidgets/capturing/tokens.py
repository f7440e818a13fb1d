"""Reads the tokens of samples' texts again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from neuronwidgets.activations.samples import Samples
from neuronwidgets.capturing.reader import LayerReader
from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batch import Batch

_BATCH_SIZE = 64
"""Texts per forward pass."""


def token_ids(batch: Batch) -> dict[str, Any]:
    """The columns with which a batch's texts can be read again.

    Returns:
        `ids` and `spans`, one array per text, without padding on the right, and `padding`, the
        number of padding tokens on the left. Empty if the model got further inputs.
    """
    inputs = batch.inputs
    if not batch.spans or not isinstance(inputs, dict) or batch.mask is None:
        return {}
    rest = {n: v for n, v in inputs.items() if n not in ("input_ids", "attention_mask")}
    plain = all(name == "token_type_ids" and not bool(v.any()) for name, v in rest.items())
    ids, mask = inputs.get("input_ids"), batch.mask.cpu()
    if not plain or not isinstance(ids, torch.Tensor) or ids.shape != mask.shape:
        return {}
    length = mask.shape[1]
    first = mask.int().argmax(1)
    last = length - mask.flip(1).int().argmax(1)
    if not torch.equal(mask.sum(1), last - first):
        return {}
    rows = ids.cpu().numpy().astype(np.int32)
    ends = last.tolist()
    return {
        "ids": [row[:end].copy() for row, end in zip(rows, ends, strict=True)],
        "spans": [row[:end] for row, end in zip(batch.spans, ends, strict=True)],
        "padding": first.tolist(),
    }


class TokenReader:
    """Reads the tokens of samples' texts again, in forward passes of `_BATCH_SIZE` texts.

    Args:
        reader: reads one layer.
        ids: the token ids of each text.
        padding: the padding tokens on the left of each text.
        samples: the samples of the layer.
        masked: whether the model takes an `attention_mask`.
    """

    def __init__(
        self,
        reader: LayerReader,
        ids: Sequence[np.ndarray],
        padding: Sequence[int],
        samples: Samples,
        masked: bool,
    ) -> None:
        self._reader, self._ids, self._padding, self._samples = reader, ids, padding, samples
        # Without a mask texts cannot be padded: read each alone.
        self._size, self._masked = _BATCH_SIZE if masked else 1, masked

    def __call__(self, rows: Sequence[int], direction: np.ndarray) -> list[np.ndarray]:
        """For each row, float32 `T`: the activations of its text's tokens along `direction`."""
        items = [self._samples.item_of(int(row)) for row in rows]
        distinct = sorted(set(items), key=lambda item: len(self._ids[item]))
        activations: dict[int, np.ndarray] = {}
        padding = self._reader.right_padding
        for start in range(0, len(distinct), self._size):
            several = distinct[start : start + self._size]
            batch = self._batch(several)
            for rows in padding.parts(batch, len(several)):
                part = [several[row] for row in rows]
                values = self._reader.tokens(padding.trimmed(batch.part(rows)), direction)
                activations.update(
                    (item, row[: len(self._ids[item])])
                    for item, row in zip(part, values, strict=False)
                )
        empty = np.zeros(0, np.float32)
        return [activations.get(item, empty) for item in items]

    @own_modes()
    def _batch(self, items: list[int]) -> Batch:
        texts = [self._ids[item] for item in items]
        ids = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, (text, item) in enumerate(zip(texts, items, strict=True)):
            ids[row, : len(text)] = torch.as_tensor(text.astype(np.int64))
            mask[row, self._padding[item] : len(text)] = 1
        inputs = {"input_ids": ids} | ({"attention_mask": mask} if self._masked else {})
        return Batch(inputs, len(items), mask.bool())
