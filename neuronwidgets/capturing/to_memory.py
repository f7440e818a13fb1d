"""Keeps all rows in the CPU's memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.io import unless_all
from neuronwidgets.activations.samples import Samples
from neuronwidgets.activations.store.encode import as_tensor
from neuronwidgets.capturing.collecting import LabelCodes
from neuronwidgets.capturing.rows import HostRows, LayerRows
from neuronwidgets.capturing.tokens import TokenReader, token_ids
from neuronwidgets.core.labels import encode_labels, in_order
from neuronwidgets.data.batch import Batch
from neuronwidgets.data.records import EMPTY

_Part = tuple[LayerRows, np.ndarray]
"""Rows, and their values as `HostRows.arrive` gives them."""
MakeTokenReader = Callable[[str, Sequence[np.ndarray], Sequence[int], Samples], TokenReader | None]
"""A layer, its texts' token ids and left padding, its samples -> a reader of their tokens."""


class RowsInMemory:
    """Keeps the rows of layers, and the labels and previews of samples, which layers share.

    Args:
        layers: the layers' names.
        pooling: the pooling of the rows.
        labels: the user's labels; `None` for the data's own.
        names: the names of whole-number labels.
        codes: encodes labels of words, and tells whether the data's labels are `dropped`.
        tokens: makes the token readers.

    Attributes:
        count: samples added.
        nbytes: bytes of their values, in the layers' own dtypes until `result` makes them float32.
    """

    def __init__(
        self, layers: list[str], pooling: str, labels: Any, names: Sequence[str] | None,
        codes: LabelCodes, tokens: MakeTokenReader,
    ) -> None:  # fmt: skip
        self._pooling, self._given, self._names, self._tokens = pooling, labels, names, tokens
        self._codes, self._per_word = codes, False
        self._rows: dict[str, list[_Part]] = {name: [] for name in layers}
        self._dataset_index: list[np.ndarray] = []
        self._previews: dict[str, list[Any]] = {
            name: [] for name in ("labels", "images", "texts", "spans", "ids", "padding", "origin")
        }
        self.count = self.nbytes = 0

    def add(self, batch: Batch, dataset_index: np.ndarray, rows: list[HostRows]) -> None:
        """Add a batch, its samples' indices into the data set, and its rows of all layers."""
        for part in rows:
            self._rows[part.rows.layer].append((part.rows, part.arrive()))
            self.nbytes += part.nbytes
        self._dataset_index.append(dataset_index)
        self._per_word = self._per_word or bool(batch.words)
        columns = {
            "labels": batch.labels or [None] * batch.size,
            "images": batch.images,
            "texts": batch.texts,
            "spans": batch.spans,
            "origin": () if batch.origin is None else batch.origin.tolist(),
        } | token_ids(batch)
        for name, values in columns.items():
            self._previews[name].extend(values)
        self.count += batch.size

    def result(self, last: bool = True) -> dict[str, Activations]:
        """The activations of each layer so far, in the data's order.

        `last` frees the rows as they are assembled: call it once, at the end.
        """
        if not self.count:
            raise ValueError(EMPTY)
        # Samples may be missing, as after a stop. The others move up.
        present, rank = np.unique(np.concatenate(self._dataset_index), return_inverse=True)
        order = np.argsort(rank, kind="stable")
        previews: dict[str, Any] = {
            name: [rows[i] for i in order.tolist()] if len(rows) == self.count else []
            for name, rows in self._previews.items()
        }
        previews["origin"] = np.array(previews["origin"], np.int64) if previews["origin"] else None
        labels = None
        if self._given is not None:
            item = present if previews["origin"] is None else previews["origin"]
            labels = [self._given[i] for i in item.tolist()]
        elif not self._codes.dropped and any(label is not None for label in previews["labels"]):
            labels = previews["labels"]
        named = self._names if labels is not None else None
        coded = (None, ()) if self._per_word else encode_labels(labels, self.count, named)
        return {
            name: self._activations(name, rows, present, previews, *coded, last)
            for name, rows in self._rows.items()
        }

    def _activations(
        self,
        layer: str,
        parts: list[_Part],
        present: np.ndarray,
        previews: dict[str, Any],
        codes: np.ndarray | None,
        names: tuple[str, ...],
        last: bool,
    ) -> Activations:
        rows = [part for part, _ in parts]
        sample = np.concatenate([part.sample for part in rows])
        excluded = np.concatenate([part.excluded for part in rows])
        if not len(sample):
            reason = "every row holds NaN" if len(excluded) else "no token is left in the data"
            raise ValueError(f"layer {layer!r}: {reason}.")
        item = np.searchsorted(present, sample)
        token = None
        if rows[0].position is not None:
            token = np.concatenate([part.position for part in rows if part.position is not None])
            order = np.lexsort((token, item))
            token = token[order]
        else:
            order = np.argsort(item, kind="stable")
        item = item[order]
        if codes is not None:
            codes = codes[item]
        elif self._per_word:
            row_codes = np.concatenate([_codes(part) for part in rows])
            about = self._codes.about()
            codes, names = in_order(row_codes[order], about["names"], about["order"])
        values = _reordered([values for _, values in parts], order)
        if last:
            parts.clear()
        samples = Samples(
            len(values),
            images=previews["images"],
            texts=previews["texts"],
            spans=previews["spans"],
            item=None if token is None and len(item) == self.count else item,
            token=token,
            origin=previews["origin"],
            dataset_index=unless_all(present),
        )
        tokens = self._tokens(layer, previews["ids"], previews["padding"], samples)
        return Activations(layer, values, samples, codes, names, self._pooling, tokens, excluded)


def _codes(rows: LayerRows) -> np.ndarray:
    """The rows' label codes: int64 `N`, -1 for none."""
    return np.full(len(rows.sample), -1) if rows.code is None else rows.code


def _reordered(parts: list[np.ndarray], order: np.ndarray) -> np.ndarray:
    """`np.concatenate(parts)[order]` in float32, without a second copy of all rows."""
    rows = np.empty((len(order), parts[0].shape[1]), np.float32)
    whole = torch.from_numpy(rows)
    target = np.empty(len(order), np.int64)
    target[order] = np.arange(len(order))
    first = 0
    for part in map(as_tensor, parts):
        index = target[first : first + len(part)]
        first += len(part)
        if not len(part):
            continue
        start, stop = int(index[0]), int(index[0]) + len(part)
        if (index == np.arange(start, stop)).all():
            # Rows that stay together need no float32 copy of their own.
            whole[start:stop] = part
        else:
            whole[torch.from_numpy(index)] = part.float()
    return rows
